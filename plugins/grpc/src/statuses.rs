//! What a status of gRPC means: by the settings, else as usual.

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_sdk::grpc::{GrpcAnswer, STATUS_NAMES};
use liaison_sdk::outcome::{Outcome, OutcomeKind};
use serde::Deserialize;

pub(crate) const NOT_FOUND: u32 = 5;

/// What statuses mean to this external system where it differs from the usual.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, OutcomeKind>")]
pub(crate) struct Statuses(Vec<(u32, OutcomeKind)>);

impl Statuses {
    pub(crate) fn kind_of(&self, status: u32) -> Option<OutcomeKind> {
        self.0.iter().find(|(known, _)| *known == status).map(|(_, kind)| *kind)
    }
}

impl TryFrom<BTreeMap<String, OutcomeKind>> for Statuses {
    type Error = String;

    fn try_from(written: BTreeMap<String, OutcomeKind>) -> Result<Self, String> {
        let mut statuses = Vec::with_capacity(written.len());
        for (name, kind) in written {
            match (1..).zip(&STATUS_NAMES[1..]).find(|(_, known)| **known == name) {
                Some((status, _)) => statuses.push((status, kind)),
                None => {
                    return Err(format!(
                        "`{name}` is no status that tells of a failure: use {}",
                        STATUS_NAMES[1..].join(", ")
                    ));
                }
            }
        }
        Ok(Self(statuses))
    }
}

/// An answer as this kind of outcome. What it says of a wait is passed on.
pub(crate) fn outcome(kind: OutcomeKind, answer: &GrpcAnswer) -> Outcome {
    let reason = answer.summary();
    match (kind, wait(answer)) {
        (OutcomeKind::Delivered, _) => Outcome::delivered(),
        (OutcomeKind::Skipped, _) => Outcome::skipped(reason),
        (OutcomeKind::Retry, Some(after)) => Outcome::retry_after(after, reason),
        (OutcomeKind::Retry, None) => Outcome::retry(reason),
        (OutcomeKind::Throttled, after) => Outcome::throttled(after, reason),
        (OutcomeKind::Denied, _) => Outcome::denied(reason),
        (OutcomeKind::Conflict, _) => Outcome::conflict(None, None, reason),
        (OutcomeKind::Rejected, _) => Outcome::rejected(reason),
    }
}

/// `grpc-retry-pushback-ms`, by which a server says when it may be asked again (gRFC A6).
fn wait(answer: &GrpcAnswer) -> Option<Duration> {
    answer.metadata("grpc-retry-pushback-ms")?.trim().parse().ok().map(Duration::from_millis)
}
