//! What a status of gRPC means: by the settings, else as usual.

use std::collections::BTreeMap;

use liaison_sdk::grpc::STATUS_NAMES;
use liaison_sdk::outcome::OutcomeKind;
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
