//! Runs a plugin natively, without a host: a connector against an endpoint that follows a script, a
//! transformer as it is.
//!
//! Every step is taken twice, and has to come out the same: a plugin whose answers depend on more than its
//! arguments fails its test. A call that the script does not expect panics with what was asked.
//!
//! ```
//! use liaison_sdk::{prelude::*, testing};
//! use serde_json::json;
//!
//! async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
//!     let (room, day) = join(http.get("/rooms/7").send(), http.get("/days/monday").send()).await;
//!     let body = json!({ "room": room?.json::<String>()?, "day": day?.json::<String>()? });
//!     Ok(Outcome::from_response(&http.post("/bookings").json(&body).send().await?))
//! }
//!
//! let run = testing::endpoint()
//!     .expect("GET /rooms/7", testing::reply(200).json(&json!("large")))
//!     .expect("GET /days/monday", testing::reply(200).json(&json!("16th")))
//!     .expect("POST /bookings", testing::reply(503).header("retry-after", "30"))
//!     .deliver(deliver, testing::event("booking.made"));
//! assert_eq!(run.rounds, [2, 1]);
//! assert_eq!(run.requests[2].json(), json!({ "room": "large", "day": "16th" }));
//! assert_eq!(
//!     run.outcome,
//!     Outcome::retry_after(std::time::Duration::from_secs(30), "POST /bookings answered 503 Service Unavailable"),
//! );
//! ```

mod builders;
mod sql;

use std::cell::Cell;
use std::collections::VecDeque;

use serde_json::Value;

pub use builders::{EventBuilder, GrpcReply, Reply, event, grpc_reply, reply};
pub use sql::{SqlErrorReply, SqlReply, affected, rows, sql_error};

use crate::http::{Fault, Http, line};
use crate::log::lines::LINES;
use crate::outcome::{Check, Delivery, Ending, Outcome};
use crate::raw::connector::exports::liaison::plugin::connector::{CheckStep, Step};
use crate::raw::connector::liaison::plugin::effects::{
    Body, Effect, GrpcRequest, HttpRequest, Reply as RawReply, SqlRequest, SqlResponse,
};
use crate::sql::have_delivered;
use crate::steps;
use crate::transform::{Event, Transformed};

/// The plugin's settings from now on, in this test.
pub fn settings(settings: Value) {
    crate::settings::source::set(settings.to_string());
}

/// What was logged in this test since the last call.
pub fn logged() -> Vec<String> {
    LINES.take().into_iter().map(|(_, message)| message).collect()
}

/// What a transformer makes of an event, seen twice.
///
/// # Panics
///
/// Where it does not come out the same.
pub fn transform<R: Into<Transformed>>(
    transform: impl Fn(Event) -> R,
    event: impl Into<Event>,
) -> Transformed {
    let event = event.into();
    let transformed: Transformed = transform(event.clone()).into();
    assert_eq!(transformed, transform(event).into(), "the same event was transformed in two ways");
    transformed
}

/// An endpoint that answers what it was told to, and nothing else.
pub fn endpoint() -> Endpoint {
    Endpoint::default()
}

/// An endpoint that follows a script.
#[derive(Debug, Default)]
pub struct Endpoint {
    script: VecDeque<(String, RawReply)>,
}

/// What a connector did with one delivery.
#[derive(Debug)]
pub struct Run<T = Outcome> {
    /// How it ended.
    pub outcome: T,
    /// All HTTP requests it made, in order.
    pub requests: Vec<HttpRequest>,
    /// All gRPC calls it made, in order.
    pub grpc_calls: Vec<GrpcRequest>,
    /// All SQL transactions it asked for, in order.
    pub transactions: Vec<SqlRequest>,
    /// How many requests each round had: those of one round are sent together.
    pub rounds: Vec<usize>,
}

impl Endpoint {
    /// The next call, such as `PUT /events/1`, `gRPC /package.Service/Method` or `SQL` and all statements with `; ` between
    /// them, and the reply to it: a [`reply`], a [`grpc_reply`], [`rows`], [`affected`], a [`sql_error`], or an [`Unanswered`](crate::failure::Unanswered).
    #[must_use]
    pub fn expect(mut self, call: &str, reply: impl Into<Reply>) -> Self {
        self.script.push_back((call.to_owned(), reply.into().into_raw()));
        self
    }

    /// Runs one attempt to its end.
    ///
    /// # Panics
    ///
    /// Where a call is not the expected one, an expected one is missing, a step does not come out the same twice, or a
    /// transaction that was run to deliver did and the function does not say so.
    pub fn deliver<R: Into<Ending>>(
        self,
        deliver: impl AsyncFn(&Delivery, &Http) -> R,
        delivery: impl Into<Delivery>,
    ) -> Run {
        let delivery = delivery.into();
        let settling = Cell::new(usize::MAX);
        self.run(|rounds| {
            let round = rounds.len();
            let is_delivered = rounds.get(settling.get()).is_some_and(|replies| has_delivered(replies));
            let step = steps::deliver_one(Delivery { rounds, ..delivery.clone() }, &deliver)?;
            if is_delivered {
                let expected = Step::Settle(Outcome::delivered());
                assert_eq!(step, expected, "its transaction has delivered the event");
            }
            Ok(match step {
                Step::Perform(effects) => Next::Perform(effects),
                // Asked for again with its reply, it must say what the host may make of it by itself.
                Step::SettleBy(effect) => {
                    settling.set(round);
                    Next::Perform(vec![effect])
                }
                Step::Settle(outcome) => Next::End(outcome),
            })
        })
    }

    /// Runs one check to its end.
    ///
    /// # Panics
    ///
    /// As [`Endpoint::deliver`].
    pub fn check<R: Into<Check>>(self, check: impl AsyncFn(&Http) -> R) -> Run<Check> {
        self.run(|rounds| {
            Ok(match steps::check_one(builders::NOW_MS, rounds, &check)? {
                CheckStep::Perform(effects) => Next::Perform(effects),
                CheckStep::Usable(how) => Next::End(Check::Usable(how)),
                CheckStep::Unusable(why) => Next::End(Check::Unusable(why)),
            })
        })
    }

    fn run<T: std::fmt::Debug + PartialEq>(
        mut self,
        step: impl Fn(Vec<Vec<RawReply>>) -> Result<Next<T>, Fault>,
    ) -> Run<T> {
        let (mut requests, mut grpc_calls, mut transactions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut recorded, mut rounds) = (Vec::new(), Vec::new());
        loop {
            let next = step(recorded.clone());
            assert_eq!(next, step(recorded.clone()), "the same step was taken in two ways");
            match next.unwrap_or_else(|fault| panic!("{fault}")) {
                Next::Perform(effects) => {
                    rounds.push(effects.len());
                    recorded.push(effects.iter().map(|effect| self.answer(effect)).collect());
                    for effect in effects {
                        match effect {
                            Effect::Http(request) => requests.push(request),
                            Effect::Grpc(call) => grpc_calls.push(call),
                            Effect::Sql(request) => transactions.push(request),
                        }
                    }
                }
                Next::End(outcome) => {
                    let missing = self.script.iter().map(|(call, _)| call).collect::<Vec<_>>();
                    assert!(missing.is_empty(), "it ended with {outcome:?} and never asked for {missing:?}");
                    return Run { outcome, requests, grpc_calls, transactions, rounds };
                }
            }
        }
    }

    fn answer(&mut self, effect: &Effect) -> RawReply {
        let asked = match effect {
            Effect::Http(request) => format!("{} {}", request.method, request.url),
            Effect::Grpc(_) | Effect::Sql(_) => line(effect),
        };
        let Some((call, reply)) = self.script.pop_front() else {
            panic!("it asks for `{asked}`, and the script is at its end");
        };
        assert_eq!(asked, call, "it asks for something else than the script expects");
        match effect {
            Effect::Http(request) if request.keep_body => builders::kept(reply),
            Effect::Http(_) | Effect::Grpc(_) | Effect::Sql(_) => reply,
        }
    }
}

/// Is this the answer to a transaction by which the host settles the event?
fn has_delivered(replies: &[RawReply]) -> bool {
    matches!(replies, [RawReply::Sql(SqlResponse::Done(results))] if have_delivered(results))
}

/// A step of either kind.
#[derive(Debug, PartialEq)]
enum Next<T> {
    Perform(Vec<Effect>),
    End(T),
}

/// What a test asks of a request that was made.
impl HttpRequest {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// Where the body is not JSON that the plugin itself wrote.
    pub fn json(&self) -> Value {
        match &self.body {
            Body::Bytes(bytes) => serde_json::from_slice(bytes).expect("the request's body is JSON"),
            other @ (Body::None | Body::EventData | Body::OfReply(_)) => panic!("the body is {other:?}"),
        }
    }
}
