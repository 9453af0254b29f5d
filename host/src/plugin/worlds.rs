//! The functions of `wit/` as the pool calls them: a connector's two, and a transformer's.

use std::sync::Arc;

use bumpalo::Bump;
use wasmtime::Store;

use super::bindings::connector::exports::liaison::plugin::connector;
use super::bindings::transformer::exports::liaison::plugin::transformer;
use super::pool::World;
use super::sandbox::Guest;
use super::words::{self, Moment};
use crate::contract::{CheckStep, Delivery, Reply, Step, TimestampMs, Transformed};
use crate::event::Event;
use crate::telemetry::PluginFunction;

/// `connector.deliver`
#[derive(Debug)]
pub(crate) struct Connectors;

impl World for Connectors {
    const FUNCTION: PluginFunction = PluginFunction::Deliver;

    type Input = Box<Delivery>;
    type Output = Step;
    type Exports = connector::Guest;

    fn moment(input: &Box<Delivery>) -> Moment {
        Moment { now: input.now, seed: input.seed }
    }

    async fn call(
        connector: &connector::Guest,
        store: &mut Store<Guest>,
        inputs: &[Box<Delivery>],
    ) -> wasmtime::Result<Vec<Step>> {
        let arena = Bump::new();
        let deliveries: Vec<_> = inputs.iter().map(|input| words::delivery(input, &arena)).collect();
        let steps = connector.call_deliver(store, &deliveries).await?;
        Ok(steps.into_iter().map(words::lift_step).collect())
    }
}

/// What `check` has seen so far.
#[derive(Debug, Clone)]
pub(crate) struct CheckInput {
    pub(crate) now: TimestampMs,
    pub(crate) rounds: Vec<Vec<Reply>>,
}

/// `connector.check`
#[derive(Debug)]
pub(crate) struct Checks;

impl World for Checks {
    const FUNCTION: PluginFunction = PluginFunction::Check;

    type Input = CheckInput;
    type Output = CheckStep;
    type Exports = connector::Guest;

    fn moment(input: &CheckInput) -> Moment {
        Moment { now: input.now, seed: input.now }
    }

    async fn call(
        connector: &connector::Guest,
        store: &mut Store<Guest>,
        inputs: &[CheckInput],
    ) -> wasmtime::Result<Vec<CheckStep>> {
        let mut steps = Vec::with_capacity(inputs.len());
        let arena = Bump::new();
        for input in inputs {
            let rounds = words::rounds(&input.rounds, &arena);
            let step = connector.call_check(&mut *store, input.now, rounds).await?;
            steps.push(words::lift_check_step(step));
        }
        Ok(steps)
    }
}

/// `transformer.transform`
#[derive(Debug)]
pub(crate) struct Transformers;

impl World for Transformers {
    const FUNCTION: PluginFunction = PluginFunction::Transform;

    type Input = Arc<Event>;
    type Output = Transformed;
    type Exports = transformer::Guest;

    /// A transformer is given no time, so its clock shows the event's, to the second: events of one second share a call.
    fn moment(event: &Arc<Event>) -> Moment {
        let now = event.time.unwrap_or_default() / 1_000 * 1_000;
        Moment { now, seed: now ^ event.origin.offset.unsigned_abs() }
    }

    async fn call(
        transformer: &transformer::Guest,
        store: &mut Store<Guest>,
        inputs: &[Arc<Event>],
    ) -> wasmtime::Result<Vec<Transformed>> {
        let arena = Bump::new();
        let events: Vec<_> = inputs.iter().map(|event| words::event(event, &arena)).collect();
        let results = transformer.call_transform(store, &events).await?;
        Ok(results.into_iter().map(words::lift_transformed).collect())
    }
}
