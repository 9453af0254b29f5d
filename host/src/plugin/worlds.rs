//! The two worlds of `wit/` as the pool calls them; a connector's `check` is a third way to call the same component.

use std::rc::Rc;

use bumpalo::Bump;
use wasmtime::{Engine, Store};

use super::bindings::{connector, transformer};
use super::pool::World;
use super::sandbox::Guest;
use super::words::{self, Moment};
use crate::contract::{CheckStep, Delivery, Reply, Resolution, Step, TimestampMs, Transformed};
use crate::event::Event;
use crate::telemetry::PluginFunction;

pub(super) type ConnectorPre = connector::ConnectorPluginPre<Guest>;
pub(super) type TransformerPre = transformer::TransformerPluginPre<Guest>;

/// `connector.deliver`
#[derive(Debug)]
pub(crate) struct Connectors;

impl World for Connectors {
    const FUNCTION: PluginFunction = PluginFunction::Deliver;

    type Input = Delivery;
    type Parcel = DeliveryParcel;
    type Output = Step;
    type Pre = ConnectorPre;
    type Bindings = connector::ConnectorPlugin;

    fn moment(input: &Delivery) -> Moment {
        Moment { now: input.now, seed: input.seed }
    }

    fn pack(input: &Delivery) -> DeliveryParcel {
        DeliveryParcel {
            event: (*input.event).clone(),
            attempt: input.attempt,
            now: input.now,
            seed: input.seed,
            deadline: input.deadline,
            idempotency_key: input.idempotency_key.to_string(),
            resolution: input.resolution.clone(),
            rounds: input.rounds.clone(),
        }
    }

    fn unpack(parcel: DeliveryParcel) -> Delivery {
        Delivery {
            event: Rc::new(parcel.event),
            attempt: parcel.attempt,
            now: parcel.now,
            seed: parcel.seed,
            deadline: parcel.deadline,
            idempotency_key: parcel.idempotency_key.into(),
            resolution: parcel.resolution,
            rounds: parcel.rounds,
        }
    }

    async fn instantiate(pre: &ConnectorPre, store: &mut Store<Guest>) -> wasmtime::Result<Self::Bindings> {
        pre.instantiate_async(store).await
    }

    async fn call(
        bindings: &Self::Bindings,
        store: &mut Store<Guest>,
        inputs: &[Delivery],
    ) -> wasmtime::Result<Vec<Step>> {
        let attributes: Vec<_> = inputs.iter().map(|input| words::attributes(&input.event)).collect();
        let headers: Vec<_> = inputs.iter().map(|input| words::reply_headers(&input.rounds)).collect();
        let arena = Bump::new();
        let rounds: Vec<_> = inputs
            .iter()
            .zip(&headers)
            .map(|(input, headers)| words::rounds(&input.rounds, headers, &arena))
            .collect();
        let rounds: Vec<Vec<_>> =
            rounds.iter().map(|rounds| rounds.iter().map(Vec::as_slice).collect()).collect();
        let deliveries: Vec<_> = inputs
            .iter()
            .zip(&attributes)
            .zip(&rounds)
            .map(|((input, attributes), rounds)| words::delivery(input, attributes, rounds))
            .collect();
        let steps = bindings.liaison_plugin_connector().call_deliver(store, &deliveries).await?;
        Ok(steps.into_iter().map(words::lift_step).collect())
    }

    fn pre_engine(pre: &ConnectorPre) -> &Engine {
        pre.engine()
    }
}

/// A [`Delivery`] for another thread: what its worker shares is copied.
#[derive(Debug)]
pub(crate) struct DeliveryParcel {
    event: Event,
    attempt: u32,
    now: TimestampMs,
    seed: u64,
    deadline: Option<TimestampMs>,
    idempotency_key: String,
    resolution: Option<Resolution>,
    rounds: Vec<Vec<Reply>>,
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
    type Parcel = CheckInput;
    type Output = CheckStep;
    type Pre = ConnectorPre;
    type Bindings = connector::ConnectorPlugin;

    fn moment(input: &CheckInput) -> Moment {
        Moment { now: input.now, seed: input.now }
    }

    fn pack(input: &CheckInput) -> CheckInput {
        input.clone()
    }

    fn unpack(parcel: CheckInput) -> CheckInput {
        parcel
    }

    async fn instantiate(pre: &ConnectorPre, store: &mut Store<Guest>) -> wasmtime::Result<Self::Bindings> {
        pre.instantiate_async(store).await
    }

    async fn call(
        bindings: &Self::Bindings,
        store: &mut Store<Guest>,
        inputs: &[CheckInput],
    ) -> wasmtime::Result<Vec<CheckStep>> {
        let mut steps = Vec::with_capacity(inputs.len());
        for input in inputs {
            let headers = words::reply_headers(&input.rounds);
            let arena = Bump::new();
            let rounds = words::rounds(&input.rounds, &headers, &arena);
            let rounds: Vec<_> = rounds.iter().map(Vec::as_slice).collect();
            let step =
                bindings.liaison_plugin_connector().call_check(&mut *store, input.now, &rounds).await?;
            steps.push(words::lift_check_step(step));
        }
        Ok(steps)
    }

    fn pre_engine(pre: &ConnectorPre) -> &Engine {
        pre.engine()
    }
}

/// `transformer.transform`
#[derive(Debug)]
pub(crate) struct Transformers;

impl World for Transformers {
    const FUNCTION: PluginFunction = PluginFunction::Transform;

    type Input = Rc<Event>;
    type Parcel = Event;
    type Output = Transformed;
    type Pre = TransformerPre;
    type Bindings = transformer::TransformerPlugin;

    /// A transformer is given no time, so its clock shows the event's, to the second: events of one second share a call.
    fn moment(event: &Rc<Event>) -> Moment {
        let now = event.time.unwrap_or_default() / 1_000 * 1_000;
        Moment { now, seed: now ^ event.origin.offset.unsigned_abs() }
    }

    fn pack(event: &Rc<Event>) -> Event {
        (**event).clone()
    }

    fn unpack(event: Event) -> Rc<Event> {
        Rc::new(event)
    }

    async fn instantiate(pre: &TransformerPre, store: &mut Store<Guest>) -> wasmtime::Result<Self::Bindings> {
        pre.instantiate_async(store).await
    }

    async fn call(
        bindings: &Self::Bindings,
        store: &mut Store<Guest>,
        inputs: &[Rc<Event>],
    ) -> wasmtime::Result<Vec<Transformed>> {
        let attributes: Vec<_> = inputs.iter().map(|event| words::attributes(event)).collect();
        let events: Vec<_> = inputs
            .iter()
            .zip(&attributes)
            .map(|(event, attributes)| words::event(event, attributes))
            .collect();
        let results = bindings.liaison_plugin_transformer().call_transform(store, &events).await?;
        Ok(results.into_iter().map(words::lift_transformed).collect())
    }

    fn pre_engine(pre: &TransformerPre) -> &Engine {
        pre.engine()
    }
}
