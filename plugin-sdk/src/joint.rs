//! Requests of several deliveries made one, for systems that take many events at a time.
//!
//! A connector asks for what one delivery needs, as ever. Where its user configures a `batch`, the host gathers what
//! deliveries ask for and calls `join` with it: which of them can be one request? It performs that, and asks `split` what
//! each would have been answered alone. So the function that delivers knows nothing of it, and an event that is refused
//! together with others is tried again without them. Joining is never needed to be right.
//!
//! Both functions see nothing but their arguments. `memo` is whatever `split` has to know of the joint request; keep it
//! small.
//!
//! ```
//! use liaison_sdk::joint::{Body, Effect, HttpRequest, Joint, Reply, everyone};
//! use liaison_sdk::prelude::*;
//!
//! liaison_sdk::joining_connector!(deliver, check, join, everyone);
//!
//! async fn deliver(delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
//!     let line = format!("{}\n", delivery.event.id);
//!     Ok(http.post("/lines").body(line).settle())
//! }
//!
//! async fn check(_http: &Http) -> Check {
//!     Check::usable("cannot tell")
//! }
//!
//! /// All that is posted here are lines.
//! fn join(effects: Vec<Effect>) -> Vec<Joint> {
//!     let mut lines = Vec::new();
//!     let mut members = Vec::new();
//!     for (number, effect) in (0..).zip(&effects) {
//!         let Effect::Http(HttpRequest { body: Body::Bytes(line), .. }) = effect else { continue };
//!         lines.extend_from_slice(line);
//!         members.push(number);
//!     }
//!     let Some(Effect::Http(first)) = effects.into_iter().next() else { return Vec::new() };
//!     let effect = Effect::Http(HttpRequest { body: Body::Bytes(lines), ..first });
//!     let memo = members.len().to_string().into_bytes();
//!     vec![Joint { effect, members, memo }]
//! }
//!
//! assert_eq!(everyone(b"2".to_vec(), Reply::Failed(Unanswered::TimedOut)).len(), 2);
//! ```

pub use crate::raw::connector::liaison::plugin::effects::{
    Body, Effect, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Reply, ResponseBody, SqlRequest,
    SqlResponse, SqlResult, SqlStatement,
};
pub use crate::raw::joiner::exports::liaison::plugin::joiner::Joint;

/// A `split` that gives the reply to everyone: for a request whose answer is true of each part of it. The memo is the
/// number of members, in digits.
pub fn everyone(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    let count = std::str::from_utf8(&memo).ok().and_then(|text| text.parse().ok());
    vec![reply; count.unwrap_or_default()]
}
