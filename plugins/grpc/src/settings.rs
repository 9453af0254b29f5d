//! The settings of a connector that uses this plugin: read and checked once an instance.

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_sdk::failure::Failure;
use liaison_sdk::procedure::{Plan, Role, When};
use liaison_sdk::template::{JsonTemplate, TextTemplate};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::schema::{Method, Schema, UnknownFields};
use crate::statuses::Statuses;

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) plan: Plan,
    write: Call,
    create: Option<Call>,
    delete: Option<Call>,
    lookup: Option<Call>,
    types: BTreeMap<String, Call>,
    pub(crate) metadata: BTreeMap<String, TextTemplate>,
    pub(crate) unknown_fields: UnknownFields,
    pub(crate) statuses: Statuses,
    pub(crate) timeout: Option<Duration>,
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

impl Settings {
    /// The call that this is done by, for events of this type.
    pub(crate) fn call(&self, role: Role, kind: &str) -> Result<&Call, Failure> {
        match role {
            Role::Lookup => Ok(self.lookup.as_ref().unwrap_or(&self.write)),
            Role::Create => Ok(self.create.as_ref().unwrap_or(&self.write)),
            Role::Write => Ok(self.types.get(kind).unwrap_or(&self.write)),
            Role::Delete => self.delete.as_ref().ok_or_else(|| {
                Failure::Event(
                    "the event deletes, and the settings have no `delete` to call for that".to_owned(),
                )
            }),
        }
    }
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    descriptor_set: String,
    write: WrittenCall,
    create: Option<WrittenCall>,
    delete: Option<WrittenCall>,
    #[serde(default)]
    deletes: Vec<String>,
    #[serde(default)]
    types: BTreeMap<String, WrittenCall>,
    lookup: Option<WrittenLookup>,
    version: Option<String>,
    etag: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, TextTemplate>,
    #[serde(default)]
    unknown_fields: UnknownFields,
    #[serde(default)]
    statuses: Statuses,
    timeout_ms: Option<u64>,
    check: Option<WrittenCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    method: String,
    request: Option<JsonTemplate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLookup {
    method: String,
    request: JsonTemplate,
    #[serde(default)]
    current: String,
    #[serde(default)]
    when: When,
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
        Written::deserialize(deserializer)?.checked().map_err(D::Error::custom)
    }
}

impl Written {
    fn checked(self) -> Result<Settings, String> {
        let schema =
            Schema::parse(&self.descriptor_set).map_err(|error| format!("descriptor-set: {error}"))?;
        let call = |key: &str, written: WrittenCall| {
            let method = schema.method(&written.method).map_err(|error| format!("{key}.method: {error}"))?;
            Ok::<_, String>(Call { method, request: written.request })
        };
        let optional = |key, written: Option<_>| written.map(|written| call(key, written)).transpose();
        let pointers = [
            ("version", &self.version),
            ("etag", &self.etag),
            ("external-id", &self.external_id),
            ("lookup.current", &self.lookup.as_ref().map(|lookup| lookup.current.clone())),
        ];
        for (key, pointer) in pointers {
            if let Some(pointer) = pointer.as_ref().filter(|text| !text.is_empty() && !text.starts_with('/'))
            {
                return Err(format!("{key}: `{pointer}` is no JSON pointer: it must begin with `/`"));
            }
        }
        let plan = Plan {
            lookup: self.lookup.as_ref().map(|lookup| lookup.when),
            has_create: self.create.is_some(),
            deletes: self.deletes,
            version: self.version.unwrap_or_else(|| "/updatedAt".to_owned()),
            current: self.lookup.as_ref().map(|lookup| lookup.current.clone()).unwrap_or_default(),
            etag: self.etag,
            external_id: self.external_id,
        };
        let lookup =
            self.lookup.map(|lookup| WrittenCall { method: lookup.method, request: Some(lookup.request) });
        let types = self.types.into_iter();
        let types = types.map(|(kind, written)| {
            let call = call(&format!("types.{kind}"), written)?;
            Ok((kind, call))
        });
        let check = self.check.map(|check| {
            let method = schema.method(&check.method).map_err(|error| format!("check.method: {error}"))?;
            let request =
                if check.request.is_null() { Value::Object(Default::default()) } else { check.request };
            let message = method.message(&request, UnknownFields::Reject);
            let message = message.map_err(|error| format!("check.request: {error}"))?;
            Ok::<_, String>((method, message))
        });
        let write = call("write", self.write)?;
        Ok(Settings {
            plan,
            service: write.method.service().to_owned(),
            write,
            create: optional("create", self.create)?,
            delete: optional("delete", self.delete)?,
            lookup: optional("lookup", lookup)?,
            types: types.collect::<Result<_, String>>()?,
            metadata: self.metadata,
            unknown_fields: self.unknown_fields,
            statuses: self.statuses,
            timeout: self.timeout_ms.map(Duration::from_millis),
            check: check.transpose()?,
        })
    }
}
