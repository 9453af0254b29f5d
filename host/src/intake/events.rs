//! What is asked for, and done: `POST /events` takes events, `GET /events/ID` tells of one.

use std::time::{Instant, SystemTime};

use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use hyper::body::{Body as _, Incoming as Body};
use serde_json::json;
use tokio::sync::Semaphore;

use super::answer::{Answer, Problem, counted, json_answer};
use super::sending::{self, Placed};
use super::server::Serving;
use super::stream::Course;
use super::{body, request};
use crate::config::{ClientName, IntakeLimits, SubscriptionName};
use crate::contract::TimestampMs;
use crate::event::percent_decoded;
use crate::telemetry::IntakeMetrics;
use crate::whereabouts::{Known, Told};

const EVENTS: &str = "/events";

/// All that the requests of every connection share.
pub(super) struct Events {
    serving: Serving,
    metrics: IntakeMetrics,
    requests: Semaphore,
}

impl Events {
    pub(super) fn new(serving: Serving) -> Self {
        let metrics = serving.telemetry.intake().clone();
        let requests = Semaphore::new(serving.limits.requests);
        Self { serving, metrics, requests }
    }

    pub(super) fn limits(&self) -> IntakeLimits {
        self.serving.limits
    }

    /// Answers anything.
    pub(super) async fn answer(&self, request: Request<Body>, course: &Course) -> Answer {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        course.set_unread(!body.is_end_stream());
        let answer = match self.route(&head, body, course).await {
            Ok(answer) => answer,
            Err(problem) => {
                tracing::debug!(status = %problem.status, detail = problem.detail, "a request to the intake is refused");
                problem.into_answer()
            }
        };
        self.metrics.requests[counted(answer.status())].inc();
        self.metrics.duration.observe(began.elapsed());
        answer
    }

    async fn route(&self, head: &Parts, body: Body, course: &Course) -> Result<Answer, Problem> {
        let path = head.uri.path();
        let id = path.strip_prefix(EVENTS).and_then(|rest| rest.strip_prefix('/'));
        let id = id.filter(|id| !id.is_empty() && !id.contains('/'));
        match (&head.method, id) {
            (&Method::POST, _) if path == EVENTS => self.take(head, body, course).await,
            // The body of an answer to HEAD is left out beneath this.
            (&Method::GET | &Method::HEAD, Some(id)) => self.tell(head, id),
            _ if path == EVENTS => Err(not_allowed("POST")),
            (_, Some(_)) => Err(not_allowed("GET, HEAD")),
            _ => {
                let detail = format!("there is no `{path}`: try POST /events or GET /events/ID");
                Err(Problem::new(StatusCode::NOT_FOUND, detail))
            }
        }
    }

    /// `POST /events`
    async fn take(&self, head: &Parts, body: Body, course: &Course) -> Result<Answer, Problem> {
        let rules = self.serving.rules.now();
        let client = rules.admit(&head.headers, Instant::now())?;
        let _room = self.requests.try_acquire().map_err(|_| {
            let detail =
                format!("{} requests are at work already: send this one again", self.serving.limits.requests);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).header(header::RETRY_AFTER, "1")
        })?;
        self.metrics.in_flight.inc();
        let _at_work = AtWork(&self.metrics);
        let body = body::read(head, body, &self.serving.limits).await?;
        course.set_unread(false);
        let events = request::events(head, body, client, &rules, &self.serving.limits)?;
        let count = events.len();
        let mut placed = Vec::with_capacity(count);
        for (index, incoming) in events.into_iter().enumerate() {
            let (topic, key) =
                rules.place(client, &incoming).map_err(|problem| problem.of_event(index, Some(count)))?;
            placed.push(Placed { topic: topic.to_owned(), key, incoming });
        }
        let sent = sending::send(&self.serving.producer, placed).await;
        self.note(&client.name, &sent);
        Ok(sending::answer(&sent))
    }

    fn note(&self, client: &ClientName, sent: &[sending::Sent]) {
        let written = sent.iter().filter(|(_, written)| written.is_ok()).count();
        self.serving.telemetry.intake_events(client).inc_by(written as u64);
        let now = unix_ms();
        for (placed, written) in sent {
            if let Ok(origin) = written {
                self.serving.whereabouts.accepted(&placed.incoming.event, origin.clone(), now);
            }
        }
    }

    /// `GET /events/ID`
    fn tell(&self, head: &Parts, id: &str) -> Result<Answer, Problem> {
        let rules = self.serving.rules.now();
        let client = rules.admit(&head.headers, Instant::now())?;
        let id =
            decoded(id).ok_or_else(|| Problem::bad("the id in the path is not percent-encoded UTF-8"))?;
        let asked = Asked::of(head.uri.query().unwrap_or_default())?;
        let known = self.serving.whereabouts.of(&id).into_iter().filter(|known| asked.is_for(known));
        let mut events: Vec<_> = known.filter_map(|known| client.seen(known)).collect();
        if events.is_empty() {
            return Err(self.unknown(&id));
        }
        for known in &mut events {
            let topics = known.topics();
            let is_new = |name: &&SubscriptionName| {
                !known.subscriptions.iter().any(|(subscription, _)| subscription == *name)
            };
            let unread: Vec<_> = rules.readers_of(&topics).filter(is_new).cloned().collect();
            known.subscriptions.extend(unread.into_iter().map(|name| (name, Told::unknown())));
        }
        let answer = json!({ "id": id, "events": events, "remembered": self.extent() });
        Ok(json_answer(StatusCode::OK, &answer, "application/json"))
    }

    fn unknown(&self, id: &str) -> Problem {
        let detail = if self.serving.whereabouts.is_on() {
            format!(
                "this host knows nothing of an event `{id}` that you may ask about: it may be older than what is \
                 remembered, another host may have taken or read it, or it was never sent"
            )
        } else {
            "this host remembers no events: `intake.remember` is 0".to_owned()
        };
        Problem::new(StatusCode::NOT_FOUND, detail).with("remembered", self.extent())
    }

    fn extent(&self) -> serde_json::Value {
        match self.serving.whereabouts.extent() {
            Some((events, since)) => {
                json!({ "events": events, "since": crate::whereabouts::time_text(since) })
            }
            None => json!({ "events": 0 }),
        }
    }
}

/// Which of the events of one id are asked about.
#[derive(Default)]
struct Asked {
    source: Option<String>,
    kind: Option<String>,
}

impl Asked {
    fn of(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "source" => &mut asked.source,
                "type" => &mut asked.kind,
                _ => return Err(Problem::bad("the query may hold `source` and `type`, and nothing else")),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(Problem::bad(format!("the query has `{name}` twice")));
            }
        }
        Ok(asked)
    }

    fn is_for(&self, known: &Known) -> bool {
        self.source.as_ref().is_none_or(|source| *source == known.source)
            && self.kind.as_ref().is_none_or(|kind| *kind == known.kind)
    }
}

/// A request is at work until this is dropped.
struct AtWork<'a>(&'a IntakeMetrics);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

fn not_allowed(method: &'static str) -> Problem {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("only {method} is answered here"));
    problem.header(header::ALLOW, method)
}

/// One segment of a path.
fn decoded(segment: &str) -> Option<String> {
    String::from_utf8(percent_decoded(segment.as_bytes())).ok()
}

/// Now, in milliseconds since 1970.
fn unix_ms() -> TimestampMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
