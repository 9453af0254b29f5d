//! Reads a case: the JSON that a case file holds in (a TOML file is read as the same JSON), a [`Case`] out, or which part
//! of it is wrong. Defaults stand for all that a case does not care about.

mod reply;

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

pub(super) use self::reply::content;

use self::reply::WrittenReply;
use super::{Case, CaseError, DeliverySettings, ENDPOINT, Ending, Expect, NOW_MS, Scripted};
use crate::config::Grant;
use crate::contract::Resolution;
use crate::egress::GRPC;
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
            Some(text) => address("endpoint", text)?,
        };
        let allow = written.allow.iter().map(|text| Ok(Grant::all(address("allow", text)?.origin())));
        Ok(Self {
            name: written.name.unwrap_or_else(|| name.to_owned()),
            settings: written.settings,
            allow: allow.collect::<Result<_, CaseError>>()?,
            event: event(written.event)?,
            delivery: delivery(written.delivery)?,
            requests: requests(written.request, &endpoint)?,
            endpoint,
            expect: written.expect,
            accept: written.accept,
        })
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
        requests.push(Scripted {
            method: method.to_owned(),
            url: resolved(endpoint, url),
            round,
            is_optional: written.optional,
            headers: headers.collect::<Result<_, CaseError>>()?,
            body: content(written.json, written.text, written.base64).map_err(&wrong)?,
            reply: written.reply.read(method == GRPC).map_err(|text| wrong(format!("reply: {text}")))?,
        });
    }
    Ok(requests)
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
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_case_has_a_default_for_all_it_does_not_care_about() {
        let case = Case::from_json(json!({"event": {"type": "t", "subject": "s"}}), "first").unwrap();
        assert_eq!((case.name.as_str(), case.endpoint.as_str()), ("first", "http://endpoint.example/"));
        assert_eq!((case.event.id.as_str(), case.event.source.as_str()), ("1", "/test"));
        assert_eq!(case.event.key.as_deref(), Some(&b"s"[..]));
        assert_eq!((case.event.data, case.delivery.attempt, case.delivery.now), (None, 1, NOW_MS));
    }

    #[test]
    fn requests_are_numbered_by_round_and_resolved_against_the_endpoint() {
        let request = |call: &str| json!({"expect": call, "reply": {"status": 200}});
        let mut same_round = request("GET https://other.example/b");
        same_round["round"] = 1.into();
        let case = json!({
            "endpoint": "https://h/api/", "event": {"type": "t"},
            "request": [request("GET /a?b"), same_round, request("PUT ?q")],
        });
        let case = Case::from_json(case, "").unwrap();
        let seen: Vec<_> = case.requests.iter().map(|asked| (asked.round, asked.url.as_str())).collect();
        assert_eq!(seen, [(1, "https://h/api/a?b"), (1, "https://other.example/b"), (2, "https://h/api/?q")]);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let with = |request: Value| json!({"event": {"type": "t"}, "request": [request]});
        for (case, expected) in [
            (json!({}), "missing field `event`"),
            (json!({"event": {}}), "event: the event has a `specversion`, but is no CloudEvent 1.0: "),
            (json!({"event": {"type": "t"}, "nonsense": 1}), "nonsense: unknown field `nonsense`"),
            (json!({"event": {"type": "t"}, "endpoint": "ftp://h"}), "endpoint: `ftp` is not spoken here"),
            (json!({"event": {"type": "t"}, "delivery": {"now": "noon"}}), "delivery.now: `noon` is no time"),
            (
                json!({"event": {"type": "t"}, "expect": {"outcome": "fine"}}),
                "expect.outcome: unknown variant",
            ),
            (with(json!({"expect": "PUT", "reply": {"status": 200}})), "request 1: `PUT` is no call"),
            (
                with(json!({"expect": "PUT /", "reply": {"status": 7}})),
                "request 1: reply: 7 is no HTTP status",
            ),
            (with(json!({"expect": "PUT /", "reply": {}})), "request 1: reply: give a `status`"),
            (
                with(json!({"expect": "PUT /", "json": 1, "text": "", "reply": {"status": 200}})),
                "request 1: give a body as one of",
            ),
            (with(json!({"expect": "PUT /", "reply": {"status": "x"}})), "request[0].reply.status: "),
            (
                with(json!({"expect": "gRPC /a.B/C", "reply": {"status": 200}})),
                "request 1: reply: give a `grpc-status`",
            ),
            (
                with(json!({"expect": "PUT /", "reply": {"grpc-status": 0}})),
                "request 1: reply: give a `status`",
            ),
        ] {
            let error = Case::from_json(case.clone(), "").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{case}: {error}");
        }
    }
}
