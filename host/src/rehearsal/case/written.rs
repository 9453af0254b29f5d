//! Reads a case: the JSON that a case file holds in (a TOML file is read as the same JSON), a [`Case`] out, or which part
//! of it is wrong. Defaults stand for all that a case does not care about.

mod reply;
mod sql;

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

pub(super) use self::reply::content;

use self::reply::WrittenReply;
use super::{Case, CaseError, DeliverySettings, ENDPOINT, Ending, Expect, NOW_MS, Scripted};
use crate::config::{Engine, Grant};
use crate::contract::{Resolution, one_line};
use crate::egress::{GRPC, SQL};
use crate::event::Event;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    name: Option<String>,
    #[serde(default)]
    settings: Map<String, Value>,
    endpoint: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    tables: Vec<String>,
    event: Map<String, Value>,
    #[serde(default)]
    delivery: WrittenDelivery,
    #[serde(default)]
    request: Vec<WrittenRequest>,
    #[serde(default)]
    expect: Expect,
    #[serde(default)]
    accept: BTreeMap<String, Vec<Ending>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenDelivery {
    attempt: Option<u32>,
    now: Option<String>,
    deadline: Option<String>,
    resolution: Option<Resolution>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenRequest {
    expect: String,
    round: Option<u32>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    headers: BTreeMap<String, WrittenHeader>,
    json: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
    /// Of SQL: a list for each statement.
    parameters: Option<Vec<Value>>,
    reply: WrittenReply,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or `false` for a header that must not be there")]
enum WrittenHeader {
    Text(String),
    IsThere(bool),
}

impl Case {
    /// Reads one case. `name` is what it is called where it gives itself none.
    pub fn from_json(json: Value, name: &str) -> Result<Self, CaseError> {
        let written: Written = serde_path_to_error::deserialize(json).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => CaseError(error.inner().to_string()),
                path => CaseError(format!("{path}: {}", error.inner())),
            }
        })?;
        let endpoint = match &written.endpoint {
            None => Url::parse(ENDPOINT).expect("a constant address is one"),
            Some(text) => endpoint_address(text)?,
        };
        if !written.tables.is_empty() && Engine::of(&endpoint).is_none() {
            return Err(CaseError("tables: are of a database, and the endpoint is none".to_owned()));
        }
        let allow = written.allow.iter().map(|text| Ok(Grant::all(address("allow", text)?.origin())));
        Ok(Self {
            name: written.name.unwrap_or_else(|| name.to_owned()),
            settings: written.settings,
            allow: allow.collect::<Result<_, CaseError>>()?,
            tables: written.tables,
            event: event(written.event)?,
            delivery: delivery(written.delivery)?,
            requests: requests(written.request, &endpoint)?,
            endpoint,
            expect: written.expect,
            accept: written.accept,
        })
    }
}

/// Of a server that speaks HTTP, or of a database.
fn endpoint_address(text: &str) -> Result<Url, CaseError> {
    match Url::parse(text) {
        Ok(url) if Engine::of(&url).is_some() => Ok(url),
        Ok(_) | Err(_) => address("endpoint", text),
    }
}

fn address(what: &str, text: &str) -> Result<Url, CaseError> {
    let url =
        Url::parse(text).map_err(|error| CaseError(format!("{what}: `{text}` is no address: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => {
            Err(CaseError(format!("{what}: `{scheme}` is not spoken here: begin with https:// or http://")))
        }
    }
}

/// A CloudEvent in JSON; `specversion`, `id` and `source` may be left out.
fn event(mut event: Map<String, Value>) -> Result<Event, CaseError> {
    for (name, value) in [("specversion", "1.0"), ("id", "1"), ("source", "/test")] {
        event.entry(name).or_insert_with(|| value.into());
    }
    Event::from_text(&Value::Object(event).to_string()).map_err(|error| CaseError(format!("event: {error}")))
}

fn delivery(written: WrittenDelivery) -> Result<DeliverySettings, CaseError> {
    let time = |name: &str, text: &str| {
        let time = DateTime::parse_from_rfc3339(text).ok();
        let time = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
        let why = "no time since 1970 such as \"2026-01-01T00:00:00Z\"";
        time.ok_or_else(|| CaseError(format!("delivery.{name}: `{text}` is {why}")))
    };
    let now = written.now.map(|text| time("now", &text)).transpose()?;
    Ok(DeliverySettings {
        attempt: written.attempt.unwrap_or(1),
        now: now.unwrap_or(NOW_MS),
        deadline: written.deadline.map(|text| time("deadline", &text)).transpose()?,
        resolution: written.resolution,
    })
}

fn requests(written: Vec<WrittenRequest>, endpoint: &Url) -> Result<Vec<Scripted>, CaseError> {
    let mut requests = Vec::with_capacity(written.len());
    let mut last_round = 0;
    for (number, written) in (1..).zip(written) {
        let wrong = |text: String| CaseError(format!("request {number}: {text}"));
        let round = written.round.unwrap_or(last_round + 1);
        if round < last_round.max(1) {
            return Err(wrong(format!("round {round} comes after round {last_round}: list them in order")));
        }
        last_round = round;
        let Some((method, url)) = written.expect.split_once(' ') else {
            return Err(wrong(format!("`{}` is no call: write such as \"PUT /events/1\"", written.expect)));
        };
        let headers = written.headers.into_iter().map(|(name, value)| {
            let value = match value {
                WrittenHeader::Text(text) => Some(text),
                WrittenHeader::IsThere(false) => None,
                WrittenHeader::IsThere(true) => {
                    return Err(wrong(format!("header {name}: write its value, or `false`")));
                }
            };
            Ok((name.to_ascii_lowercase(), value))
        });
        let kind = Kind::of(method);
        if kind == Kind::Sql && Engine::of(endpoint).is_none() {
            let mend = "write such as `endpoint = \"postgresql://database.example/records\"`";
            return Err(wrong(format!("SQL is asked of a database, and the endpoint is none: {mend}")));
        }
        if kind != Kind::Sql && written.parameters.is_some() {
            return Err(wrong("parameters: are of SQL".to_owned()));
        }
        requests.push(Scripted {
            method: method.to_owned(),
            url: if kind == Kind::Sql { one_line(url) } else { resolved(endpoint, url) },
            round,
            is_optional: written.optional,
            headers: headers.collect::<Result<_, CaseError>>()?,
            body: content(written.json, written.text, written.base64).map_err(&wrong)?,
            parameters: written.parameters.map(sql::parameters).transpose().map_err(&wrong)?,
            reply: written.reply.read(kind).map_err(|text| wrong(format!("reply: {text}")))?,
        });
    }
    Ok(requests)
}

/// What a request is asked in, and hence what its reply looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Grpc,
    Sql,
}

impl Kind {
    fn of(method: &str) -> Self {
        match method {
            GRPC => Kind::Grpc,
            SQL => Kind::Sql,
            _ => Kind::Http,
        }
    }
}

/// As the gateway does it: a path follows the endpoint's, nothing is the endpoint itself.
fn resolved(endpoint: &Url, url: &str) -> String {
    let endpoint = endpoint.as_str();
    match url.as_bytes().first() {
        None | Some(b'?') => format!("{endpoint}{url}"),
        Some(b'/') => format!("{}{url}", endpoint.strip_suffix('/').unwrap_or(endpoint)),
        Some(_) => url.to_owned(),
    }
}

pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(in crate::rehearsal::case) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        humantime::parse_duration(&text).map(Some).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
