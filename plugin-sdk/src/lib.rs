//! Write liaison plugins in ordinary async Rust.
//!
//! A plugin is a WebAssembly component that does no I/O: it answers what to ask an external system and what
//! came of it, and the host does the asking. With this crate it reads as if it did it all itself:
//!
//! ```
//! use liaison_sdk::prelude::*;
//!
//! liaison_sdk::connector!(deliver);
//!
//! async fn deliver(delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
//!     let url = format!("/events/{}", encode_segment(&delivery.event.id));
//!     Ok(http.put(url).event_data().settle())
//! }
//!
//! // A test needs no WebAssembly: it runs the same function against an endpoint that follows a script.
//! use liaison_sdk::testing;
//!
//! let run = testing::endpoint()
//!     .expect("PUT /events/1", testing::reply(201).header("etag", "\"7\""))
//!     .deliver(deliver, testing::event("policy.updated").id("1"));
//! assert_eq!(
//!     run.outcome,
//!     Outcome::Delivered(Receipt { external_id: None, version: Some("\"7\"".into()) }),
//! );
//! ```
//!
//! # How an `await` becomes a step
//!
//! The host calls a plugin again with the replies to what it asked for; the plugin's function then runs from
//! its start, and each `await` of a request that was answered before goes straight through. So a function
//! must ask for the same requests whenever its arguments are the same. The guest's clock stands still and its
//! random numbers are seeded, so ordinary code does; code that keeps state in a `static` does not. Requests
//! that are awaited together by [`join`] or [`join_all`] are sent together.
//!
//! A request whose answer is the outcome need not be awaited: the function returns it, by
//! [`settle`](http::Request::settle). The host then takes a 2xx for `delivered` without another call.
//!
//! # Where things are
//!
//! | module | holds |
//! |---|---|
//! | [`http`] | requests, forms and responses |
//! | [`mod@pointer`], [`patch`], [`text`] | places in JSON, what makes one JSON document of another, and texts |
//! | [`version`], [`etag`], [`time`] | how an event stands to what is held, what a write can be bound to, and times |
//! | [`grpc`] | unary gRPC calls and their answers |
//! | [`sql`] | transactions in the connector's database, and rows |
//! | [`mod@column`] | columns of a table, and where settings say that each takes its value from |
//! | [`template`] | texts and JSON with fields of the event, as settings |
//! | [`procedure`] | lookup, create, write and delete by calls, with their conflicts |
//! | [`joint`] | requests of several deliveries made one |
//! | [`outcome`] | what a connector says of one attempt, and the table from HTTP status to outcome |
//! | [`statuses`] | what answers mean to a system that uses them in its own way, as a setting |
//! | [`failure`] | what `?` carries, and what becomes of it |
//! | [`transform`] | what a transformer makes of an event |
//! | [`mod@settings`], [`log`] | what the host gives to a plugin and takes from it |
//! | [`testing`] | an endpoint that follows a script |
//! | [`raw`] | the contract as generated: for tools |

pub mod column;
mod encode;
pub mod etag;
mod event;
pub mod failure;
pub mod grpc;
pub mod http;
mod join;
pub mod joint;
mod json;
pub mod log;
mod macros;
pub mod outcome;
pub mod patch;
pub mod pointer;
pub mod procedure;
pub mod raw;
pub mod settings;
pub mod sql;
pub mod statuses;
mod steps;
pub mod template;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod text;
pub mod time;
pub mod transform;
pub mod version;

pub use encode::{encode_segment, push_segment};
pub use join::{join, join_all};
pub use settings::settings;

/// All that a plugin usually needs.
pub mod prelude {
    pub use crate::encode::encode_segment;
    pub use crate::failure::{Failure, Unanswered};
    pub use crate::grpc::{GrpcAnswer, GrpcCall};
    pub use crate::http::{Http, Multipart, Request, Response, Settling};
    pub use crate::join::{join, join_all};
    pub use crate::log;
    pub use crate::outcome::{
        Check, Conflict, Delivery, Ending, Merged, Outcome, OutcomeKind, Receipt, Resolution, Retry,
    };
    pub use crate::settings::settings;
    pub use crate::sql::{Row, Sql, SqlAnswer, SqlErrorKind, SqlRefusal, SqlValue, timestamp_ms};
    pub use crate::transform::{Event, Reshaped, Transformed};
}
