//! The two subscriptions of a run and what is expected of their events. Pure.
//!
//! Each has a topic of its own, so that whatever names a partition names the subscription too.

use std::time::Duration;

/// What is done with the events of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subscription {
    /// In order by key, through a transformer and the shipped connector.
    Calendar,
    /// Without an order, through a connector that misbehaves where an event asks it to.
    Archive,
}

pub const SUBSCRIPTIONS: [Subscription; 2] = [Subscription::Calendar, Subscription::Archive];

/// How an event ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    DeadLetter,
}

/// What an event is like. Its identifier says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    Plain,
    /// Its timestamp is far from now.
    Jumped,
    /// The external systems reject it.
    Rejected,
    /// The hostile connector traps, or never ends.
    Trap,
    Loop,
    /// No event can be read from it, and no identifier.
    Garbled,
}

impl Subscription {
    pub fn name(self) -> &'static str {
        match self {
            Subscription::Calendar => "calendar",
            Subscription::Archive => "archive",
        }
    }

    pub fn topic(self) -> &'static str {
        match self {
            Subscription::Calendar => "chaos.calendar",
            Subscription::Archive => "chaos.archive",
        }
    }

    /// Its consumer group.
    pub fn group(self) -> &'static str {
        match self {
            Subscription::Calendar => "liaison.calendar",
            Subscription::Archive => "liaison.archive",
        }
    }

    pub fn dead_letter_topic(self) -> &'static str {
        match self {
            Subscription::Calendar => "liaison.dead-letters.calendar",
            Subscription::Archive => "liaison.dead-letters.archive",
        }
    }

    /// Whether the events of a key are delivered in their order.
    pub fn is_ordered(self) -> bool {
        match self {
            Subscription::Calendar => true,
            Subscription::Archive => false,
        }
    }

    /// How an event of this nature ends here.
    pub fn fate(self, nature: Nature) -> Fate {
        match (self, nature) {
            (_, Nature::Plain | Nature::Jumped) => Fate::Delivered,
            (_, Nature::Rejected | Nature::Garbled) => Fate::DeadLetter,
            (Subscription::Calendar, Nature::Trap | Nature::Loop) => Fate::Delivered,
            (Subscription::Archive, Nature::Trap | Nature::Loop) => Fate::DeadLetter,
        }
    }
}

impl Nature {
    const NAMED: [(Nature, &'static str); 5] = [
        (Nature::Plain, "plain"),
        (Nature::Jumped, "jumped"),
        (Nature::Rejected, "rejected"),
        (Nature::Trap, "trap"),
        (Nature::Loop, "loop"),
    ];

    /// The identifier of the event with this number; nothing is garbled.
    pub fn identifier(self, number: usize) -> Option<String> {
        let (_, name) = Self::NAMED.iter().find(|(nature, _)| *nature == self)?;
        Some(format!("{number}-{name}"))
    }

    /// What an identifier says; without one the event is garbled.
    pub fn of(identifier: Option<&str>) -> Option<Self> {
        let Some(identifier) = identifier else { return Some(Nature::Garbled) };
        let (_, name) = identifier.split_once('-')?;
        Self::NAMED.iter().find(|(_, known)| *known == name).map(|(nature, _)| *nature)
    }
}

/// How long the external systems take for an event when they are well: 20 to 180 ms, always the same.
pub fn latency(identifier: &str) -> Duration {
    let mixed = identifier.bytes().fold(7_u32, |mixed, byte| mixed.wrapping_mul(31) ^ u32::from(byte));
    Duration::from_millis(20 + u64::from(mixed % 160))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_says_what_the_event_is_like() {
        for (nature, name) in Nature::NAMED {
            assert_eq!(nature.identifier(7), Some(format!("7-{name}")));
            assert_eq!(Nature::of(Some(&format!("7-{name}"))), Some(nature));
        }
        assert_eq!(Nature::Garbled.identifier(7), None);
        assert_eq!(Nature::of(None), Some(Nature::Garbled));
        assert_eq!(Nature::of(Some("7-other")), None);
    }

    #[test]
    fn latencies_are_spread_and_stay_the_same() {
        let all: Vec<_> = (0..1_000).map(|number| latency(&format!("{number}-plain"))).collect();
        let range = Duration::from_millis(20)..Duration::from_millis(180);
        assert!(all.iter().all(|latency| range.contains(latency)));
        let mean = all.iter().sum::<Duration>() / 1_000;
        assert!((80..120).contains(&mean.as_millis()), "{mean:?}");
        assert_eq!(latency("1-plain"), latency("1-plain"));
    }
}
