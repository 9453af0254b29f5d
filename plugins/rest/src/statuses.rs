//! What statuses mean to an external system where it differs from the usual.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use liaison_sdk::outcome::OutcomeKind;
use serde::Deserialize;

/// By status and by class.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, OutcomeKind>")]
pub(crate) struct Statuses {
    exact: Vec<(u16, OutcomeKind)>,
    /// By the first digit.
    classes: Vec<(u16, OutcomeKind)>,
}

impl Statuses {
    /// What a status was set to mean: by itself, else by its class.
    pub(crate) fn kind_of(&self, status: u16) -> Option<OutcomeKind> {
        let find = |kinds: &[(u16, OutcomeKind)], wanted| {
            kinds.iter().find(|(known, _)| *known == wanted).map(|(_, kind)| *kind)
        };
        find(&self.exact, status).or_else(|| find(&self.classes, status / 100))
    }

    /// What this very status was set to mean, whatever its class means.
    pub(crate) fn of_status_alone(&self, status: u16) -> Option<OutcomeKind> {
        self.exact.iter().find(|(known, _)| *known == status).map(|(_, kind)| *kind)
    }

    /// True where each 2xx means that the event is delivered, as it usually does.
    pub(crate) fn is_success_delivered(&self) -> bool {
        let says_other = |kinds: &[(u16, OutcomeKind)], success: RangeInclusive<u16>| {
            kinds.iter().any(|(status, kind)| success.contains(status) && *kind != OutcomeKind::Delivered)
        };
        !says_other(&self.exact, 200..=299) && !says_other(&self.classes, 2..=2)
    }
}

impl TryFrom<BTreeMap<String, OutcomeKind>> for Statuses {
    type Error = String;

    fn try_from(written: BTreeMap<String, OutcomeKind>) -> Result<Self, String> {
        let mut statuses = Statuses::default();
        for (name, kind) in written {
            let class = name.strip_suffix("xx").and_then(|class| class.parse().ok());
            match (class, name.parse()) {
                (Some(class @ 1..=5), _) => statuses.classes.push((class, kind)),
                (_, Ok(status @ 100..=599)) => statuses.exact.push((status, kind)),
                _ => {
                    return Err(format!(
                        "`{name}` is no status: use one such as `404`, or a class such as `5xx`"
                    ));
                }
            }
        }
        Ok(statuses)
    }
}
