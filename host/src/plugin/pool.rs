//! Instances of one plugin for one user of it: fresh for each call, or warm for a bounded number of calls.
//!
//! In comes a batch of inputs, out goes one result an input. A call that fails is made again for each input alone, so
//! that only the one to blame fails. Every limit of a call is set here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use wasmtime::Store;

use super::Label;
use super::limits;
use super::log_rate::LogRate;
use super::observer::{CpuTime, Observer};
use super::output::{Counted, Output};
use super::sandbox::Guest;
use super::settings::Settings;
use super::words::Moment;
use crate::config::{Instances, Limits};
use crate::contract::Fault;
use crate::telemetry::{FaultKind, Label as _, LogLimit, PluginFunction, PluginMetrics};

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
    pub(super) stack_bytes: usize,
    pub(super) call_twice: bool,
    pub(super) metrics: PluginMetrics,
    pub(super) log_rate: RefCell<LogRate>,
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
    _counted: Alive,
}

/// Is counted as long as it is there.
struct Alive(Gauge);

impl Alive {
    fn new(instances: &Gauge) -> Self {
        instances.inc();
        Self(instances.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.dec();
    }
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
        let output = Output::new(self.label.clone(), &self.limits);
        let guest = Guest::new(&self.limits, &self.settings, output);
        let mut store = limits::store(W::pre_engine(&self.pre), guest, &self.limits);
        match W::instantiate(&self.pre, &mut store).await {
            Ok(bindings) => {
                let _counted = Alive::new(&self.metrics.instances);
                Ok(Instance { store, bindings, calls_left: calls, _counted })
            }
            Err(error) => Err(self.fault(&store, &error)),
        }
    }

    async fn call_instance(
        &self,
        instance: &mut Instance<W>,
        inputs: &[W::Input],
    ) -> Result<Vec<W::Output>, Fault> {
        let Instance { store, bindings, .. } = instance;
        let (start, cpu) = (Instant::now(), self.label.observer.as_ref().map(|_| CpuTime::now()));
        let log_lines_left = self.log_rate.borrow_mut().left(start);
        store.data_mut().begin(W::moment(&inputs[0]), log_lines_left);
        let call = tokio::time::timeout(self.limits.wall_time, W::call(bindings, store, inputs));
        let answer = call.await;
        self.metrics.calls[W::FUNCTION].inc();
        self.metrics.call_duration.observe(start.elapsed());
        self.observe(|observer| {
            let cpu_time = cpu.as_ref().map(CpuTime::elapsed).unwrap_or_default();
            observer.called(cpu_time, store.data().memory_bytes());
        });
        self.log_counted(&store.data().with_output(Output::take_counted));
        let fault = match answer {
            Ok(Ok(_)) if store.data().host_calls.check().is_err() => Fault::HostCalls(self.limits.host_calls),
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

    fn fault(&self, store: &Store<Guest>, error: &wasmtime::Error) -> Fault {
        limits::fault(store, error, &self.limits, self.stack_bytes)
    }

    fn log_counted(&self, counted: &Counted) {
        let mut rate = self.log_rate.borrow_mut();
        rate.logged(counted.logged);
        for (limit, dropped) in LogLimit::ALL.iter().zip(counted.dropped).filter(|(_, dropped)| *dropped > 0)
        {
            self.metrics.log_lines_dropped[*limit].inc_by(dropped);
            if rate.tells() {
                let (plugin, user, limit) = (&self.label.plugin, &self.label.user, limit.value());
                tracing::warn!(
                    plugin,
                    user,
                    dropped,
                    "log lines are dropped: more than limits.{limit} allows"
                );
            }
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

fn same<T: PartialEq + std::fmt::Debug>(first: T, second: &T) -> Result<T, Fault> {
    if first == *second {
        return Ok(first);
    }
    let text = |value: &T| format!("{value:?}").chars().take(300).collect::<String>();
    Err(Fault::Inconsistent(format!("first {}, then {}", text(&first), text(second))))
}
