//! The wasmtime engine: its settings, each with its reason, and the thread that moves its epoch.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::{Limits, Runtime};

/// How often the epoch moves. A guest runs for one or two of these at most before its neighbours do.
pub(super) const EPOCH: Duration = Duration::from_millis(5);

/// What compilers make of Python is the largest there is: about 8,000 elements. A plugin that wants less than this and more
/// than its own limit is told which limit that is.
const LEAST_TABLE_ELEMENTS: usize = 100_000;
/// Memories that an instance has on average. One component may have more.
const MEMORIES_AN_INSTANCE: u32 = 2;
/// The same of tables.
const TABLES_AN_INSTANCE: u32 = 4;
/// The same of core instances: adapters and shims each are one, and Python has 14.
const CORES_AN_INSTANCE: u32 = 64;
/// What the host's own functions may use of the stack that a guest calls them on.
const HOST_STACK_BYTES: usize = 512 * 1024;

/// What the pool must be able to hold: it follows from the limits of the plugins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolSize {
    /// Instances alive at the same time.
    instances: u32,
    /// The largest memory of any one of them.
    memory_bytes: usize,
    /// The most elements of any table.
    table_elements: usize,
}

impl PoolSize {
    /// For so many instances of plugins with these limits. More than the address space has room for are not to be had:
    /// a call that finds none free is made again.
    pub(crate) fn new<'a>(instances: u32, limits: impl IntoIterator<Item = &'a Limits>) -> Self {
        let size = Self {
            instances: instances.min(Runtime::MAX_INSTANCES),
            memory_bytes: 0,
            table_elements: LEAST_TABLE_ELEMENTS,
        };
        limits.into_iter().fold(size, |size, limits| Self {
            memory_bytes: size.memory_bytes.max(limits.memory_bytes),
            table_elements: size.table_elements.max(limits.table_elements),
            ..size
        })
    }

    /// The same with room for at least so many instances.
    pub(crate) fn at_least(self, instances: u32) -> Self {
        Self { instances: self.instances.max(instances), ..self }
    }

    /// With half as much room again.
    pub(crate) fn and_a_half(self) -> Self {
        let instances = self.instances.saturating_add(self.instances / 2).min(Runtime::MAX_INSTANCES);
        Self { instances, ..self }
    }

    /// Is there room in it for what needs another?
    pub(crate) fn holds(&self, other: &PoolSize) -> bool {
        self.instances >= other.instances
            && self.memory_bytes >= other.memory_bytes
            && self.table_elements >= other.table_elements
    }
}

pub(super) fn engine(size: PoolSize, stack_bytes: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        // The features are compiled in, because builds without them abort on some inputs (GHSA-rc4p, GHSA-2674).
        .wasm_threads(false)
        .gc_support(false)
        // Costs a small call two to four times its price, and nothing here is concurrent within a store.
        .concurrency_support(false)
        .epoch_interruption(true)
        // A trap's own text and the guest's last words are what an author needs; a backtrace of each costs more.
        .wasm_backtrace_max_frames(None)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes + HOST_STACK_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size)));
    let engine = Engine::new(&config)?;
    tick(&engine);
    Ok(engine)
}

fn pool(size: PoolSize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(size.instances)
        .total_core_instances(size.instances.saturating_mul(CORES_AN_INSTANCE))
        // So many are there for each, so that no plugin takes those of others.
        .max_core_instances_per_component(CORES_AN_INSTANCE)
        .total_memories(size.instances * MEMORIES_AN_INSTANCE)
        .total_tables(size.instances * TABLES_AN_INSTANCE)
        .total_stacks(size.instances)
        .max_memory_size(size.memory_bytes)
        .max_memories_per_component(4)
        .max_tables_per_component(8)
        .table_elements(size.table_elements)
        .max_component_instance_size(10 * 1024 * 1024)
        .max_core_instance_size(1024 * 1024)
        // About what a small Rust guest touches for a batch of a hundred events: to clear it costs a fraction of
        // mapping it again, page by page.
        .linear_memory_keep_resident(512 * 1024)
        .table_keep_resident(16 * 1024)
        .async_stack_keep_resident(32 * 1024);
    pool
}

/// An OS thread moves the epoch, because a spinning guest could starve a task that does. It ends with the engine.
fn tick(engine: &Engine) {
    let weak = engine.weak();
    let ticker = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::park_timeout(EPOCH);
        }
    };
    thread::Builder::new()
        .name("liaison-epoch".into())
        .spawn(ticker)
        .expect("a process that cannot start one thread cannot start at all");
}
