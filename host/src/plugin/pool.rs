//! Instances of one plugin for one user of it: fresh for each call, or warm for a bounded number of calls.
//!
//! In comes a batch of inputs, out goes one result an input. A call that fails is made again for each input alone, so
//! that only the one to blame fails. Every limit of a call is set here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

use super::Label;
use super::engine::EPOCH;
use super::observer::{CpuTime, Observer};
use super::output::Output;
use super::sandbox::Guest;
use super::settings::Settings;
use super::words::Moment;
use crate::config::{Instances, Limits};
use crate::contract::Fault;
use crate::telemetry::{FaultKind, PluginFunction, PluginMetrics};

/// Component resources a store may hold; a plugin of ours needs none.
const MAX_HANDLES: usize = 1_000;
/// Instances kept for calls to come, and used ones kept until nobody waits for their end.
const MAX_KEPT: usize = 2;

/// One of the two worlds of `wit/`: how its components are made and called.
pub(crate) trait World: Sized + 'static {
    type Input: 'static;
    type Output: PartialEq + std::fmt::Debug + 'static;
    type Pre: Clone + 'static;
    type Bindings: 'static;

    const FUNCTION: PluginFunction;

    /// What the guest's clock and random numbers show for this input. One call has inputs of one `now` only.
    fn moment(input: &Self::Input) -> Moment;

    fn instantiate(
        pre: &Self::Pre,
        store: &mut Store<Guest>,
    ) -> impl Future<Output = wasmtime::Result<Self::Bindings>>;

    fn call(
        bindings: &Self::Bindings,
        store: &mut Store<Guest>,
        inputs: &[Self::Input],
    ) -> impl Future<Output = wasmtime::Result<Vec<Self::Output>>>;

    fn pre_engine(pre: &Self::Pre) -> &wasmtime::Engine;
}

pub(crate) struct Pool<W: World> {
    pub(super) pre: W::Pre,
    pub(super) settings: Arc<Settings>,
    pub(super) label: Arc<Label>,
    pub(super) limits: Limits,
    pub(super) instances: Instances,
    pub(super) call_twice: bool,
    pub(super) metrics: PluginMetrics,
    pub(super) kept: Kept<W>,
    /// Another version stands by for what this one fails on.
    pub(super) is_on_trial: Cell<bool>,
}

/// Instances between calls.
pub(super) struct Kept<W: World> {
    /// Made before they are wanted, or warm.
    ready: RefCell<VecDeque<Instance<W>>>,
    /// To be thrown away, which takes as long as a small call.
    spent: RefCell<Vec<Instance<W>>>,
    was_used: Cell<bool>,
}

pub(super) struct Instance<W: World> {
    pub(super) store: Store<Guest>,
    bindings: W::Bindings,
    calls_left: u32,
}

impl<W: World> Pool<W> {
    /// One result an input, in order. Never fails as a whole.
    pub(super) async fn call_batch(&self, inputs: &[W::Input]) -> Vec<Result<W::Output, Fault>> {
        match self.call_checked(inputs).await {
            Ok(outputs) => {
                outputs.iter().filter_map(|output| output.as_ref().err()).for_each(|fault| self.count(fault));
                outputs
            }
            Err(fault) if inputs.len() == 1 => {
                self.count(&fault);
                vec![Err(fault)]
            }
            // To find out which of them it was would take the same time for each.
            Err(fault @ (Fault::CpuTime(_) | Fault::WallTime(_))) if self.is_on_trial.get() => {
                inputs.iter().map(|_| Err(fault.clone()).inspect_err(|fault| self.count(fault))).collect()
            }
            Err(_) => {
                let mut outputs = Vec::with_capacity(inputs.len());
                for input in inputs {
                    outputs.push(self.call_alone(input).await.inspect_err(|fault| self.count(fault)));
                }
                outputs
            }
        }
    }

    /// Counts the fault of one event. A batch that failed is not counted: its events are called again.
    pub(super) fn count(&self, fault: &Fault) {
        if let Some(kind) = FaultKind::of(fault) {
            self.metrics.faults[kind].inc();
        }
    }

    async fn call_alone(&self, input: &W::Input) -> Result<W::Output, Fault> {
        let mut outputs = self.call_checked(std::slice::from_ref(input)).await?;
        outputs.pop().unwrap_or(Err(Fault::WrongLength { expected: 1, got: 0 }))
    }

    /// A call in an instance that is fresh or warm, and where configured a second one with the same arguments in the
    /// same instance: whoever keeps state or draws on chance answers differently.
    async fn call_checked(&self, inputs: &[W::Input]) -> Result<Vec<Result<W::Output, Fault>>, Fault> {
        self.kept.was_used.set(true);
        let kept = self.kept.ready.borrow_mut().pop_front();
        let mut instance = match kept {
            Some(instance) => instance,
            None => self.instance().await?,
        };
        let outputs = self.call_instance(&mut instance, inputs).await?;
        let outputs = if self.call_twice {
            self.observe(|observer| observer.repeats(true));
            let again = self.call_instance(&mut instance, inputs).await;
            self.observe(|observer| observer.repeats(false));
            let again = again?;
            outputs.into_iter().zip(again).map(|(first, second)| same(first, &second)).collect()
        } else {
            outputs.into_iter().map(Ok).collect()
        };
        instance.calls_left -= 1;
        self.kept.keep(instance);
        Ok(outputs)
    }

    /// Throws away what is used up and makes the instance of the next call: for when nobody waits.
    pub(super) async fn tend(&self) {
        self.kept.spent.take();
        let has_none = self.kept.ready.borrow().is_empty();
        // One that cannot be made now is made, or fails, when it is wanted.
        if has_none && let Ok(instance) = self.instance().await {
            self.kept.ready.borrow_mut().push_back(instance);
        }
    }

    /// Throws away what is kept if there was no call since this was said last.
    pub(super) fn rest(&self) {
        if !self.kept.was_used.replace(false) {
            self.kept.ready.take();
        }
    }

    pub(super) async fn instance(&self) -> Result<Instance<W>, Fault> {
        let calls = match self.instances {
            Instances::Fresh => 1,
            Instances::Warm { calls } => calls,
        };
        let mut store = self.store();
        match W::instantiate(&self.pre, &mut store).await {
            Ok(bindings) => Ok(Instance { store, bindings, calls_left: calls }),
            Err(error) => Err(self.fault(&mut store, &error)),
        }
    }

    fn store(&self) -> Store<Guest> {
        let output = Output::new(self.label.clone(), self.limits.log_lines);
        let guest = Guest::new(&self.limits, &self.settings, output);
        let mut store = Store::new(W::pre_engine(&self.pre), guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(self.limits.result_bytes);
        store.set_max_component_handles(MAX_HANDLES);
        store.set_epoch_deadline(1);
        let budget = ticks(self.limits.cpu_time);
        // Lets the neighbours run at each tick, and stops the guest when its own ticks are used up: time in which it
        // waited for its turn does not count.
        store.epoch_deadline_callback(move |mut context| {
            let guest = context.data_mut();
            guest.ticks += 1;
            Ok(if guest.ticks > budget { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
        });
        store
    }

    async fn call_instance(
        &self,
        instance: &mut Instance<W>,
        inputs: &[W::Input],
    ) -> Result<Vec<W::Output>, Fault> {
        let Instance { store, bindings, .. } = instance;
        store.data_mut().begin(W::moment(&inputs[0]));
        let (start, cpu) = (Instant::now(), self.label.observer.as_ref().map(|_| CpuTime::now()));
        let call = tokio::time::timeout(self.limits.wall_time, W::call(bindings, store, inputs));
        let answer = call.await;
        self.metrics.calls[W::FUNCTION].inc();
        self.metrics.call_duration.observe(start.elapsed());
        self.observe(|observer| {
            let cpu_time = cpu.as_ref().map(CpuTime::elapsed).unwrap_or_default();
            observer.called(cpu_time, store.data().memory_bytes());
        });
        self.metrics.log_lines_dropped.inc_by(store.data().with_output(Output::take_dropped));
        let fault = match answer {
            Ok(Ok(outputs)) if outputs.len() == inputs.len() => return Ok(outputs),
            Ok(Ok(outputs)) => Fault::WrongLength { expected: inputs.len(), got: outputs.len() },
            Ok(Err(error)) => self.fault(store, &error),
            Err(_) => Fault::WallTime(self.limits.wall_time),
        };
        Err(fault)
    }

    fn observe(&self, tell: impl FnOnce(&Observer)) {
        if let Some(observer) = &self.label.observer {
            tell(observer);
        }
    }

    /// What a failed call was. wasmtime has types for some of its errors only.
    fn fault(&self, store: &mut Store<Guest>, error: &wasmtime::Error) -> Fault {
        let text = format!("{error:#}");
        if error.downcast_ref() == Some(&wasmtime::Trap::Interrupt) {
            return Fault::CpuTime(self.limits.cpu_time);
        }
        if text.contains("fuel allocated for hostcalls has been exhausted") {
            return Fault::ResultSize(self.limits.result_bytes);
        }
        if store.data().memory.was_refused {
            return Fault::Memory(self.limits.memory_bytes);
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Fault::NoRoom;
        }
        match store.data().with_output(Output::last_words) {
            Some(last_words) => Fault::Trap(format!("{text}; the plugin said: {last_words}")),
            None => Fault::Trap(text),
        }
    }
}

impl<W: World> Kept<W> {
    fn keep(&self, instance: Instance<W>) {
        let mut ready = self.ready.borrow_mut();
        let mut spent = self.spent.borrow_mut();
        if instance.calls_left > 0 && ready.len() < MAX_KEPT {
            ready.push_back(instance);
        } else if spent.len() < MAX_KEPT {
            spent.push(instance);
        }
    }
}

impl<W: World> Default for Kept<W> {
    fn default() -> Self {
        Self { ready: RefCell::default(), spent: RefCell::default(), was_used: Cell::new(false) }
    }
}

impl<W: World> std::fmt::Debug for Pool<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("label", &self.label)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn ticks(time: Duration) -> u32 {
    time.as_millis().div_ceil(EPOCH.as_millis()).try_into().unwrap_or(u32::MAX)
}

fn same<T: PartialEq + std::fmt::Debug>(first: T, second: &T) -> Result<T, Fault> {
    if first == *second {
        return Ok(first);
    }
    let text = |value: &T| format!("{value:?}").chars().take(300).collect::<String>();
    Err(Fault::Inconsistent(format!("first {}, then {}", text(&first), text(second))))
}
