//! What is promised for events of each type, as the host uses it.

use std::collections::BTreeMap;
use std::time::Duration;

/// The SLA of each event type.
#[derive(Debug, Clone, PartialEq)]
pub struct SlaTable {
    pub by_type: BTreeMap<String, Sla>,
    pub default: Sla,
}

impl SlaTable {
    /// The key of the table that holds for every type.
    pub const DEFAULT: &'static str = "default";

    /// The SLA of events of this type.
    pub fn of(&self, kind: &str) -> &Sla {
        self.by_type.get(kind).unwrap_or(&self.default)
    }

    /// The name under which events of this type are counted: their own if `[sla]` has it, else `default`.
    pub fn name_of<'a>(&self, kind: &'a str) -> &'a str {
        if self.by_type.contains_key(kind) { kind } else { Self::DEFAULT }
    }

    /// Every SLA with its name.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Sla)> {
        let by_type = self.by_type.iter().map(|(kind, sla)| (kind.as_str(), sla));
        by_type.chain([(Self::DEFAULT, &self.default)])
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sla {
    pub max_attempts: u32,
    pub initial_interval: Duration,
    pub multiplier: f64,
    pub max_interval: Duration,
    /// One attempt, start to close.
    pub attempt_timeout: Duration,
    /// From the record's timestamp to the settlement: an objective.
    pub deadline: Option<Duration>,
    pub objective: Objective,
    /// From the first attempt: a dead letter after that.
    pub give_up_after: Duration,
    /// Alert on a dead letter and on a missed deadline.
    pub alert: bool,
}

/// How many of the events should meet their deadline, and when it is told that too many do not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// Of all events, between 0 and 1.
    pub share: f64,
    /// Over which it is promised. In memory: it begins anew with the host.
    pub window: Duration,
    pub fast: Burn,
    pub slow: Burn,
}

/// When it is told how fast missed deadlines use up what the objective allows: in both windows faster than `rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burn {
    pub window: Duration,
    /// Tells soon that it is over.
    pub short_window: Duration,
    /// 1 uses up just what is allowed, within the objective's window.
    pub rate: f64,
}
