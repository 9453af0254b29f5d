//! How an external system answers: functions from a request to an [`Answer`], put together from small ones.
//!
//! `Behaviour::ok().when(|request| request.path == "/a", Behaviour::status(503))` reads as it behaves: the last word
//! said is the first one asked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// What a behaviour sees of one request, after its whole body has come.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// Path and query, as sent.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a Bytes,
    pub received: Instant,
}

impl Request<'_> {
    /// What tells repetitions of one request from another: its idempotency key, else its path.
    pub fn identity(&self) -> &str {
        text(self.headers, "idempotency-key").unwrap_or(self.path)
    }
}

/// A header's value where it is there and text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What is done with one request, after a delay counted from when it was received.
#[derive(Debug, Clone)]
pub struct Answer {
    pub delay: Duration,
    pub reply: Reply,
}

#[derive(Debug, Clone)]
pub enum Reply {
    Http {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
    /// Nothing, for ever: the connection stays open.
    Silence,
    /// The connection is closed.
    Break,
}

impl Answer {
    /// An answer without headers and body.
    ///
    /// # Panics
    /// If `status` is not between 100 and 999: a mistake in the test.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status has three digits");
        Self::now(Reply::Http { status, headers: HeaderMap::new(), body: Bytes::new() })
    }

    /// No answer, ever.
    pub fn silence() -> Self {
        Self::now(Reply::Silence)
    }

    /// A closed connection in place of an answer.
    pub fn broken() -> Self {
        Self::now(Reply::Break)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        match &mut self.reply {
            Reply::Http { headers, .. } => drop(headers.append(name, value)),
            Reply::Silence | Reply::Break => {}
        }
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, content: impl Into<Bytes>) -> Self {
        match &mut self.reply {
            Reply::Http { body, .. } => *body = content.into(),
            Reply::Silence | Reply::Break => {}
        }
        self
    }

    fn now(reply: Reply) -> Self {
        Self { delay: Duration::ZERO, reply }
    }
}

/// How long a `429` asks to wait, in either form of RFC 9110, section 10.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    Seconds(u64),
    /// Whole seconds: the rest is cut off.
    At(SystemTime),
}

impl From<RetryAfter> for HeaderValue {
    fn from(value: RetryAfter) -> Self {
        match value {
            RetryAfter::Seconds(seconds) => seconds.into(),
            RetryAfter::At(time) => HeaderValue::from_str(&httpdate::fmt_http_date(time))
                .expect("an HTTP date is made of letters, digits, commas, colons and spaces"),
        }
    }
}

/// A function from a request to its answer. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Behaviour(Arc<dyn Fn(&Request<'_>) -> Answer + Send + Sync>);

impl fmt::Debug for Behaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Behaviour")
    }
}

impl Behaviour {
    /// Any function. It runs on the server's only thread, so it must not block.
    pub fn from_fn(answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }

    /// `200` to everything.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// The same status to everything.
    pub fn status(status: u16) -> Self {
        Self::from_fn(move |_| Answer::status(status))
    }

    /// `429` to everything.
    pub fn too_many(retry_after: RetryAfter) -> Self {
        let value = HeaderValue::from(retry_after);
        Self::from_fn(move |_| Answer::status(429).with_header(RETRY_AFTER, value.clone()))
    }

    /// Takes every request and answers none, as a host behind a broken network.
    pub fn silence() -> Self {
        Self::from_fn(|_| Answer::silence())
    }

    /// The answers of this one, that much later. Accurate to a millisecond.
    #[must_use]
    pub fn with_latency(self, latency: Duration) -> Self {
        self.with_latency_by(move |_| latency)
    }

    /// The answers of this one, later by what the function says of each request.
    #[must_use]
    pub fn with_latency_by(self, latency: impl Fn(&Request<'_>) -> Duration + Send + Sync + 'static) -> Self {
        Self::from_fn(move |request| {
            let answer = self.answer(request);
            Answer { delay: answer.delay + latency(request), ..answer }
        })
    }

    /// Like `other` where the predicate holds.
    #[must_use]
    pub fn when(self, predicate: impl Fn(&Request<'_>) -> bool + Send + Sync + 'static, other: Self) -> Self {
        Self::from_fn(move |request| {
            let chosen = if predicate(request) { &other } else { &self };
            chosen.answer(request)
        })
    }

    /// Like `other` for requests received before `end`.
    #[must_use]
    pub fn until(self, end: Instant, other: Self) -> Self {
        self.when(move |request| request.received < end, other)
    }

    /// Like `other` for that many percent of the requests, chosen by a generator that begins with `seed`.
    #[must_use]
    pub fn for_percent(self, percent: f64, seed: u64, other: Self) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        let is_chosen = move |_: &Request<'_>| {
            let draw = random.lock().expect("no holder panics").f64();
            draw * 100.0 < percent
        };
        self.when(is_chosen, other)
    }

    /// Like `other` for the first so many requests of each identity, which is its idempotency key or else its path.
    #[must_use]
    pub fn for_first(self, count: u32, other: Self) -> Self {
        let seen = Mutex::new(HashMap::<String, u32>::new());
        let is_early = move |request: &Request<'_>| {
            let mut seen = seen.lock().expect("no holder panics");
            let times = seen.entry(request.identity().to_owned()).or_default();
            *times = times.saturating_add(1);
            *times <= count
        };
        self.when(is_early, other)
    }

    /// `401` without this bearer token.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        let wanted = format!("Bearer {token}");
        let is_refused = move |request: &Request<'_>| {
            request.headers.get(AUTHORIZATION).is_none_or(|value| value.as_bytes() != wanted.as_bytes())
        };
        self.when(is_refused, Self::status(401))
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        (self.0)(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(behaviour: &Behaviour, path: &str, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        behaviour.answer(&Request {
            method: &Method::GET,
            path,
            headers: &headers.collect(),
            body: &Bytes::new(),
            received: Instant::now(),
        })
    }

    fn status(behaviour: &Behaviour, path: &str) -> u16 {
        match answer(behaviour, path, &[]).reply {
            Reply::Http { status, .. } => status.as_u16(),
            Reply::Silence | Reply::Break => 0,
        }
    }

    #[test]
    fn the_last_word_said_is_the_first_one_asked() {
        let behaviour = Behaviour::ok()
            .when(|request| request.path.starts_with("/a"), Behaviour::status(503))
            .when(|request| request.path == "/ab", Behaviour::status(404));
        assert_eq!(["/", "/a", "/ab"].map(|path| status(&behaviour, path)), [200, 503, 404]);
    }

    #[test]
    fn a_seed_chooses_the_same_requests_again() {
        let draw = |seed| -> Vec<u16> {
            let behaviour = Behaviour::ok().for_percent(10.0, seed, Behaviour::status(500));
            (0..1000).map(|_| status(&behaviour, "/")).collect()
        };
        let chosen = draw(7).iter().filter(|status| **status == 500).count();
        assert!((60..140).contains(&chosen), "{chosen} of 1000 at 10 %");
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let never = Behaviour::ok().for_percent(0.0, 1, Behaviour::status(500));
        let always = Behaviour::ok().for_percent(100.0, 1, Behaviour::status(500));
        assert!((0..1000).all(|_| status(&never, "/") == 200 && status(&always, "/") == 500));
    }

    #[test]
    fn the_first_requests_are_counted_by_identity() {
        let behaviour = Behaviour::ok().for_first(2, Behaviour::status(503));
        let paths = ["/a", "/b", "/a", "/a", "/b", "/b"];
        assert_eq!(paths.map(|path| status(&behaviour, path)), [503, 503, 503, 200, 503, 200]);
    }

    #[test]
    fn a_repetition_is_known_by_its_idempotency_key() {
        let behaviour = Behaviour::ok().for_first(1, Behaviour::silence());
        let is_silent =
            |key| matches!(answer(&behaviour, "/", &[("idempotency-key", key)]).reply, Reply::Silence);
        assert_eq!([is_silent("one"), is_silent("two"), is_silent("one")], [true, true, false]);
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let behaviour = Behaviour::ok().with_bearer("secret");
        for (headers, expected) in [
            (&[("authorization", "Bearer secret")][..], 200),
            (&[("authorization", "Bearer secrets")], 401),
            (&[("authorization", "secret")], 401),
            (&[], 401),
        ] {
            let reply = answer(&behaviour, "/", headers).reply;
            assert!(matches!(reply, Reply::Http { status, .. } if status == expected), "{headers:?}");
        }
    }

    #[test]
    fn it_is_down_until_then() {
        let now = Instant::now();
        let down_until = |end| status(&Behaviour::ok().until(end, Behaviour::status(503)), "/");
        assert_eq!(down_until(now), 200);
        assert_eq!(down_until(now + Duration::from_secs(60)), 503);
    }

    #[test]
    fn latencies_add_up() {
        let second = Duration::from_secs(1);
        let behaviour = Behaviour::ok().with_latency(second).with_latency_by(move |_| second * 2);
        assert_eq!(answer(&behaviour, "/", &[]).delay, second * 3);
    }
}
