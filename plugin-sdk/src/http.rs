//! Requests to the external system, as a plugin writes them, and the answers.
//!
//! Nothing is sent here: a request that is awaited becomes part of the next step, and the host sends it, with
//! the credentials that it adds.

mod form;
mod response;
mod rounds;
mod settling;

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;

pub use form::Multipart;
pub use response::Response;
pub(crate) use rounds::{Fault, Place, Rounds};
pub use settling::Settling;

use crate::failure::{Failure, Unanswered};
use crate::raw::connector::liaison::plugin::effects::{Body, Effect, HttpRequest, Reply, SqlRequest};

/// The way to the external system, for one attempt.
#[derive(Debug)]
pub struct Http {
    rounds: RefCell<Rounds>,
    now_ms: u64,
}

impl Http {
    /// Begins an attempt anew with the replies to what it has asked so far, a list a round.
    pub(crate) fn new(recorded: Vec<Vec<Reply>>, now_ms: u64) -> Self {
        Self { rounds: RefCell::new(Rounds::new(recorded)), now_ms }
    }

    /// Asks for this; comes back with what came of it, and with the place that it has.
    pub(crate) async fn ask(&self, effect: Effect) -> (Effect, Reply, Place) {
        let mut effect = Some(effect);
        let mut place = None;
        let (effect, reply) = poll_fn(|_| {
            let mut rounds = self.rounds();
            let place = *place.get_or_insert_with(|| rounds.ask(effect.take().expect("it is asked once")));
            rounds.answer(place).map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        (effect, reply, place.expect("it was asked"))
    }

    /// The same of what delivers the event.
    pub(crate) async fn ask_to_settle(&self, effect: Effect) -> (Effect, Reply, Place) {
        let asked = self.ask(effect);
        self.rounds().settles();
        asked.await
    }

    pub(crate) fn rounds(&self) -> std::cell::RefMut<'_, Rounds> {
        self.rounds.borrow_mut()
    }

    /// A request. The URL is absolute, or a path that the host appends to the connector's endpoint; whatever
    /// in it comes from an event goes through [`encode_segment`](crate::encode_segment).
    pub fn request(&self, method: impl Into<String>, url: impl Into<String>) -> Request<'_> {
        Request {
            http: self,
            mistake: None,
            effect: HttpRequest {
                method: method.into(),
                url: url.into(),
                headers: Vec::new(),
                body: Body::None,
                timeout: None,
                keep_body: false,
            },
        }
    }

    /// A `GET` request: see [`Http::request`].
    pub fn get(&self, url: impl Into<String>) -> Request<'_> {
        self.request("GET", url)
    }

    /// A `PUT` request: see [`Http::request`].
    pub fn put(&self, url: impl Into<String>) -> Request<'_> {
        self.request("PUT", url)
    }

    /// A `POST` request: see [`Http::request`].
    pub fn post(&self, url: impl Into<String>) -> Request<'_> {
        self.request("POST", url)
    }

    /// A `PATCH` request: see [`Http::request`].
    pub fn patch(&self, url: impl Into<String>) -> Request<'_> {
        self.request("PATCH", url)
    }

    /// A `DELETE` request: see [`Http::request`].
    pub fn delete(&self, url: impl Into<String>) -> Request<'_> {
        self.request("DELETE", url)
    }
}

/// A request that is being written.
#[derive(Debug)]
#[must_use = "nothing is asked before `.send().await`, or `.settle()` is returned"]
pub struct Request<'http> {
    http: &'http Http,
    effect: HttpRequest,
    /// Why it cannot be sent.
    mistake: Option<String>,
}

impl Request<'_> {
    /// Adds a header. `Host`, `Content-Length`, `Connection` and the like are the host's and are refused; it
    /// adds `Idempotency-Key` and the credentials.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.effect.headers.push((name.into(), value.into()));
        self
    }

    /// Carries this value as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body(body).header("content-type", "application/json"),
            Err(error) => {
                self.mistake = Some(format!("the body has no form in JSON: {error}"));
                self
            }
        }
    }

    /// Carries these bytes. Say what they are by a `content-type` header.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.effect.body = Body::Bytes(body.into());
        self
    }

    /// Carries the event's data as it is: the host sends it without a copy through the plugin.
    pub fn event_data(mut self) -> Self {
        self.effect.body = Body::EventData;
        self
    }

    /// Carries the body of an earlier response of this attempt, which may have been kept by the host.
    pub fn body_of(mut self, response: &Response) -> Self {
        self.effect.body = Body::OfReply(response.place());
        self
    }

    /// Leaves the response's body with the host, for [`Request::body_of`]; the plugin is told its length and
    /// sha256.
    pub fn keep_body(mut self) -> Self {
        self.effect.keep_body = true;
        self
    }

    /// Waits no longer than this for the whole response. Else it is what is left of the attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.effect.timeout = Some(milliseconds(timeout));
        self
    }

    /// Sends it and waits for the response, whatever its status.
    ///
    /// # Errors
    ///
    /// [`Failure::Unanswered`] where there is no response at all, [`Failure::Event`] where the body was not
    /// to be written.
    pub async fn send(self) -> Result<Response, Failure> {
        if let Some(mistake) = self.mistake {
            return Err(Failure::Event(mistake));
        }
        answered(self.http.ask(Effect::Http(self.effect)).await, self.http.now_ms)
    }
}

fn answered((effect, reply, place): (Effect, Reply, Place), now_ms: u64) -> Result<Response, Failure> {
    match (effect, reply) {
        (Effect::Http(request), Reply::Http(response)) => Ok(Response::new(request, response, place, now_ms)),
        (effect, Reply::Failed(why)) => Err(Failure::unanswered(&effect, why)),
        (effect, Reply::Http(_) | Reply::Grpc(_) | Reply::Sql(_)) => Err(wrong_kind(&effect)),
    }
}

impl Failure {
    pub(crate) fn unanswered(effect: &Effect, why: Unanswered) -> Self {
        Failure::Unanswered { request: line(effect), why }
    }
}

pub(crate) fn wrong_kind(effect: &Effect) -> Failure {
    let why = Unanswered::Other("the host answered it in another kind".to_owned());
    Failure::unanswered(effect, why)
}

/// What was asked, as a person knows it.
pub(crate) fn line(effect: &Effect) -> String {
    match effect {
        Effect::Http(request) => Line(request).to_string(),
        Effect::Grpc(call) => format!("gRPC {}", call.method),
        Effect::Sql(request) => statements(request),
    }
}

/// All statements as they are written, without what is bound.
fn statements(request: &SqlRequest) -> String {
    let texts: Vec<&str> = request.statements.iter().map(|statement| statement.sql.as_str()).collect();
    format!("SQL {}", texts.join("; "))
}

/// As the contract counts time; what does not fit is for ever.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A request as a person knows it, `PUT https://host/path`: without user, password and query, which may hold
/// secrets.
struct Line<'request>(&'request HttpRequest);

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0.url.split(['?', '#']).next().unwrap_or_default();
        // Of the endpoint itself nothing is written.
        let url = if url.is_empty() { "/" } else { url };
        write!(formatter, "{} ", self.0.method)?;
        let Some((scheme, rest)) = url.split_once("://") else {
            return formatter.write_str(url);
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let user = authority.rfind('@').map_or(0, |at| at + 1);
        write!(formatter, "{scheme}://{}", &rest[user..])
    }
}
