//! Runs what the live version of a plugin did again in a version that only shadows, and compares: on a thread of its own,
//! behind everything that delivers. Nothing is performed; what was answered then is answered again.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;

use super::behind::stand_behind;
use crate::contract::Effect;
use crate::dead_letter::recording::{End, Recording, Round, TransformEnd};
use crate::dead_letter::replayed::ReplayEnd;
use crate::dead_letter::report::{effect_text, outcome_text};
use crate::delivery::ask::Limits;
use crate::event::Event;
use crate::host::workers::run_here;
use crate::plugin::{Calls, Connectors, Plugin, PluginError, Transformers};
use crate::subscription::replay::{replay, replay_transform};
use crate::subscription::stages::served::Tally;
use crate::subscription::stages::shadow::{Done, Shadow, User, Work};
use crate::telemetry::{PluginMetrics, ShadowResult, Telemetry};

/// Starts the thread. It ends when nothing can be handed to it any more.
pub(super) fn start(plugin: Arc<Plugin>, tally: Arc<Tally>) -> std::io::Result<Shadow> {
    let (shadow, work) = Shadow::new(tally.clone());
    let run = move || {
        stand_behind();
        run_here(compare_all(plugin, work, tally));
    };
    thread::Builder::new().name("liaison-shadow".into()).spawn(run)?;
    Ok(shadow)
}

async fn compare_all(plugin: Arc<Plugin>, mut work: mpsc::Receiver<Work>, tally: Arc<Tally>) {
    let mut stage = Stage::new(plugin);
    while let Some(Work { user, original, done }) = work.recv().await {
        let compared = match done {
            Done::Attempt(recording) => stage.attempt(&user, *recording, original).await,
            Done::Transform(end) => stage.transform(&user, end, original).await,
        };
        match compared {
            Ok(Compared::Same) => {
                tally.passed();
                tally.shadowed(ShadowResult::Same);
            }
            Ok(Compared::Different(mut text)) => {
                user.mask.text(&mut text);
                tally.passed();
                tally.differs(&text);
            }
            Ok(Compared::Failed(mut text)) => {
                user.mask.text(&mut text);
                tally.failed(&text);
                tally.differs(&text);
            }
            Err(error) => tracing::error!(%error, "a version cannot shadow"),
        }
    }
}

/// What a version would have done, beside what was done.
#[derive(Debug, PartialEq, Eq)]
enum Compared {
    Same,
    Different(String),
    /// Its plugin fails where the other's did not.
    Failed(String),
}

/// The version with the callers for each of its users. What it counts nobody is shown: it is called for nobody.
struct Stage {
    plugin: Arc<Plugin>,
    metrics: PluginMetrics,
    connectors: HashMap<String, Calls<Connectors>>,
    transformers: HashMap<String, Calls<Transformers>>,
}

impl Stage {
    fn new(plugin: Arc<Plugin>) -> Self {
        let metrics = Telemetry::new().plugin(&plugin.name);
        Self { plugin, metrics, connectors: HashMap::new(), transformers: HashMap::new() }
    }

    async fn attempt(
        &mut self,
        user: &User,
        recording: Recording,
        original: Event,
    ) -> Result<Compared, PluginError> {
        if !self.connectors.contains_key(&user.name) {
            let calls = self.plugin.connector(&user.name, &user.settings, self.metrics.clone())?;
            self.connectors.insert(user.name.clone(), calls);
        }
        let calls = &self.connectors[&user.name];
        let limits = Limits::of(self.plugin.limits(), false);
        let (rounds, end) = replay(calls, limits, &recording, &original).await;
        Ok(attempts(&original.id, &recording, &rounds, &end))
    }

    async fn transform(
        &mut self,
        user: &User,
        before: TransformEnd,
        given: Event,
    ) -> Result<Compared, PluginError> {
        if !self.transformers.contains_key(&user.name) {
            let calls = self.plugin.transformer(&user.name, &user.settings, self.metrics.clone())?;
            self.transformers.insert(user.name.clone(), calls);
        }
        let id = given.id.clone();
        let now = replay_transform(&self.transformers[&user.name], given).await;
        Ok(transformations(&id, &before, &now))
    }
}

/// The first thing that differs is told.
fn attempts(id: &str, before: &Recording, rounds: &[Round], end: &ReplayEnd) -> Compared {
    let text = |what: String| format!("event {id}: {what}");
    let fails = match end {
        ReplayEnd::Ended(End::Fault(fault)) => Some(fault),
        ReplayEnd::Ended(End::Outcome(_)) | ReplayEnd::NotRecorded(_) => None,
    };
    match (fails, &before.end) {
        (Some(_), End::Fault(_)) => return Compared::Same,
        (Some(fault), End::Outcome(_)) => return Compared::Failed(text(fault.clone())),
        (None, _) => {}
    }
    let unknown = match end {
        ReplayEnd::NotRecorded(effects) => Some(effects),
        ReplayEnd::Ended(_) => None,
    };
    let asked = rounds.iter().map(|round| &round.asked).chain(unknown);
    for (number, now) in (1..).zip(asked) {
        match before.rounds.get(number - 1).map(|round| &round.asked) {
            Some(before) if before == now => {}
            Some(before) => return Compared::Different(text(calls(number, before, now))),
            None => return Compared::Different(text(calls(number, &[], now))),
        }
    }
    match end {
        ReplayEnd::Ended(end) if *end != before.end || rounds.len() != before.rounds.len() => {
            let step = |rounds: usize, end: &End| format!("step {} {}", rounds + 1, outcome_text(end));
            let (before, now) = (step(before.rounds.len(), &before.end), step(rounds.len(), end));
            Compared::Different(text(format!("{now}, and not {before}")))
        }
        ReplayEnd::Ended(_) | ReplayEnd::NotRecorded(_) => Compared::Same,
    }
}

fn calls(step: usize, before: &[Effect], now: &[Effect]) -> String {
    let list = |effects: &[Effect]| match effects {
        [] => "nothing".to_owned(),
        effects => effects.iter().map(effect_text).collect::<Vec<_>>().join(" and "),
    };
    let (before, now) = (list(before), list(now));
    if before == now {
        return format!("step {step} asks {now}, with other headers or another body");
    }
    format!("step {step} asks {now}, and not {before}")
}

fn transformations(id: &str, before: &TransformEnd, now: &TransformEnd) -> Compared {
    match (before, now) {
        (TransformEnd::Fault(_), TransformEnd::Fault(_)) => Compared::Same,
        (_, TransformEnd::Fault(fault)) => Compared::Failed(format!("event {id}: {fault}")),
        (before, now) if before == now => Compared::Same,
        (before, now) => {
            Compared::Different(format!("event {id}: it {}, and not: {}", kind(now), kind(before)))
        }
    }
}

fn kind(end: &TransformEnd) -> String {
    match end {
        TransformEnd::Emitted(events) => {
            let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
            format!("makes {} events ({})", kinds.len(), kinds.join(", "))
        }
        TransformEnd::Dropped(why) => format!("drops it ({why})"),
        TransformEnd::Rejected(why) => format!("rejects it ({why})"),
        TransformEnd::Fault(fault) => format!("fails ({fault})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Body, Failure, HttpRequest, Outcome, Receipt};
    use crate::dead_letter::recording::Answer;

    fn put(url: &str, headers: &[(&str, &str)]) -> Effect {
        Effect::from(HttpRequest {
            method: "PUT".into(),
            url: url.into(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Body::None,
            timeout: None,
            keep_body: false,
        })
    }

    fn round(url: &str) -> Round {
        Round { asked: vec![put(url, &[])], answered: vec![Answer::Failed(Failure::TimedOut)] }
    }

    fn ended(outcome: Outcome) -> ReplayEnd {
        ReplayEnd::Ended(End::Outcome(outcome))
    }

    fn fault() -> End {
        End::Fault("trapped".into())
    }

    /// One round, and this end.
    fn recording(end: End) -> Recording {
        Recording {
            attempt: 1,
            now_ms: 0,
            seed: 0,
            deadline_ms: None,
            idempotency_key: "key".into(),
            resolution: None,
            reshaped: None,
            rounds: vec![round("/a")],
            end,
            is_struck: false,
        }
    }

    #[test]
    fn the_first_thing_that_differs_is_told() {
        let delivered = || Outcome::Delivered(Receipt::default());
        let before = recording(End::Outcome(delivered()));
        let different = |text: &str| Compared::Different(format!("event e-1: {text}"));
        for (rounds, end, expected) in [
            (vec![round("/a")], ended(delivered()), Compared::Same),
            (
                vec![],
                ReplayEnd::NotRecorded(vec![put("/b", &[])]),
                different("step 1 asks PUT /b with no body, and not PUT /a with no body"),
            ),
            (
                vec![],
                ReplayEnd::NotRecorded(vec![put("/a", &[("x", "1")])]),
                different("step 1 asks PUT /a with no body, with other headers or another body"),
            ),
            (
                vec![round("/a")],
                ReplayEnd::NotRecorded(vec![put("/b", &[])]),
                different("step 2 asks PUT /b with no body, and not nothing"),
            ),
            (
                vec![round("/a")],
                ended(Outcome::Rejected("no".into())),
                different("step 2 ends: rejected: no, and not step 2 ends: delivered"),
            ),
            (vec![], ended(delivered()), different("step 1 ends: delivered, and not step 2 ends: delivered")),
            (vec![], ReplayEnd::Ended(fault()), Compared::Failed("event e-1: trapped".into())),
        ] {
            assert_eq!(attempts("e-1", &before, &rounds, &end), expected, "{end:?}");
        }
        let failed_before = recording(fault());
        assert_eq!(attempts("e-1", &failed_before, &[], &ReplayEnd::Ended(fault())), Compared::Same);
    }

    #[test]
    fn what_a_transformer_makes_is_told_by_its_kind() {
        let (dropped, rejected) = (TransformEnd::Dropped("old".into()), TransformEnd::Rejected("bad".into()));
        let fault = TransformEnd::Fault("trapped".into());
        assert_eq!(transformations("e-1", &dropped, &dropped), Compared::Same);
        assert_eq!(
            transformations("e-1", &dropped, &rejected),
            Compared::Different("event e-1: it rejects it (bad), and not: drops it (old)".into())
        );
        assert_eq!(transformations("e-1", &dropped, &fault), Compared::Failed("event e-1: trapped".into()));
        assert_eq!(transformations("e-1", &fault, &fault), Compared::Same);
    }
}
