//! The connections: accepted up to a bound, each request answered, and at the end those at work let finish.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming as Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::answer::{Answer, Problem, counted, json_answer};
use super::rules::Rulebook;
use super::sending::{self, Placed};
use super::{IntakeError, request};
use crate::config::{ClientName, IntakeLimits};
use crate::contract::TimestampMs;
use crate::event::percent_decoded;
use crate::kafka::producer::Producer;
use crate::telemetry::{IntakeMetrics, Telemetry};
use crate::whereabouts::{Known, Told, Whereabouts};

/// A wait before the next connection is accepted, where the system gives none: too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const EVENTS: &str = "/events";

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct IntakeServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// What it answers by.
#[derive(Debug)]
pub struct Serving {
    pub limits: IntakeLimits,
    pub rules: Rulebook,
    /// Its own: what is taken here never waits behind dead letters, nor they behind it.
    pub producer: Producer,
    pub whereabouts: Whereabouts,
    pub telemetry: Telemetry,
}

struct Shared {
    serving: Serving,
    metrics: IntakeMetrics,
    requests: Semaphore,
}

impl IntakeServer {
    /// Port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, IntakeError> {
        let bind_error = |source| IntakeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self { listener, address })
    }

    /// Where it listens, the port resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, then lets what is at work finish within the grace.
    pub async fn serve(self, serving: Serving, shutdown: impl Future<Output = ()>) {
        let limits = serving.limits;
        let metrics = serving.telemetry.intake().clone();
        let shared = Arc::new(Shared { serving, metrics, requests: Semaphore::new(limits.requests) });
        let room = Arc::new(Semaphore::new(limits.connections));
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                (stream, permit) = accept(&self.listener, &room) => {
                    connections.spawn(connection(shared.clone(), stream, stopped.clone(), permit));
                }
            }
        }
        drop(self.listener);
        // Those that are at work notice; nobody else is left.
        let _ = stop.send(true);
        let finish = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.grace, finish).await.is_err() {
            tracing::warn!(
                "some requests to the intake were not answered in time: what they sent may be in Kafka"
            );
        }
    }
}

/// The next connection, once there is room for one.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("it is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "the intake cannot accept a connection now");
                tokio::time::sleep_until(tokio::time::Instant::now() + ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    mut stopped: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    // Without it a small answer may wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let limits = shared.serving.limits;
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.read_timeout)
            .max_buf_size(limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service)
    );
    // A client may go away at any time: whoever was answered knows, and whoever was not sends again.
    let is_over = tokio::select! {
        _ = connection.as_mut() => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
    };
    if !is_over {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    drop(permit);
}

impl Shared {
    async fn answer(&self, request: Request<Body>) -> Answer {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let answer = match self.route(&head, body).await {
            Ok(answer) => answer,
            Err(problem) => problem.into_answer(),
        };
        self.metrics.requests[counted(answer.status())].inc();
        self.metrics.duration.observe(began.elapsed());
        answer
    }

    async fn route(&self, head: &Parts, body: Body) -> Result<Answer, Problem> {
        let path = head.uri.path();
        let id = path.strip_prefix(EVENTS).and_then(|rest| rest.strip_prefix('/'));
        match (&head.method, id) {
            (&Method::POST, _) if path == EVENTS => self.take(head, body).await,
            (&Method::GET, Some(id)) if !id.is_empty() && !id.contains('/') => self.tell(head, id),
            _ if path == EVENTS => Err(not_allowed("POST")),
            (_, Some(id)) if !id.is_empty() && !id.contains('/') => Err(not_allowed("GET")),
            _ => {
                let detail = format!("there is no `{path}`: try POST /events or GET /events/ID");
                Err(Problem::new(StatusCode::NOT_FOUND, detail))
            }
        }
    }

    /// `POST /events`
    async fn take(&self, head: &Parts, body: Body) -> Result<Answer, Problem> {
        let rules = self.serving.rules.now();
        let client = rules.admit(head.headers.get(header::AUTHORIZATION), Instant::now())?;
        let _room = self.requests.try_acquire().map_err(|_| {
            let detail =
                format!("{} requests are at work already: send this one again", self.serving.limits.requests);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).header(header::RETRY_AFTER, "1")
        })?;
        self.metrics.in_flight.inc();
        let _at_work = AtWork(&self.metrics);
        let body = request::body(head, body, &self.serving.limits).await?;
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
        let client = rules.admit(head.headers.get(header::AUTHORIZATION), Instant::now())?;
        let id =
            decoded(id).ok_or_else(|| Problem::bad("the id in the path is not percent-encoded UTF-8"))?;
        let mut source = None;
        for (name, value) in url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
            if name != "source" || source.replace(value.into_owned()).is_some() {
                return Err(Problem::bad("the query may hold one `source` and nothing else"));
            }
        }
        let is_asked = |known: &Known| {
            client.may_see(&known.kind) && source.as_ref().is_none_or(|source| *source == known.source)
        };
        let mut events: Vec<_> = self.serving.whereabouts.of(&id).into_iter().filter(is_asked).collect();
        if events.is_empty() {
            return Err(self.unknown(&id));
        }
        for known in &mut events {
            let topic = known.topic().unwrap_or_default().to_owned();
            for name in rules.readers_of(&topic) {
                if !known.subscriptions.iter().any(|(subscription, _)| subscription == name) {
                    known.subscriptions.push((name.clone(), Told::unknown()));
                }
            }
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

/// A request is at work until this is dropped, also where its client goes away.
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
