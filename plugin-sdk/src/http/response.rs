//! An answer of the external system, as a plugin reads it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Line;
use super::rounds::Place;
use crate::failure::Failure;
use crate::json;
use crate::pointer::Pointer;
use crate::raw::connector::liaison::plugin::effects::{HttpRequest, HttpResponse, KeptBody, ResponseBody};

/// How much of a body is quoted in a reason, in characters.
const QUOTED_CHARACTERS: usize = 200;

/// The answer to a request, whatever its status. Redirects are answers too: nobody follows them.
#[derive(Debug)]
pub struct Response {
    request: HttpRequest,
    response: HttpResponse,
    place: Place,
    now_ms: u64,
}

impl Response {
    pub(super) fn new(request: HttpRequest, response: HttpResponse, place: Place, now_ms: u64) -> Self {
        Self { request, response, place, now_ms }
    }

    /// The contract's name for this response.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// True for 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.response.status)
    }

    /// The first header of this name. Values that are not text are left out by the host.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.response.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body; empty where it was kept by the host.
    pub fn body(&self) -> &[u8] {
        match &self.response.body {
            ResponseBody::Bytes(bytes) => bytes,
            ResponseBody::Kept(_) => &[],
        }
    }

    /// Length and sha256 of the body where it was kept by the host.
    pub fn kept_body(&self) -> Option<&KeptBody> {
        match &self.response.body {
            ResponseBody::Bytes(_) => None,
            ResponseBody::Kept(kept) => Some(kept),
        }
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body())
    }

    /// The body as JSON, read now.
    ///
    /// # Errors
    ///
    /// [`Failure::Reply`] where it is not JSON of this shape: a reply that is not what the system promises,
    /// such as a proxy's page, may be another one next time.
    pub fn json<'response, T: Deserialize<'response>>(&'response self) -> Result<T, Failure> {
        json::parse(self.body())
            .map_err(|error| Failure::Reply(format!("{}: its body: {error}", self.summary())))
    }

    /// The body of a 409 or 412, where it may be what the external system holds, for the host's conflict policy to see.
    ///
    /// That is an object or a list of JSON, under a media type of JSON where the answer has one. A problem (RFC 9457) and
    /// a page speak of the error, and are not. With the place of the `version` in records there must be one in it, which
    /// tells a record from a message of the system's own.
    pub fn current(&self, version: Option<&Pointer>) -> Option<&[u8]> {
        let body = Some(self.body()).filter(|_| self.header("content-type").is_none_or(is_of_record))?;
        let is_record = match version {
            Some(version) => version.pick(body).is_ok_and(|found| found.is_some()),
            None => {
                serde_json::from_slice::<&RawValue>(body).is_ok_and(|json| json.get().starts_with(['{', '[']))
            }
        };
        is_record.then_some(body)
    }

    /// `Retry-After` in both its forms (RFC 9110, 10.2.3), counted from the attempt's begin; nothing where it
    /// is absent or says neither.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds = value.parse().unwrap_or(u64::MAX);
            return Some(Duration::from_millis(seconds.min(u64::MAX / 1000) * 1000));
        }
        let date: SystemTime = httpdate::parse_http_date(value).ok()?;
        let now = UNIX_EPOCH + Duration::from_millis(self.now_ms);
        Some(date.duration_since(now).unwrap_or_default())
    }

    /// For a person: `PUT /events/1 answered 503 Service Unavailable`. Of the URL it shows neither user nor
    /// query, which may hold secrets.
    pub fn summary(&self) -> String {
        let (status, separator) = (self.response.status, if self.phrase().is_empty() { "" } else { " " });
        format!("{} answered {status}{separator}{}", Line(&self.request), self.phrase())
    }

    /// [`Response::summary`] and the beginning of the body.
    pub(crate) fn summary_with_body(&self) -> String {
        let mut summary = self.summary();
        let status = self.response.status;
        if (300..400).contains(&status) && status != 304 {
            summary.push_str(": redirects are not followed");
            return summary;
        }
        let text = self.text();
        let mut characters = text.trim().chars();
        let quoted: String = characters.by_ref().take(QUOTED_CHARACTERS).collect();
        // Control characters would break a log line or a terminal: one space for each run of them.
        let words = quoted.split(|character: char| character.is_control() || character.is_whitespace());
        let mut words = words.filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() {
            return summary;
        }
        for (count, word) in words.enumerate() {
            summary.push_str(if count > 0 { " " } else { ": " });
            summary.push_str(word);
        }
        if characters.next().is_some() {
            summary.push('…');
        }
        summary
    }

    /// What people call the statuses that end an attempt badly (RFC 9110, section 15, and RFC 6585).
    fn phrase(&self) -> &'static str {
        match self.response.status {
            200 => "OK",
            201 => "Created",
            204 => "No Content",
            304 => "Not Modified",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            409 => "Conflict",
            410 => "Gone",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            422 => "Unprocessable Content",
            425 => "Too Early",
            428 => "Precondition Required",
            429 => "Too Many Requests",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "",
        }
    }
}

/// Is it a media type of JSON, and not that of problems (RFC 9457)?
fn is_of_record(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence.ends_with("/json") || essence.ends_with("+json");
    is_json && essence != "application/problem+json"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Http;
    use crate::outcome::{Delivery, Outcome};
    use crate::testing;

    #[test]
    fn what_has_the_versions_place_is_a_record() {
        let deliver = async |_: &Delivery, http: &Http| -> Result<Outcome, Failure> {
            let reply = http.get("/a").send().await?;
            let current = reply.current(Some(&Pointer::updated_at()));
            Ok(Outcome::skipped(current.map_or("none".into(), String::from_utf8_lossy)))
        };
        for (body, expected) in [
            (r#"{"updatedAt": 1}"#, r#"{"updatedAt": 1}"#),
            (r#"{"updatedAt": null}"#, "none"),
            (r#"{"error": "stale"}"#, "none"),
            ("<html>", "none"),
        ] {
            let endpoint = testing::endpoint().expect("GET /a", testing::reply(409).text(body));
            assert_eq!(endpoint.deliver(deliver, testing::event("t")).outcome, Outcome::skipped(expected));
        }
    }
}
