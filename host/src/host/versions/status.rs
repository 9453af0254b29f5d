//! What an operator is shown of the versions of plugins, as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::course::Course;
use super::rollout::Phase;
use crate::config::PluginName;
use crate::contract::TimestampMs;
use crate::dead_letter::header::{hex_text, time_text};
use crate::plugin::Plugin;
use crate::subscription::stages::served::{Counts, Tally, Trial};
use crate::telemetry::{Label as _, ShadowResult};

/// Digits of a digest that tell two versions apart.
const SHORT_DIGEST: usize = 12;

/// Something that went wrong with a version.
#[derive(Debug)]
pub(super) struct Happened {
    /// `None` where it was not loaded.
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) at_ms: TimestampMs,
    pub(super) why: String,
}

/// One entry a plugin, by name.
pub(super) fn json(courses: &BTreeMap<PluginName, Course>) -> Value {
    courses.iter().map(|(name, course)| (name.as_str().to_owned(), course_json(course))).collect()
}

/// The first digits of a version's digest.
pub(super) fn short(plugin: &Plugin) -> String {
    let mut digits = hex_text(&plugin.sha256);
    digits.truncate(SHORT_DIGEST);
    digits
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Shadow => "shadow",
            Phase::Canary => "canary",
            Phase::Watched => "watched",
        }
    }
}

fn course_json(course: &Course) -> Value {
    let served = course.line.borrow();
    let trial = course.trial.as_ref().zip(served.trial.as_ref());
    json!({
        "live": hex_text(&served.live.sha256),
        "candidate": trial.map(|(rollout, trial)| trial_json(rollout.phase(), trial)),
        "last_rollback": course.rolled_back.as_ref().map(happened_json),
        "last_refusal": course.refused.as_ref().map(happened_json),
    })
}

fn trial_json(phase: Phase, trial: &Trial) -> Value {
    let Counts { judged, failed } = trial.tally.counts();
    json!({
        "sha256": hex_text(&trial.plugin.sha256),
        "phase": phase.name(),
        "events": judged,
        "failed": failed,
        "first_failure": trial.tally.first_failure(),
        "shadow": shadow_json(&trial.tally),
    })
}

fn shadow_json(tally: &Tally) -> Value {
    let counts =
        ShadowResult::ALL.iter().map(|result| (result.value().to_owned(), tally.shadow_count(*result)));
    json!({ "events": counts.collect::<BTreeMap<_, _>>(), "differences": tally.differences() })
}

fn happened_json(happened: &Happened) -> Value {
    json!({
        "sha256": happened.sha256.as_ref().map(|sha256| hex_text(sha256)),
        "at": time_text(happened.at_ms),
        "why": happened.why,
    })
}
