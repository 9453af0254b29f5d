//! What a fault means: by the settings, else as SOAP and WS-Security have it.

use std::collections::BTreeMap;

use liaison_sdk::outcome::OutcomeKind;
use serde::Deserialize;

use crate::envelope::{Fault, is_envelope};
use crate::xml::Name;

/// Namespaces of WS-Security, WS-Trust and what else there is of the kind begin with these.
const WEB_SERVICES: [&str; 2] = ["http://docs.oasis-open.org/ws", "http://schemas.xmlsoap.org/ws/"];

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
/// detail. `Stale` is that name in any namespace, `{urn:records}Stale` in that one alone.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Meaning>")]
pub(crate) struct Faults(BTreeMap<String, Meaning>);

impl Faults {
    /// The most particular name that somebody knows decides. An element of the detail is the service's own, and means what
    /// the settings say or nothing.
    pub(crate) fn meaning(&self, fault: &Fault, status: u16) -> Meaning {
        let own = fault.details.iter().chain(&fault.codes).find_map(|name| self.own(name));
        own.or_else(|| fault.codes.iter().find_map(usual)).unwrap_or_else(|| of_status(status))
    }

    fn own(&self, name: &Name) -> Option<Meaning> {
        self.0.get(&name.to_string()).or_else(|| self.0.get(&name.local)).copied()
    }
}

impl TryFrom<BTreeMap<String, Meaning>> for Faults {
    type Error = String;

    fn try_from(written: BTreeMap<String, Meaning>) -> Result<Self, String> {
        for name in written.keys().filter(|name| !name.starts_with('{')) {
            if let Some((_, local)) = name.split_once(':') {
                return Err(format!(
                    "`{name}` has a prefix, which each answer may bind to something else: write `{local}`, or \
                     `{{namespace}}{local}`"
                ));
            }
        }
        Ok(Self(written))
    }
}

/// The codes of SOAP 1.1 and 1.2, and of WS-Security 1.1, section 12. A name of the service's own namespace is none of them;
/// one without a namespace is, because many services write them so.
fn usual(code: &Name) -> Option<Meaning> {
    let namespace = code.namespace.as_str();
    let is_soap = namespace.is_empty() || is_envelope(namespace);
    let is_security = is_soap || WEB_SERVICES.iter().any(|known| namespace.starts_with(known));
    Some(match code.local.as_str() {
        "Client" | "Sender" | "VersionMismatch" | "MustUnderstand" | "DataEncodingUnknown" if is_soap => {
            Meaning::Rejected
        }
        "Server" | "Receiver" if is_soap => Meaning::Retry,
        "MessageExpired" if is_security => Meaning::Retry,
        "FailedAuthentication"
        | "InvalidSecurity"
        | "InvalidSecurityToken"
        | "SecurityTokenUnavailable"
        | "UnsupportedSecurityToken"
        | "UnsupportedAlgorithm"
        | "FailedCheck"
            if is_security =>
        {
            Meaning::Denied
        }
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

    const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
    const SECURITY: &str =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

    fn names(namespace: &str, names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::new(namespace, name)).collect()
    }

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
            for namespace in [SOAP, ""] {
                let fault = Fault { codes: names(namespace, codes), ..Fault::default() };
                assert_eq!(faults.meaning(&fault, status), expected, "{fault:?} {status}");
            }
        }
    }

    #[test]
    fn a_name_of_the_service_is_no_code_of_soap() {
        let usual = Faults::default();
        let fault = |details: Vec<Name>, mut codes: Vec<Name>| {
            codes.extend(names(SOAP, &["Server"]));
            Fault { details, codes, ..Fault::default() }
        };
        for (details, codes, expected) in [
            // A check of the service's own that failed, and a detail that tells which machine it was.
            (vec![], names("urn:records", &["FailedCheck"]), Meaning::Retry),
            (names("urn:records", &["Client"]), vec![], Meaning::Retry),
            (names("", &["FailedAuthentication"]), vec![], Meaning::Retry),
            (vec![], names("urn:records", &["Sender"]), Meaning::Retry),
            (vec![], names(SECURITY, &["FailedCheck"]), Meaning::Denied),
            (
                vec![],
                names("http://schemas.xmlsoap.org/ws/2005/02/trust", &["FailedAuthentication"]),
                Meaning::Denied,
            ),
            // What stands in the namespace of WS-Security is no code of SOAP.
            (vec![], names(SECURITY, &["Client"]), Meaning::Retry),
        ] {
            let fault = fault(details, codes);
            assert_eq!(usual.meaning(&fault, 500), expected, "{fault:?}");
        }
    }

    #[test]
    fn a_name_is_told_by_its_namespace_where_the_settings_have_one() {
        let own = r#"{ "{urn:records}Stale": "conflict", "Stale": "retry", "{urn:records}Sender.Gone": "missing" }"#;
        let faults: Faults = serde_json::from_str(own).unwrap();
        for (details, codes, expected) in [
            (names("urn:records", &["Stale"]), vec![], Meaning::Conflict),
            (names("urn:other", &["Stale"]), vec![], Meaning::Retry),
            (names("", &["Stale"]), vec![], Meaning::Retry),
            (vec![], names("urn:records", &["Sender.Gone", "Gone"]), Meaning::Missing),
            (vec![], names("urn:other", &["Sender.Gone", "Gone"]), Meaning::Rejected),
            // The detail is more particular than any code.
            (
                names("urn:records", &["Stale"]),
                names("urn:records", &["Sender.Gone", "Gone"]),
                Meaning::Conflict,
            ),
        ] {
            let fault = Fault { details, codes, ..Fault::default() };
            assert_eq!(faults.meaning(&fault, 400), expected, "{fault:?}");
        }
        let prefixed =
            serde_json::from_str::<Faults>(r#"{ "m:Stale": "conflict" }"#).unwrap_err().to_string();
        assert!(prefixed.starts_with(
            "`m:Stale` has a prefix, which each answer may bind to something else: write `Stale`"
        ));
    }
}
