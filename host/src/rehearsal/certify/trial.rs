//! The trials of the conformance kit: what each does to a plugin, and which endings are right. Pure.

mod grpc;
mod reply;
mod sql;

pub(super) use self::reply::{Circumstances, ReplyTrial, WAIT, is_safe};

use super::super::case::Ending;
use crate::contract::Effect;

/// What is done to a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Trial {
    AsScripted,
    Duplicate,
    Reordered,
    Crash,
    Reply(ReplyTrial),
    Event(EventTrial),
}

/// What a request is asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Grpc,
    Sql,
}

impl Protocol {
    pub(super) fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Http(_) => Protocol::Http,
            Effect::Grpc(_) => Protocol::Grpc,
            Effect::Sql(_) => Protocol::Sql,
        }
    }
}

/// The event is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum EventTrial {
    Tombstone,
    UnknownFields,
    NonAscii,
    Large,
    NoJson,
}

pub(super) const EVENT_TRIALS: [EventTrial; 5] = [
    EventTrial::Tombstone,
    EventTrial::UnknownFields,
    EventTrial::NonAscii,
    EventTrial::Large,
    EventTrial::NoJson,
];

impl Trial {
    /// All for a plugin of this kind, in the order of the report.
    pub(super) fn all(is_connector: bool) -> Vec<Trial> {
        let mut all = vec![Trial::AsScripted, Trial::Duplicate, Trial::Reordered];
        if is_connector {
            all.push(Trial::Crash);
            all.extend(ReplyTrial::all().map(Trial::Reply));
        }
        all.extend(EVENT_TRIALS.map(Trial::Event));
        all
    }

    /// By which a case accepts other endings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Trial::AsScripted => "as-scripted",
            Trial::Duplicate => "duplicate",
            Trial::Reordered => "re-ordered",
            Trial::Crash => "crash",
            Trial::Reply(trial) => trial.name(),
            Trial::Event(EventTrial::Tombstone) => "tombstone",
            Trial::Event(EventTrial::UnknownFields) => "unknown-fields",
            Trial::Event(EventTrial::NonAscii) => "non-ascii",
            Trial::Event(EventTrial::Large) => "large-event",
            Trial::Event(EventTrial::NoJson) => "no-json",
        }
    }

    /// For a reviewer: what is done, and what is right.
    pub(super) fn about(self) -> &'static str {
        match self {
            Trial::AsScripted => "each case as it is written",
            Trial::Duplicate => "the same event again: the same requests, keys and end",
            Trial::Reordered => "other events before it, in one instance: the same end",
            Trial::Crash => "the host crashes between two steps: nothing is done twice",
            Trial::Reply(trial) => trial.about(),
            Trial::Event(EventTrial::Tombstone) => "no data: delivered, skipped or rejected",
            Trial::Event(EventTrial::UnknownFields) => "a field that nobody knows: the same end",
            Trial::Event(EventTrial::NonAscii) => "many scripts: the same end or rejected, by valid requests",
            Trial::Event(EventTrial::Large) => "1 MB of data: the same end or rejected, within the limits",
            Trial::Event(EventTrial::NoJson) => "data that is no JSON: the same end or rejected",
        }
    }
}

impl EventTrial {
    /// The endings that are right, for an event that ends like this as it is.
    pub(super) fn right_endings(self, base: Ending) -> Vec<Ending> {
        use Ending::{Conflict, Delivered, Dropped, Emitted, Rejected, Skipped};
        match self {
            EventTrial::Tombstone => vec![Delivered, Skipped, Rejected, Conflict, Emitted, Dropped],
            EventTrial::UnknownFields => vec![base],
            EventTrial::NonAscii | EventTrial::Large | EventTrial::NoJson => {
                vec![base, Rejected, Skipped, Dropped]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_trial_has_a_name_of_its_own() {
        let all = Trial::all(true);
        let names: BTreeSet<_> = all.iter().map(|trial| trial.name()).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all.len(), 4 + 19 + 9 + 5);
        assert_eq!(Trial::all(false).len(), 3 + 5);
    }
}
