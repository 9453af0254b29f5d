//! Where and why an event became a dead letter: the words, and their names in headers, logs and metrics.

use crate::contract;

/// Which stage gave the event up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading the record as an event.
    Decode,
    /// The subscription's filter.
    Filter,
    /// A transformer.
    Transform,
    /// The connector.
    Deliver,
}

/// Why the event was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The record is no event.
    Undecodable,
    /// The filter could not be evaluated on it.
    FilterFailed,
    /// A transformer said that it can never be transformed.
    TransformRejected,
    /// The connector said that it will never succeed.
    Rejected,
    /// `max-attempts` are used up.
    AttemptsSpent,
    /// `give-up-after` has passed.
    GaveUp,
    /// The external system holds something else, and the policy leaves it to a person.
    Conflict,
    /// A plugin failed on it again and again.
    Fault(Fault),
}

/// How a plugin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    Trap,
    TimedOut,
    Memory,
    /// It met another limit, which the message names.
    Limit,
    /// What it answered breaks the contract.
    Answer,
}

impl Fault {
    /// The kind that a plugin's fault is of.
    pub fn of(fault: &contract::Fault) -> Fault {
        match fault {
            contract::Fault::Trap(_) | contract::Fault::NoRoom | contract::Fault::Unwritten(_) => Fault::Trap,
            contract::Fault::CpuTime(_) | contract::Fault::WallTime(_) => Fault::TimedOut,
            contract::Fault::Memory(_) => Fault::Memory,
            contract::Fault::Stack(_)
            | contract::Fault::TableElements(_)
            | contract::Fault::Handles(_)
            | contract::Fault::HostCalls(_)
            | contract::Fault::ResultSize(_)
            | contract::Fault::Steps(_)
            | contract::Fault::Effects { .. }
            | contract::Fault::RequestHead { .. }
            | contract::Fault::RequestBody { .. } => Fault::Limit,
            contract::Fault::WrongLength { .. }
            | contract::Fault::Inconsistent(_)
            | contract::Fault::Nonsense(_)
            | contract::Fault::Changed(_) => Fault::Answer,
        }
    }
}

impl Stage {
    pub const ALL: [Stage; 4] = [Stage::Decode, Stage::Filter, Stage::Transform, Stage::Deliver];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Filter => "filter",
            Stage::Transform => "transform",
            Stage::Deliver => "deliver",
        }
    }

    /// The nearest stage of Kafka Connect, whose tools know no others.
    pub fn connect_name(self) -> &'static str {
        match self {
            Stage::Decode => "VALUE_CONVERTER",
            Stage::Filter | Stage::Transform => "TRANSFORMATION",
            Stage::Deliver => "TASK_PUT",
        }
    }

    /// The stage of this name.
    pub fn named(name: &str) -> Option<Stage> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl Reason {
    pub const ALL: [Reason; 12] = [
        Reason::Undecodable,
        Reason::FilterFailed,
        Reason::TransformRejected,
        Reason::Rejected,
        Reason::AttemptsSpent,
        Reason::GaveUp,
        Reason::Conflict,
        Reason::Fault(Fault::Trap),
        Reason::Fault(Fault::TimedOut),
        Reason::Fault(Fault::Memory),
        Reason::Fault(Fault::Limit),
        Reason::Fault(Fault::Answer),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Undecodable => "undecodable",
            Reason::FilterFailed => "filter-failed",
            Reason::TransformRejected => "transform-rejected",
            Reason::Rejected => "rejected",
            Reason::AttemptsSpent => "attempts-spent",
            Reason::GaveUp => "gave-up",
            Reason::Conflict => "conflict",
            Reason::Fault(Fault::Trap) => "fault-trap",
            Reason::Fault(Fault::TimedOut) => "fault-timed-out",
            Reason::Fault(Fault::Memory) => "fault-memory",
            Reason::Fault(Fault::Limit) => "fault-limit",
            Reason::Fault(Fault::Answer) => "fault-answer",
        }
    }

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Reason> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// What happened, in one sentence for a person.
    pub fn meaning(self) -> &'static str {
        match self {
            Reason::Undecodable => "The record could not be read as an event.",
            Reason::FilterFailed => "The subscription's filter failed on this event.",
            Reason::TransformRejected => "A transformer said that this event can never be transformed.",
            Reason::Rejected => "The connector said that this event will never be accepted.",
            Reason::AttemptsSpent => "Every attempt that the SLA allows has failed.",
            Reason::GaveUp => "It did not succeed within the SLA's give-up-after.",
            Reason::Conflict => {
                "The external system holds something else, and the conflict policy leaves the decision to you."
            }
            Reason::Fault(Fault::Trap) => "The plugin crashed on this event, with fresh instances too.",
            Reason::Fault(Fault::TimedOut) => "The plugin used up its time on this event, again and again.",
            Reason::Fault(Fault::Memory) => "The plugin used up its memory on this event, again and again.",
            Reason::Fault(Fault::Limit) => "The plugin met one of its limits on this event, again and again.",
            Reason::Fault(Fault::Answer) => "What the plugin answered for this event breaks the contract.",
        }
    }

    /// What a person can do about it.
    pub fn what_to_do(self) -> &'static str {
        match self {
            Reason::Undecodable => {
                "Mend the producer: the message above says what is missing. Redriven as it is, it fails again: produce \
                 the event anew, then discard this one."
            }
            Reason::FilterFailed => {
                "Mend the subscription's `filter` so that it holds for events like this one, then redrive it."
            }
            Reason::TransformRejected => {
                "Mend the transformer or its settings, then redrive it; or discard it if the event is wrong."
            }
            Reason::Rejected => {
                "Look at the external system's answer above. Mend the event's source, the connector's settings or \
                 the external system, then redrive it; or discard it. A mended plugin shows by `replay --plugin` what it \
                 would do."
            }
            Reason::AttemptsSpent => {
                "See the last attempts above. When the external system takes events again, redrive it. If this \
                 happens in ordinary outages, raise `max-attempts` or `max-interval` of the SLA."
            }
            Reason::GaveUp => {
                "When the external system takes events again, redrive it. If outages may last this long, raise \
                 `give-up-after` of the SLA."
            }
            Reason::Conflict => {
                "Compare both sides and `resolve` it: `source` writes the event over the version shown above, `target` \
                 keeps what is there, and a file writes what you make of both. What has changed since is never \
                 overwritten: you are asked again. A redrive leaves it to the policy once more."
            }
            Reason::Fault(Fault::Trap | Fault::Answer) => {
                "Give this dead letter (`show --json`) to the plugin's author, who can replay it: it is a mistake in \
                 the plugin. Redrive it when the plugin is mended."
            }
            Reason::Fault(Fault::TimedOut) => {
                "Give this dead letter (`show --json`) to the plugin's author, who can replay it, or raise the \
                 plugin's `cpu-time`; then redrive it."
            }
            Reason::Fault(Fault::Memory) => {
                "Give this dead letter (`show --json`) to the plugin's author, who can replay it, or raise the \
                 plugin's `memory`; then redrive it."
            }
            Reason::Fault(Fault::Limit) => {
                "Give this dead letter (`show --json`) to the plugin's author, who can replay it, or raise the limit \
                 that the message above names; then redrive it."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.name()), Some(reason));
        }
        assert_eq!(Reason::named("Rejected"), None);
    }

    #[test]
    fn every_name_leads_back_to_its_stage() {
        for stage in Stage::ALL {
            assert_eq!(Stage::named(stage.name()), Some(stage));
        }
        assert_eq!(Stage::named("TASK_PUT"), None);
    }
}
