//! What a guest can see: frozen clock, seeded random numbers, its settings, a place to log; and the memory it may have.
//!
//! WASI 0.2 is linked for the guests' standard libraries and has no capability: no files, no environment, no arguments,
//! every socket and every name is refused, and whoever sleeps is stopped.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _, TryRng};
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi::p2::bindings as wasi;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::bindings::connector::wasi::{config::store, logging::logging};
use super::bounds::{HostCalls, MemoryLimit};
use super::engine::EPOCH;
use super::observer::CpuTime;
use super::output::Output;
use super::pool::Turns;
use super::settings::Settings;
use super::words::Moment;
use crate::config::Limits;

/// The longest `wasi:random` answer, in bytes.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// The data of a store: all that belongs to one instance.
pub(crate) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    settings: Arc<Settings>,
    output: Arc<Mutex<Output>>,
    shown: Arc<Shown>,
    pub(super) memory: MemoryLimit,
    pub(super) host_calls: HostCalls,
    /// Ticks of the epoch that found the present call running.
    pub(super) ticks: u32,
    /// Since the first of them.
    since_tick: Option<CpuTime>,
}

impl Guest {
    pub(super) fn new(limits: &Limits, turns: Turns, settings: &Arc<Settings>, output: Output) -> Self {
        let output = Arc::new(Mutex::new(output));
        let shown = Arc::new(Shown::default());
        let wasi = WasiCtxBuilder::new()
            .wall_clock(FrozenWallClock(shown.clone()))
            .monotonic_clock(FrozenMonotonicClock)
            .secure_random(CallRandom::new(shown.clone()))
            .insecure_random(CallRandom::new(shown.clone()))
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .stdout(super::output::Stream(output.clone()))
            .stderr(super::output::Stream(output.clone()))
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let (memory, host_calls) = (MemoryLimit::new(limits, turns), HostCalls::new(limits.host_calls));
        Self {
            wasi,
            table,
            settings: settings.clone(),
            output,
            shown,
            memory,
            host_calls,
            ticks: 0,
            since_tick: None,
        }
    }

    /// A new call begins. What came before it in this instance shows in neither clock nor random numbers.
    pub(super) fn begin(&mut self, moment: Moment, log_lines_left: u32) {
        (self.ticks, self.since_tick) = (0, None);
        self.memory.begin();
        self.host_calls.refill();
        self.shown.begin(moment);
        self.with_output(|output| output.refill(log_lines_left));
    }

    /// Asked at each tick: whether the call has computed for most of a slice since the first one. A thread that was kept
    /// from running sees ticks too.
    pub(super) fn has_had_its_turn(&mut self) -> bool {
        match &self.since_tick {
            Some(since) => since.elapsed() > EPOCH / 2,
            None => {
                self.since_tick = Some(CpuTime::now());
                false
            }
        }
    }

    /// What memories and tables take now, in bytes: they only grow.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.used_bytes()
    }

    pub(super) fn with_output<R>(&self, act: impl FnOnce(&mut Output) -> R) -> R {
        act(&mut self.output.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WasiView for Guest {
    /// Every function of WASI asks for this once.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host_calls.count();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl logging::Host for Guest {
    fn log(&mut self, level: logging::Level, context: String, message: String) -> wasmtime::Result<()> {
        self.host_calls.take()?;
        self.with_output(|output| output.log(level, &context, &message));
        Ok(())
    }
}

impl store::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        self.host_calls.take()?;
        Ok(Ok(self.settings.get(&key).map(str::to_owned)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        self.host_calls.take()?;
        Ok(Ok(self.settings.all().to_vec()))
    }
}

/// What clock and random numbers show in the present call; before the first one, the same in every instance.
#[derive(Default)]
struct Shown {
    now_ms: AtomicU64,
    seed: AtomicU64,
    calls: AtomicU64,
}

impl Shown {
    fn begin(&self, moment: Moment) {
        self.now_ms.store(moment.now, Ordering::Relaxed);
        self.seed.store(moment.seed, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Random numbers that begin anew with each call, from its seed.
struct CallRandom {
    shown: Arc<Shown>,
    /// The call they belong to; made when the first is drawn, which few plugins do.
    of_call: Option<(u64, StdRng)>,
}

impl CallRandom {
    fn new(shown: Arc<Shown>) -> Self {
        Self { shown, of_call: None }
    }

    fn of_call(&mut self) -> &mut StdRng {
        let call = self.shown.calls.load(Ordering::Relaxed);
        if self.of_call.as_ref().is_some_and(|(of, _)| *of != call) {
            self.of_call = None;
        }
        let seed = self.shown.seed.load(Ordering::Relaxed);
        &mut self.of_call.get_or_insert_with(|| (call, StdRng::seed_from_u64(seed))).1
    }
}

impl TryRng for CallRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.of_call().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.of_call().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.of_call().fill_bytes(bytes);
        Ok(())
    }
}

/// Moves between calls only.
struct FrozenWallClock(Arc<Shown>);

impl HostWallClock for FrozenWallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms.load(Ordering::Relaxed))
    }
}

struct FrozenMonotonicClock;

impl HostMonotonicClock for FrozenMonotonicClock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// Everything a component of either world may import.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    logging::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    store::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    linker.allow_shadowing(true);
    refuse_sleep(&mut linker)?;
    seed_hashes(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Hash tables grow from the seed of the call that makes the first one.
fn seed_hashes(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.instance("wasi:random/insecure-seed@0.2.12")?.func_wrap(
        "insecure-seed",
        |mut context: StoreContextMut<'_, Guest>, (): ()| -> wasmtime::Result<((u64, u64),)> {
            context.data_mut().host_calls.take()?;
            let seed = context.data().shown.seed.load(Ordering::Relaxed);
            Ok(((seed, seed),))
        },
    )
}

/// A guest's time is CPU time: it must not wait for a clock.
fn refuse_sleep(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    type Pollable = Resource<wasi::io::poll::Pollable>;
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.2.12")?;
    for function in ["subscribe-instant", "subscribe-duration"] {
        clock.func_wrap(
            function,
            |_: StoreContextMut<'_, Guest>, (_,): (u64,)| -> wasmtime::Result<(Pollable,)> {
                wasmtime::bail!("a plugin may not sleep: answer `retry` and let the host wait")
            },
        )?;
    }
    Ok(())
}

/// Interfaces a component may import, and what stands behind each: nothing that reaches out. Versions are left to the
/// linker. Sockets are among them because Python's standard library imports them, used or not.
const IMPORTS: [(&str, &str); 9] = [
    ("wasi:io/", "streams: only standard output leads anywhere"),
    ("wasi:cli/", "no arguments, no environment; output goes to the log"),
    ("wasi:clocks/", "a clock that stands still; sleeping is refused"),
    ("wasi:random/", "random numbers from the seed of the call"),
    ("wasi:filesystem/", "no folder"),
    ("wasi:sockets/", "every address and name is refused"),
    ("wasi:logging/logging@", "the host's log"),
    ("wasi:config/store@", "the plugin's settings"),
    ("liaison:plugin/", "words of the contract"),
];

/// What an import is linked to; `None` for one that no plugin may have.
pub(super) fn link(import: &str) -> Option<&'static str> {
    IMPORTS.iter().find(|(known, _)| import.starts_with(known)).map(|(_, link)| *link)
}
