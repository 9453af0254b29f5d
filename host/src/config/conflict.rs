//! Who wins when the external system holds something newer or different, as configured.

use std::collections::BTreeMap;
use std::fmt;

/// How a conflict is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// The larger value under this JSON pointer wins; equal means already there. That of a tombstone is the event's time.
    NewestWins { version: String },
    /// The event wins.
    SourceWins,
    /// The external system wins.
    TargetWins,
    /// Each field is its owner's.
    Merge {
        owners: Owners,
        /// The JSON pointer by which the source orders its own events, if it does: an older one changes nothing.
        version: Option<String>,
    },
    /// A person decides: dead letter.
    Manual,
}

/// Whose each field of a document is: that of the longest pointer that leads to it or to what it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    /// Of the fields that none of the pointers leads to.
    pub default: Owner,
    /// By JSON pointer (RFC 6901), which goes through objects only.
    pub fields: BTreeMap<String, Owner>,
}

/// One of the two sides of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever sends the events.
    Source,
    /// The external system.
    Target,
}

impl ConflictPolicy {
    /// As it is written in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            ConflictPolicy::NewestWins { .. } => "newest-wins",
            ConflictPolicy::SourceWins => "source-wins",
            ConflictPolicy::TargetWins => "target-wins",
            ConflictPolicy::Merge { .. } => "merge",
            ConflictPolicy::Manual => "manual",
        }
    }
}

impl Owners {
    /// The owner of the field that this pointer leads to, without what others own of it.
    pub fn of(&self, pointer: &str) -> Owner {
        let leads = |field: &str| {
            pointer.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let longest =
            self.fields.iter().filter(|(field, _)| leads(field)).max_by_key(|(field, _)| field.len());
        longest.map_or(self.default, |(_, owner)| *owner)
    }

    /// Is there anything that the source may change?
    pub fn has_source(&self) -> bool {
        self.default == Owner::Source || self.fields.values().any(|owner| *owner == Owner::Source)
    }
}

impl Owner {
    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Owner::Source => "source",
            Owner::Target => "target",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pointer_that_leads_to_a_field_says_whose_it_is() {
        let fields = [("/place", Owner::Source), ("/place/room", Owner::Target), ("/p", Owner::Source)];
        let fields = fields.map(|(field, owner)| (field.to_owned(), owner)).into();
        let owners = Owners { default: Owner::Target, fields };
        for (pointer, owner) in [
            ("/place", Owner::Source),
            ("/place/room", Owner::Target),
            ("/place/room/number", Owner::Target),
            ("/place/roomy", Owner::Source),
            ("/places", Owner::Target),
            ("/p", Owner::Source),
            ("", Owner::Target),
        ] {
            assert_eq!(owners.of(pointer), owner, "{pointer}");
        }
        assert!(owners.has_source());
        assert!(!Owners { default: Owner::Target, fields: BTreeMap::new() }.has_source());
    }
}
