//! What is answered: JSON, and for errors problem details (RFC 9457).

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::telemetry::IntakeAnswer;

pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request was not done.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
    /// Further members of the problem details.
    pub(super) members: Map<String, Value>,
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: Map::new(), header: None }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    pub(super) fn header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// Which event of a batch it is about, the first being 0.
    pub(super) fn of_event(self, index: usize, count: Option<usize>) -> Self {
        if count == Some(1) { self } else { self.with("event", json!(index)) }
    }

    pub(super) fn into_answer(self) -> Answer {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut members = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail,
        });
        for (name, value) in self.members {
            members[name] = value;
        }
        let mut answer = json_answer(self.status, &members, "application/problem+json");
        let header = self.header.map(|(name, value)| (name, HeaderValue::from_static(value)));
        answer.headers_mut().extend(header);
        answer
    }
}

pub(super) fn json_answer(status: StatusCode, value: &Value, content_type: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // What became of an event is another thing a moment later, and none of it is for a cache between.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What it is counted as.
pub(super) fn counted(status: StatusCode) -> IntakeAnswer {
    match status.as_u16() {
        200..=299 => IntakeAnswer::Done,
        401 | 403 => IntakeAnswer::Denied,
        404 | 405 => IntakeAnswer::NotFound,
        408 => IntakeAnswer::TimedOut,
        413 => IntakeAnswer::TooLarge,
        422 => IntakeAnswer::Invalid,
        429 => IntakeAnswer::Busy,
        500..=599 => IntakeAnswer::Unavailable,
        _ => IntakeAnswer::Malformed,
    }
}
