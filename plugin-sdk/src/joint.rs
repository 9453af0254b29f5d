//! Requests of several deliveries made one, for systems that take many events at a time.
//!
//! A connector asks for what one delivery needs, as ever. Where its user configures a `batch`, the host gathers deliveries,
//! and `join` is called with the requests that each of them would [settle](crate::http::Request::settle) by, or
//! [run to deliver](crate::sql::Sql::run_to_deliver): which of them can be one request? The host performs that, and asks
//! `split` what each would have been answered alone. So the function that delivers knows nothing of it, and an event that is
//! refused together with others is tried again without them.
//!
//! What else is asked goes by itself: requests before the last one, those that send the event's data as it is, and gRPC,
//! by which nothing settles. A `join` that takes deliveries in the place of requests is quicker where it can tell what each
//! of them would ask for, without having it written: see [`Join`].
//!
//! So that the requests are there, the function that delivers runs before `join` does, and again for what that does not
//! settle: it may log twice. Its time is the delivery's, not the guest's clock.
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

use crate::http::Http;
use crate::outcome::{Delivery, Ending};
use crate::raw::connector::exports::liaison::plugin::connector::Step;
use crate::steps::deliver_one;

/// A connector's function that joins.
///
/// It takes requests, or deliveries. Of deliveries it must join those alone for which its connector would settle by one
/// request now, after what it was answered in its [rounds](Delivery::rounds), and ask for what their requests do:
/// [`join_own`] is for those that it has to ask. What it joins is delivered by that alone: where it asks for anything else
/// than its connector would, nobody finds out but its tests. None has a resolution. The places of members are those in what
/// it was given.
pub trait Join<Given> {
    /// The requests that do what several of these need.
    fn join<R: Into<Ending>>(
        self,
        deliveries: Vec<Delivery>,
        deliver: impl AsyncFn(&Delivery, &Http) -> R,
    ) -> Vec<Joint>;
}

impl<F: FnOnce(Vec<Delivery>) -> Vec<Joint>> Join<Delivery> for F {
    fn join<R: Into<Ending>>(
        self,
        deliveries: Vec<Delivery>,
        _deliver: impl AsyncFn(&Delivery, &Http) -> R,
    ) -> Vec<Joint> {
        self(deliveries)
    }
}

impl<F: FnOnce(Vec<Effect>) -> Vec<Joint>> Join<Effect> for F {
    fn join<R: Into<Ending>>(
        self,
        deliveries: Vec<Delivery>,
        deliver: impl AsyncFn(&Delivery, &Http) -> R,
    ) -> Vec<Joint> {
        join_own(deliveries, deliver, self)
    }
}

/// Asks each delivery's function for the request that it would settle by, and `join` which of them can be one. The members are
/// deliveries again. What would do anything else, or whose request needs its data, goes by itself.
pub fn join_own<R: Into<Ending>>(
    deliveries: Vec<Delivery>,
    deliver: impl AsyncFn(&Delivery, &Http) -> R,
    join: impl FnOnce(Vec<Effect>) -> Vec<Joint>,
) -> Vec<Joint> {
    let own = |delivery| match deliver_one(delivery, &deliver) {
        Ok(Step::SettleBy(effect)) if is_joinable(&effect) => Some(effect),
        Ok(_) | Err(_) => None,
    };
    let asked = (0..).zip(deliveries).filter_map(|(place, delivery)| Some((place, own(delivery)?)));
    let (places, effects): (Vec<u32>, Vec<Effect>) = asked.unzip();
    if effects.len() < 2 {
        return Vec::new();
    }
    let mut joints = join(effects);
    for member in joints.iter_mut().flat_map(|joint| &mut joint.members) {
        // The host says what is wrong with one that is none of them.
        *member = places.get(*member as usize).copied().unwrap_or(u32::MAX);
    }
    joints
}

/// Needs it nothing of its delivery?
fn is_joinable(effect: &Effect) -> bool {
    match effect {
        Effect::Http(request) => {
            !request.keep_body && !matches!(request.body, Body::EventData | Body::OfReply(_))
        }
        Effect::Grpc(_) | Effect::Sql(_) => true,
    }
}

/// A `split` that gives the reply to everyone: for a request whose answer is true of each part of it. The memo is the
/// number of members, in digits.
pub fn everyone(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    let count = std::str::from_utf8(&memo).ok().and_then(|text| text.parse().ok());
    vec![reply; count.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::testing;

    /// Puts what has a subject, as a line or as it is; nothing else.
    async fn deliver(delivery: &Delivery, http: &Http) -> Ending {
        let put = |subject: &str| http.put(format!("/{subject}"));
        match delivery.event.subject.as_deref() {
            Some("whole") => put("whole").event_data().settle().into(),
            Some("looked-up") => match put("looked-up").send().await {
                Ok(_) => Outcome::delivered().into(),
                Err(failure) => Outcome::from(failure).into(),
            },
            Some(subject) => put(subject).body(subject.to_owned()).settle().into(),
            None => Outcome::skipped("no subject").into(),
        }
    }

    fn deliveries(subjects: &[&str]) -> Vec<Delivery> {
        let one = |subject: &&str| Delivery::from(testing::event("t").subject(subject));
        std::iter::once(testing::event("t").into()).chain(subjects.iter().map(one)).collect()
    }

    fn pairs(effects: Vec<Effect>) -> Vec<Joint> {
        let members = (0..).zip(&effects).map(|(place, _)| place).collect();
        vec![Joint { effect: effects.into_iter().next_back().unwrap(), members, memo: Vec::new() }]
    }

    #[test]
    fn what_deliveries_would_settle_by_is_joined_and_the_rest_goes_by_itself() {
        let joints = Join::join(pairs, deliveries(&["a", "whole", "looked-up", "b"]), deliver);
        let [Joint { effect: Effect::Http(request), members, .. }] = &joints[..] else {
            panic!("{joints:?}")
        };
        assert_eq!((request.url.as_str(), &members[..]), ("/b", &[1, 4][..]));
        assert_eq!(Join::join(pairs, deliveries(&["a", "whole"]), deliver), [], "one alone is not joined");
    }

    #[test]
    fn a_member_that_was_not_given_is_nobody() {
        let wrong = |mut effects: Vec<Effect>| {
            vec![Joint { effect: effects.remove(0), members: vec![1, 2], memo: Vec::new() }]
        };
        assert_eq!(join_own(deliveries(&["a", "b"]), deliver, wrong)[0].members, [2, u32::MAX]);
    }

    #[test]
    fn deliveries_are_joined_as_they_are_by_whoever_takes_them() {
        let all = |deliveries: Vec<Delivery>| {
            let members = (0..).zip(&deliveries).map(|(place, _)| place).collect();
            let effect = Effect::Sql(SqlRequest { statements: Vec::new(), timeout: None });
            vec![Joint { effect, members, memo: Vec::new() }]
        };
        assert_eq!(Join::join(all, deliveries(&["whole"]), deliver)[0].members, [0, 1]);
    }
}
