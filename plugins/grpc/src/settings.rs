//! The settings of a connector that uses this plugin: read and checked once an instance.

use std::collections::BTreeMap;

use liaison_sdk::procedure::Calls;
use liaison_sdk::statuses::{GrpcStatus, Statuses};
use liaison_sdk::template::{JsonTemplate, TextTemplate, Uses};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::schema::{Method, Schema, UnknownFields};

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) calls: Calls<Call>,
    pub(crate) metadata: BTreeMap<String, TextTemplate>,
    pub(crate) unknown_fields: UnknownFields,
    pub(crate) statuses: Statuses<GrpcStatus>,
    /// The service that is written to.
    pub(crate) service: String,
    /// What a check calls, and its encoded request; nothing: the health service.
    pub(crate) check: Option<(Method, Vec<u8>)>,
}

/// One method and how its request is made; the event's data where nothing is said.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) request: Option<JsonTemplate>,
}

impl liaison_sdk::procedure::Call for Call {
    fn uses(&self) -> Uses {
        match &self.request {
            Some(request) => request.uses(),
            None => Uses { all_data: true, ..Uses::default() },
        }
    }
}

/// The settings as written, beside those of calls.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    descriptor_set: String,
    #[serde(default)]
    metadata: BTreeMap<String, TextTemplate>,
    #[serde(default)]
    unknown_fields: UnknownFields,
    #[serde(default)]
    statuses: Statuses<GrpcStatus>,
    check: Option<WrittenCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    method: String,
    request: Option<JsonTemplate>,
}

/// There is no event to make a request from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCheck {
    method: String,
    #[serde(default)]
    request: Value,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (calls, written) = Calls::<WrittenCall>::read_beside::<Written, D>(deserializer)?;
        written.checked(calls).map_err(D::Error::custom)
    }
}

impl Written {
    fn checked(self, calls: Calls<WrittenCall>) -> Result<Settings, String> {
        let schema =
            Schema::parse(&self.descriptor_set).map_err(|error| format!("descriptor-set: {error}"))?;
        let calls = calls.try_map(|key, WrittenCall { method, request }| {
            if key == "lookup" && request.is_none() {
                return Err("lookup.request: is missing: it says what to look for".to_owned());
            }
            let method = schema.method(&method).map_err(|error| format!("{key}.method: {error}"))?;
            Ok(Call { method, request })
        })?;
        let check = self.check.map(|check| check.checked(&schema)).transpose();
        Ok(Settings {
            service: calls.write.method.service().to_owned(),
            calls,
            metadata: self.metadata,
            unknown_fields: self.unknown_fields,
            statuses: self.statuses,
            check: check.map_err(|error| format!("check.{error}"))?,
        })
    }
}

impl WrittenCheck {
    fn checked(self, schema: &Schema) -> Result<(Method, Vec<u8>), String> {
        let method = schema.method(&self.method).map_err(|error| format!("method: {error}"))?;
        let request = if self.request.is_null() { Value::Object(Default::default()) } else { self.request };
        let message = method.message(&request, UnknownFields::Reject);
        Ok((method, message.map_err(|error| format!("request: {error}"))?))
    }
}
