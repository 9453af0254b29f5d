//! What the answers of an external system mean where it uses them in its own way: a setting such as
//! `statuses = { "404" = "skipped", "5xx" = "rejected" }`.
//!
//! One shape for all protocols: a table from a code to what it means. [`HttpStatus`] are the codes of HTTP,
//! [`GrpcStatus`] those of gRPC, and where a service makes its own, as SOAP's faults have, a code is any text.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::grpc::STATUS_NAMES;
use crate::outcome::OutcomeKind;

/// From a code to what it means; by default an [`OutcomeKind`]. What is not in it has its usual meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses<Code, Meaning = OutcomeKind>(Vec<(Code, Meaning)>);

/// A code as a setting names it.
pub trait Code: Sized + PartialEq {
    /// Reads its name.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and how it is written well.
    fn parse(name: &str) -> Result<Self, String>;
}

/// Statuses of HTTP: one, as `404`, or a class, as `5xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpStatus {
    One(u16),
    /// By the first digit.
    Class(u16),
}

/// A status of gRPC that tells of a failure, by its name, as `NOT_FOUND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcStatus(pub u32);

impl<C: Code, Meaning: Copy> Statuses<C, Meaning> {
    /// What this code was set to mean.
    pub fn meaning(&self, code: &C) -> Option<Meaning> {
        self.0.iter().find(|(known, _)| known == code).map(|(_, meaning)| *meaning)
    }
}

impl Statuses<HttpStatus> {
    /// What a status was set to mean: by itself, else by its class.
    pub fn kind_of(&self, status: u16) -> Option<OutcomeKind> {
        self.of_status_alone(status).or_else(|| self.meaning(&HttpStatus::Class(status / 100)))
    }

    /// What this very status was set to mean, whatever its class means.
    pub fn of_status_alone(&self, status: u16) -> Option<OutcomeKind> {
        self.meaning(&HttpStatus::One(status))
    }

    /// True where each 2xx means that the event is delivered, as it usually does.
    pub fn is_success_delivered(&self) -> bool {
        self.0.iter().all(|(code, kind)| match code {
            HttpStatus::One(200..=299) | HttpStatus::Class(2) => *kind == OutcomeKind::Delivered,
            HttpStatus::One(_) | HttpStatus::Class(_) => true,
        })
    }
}

impl Statuses<GrpcStatus> {
    /// What a status was set to mean.
    pub fn kind_of(&self, status: u32) -> Option<OutcomeKind> {
        self.meaning(&GrpcStatus(status))
    }
}

impl Code for HttpStatus {
    fn parse(name: &str) -> Result<Self, String> {
        let class = name.strip_suffix("xx").and_then(|class| class.parse().ok());
        match (class, name.parse()) {
            (Some(class @ 1..=5), _) => Ok(HttpStatus::Class(class)),
            (_, Ok(status @ 100..=599)) => Ok(HttpStatus::One(status)),
            _ => Err(format!("`{name}` is no status: use one such as `404`, or a class such as `5xx`")),
        }
    }
}

impl Code for GrpcStatus {
    fn parse(name: &str) -> Result<Self, String> {
        let failures = (1..).zip(&STATUS_NAMES[1..]);
        let known =
            failures.into_iter().find(|(_, known)| **known == name).map(|(status, _)| GrpcStatus(status));
        known.ok_or_else(|| {
            format!("`{name}` is no status that tells of a failure: use {}", STATUS_NAMES[1..].join(", "))
        })
    }
}

impl Code for String {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(name.to_owned())
    }
}

impl<C, Meaning> Default for Statuses<C, Meaning> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, C: Code, Meaning: Deserialize<'de>> Deserialize<'de> for Statuses<C, Meaning> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Meaning>::deserialize(deserializer)?;
        let statuses = written.into_iter().map(|(name, meaning)| Ok((C::parse(&name)?, meaning)));
        statuses.collect::<Result<_, String>>().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_status_goes_before_its_class() {
        let written = json!({ "404": "skipped", "4xx": "denied", "200": "throttled" });
        let statuses: Statuses<HttpStatus> = read(written).unwrap();
        for (status, expected) in [
            (404, Some(OutcomeKind::Skipped)),
            (400, Some(OutcomeKind::Denied)),
            (200, Some(OutcomeKind::Throttled)),
            (201, None),
            (500, None),
        ] {
            assert_eq!(statuses.kind_of(status), expected, "{status}");
        }
        assert_eq!(statuses.of_status_alone(400), None);
        for wrong in ["6xx", "0xx", "99", "600", "4x", "xx", ""] {
            let error = read::<Statuses<HttpStatus>>(json!({ wrong: "retry" })).unwrap_err();
            assert!(error.starts_with(&format!("`{wrong}` is no status: use one such as `404`")), "{error}");
        }
        let error = read::<Statuses<HttpStatus>>(json!({ "404": "ignore" })).unwrap_err();
        assert!(error.starts_with("unknown variant `ignore`"), "{error}");
    }

    #[test]
    fn a_success_may_be_something_else() {
        for (written, expected) in [
            (json!({}), true),
            (json!({ "404": "skipped", "4xx": "retry" }), true),
            (json!({ "2xx": "delivered", "204": "delivered" }), true),
            (json!({ "2xx": "retry" }), false),
            (json!({ "202": "retry" }), false),
        ] {
            let statuses: Statuses<HttpStatus> = read(written.clone()).unwrap();
            assert_eq!(statuses.is_success_delivered(), expected, "{written}");
        }
    }

    #[test]
    fn other_protocols_have_other_codes() {
        let statuses: Statuses<GrpcStatus> =
            read(json!({ "NOT_FOUND": "skipped", "UNAUTHENTICATED": "retry" })).unwrap();
        assert_eq!(
            (statuses.kind_of(5), statuses.kind_of(16)),
            (Some(OutcomeKind::Skipped), Some(OutcomeKind::Retry))
        );
        assert_eq!((statuses.kind_of(0), statuses.kind_of(3)), (None, None));
        for wrong in ["OK", "not_found", "5"] {
            let error = read::<Statuses<GrpcStatus>>(json!({ wrong: "retry" })).unwrap_err();
            assert!(error.contains("is no status that tells of a failure: use CANCELLED, "), "{error}");
        }
        let faults: Statuses<String> = read(json!({ "Client.Busy": "retry" })).unwrap();
        assert_eq!(faults.meaning(&"Client.Busy".to_owned()), Some(OutcomeKind::Retry));
        assert_eq!(faults.meaning(&"Client".to_owned()), None);
    }
}
