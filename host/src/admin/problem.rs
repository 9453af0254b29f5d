//! Errors as problem details (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The status and the members of one.
pub(super) struct Problem(pub(super) StatusCode, pub(super) serde_json::Value);

pub(super) fn problem(status: StatusCode, detail: &str) -> Problem {
    let title = status.canonical_reason().unwrap_or("Error");
    let members =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    Problem(status, members)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem(status, members) = self;
        (status, [(header::CONTENT_TYPE, "application/problem+json")], members.to_string()).into_response()
    }
}
