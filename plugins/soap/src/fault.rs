//! What a fault means: by the settings, else as SOAP and WS-Security have it.

use std::collections::BTreeMap;

use liaison_sdk::outcome::OutcomeKind;
use serde::Deserialize;

use crate::envelope::Fault;

/// What became of a call that ended in a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Meaning {
    /// What it is about is not there.
    Missing,
    Delivered,
    Skipped,
    Retry,
    Throttled,
    Denied,
    Conflict,
    Rejected,
}

/// What faults mean to this service where it differs from the usual: by code, subcode, or the name of an element of the
/// detail.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Faults(BTreeMap<String, Meaning>);

impl Faults {
    /// The most particular code that somebody knows decides.
    pub(crate) fn meaning(&self, fault: &Fault, status: u16) -> Meaning {
        let own = fault.codes.iter().find_map(|code| self.0.get(code).copied());
        own.or_else(|| fault.codes.iter().find_map(|code| usual(code))).unwrap_or_else(|| of_status(status))
    }
}

/// The codes of SOAP 1.1 and 1.2, and of WS-Security 1.1, section 12.
fn usual(code: &str) -> Option<Meaning> {
    Some(match code {
        "Client" | "Sender" | "VersionMismatch" | "MustUnderstand" | "DataEncodingUnknown" => {
            Meaning::Rejected
        }
        "Server" | "Receiver" | "MessageExpired" => Meaning::Retry,
        "FailedAuthentication"
        | "InvalidSecurity"
        | "InvalidSecurityToken"
        | "SecurityTokenUnavailable"
        | "UnsupportedSecurityToken"
        | "UnsupportedAlgorithm"
        | "FailedCheck" => Meaning::Denied,
        _ => return None,
    })
}

/// A code that nobody knows. What another attempt does not mend ends as a dead letter too, only later.
fn of_status(status: u16) -> Meaning {
    match OutcomeKind::of_status(status) {
        OutcomeKind::Denied => Meaning::Denied,
        OutcomeKind::Throttled => Meaning::Throttled,
        OutcomeKind::Conflict => Meaning::Conflict,
        OutcomeKind::Rejected if (400..500).contains(&status) => Meaning::Rejected,
        OutcomeKind::Delivered | OutcomeKind::Skipped | OutcomeKind::Retry | OutcomeKind::Rejected => {
            Meaning::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_code_decides() {
        let own = r#"{ "Client.Missing": "missing", "Stale": "conflict", "Server": "throttled", "Client.Busy": "retry" }"#;
        let faults: Faults = serde_json::from_str(own).unwrap();
        for (codes, status, expected) in [
            (&["Client.Missing.Record", "Client.Missing", "Client"][..], 500, Meaning::Missing),
            (&["Stale", "Client.Other", "Client"], 500, Meaning::Conflict),
            (&["Client.Busy", "Client"], 500, Meaning::Retry),
            (&["Client.Other", "Client"], 500, Meaning::Rejected),
            (&["Sender"], 400, Meaning::Rejected),
            (&["Server"], 500, Meaning::Throttled),
            (&["Receiver"], 500, Meaning::Retry),
            (&["FailedAuthentication", "Sender"], 500, Meaning::Denied),
            (&["FailedAuthentication"], 500, Meaning::Denied),
            (&["MustUnderstand"], 500, Meaning::Rejected),
            (&["OutOfStock"], 500, Meaning::Retry),
            (&["OutOfStock"], 400, Meaning::Rejected),
            (&["OutOfStock"], 200, Meaning::Retry),
            (&[], 401, Meaning::Denied),
            (&[], 429, Meaning::Throttled),
        ] {
            let codes = codes.iter().map(|code| (*code).to_owned()).collect();
            let fault = Fault { codes, code: String::new(), reason: String::new() };
            assert_eq!(faults.meaning(&fault, status), expected, "{fault:?} {status}");
        }
    }
}
