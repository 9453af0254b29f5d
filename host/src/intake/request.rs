//! Reads a request: head and body in, events out, or why there are none.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use ring::rand::SecureRandom as _;

use super::answer::Problem;
use super::rules::{KnownClient, Rules};
use crate::config::IntakeLimits;
use crate::event::{Incoming, IncomingError, PlainAttributes};

/// The longest name that a sender may give its request.
const KEY_BYTES: usize = 256;

/// What stands in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Structured,
    Batch,
    Plain,
}

/// The events in a body, in their order.
pub(super) fn events(
    head: &Parts,
    body: Bytes,
    client: &KnownClient,
    rules: &Rules,
    limits: &IntakeLimits,
) -> Result<Vec<Incoming>, Problem> {
    let content_type = content_type(&head.headers)?;
    match form(&head.headers, content_type)? {
        Form::Binary => {
            Incoming::from_binary(&head.headers, body).map(|one| vec![one]).map_err(|error| refused(&error))
        }
        Form::Structured => {
            Incoming::from_structured(&body).map(|one| vec![one]).map_err(|error| refused(&error))
        }
        Form::Batch => Incoming::from_batch(&body, limits.events).map_err(|(index, error)| {
            let is_of_all = matches!(error, IncomingError::TooMany { .. } | IncomingError::NotABatch(_));
            if is_of_all { refused(&error) } else { refused(&error).of_event(index, None) }
        }),
        Form::Plain => {
            let attributes = plain(head, client, rules)?;
            let made = Incoming::from_plain(attributes, content_type.unwrap_or("application/json"), body);
            made.map(|one| vec![one]).map_err(|error| refused(&error))
        }
    }
}

fn refused(error: &IncomingError) -> Problem {
    let status = match error {
        IncomingError::TooMany { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        IncomingError::Decode(_)
        | IncomingError::NotAnObject(_)
        | IncomingError::NotABatch(_)
        | IncomingError::TooManyAttributes
        | IncomingError::Name(_)
        | IncomingError::OfData(_)
        | IncomingError::NotScalar(_)
        | IncomingError::Control(_)
        | IncomingError::Twice(_)
        | IncomingError::NotText(_)
        | IncomingError::DataNotJson(_)
        | IncomingError::DataIsCloudEvent(_)
        | IncomingError::NoType => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, error.to_string())
}

fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = only(headers, &header::CONTENT_TYPE)? else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| Problem::bad("the header `content-type` is not plain text"))
}

/// A header that comes once at most: of two, a proxy before this may go by the other one.
pub(super) fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Problem::bad(format!("the header `{name}` comes twice"))),
    }
}

fn form(headers: &HeaderMap, content_type: Option<&str>) -> Result<Form, Problem> {
    let (essence, charset) = content_type.map(taken_apart).unwrap_or_default();
    // The second is no name of it, and yet what many a client calls it.
    let is_utf8 = |charset: &str| ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let is_utf8 = charset.is_none_or(is_utf8);
    let is_binary =
        ["ce-specversion", "ce-id", "ce-source", "ce-type"].iter().any(|name| headers.contains_key(*name));
    match essence.as_str() {
        "application/cloudevents+json" if is_utf8 => Ok(Form::Structured),
        "application/cloudevents-batch+json" if is_utf8 => Ok(Form::Batch),
        other if other.starts_with("application/cloudevents") => Err(unsupported()),
        _ if is_binary => Ok(Form::Binary),
        other if is_utf8 && (other.ends_with("/json") || other.ends_with("+json")) => Ok(Form::Plain),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Problem {
    let detail = "send application/cloudevents+json, application/cloudevents-batch+json, a CloudEvent in headers that \
                  begin with `ce-`, or application/json; all of it as UTF-8";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

/// Its type in lower case, and its charset.
fn taken_apart(content_type: &str) -> (String, Option<&str>) {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.filter_map(|parameter| parameter.split_once('='));
    let mut charset = charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    (essence, charset.next().map(|(_, value)| value.trim().trim_matches('"')))
}

/// What is said of JSON that is no CloudEvent, in the query and by its idempotency key.
fn plain(head: &Parts, client: &KnownClient, rules: &Rules) -> Result<PlainAttributes, Problem> {
    let mut found = PlainAttributes { kind: rules.plain.kind.clone(), ..PlainAttributes::default() };
    let (mut id, mut source) = (None, None);
    let query = head.uri.query().unwrap_or_default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let place = match name.as_ref() {
            "id" => &mut id,
            "source" => &mut source,
            "type" => &mut found.given_kind,
            "subject" => &mut found.subject,
            "partitionkey" => &mut found.partition_key,
            other => {
                let known = "known are id, source, type, subject and partitionkey";
                return Err(Problem::bad(format!(
                    "the query has `{other}`, which means nothing here: {known}"
                )));
            }
        };
        if value.is_empty() || place.replace(value.into_owned()).is_some() {
            return Err(Problem::bad(format!("the query has `{name}` twice, or without a value")));
        }
    }
    found.id = match id {
        Some(id) => id,
        None => idempotency_key(&head.headers)?.map_or_else(random_id, Ok)?,
    };
    let usual = || rules.plain.source.clone().unwrap_or_else(|| format!("/intake/{}", client.name));
    found.source = source.unwrap_or_else(usual);
    Ok(found)
}

/// A quoted string (draft-ietf-httpapi-idempotency-key-header-07), or bare.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|_| values.next().is_none());
    let bare =
        text.map(|text| text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text));
    let is_key = |text: &&str| {
        (1..=KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let key = bare.filter(is_key).ok_or_else(|| {
        Problem::bad(format!(
            "the header `idempotency-key` is not one text of 1 to {KEY_BYTES} visible characters"
        ))
    })?;
    Ok(Some(key.to_owned()))
}

fn random_id() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    let filled = ring::rand::SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this system gives no random numbers now")
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_told_by_the_head() {
        for (headers, expected) in [
            (&[("content-type", "application/cloudevents+json; charset=UTF-8")][..], Ok(Form::Structured)),
            (&[("content-type", "Application/CloudEvents-Batch+JSON")], Ok(Form::Batch)),
            (&[("content-type", "application/cloudevents+avro")], Err(415)),
            (&[("content-type", "application/cloudevents+json; charset=\"latin1\"")], Err(415)),
            (&[("content-type", "text/xml"), ("ce-id", "1")], Ok(Form::Binary)),
            (&[("ce-type", "t")], Ok(Form::Binary)),
            (&[("content-type", "application/json")], Ok(Form::Plain)),
            (&[("content-type", "application/vnd.policy+json;charset=utf-8")], Ok(Form::Plain)),
            (&[("content-type", "application/json;charset=UTF8")], Ok(Form::Plain)),
            (&[("content-type", "application/json; charset=utf-16")], Err(415)),
            (&[("content-type", "text/plain")], Err(415)),
            (&[], Err(415)),
        ] {
            let map: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let found = form(&map, content_type(&map).unwrap()).map_err(|problem| problem.status.as_u16());
            assert_eq!(found, expected, "{headers:?}");
        }
    }

    #[test]
    fn a_header_that_says_two_things_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(content_type(&headers).unwrap().is_none());
        headers.append("content-type", HeaderValue::from_static("application/json"));
        assert_eq!(content_type(&headers).unwrap(), Some("application/json"));
        headers.append("content-type", HeaderValue::from_static("application/cloudevents+json"));
        assert_eq!(content_type(&headers).unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn an_idempotency_key_is_quoted_or_bare() {
        let key = |values: &[&str]| {
            let values =
                values.iter().map(|value| ("idempotency-key".parse().unwrap(), value.parse().unwrap()));
            idempotency_key(&values.collect()).map_err(|problem| problem.status.as_u16())
        };
        assert_eq!(key(&[]), Ok(None));
        for value in ["\"8e03978e\"", "8e03978e"] {
            assert_eq!(key(&[value]), Ok(Some("8e03978e".to_owned())));
        }
        for values in [&["\"\""][..], &["a", "b"], &["a b"], &["\"a\u{e9}\""], &[&"x".repeat(257)]] {
            assert_eq!(key(values), Err(400), "{values:?}");
        }
        assert_ne!(random_id().unwrap(), random_id().unwrap());
    }
}
