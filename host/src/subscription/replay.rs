//! Runs again what a dead letter recorded, in the real plugin in its sandbox: the connector's last attempt, with the
//! recorded replies in the place of the external system, or the last call of a transformer. Nothing is sent.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::stages::{drive, transform_one};
use crate::config::mask::Mask;
use crate::contract::{Delivery, Effect, Failure, Fault, Reply};
use crate::dead_letter::recording::{Recording, Round, TransformEnd};
use crate::dead_letter::replayed::ReplayEnd;
use crate::delivery::ask::Limits;
use crate::delivery::attempt::{Known, Place, attempt};
use crate::event::Event;
use crate::plugin::{Calls, Connectors, Transformers};

/// No effect takes time, so only the plugin's own limits end it.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// What the plugin asks now, with what it is answered, and how that ends. `original` is the event before the
/// transformers.
pub(crate) async fn replay(
    calls: &Calls<Connectors>,
    limits: Limits,
    recording: &Recording,
    original: &Event,
) -> (Vec<Round>, ReplayEnd) {
    let is_unknown = Cell::new(false);
    let step = async |delivery: Box<Delivery>| {
        if is_unknown.get() {
            // It was answered something that nobody ever said: what it makes of that means nothing.
            return (delivery, Err(Fault::Nonsense("not recorded".to_owned())));
        }
        calls.call(delivery, true).await
    };
    let perform = async |_: &Delivery, effect: Effect, place: Place, _: bool| {
        let reply = recorded(recording, &effect, place).unwrap_or_else(|| {
            is_unknown.set(true);
            Reply::Failed(Failure::Other("not recorded".to_owned()))
        });
        (effect, reply)
    };
    let delivery = Box::new(recording.delivery(original.clone()));
    let until = Cell::new(Instant::now() + NEVER);
    let keep = async |_: &Delivery, _: &[Vec<Effect>]| Ok(());
    let work = attempt(delivery, Known::Nothing, &limits, &until, step, perform, keep);
    let mut ended = drive(work, |context| calls.poll(context)).await;
    let unknown = if is_unknown.get() { ended.asked.pop() } else { None };
    let again = Recording::of(&ended.delivery, &ended.asked, &ended.result, original, &Mask::default());
    let end = unknown.map_or(ReplayEnd::Ended(again.end), ReplayEnd::NotRecorded);
    (again.rounds, end)
}

/// What a transformer makes now of what it was given.
pub(crate) async fn replay_transform(calls: &Calls<Transformers>, given: Event) -> TransformEnd {
    let work = transform_one(calls, given.into(), true, 0);
    let (_, result) = drive(work, |context| calls.poll(context)).await;
    TransformEnd::of(result)
}

/// What was answered to this effect: in its place, else wherever the same was asked.
fn recorded(recording: &Recording, wanted: &Effect, place: Place) -> Option<Reply> {
    let at = |round: &Round, position: usize| {
        round.asked.get(position).filter(|effect| *effect == wanted)?;
        round.answered.get(position)?.reply()
    };
    let in_place = recording.rounds.get(place.round).and_then(|round| at(round, place.position));
    in_place.or_else(|| {
        let rounds = recording.rounds.iter();
        rounds.flat_map(|round| (0..round.asked.len()).filter_map(move |position| at(round, position))).next()
    })
}
