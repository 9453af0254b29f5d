//! Instances of one plugin for one user of it: fresh for each call, or warm for a bounded number of calls.
//!
//! In comes a batch of inputs, out goes one result an input. A call that fails is made again for each input alone, so
//! that only the one to blame fails. A pool belongs to one thread.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use wasmtime::Store;

use super::Label;
use super::engine::EPOCH;
use super::interface::{Exporter, Interface};
use super::kept::{Instance, Kept};
use super::limits::{self, Outlasted};
use super::log_rate::LogRate;
use super::observer::{CpuTime, Observer};
use super::output::{Counted, Output};
use super::sandbox::Guest;
use super::settings::Settings;
use super::words::Moment;
use crate::config::{Instances, Limits};
use crate::contract::Fault;
use crate::telemetry::{FaultKind, Label as _, LogLimit, PluginFunction, PluginMetrics};

/// One function of `wit/`: what goes in, what comes out, and how it is called.
pub(crate) trait World: Sized + 'static {
    /// May have to go to another thread.
    type Input: Clone + Send + 'static;
    type Output: PartialEq + std::fmt::Debug + Send + 'static;
    /// Where its function is.
    type Exports: Interface;

    const FUNCTION: PluginFunction;

    /// What the guest's clock and random numbers show for this input. One call has inputs of one `now` only.
    fn moment(input: &Self::Input) -> Moment;

    /// Is so much to be done for this input that it goes aside at once?
    fn is_long(_: &Self::Input) -> bool {
        false
    }

    fn call(
        exports: &Self::Exports,
        store: &mut Store<Guest>,
        inputs: &[Self::Input],
    ) -> impl Future<Output = wasmtime::Result<Vec<Self::Output>>>;
}

/// What a pool is made of.
pub(crate) struct Plan<W: World> {
    pub(super) exporter: Exporter<W::Exports>,
    pub(super) settings: Arc<Settings>,
    pub(super) label: Arc<Label>,
    pub(super) limits: Limits,
    pub(super) instances: Instances,
    pub(super) stack_bytes: usize,
    pub(super) call_twice: bool,
    pub(super) metrics: PluginMetrics,
    /// Another version stands by for what this one fails on.
    pub(super) is_on_trial: Arc<AtomicBool>,
}

pub(crate) struct Pool<W: World> {
    pub(super) plan: Plan<W>,
    turns: Turns,
    log_rate: RefCell<LogRate>,
    /// That found calls running, since this was asked last.
    ticks: Cell<u32>,
    kept: Kept<W>,
}

/// How what a guest does is shared out with its neighbours on the same thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turns {
    /// A call ends within one turn, or is given up.
    One,
    /// A call lets the neighbours run after each slice.
    InSlices,
}

/// Why there are no results.
enum Ended {
    Fault(Fault),
    Outlasted(Outlasted),
}

impl<W: World> Pool<W> {
    pub(super) fn new(plan: Plan<W>, turns: Turns) -> Self {
        let log_rate = RefCell::new(LogRate::new(plan.limits.log_rate));
        Self { plan, turns, log_rate, ticks: Cell::default(), kept: Kept::default() }
    }

    /// One result an input, in order. Fails as a whole only where it has one turn and would take longer.
    pub(super) async fn call_batch(
        &self,
        inputs: &[W::Input],
    ) -> Result<Vec<Result<W::Output, Fault>>, Outlasted> {
        let outputs = match self.call_checked(inputs).await {
            Ok(outputs) => outputs,
            Err(Ended::Outlasted(outlasted)) => return Err(outlasted),
            Err(Ended::Fault(fault)) if inputs.len() == 1 => vec![Err(fault)],
            Err(Ended::Fault(_)) => self.call_each(inputs).await?,
        };
        outputs.iter().filter_map(|output| output.as_ref().err()).for_each(|fault| self.count(fault));
        Ok(outputs)
    }

    /// Counts the fault of one event. A batch that failed is not counted: its events are called again.
    pub(super) fn count(&self, fault: &Fault) {
        if let Some(kind) = FaultKind::of(fault) {
            self.plan.metrics.faults[kind].inc();
        }
    }

    pub(super) fn has_one_turn(&self) -> bool {
        self.turns == Turns::One
    }

    /// Ticks of the epoch that found a call running since this was asked last.
    pub(super) fn take_ticks(&self) -> u32 {
        self.ticks.take()
    }

    /// Each alone, so that only the one to blame fails; all of them in one turn, if there is but one. A version on trial that
    /// runs out of time on half of them, and on more than one, is not asked of the rest: it would take the same time again.
    async fn call_each(&self, inputs: &[W::Input]) -> Result<Vec<Result<W::Output, Fault>>, Outlasted> {
        let turn = self.has_one_turn().then(CpuTime::now);
        let mut outputs = Vec::with_capacity(inputs.len());
        let mut late = 0;
        for input in inputs {
            if turn.as_ref().is_some_and(|turn| turn.elapsed() > EPOCH) {
                return Err(Outlasted);
            }
            match self.call_checked(std::slice::from_ref(input)).await {
                Ok(output) => outputs.extend(output),
                Err(Ended::Fault(fault)) => {
                    late += usize::from(matches!(fault, Fault::CpuTime(_) | Fault::WallTime(_)));
                    outputs.push(Err(fault.clone()));
                    if late > 1 && late * 2 >= outputs.len() && self.plan.is_on_trial() {
                        outputs.resize_with(inputs.len(), || Err(fault.clone()));
                        break;
                    }
                }
                Err(Ended::Outlasted(outlasted)) => return Err(outlasted),
            }
        }
        Ok(outputs)
    }

    /// A call in an instance that is fresh or warm, and where configured a second one with the same arguments in the
    /// same instance: whoever keeps state or draws on chance answers differently.
    async fn call_checked(&self, inputs: &[W::Input]) -> Result<Vec<Result<W::Output, Fault>>, Ended> {
        let mut instance = match self.kept.take() {
            Some(instance) => instance,
            None => self.instance().await?,
        };
        let outputs = self.call_instance(&mut instance, inputs).await?;
        let outputs = if self.plan.call_twice {
            self.observe(|observer| observer.repeats(true));
            let again = self.call_instance(&mut instance, inputs).await;
            self.observe(|observer| observer.repeats(false));
            let again = again?;
            outputs.into_iter().zip(again).map(|(first, second)| same(first, &second)).collect()
        } else {
            outputs.into_iter().map(Ok).collect()
        };
        self.kept.keep(instance);
        Ok(outputs)
    }

    /// Throws away what is used up and makes the instance of the next call: for when nobody waits.
    pub(super) async fn tend(&self) {
        self.kept.throw_away();
        // One that cannot be made now is made, or fails, when it is wanted.
        if self.kept.is_empty()
            && let Ok(instance) = self.instance().await
        {
            self.kept.add(instance);
        }
    }

    /// Throws away what is kept if there was no call since this was said last.
    pub(super) fn rest(&self) {
        self.kept.rest();
    }

    /// For a pool that makes its calls in slices: those that are started once, to see whether they do.
    pub(super) async fn start(&self) -> Result<Instance<W>, Fault> {
        self.instance().await.map_err(|ended| match ended {
            Ended::Fault(fault) => fault,
            Ended::Outlasted(_) => Fault::CpuTime(self.plan.limits.cpu_time),
        })
    }

    async fn instance(&self) -> Result<Instance<W>, Ended> {
        let Plan { exporter, settings, label, limits, instances, metrics, .. } = &self.plan;
        let output = Output::new(label.clone(), limits);
        let guest = Guest::new(limits, self.turns, settings, output);
        let mut store = limits::store(exporter.engine(), guest, limits, self.turns);
        let log_lines_left = self.log_rate.borrow_mut().left(Instant::now());
        store.data().with_output(|output| output.refill(log_lines_left));
        let made = exporter.instantiate(&mut store).await;
        self.log_counted(&store.data().with_output(Output::take_counted));
        self.add_ticks(&store);
        match made {
            Ok(exports) => Ok(Instance::new(store, exports, *instances, &metrics.instances)),
            Err(error) => Err(self.ended(&store, &error)),
        }
    }

    async fn call_instance(
        &self,
        instance: &mut Instance<W>,
        inputs: &[W::Input],
    ) -> Result<Vec<W::Output>, Ended> {
        let Instance { store, exports, .. } = instance;
        let metrics = &self.plan.metrics;
        let (start, cpu) = (Instant::now(), self.plan.label.observer.as_ref().map(|_| CpuTime::now()));
        let log_lines_left = self.log_rate.borrow_mut().left(start);
        store.data_mut().begin(W::moment(&inputs[0]), log_lines_left);
        // Its first slice begins here: it may have been made long ago.
        store.set_epoch_deadline(1);
        let call = tokio::time::timeout(self.plan.limits.wall_time, W::call(exports, store, inputs));
        let answer = call.await;
        self.add_ticks(store);
        metrics.calls[W::FUNCTION].inc();
        metrics.call_duration.observe(start.elapsed());
        self.observe(|observer| {
            let cpu_time = cpu.as_ref().map(CpuTime::elapsed).unwrap_or_default();
            observer.called(cpu_time, store.data().memory_bytes());
        });
        self.log_counted(&store.data().with_output(Output::take_counted));
        let fault = match answer {
            Ok(Ok(_)) if store.data().host_calls.check().is_err() => {
                Fault::HostCalls(self.plan.limits.host_calls)
            }
            Ok(Ok(outputs)) if outputs.len() == inputs.len() => return Ok(outputs),
            Ok(Ok(outputs)) => Fault::WrongLength { expected: inputs.len(), got: outputs.len() },
            Ok(Err(error)) => return Err(self.ended(store, &error)),
            Err(_) => Fault::WallTime(self.plan.limits.wall_time),
        };
        Err(Ended::Fault(fault))
    }

    fn observe(&self, tell: impl FnOnce(&Observer)) {
        if let Some(observer) = &self.plan.label.observer {
            tell(observer);
        }
    }

    fn add_ticks(&self, store: &Store<Guest>) {
        self.ticks.update(|ticks| ticks.saturating_add(store.data().ticks));
    }

    fn ended(&self, store: &Store<Guest>, error: &wasmtime::Error) -> Ended {
        if error.is::<Outlasted>() {
            return Ended::Outlasted(Outlasted);
        }
        Ended::Fault(limits::fault(store, error, &self.plan.limits, self.plan.stack_bytes))
    }

    fn log_counted(&self, counted: &Counted) {
        let mut rate = self.log_rate.borrow_mut();
        rate.logged(counted.logged);
        for (limit, dropped) in LogLimit::ALL.iter().zip(counted.dropped).filter(|(_, dropped)| *dropped > 0)
        {
            self.plan.metrics.log_lines_dropped[*limit].inc_by(dropped);
            if rate.tells() {
                let (plugin, user, limit) = (&self.plan.label.plugin, &self.plan.label.user, limit.value());
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

impl<W: World> Plan<W> {
    pub(super) fn is_on_trial(&self) -> bool {
        self.is_on_trial.load(Ordering::Relaxed)
    }
}

impl<W: World> Clone for Plan<W> {
    fn clone(&self) -> Self {
        Self {
            exporter: self.exporter.clone(),
            settings: self.settings.clone(),
            label: self.label.clone(),
            metrics: self.metrics.clone(),
            is_on_trial: self.is_on_trial.clone(),
            ..*self
        }
    }
}

impl<W: World> std::fmt::Debug for Pool<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("label", &self.plan.label)
            .field("limits", &self.plan.limits)
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
