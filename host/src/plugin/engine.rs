//! The wasmtime engine: its settings, each with its reason, and the thread that moves its epoch.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often the epoch moves. A guest runs that long at most before its neighbours do.
pub(super) const EPOCH: Duration = Duration::from_millis(5);

/// What the pool must be able to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolSize {
    /// Instances alive at the same time.
    pub(crate) instances: u32,
    /// The largest memory of any one of them.
    pub(crate) memory_bytes: usize,
}

impl PoolSize {
    /// Is there room in it for what needs another?
    pub(crate) fn holds(&self, other: &PoolSize) -> bool {
        self.instances >= other.instances && self.memory_bytes >= other.memory_bytes
    }
}

pub(super) fn engine(size: PoolSize) -> wasmtime::Result<Engine> {
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
        .max_wasm_stack(512 * 1024)
        .async_stack_size(1024 * 1024)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size)));
    let engine = Engine::new(&config)?;
    tick(&engine);
    Ok(engine)
}

fn pool(size: PoolSize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(size.instances)
        .total_core_instances(size.instances * 8)
        .total_memories(size.instances * 2)
        .total_tables(size.instances * 4)
        .total_stacks(size.instances)
        .max_memory_size(size.memory_bytes)
        .max_memories_per_component(4)
        .max_tables_per_component(8)
        .table_elements(20_000)
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
