//! What several deliveries need as one effect: how many may be, whether what a plugin made of them can stand for them, and
//! what the reply means to each. Pure.
//!
//! ```text
//! deliveries ─▶ join ─▶ joint effects ─▶ performed ─▶ means ─┬─▶ done: split, each its own reply
//!                 │                                         ├─▶ shared: each the same reply
//!                 └─▶ the rest, each by itself              └─▶ refused: the halves, each joined anew
//! ```

use super::ask::{Limits, size};
use super::attempt::trouble;
use crate::contract::{Body, Effect, Failure, Joint, Reply, SqlErrorKind, SqlResponse};

/// How many may be joined: fewer for a while when it was too much.
#[derive(Debug)]
pub(crate) struct Extent {
    most: usize,
    now: usize,
    /// How often so many were taken since they are that many.
    taken: u32,
}

/// How often as many as may be are taken, until twice as many are tried.
const TAKEN: u32 = 8;

impl Extent {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, now: most, taken: 0 }
    }

    pub(crate) fn now(&self) -> usize {
        self.now
    }

    /// So many were taken.
    pub(crate) fn was_done(&mut self, events: usize) {
        if events >= self.now && self.now < self.most {
            self.taken += 1;
            if self.taken == TAKEN {
                (self.now, self.taken) = (self.now.saturating_mul(2).min(self.most), 0);
            }
        }
    }

    /// So many were too much. Two are always tried: nothing else would tell that more may go again.
    pub(crate) fn was_too_much(&mut self, events: usize) {
        (self.now, self.taken) = (self.now.min((events / 2).max(2)), 0);
    }
}

/// What the reply to a joint effect means to its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// All was done that was asked.
    Done,
    /// It is the external system's state, and no event's fault.
    Shared,
    /// One of them may be to blame: nothing was done.
    Refused,
}

pub(crate) fn means(reply: &Reply) -> Meaning {
    if trouble(reply).is_some() {
        return Meaning::Shared;
    }
    match reply {
        Reply::Http(response) => match response.status {
            0..=399 => Meaning::Done,
            401 | 403 | 407 | 408 => Meaning::Shared,
            _ => Meaning::Refused,
        },
        Reply::Grpc(response) => match response.status {
            0 => Meaning::Done,
            // PERMISSION_DENIED and UNAUTHENTICATED.
            7 | 16 => Meaning::Shared,
            _ => Meaning::Refused,
        },
        Reply::Sql(SqlResponse::Done(_)) => Meaning::Done,
        Reply::Sql(SqlResponse::Error(error)) => match error.kind {
            SqlErrorKind::Permission | SqlErrorKind::Unavailable => Meaning::Shared,
            SqlErrorKind::Constraint
            | SqlErrorKind::Data
            | SqlErrorKind::Serialization
            | SqlErrorKind::Statement
            | SqlErrorKind::TooManyRows
            | SqlErrorKind::Other => Meaning::Refused,
        },
        Reply::Failed(Failure::Connection(_) | Failure::TimedOut) => Meaning::Shared,
        Reply::Failed(
            Failure::NotAllowed(_)
            | Failure::Invalid(_)
            | Failure::TooLarge(_)
            | Failure::Unsupported(_)
            | Failure::Other(_),
        ) => Meaning::Refused,
    }
}

/// Was it larger than the external system takes?
pub(crate) fn is_too_large(reply: &Reply) -> bool {
    matches!(reply, Reply::Http(response) if response.status == 413)
}

/// Needs it nothing of its delivery, so that it can be joined or stand for others?
pub(crate) fn is_joinable(effect: &Effect) -> bool {
    match effect {
        Effect::Http(request) => {
            !request.keep_body && !matches!(request.body, Body::EventData | Body::OfReply { .. })
        }
        Effect::Grpc(_) | Effect::Sql(_) => true,
    }
}

/// Can these stand for their members among so many deliveries? If not, why.
pub(crate) fn check(joints: &[Joint], deliveries: usize, limits: &Limits) -> Result<(), String> {
    let mut is_taken = vec![false; deliveries];
    for Joint { effect, members, .. } in joints {
        if members.is_empty() {
            return Err("a joint effect of nothing".to_owned());
        }
        if !is_joinable(effect) {
            return Err("a joint effect that needs one delivery's data or replies".to_owned());
        }
        for member in members {
            match is_taken.get_mut(*member as usize) {
                None => {
                    return Err(format!("delivery {member} joined, which is none of {deliveries}, from 0"));
                }
                Some(true) => return Err(format!("delivery {member} joined twice")),
                Some(is_taken) => *is_taken = true,
            }
        }
        let found = size(effect);
        let allowed = limits.request_body_bytes.saturating_mul(members.len());
        if found.body > allowed {
            return Err(format!("a joint effect of {} bytes for members of {allowed}", found.body));
        }
        if found.head > limits.request_head_bytes {
            return Err(format!("a joint effect with {} bytes of address and headers", found.head));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::contract::{GrpcResponse, HttpRequest, HttpResponse, SqlError};

    fn http(status: u16) -> Reply {
        let headers = http::HeaderMap::new();
        Reply::from(HttpResponse { status, headers, body: bytes::Bytes::new(), kept: None })
    }

    fn grpc(status: u32) -> Reply {
        let (status_message, metadata) = (String::new(), Vec::new());
        Reply::from(GrpcResponse { status, status_message, metadata, message: None })
    }

    fn sql(kind: SqlErrorKind) -> Reply {
        let (code, message) = (String::new(), String::new());
        Reply::Sql(SqlResponse::Error(SqlError { kind, statement: None, code, message, constraint: None }))
    }

    #[test]
    fn one_event_may_be_to_blame_unless_the_system_is_not_well() {
        use Meaning::{Done, Refused, Shared};
        for (reply, expected) in [
            (http(200), Done),
            (http(304), Done),
            (http(400), Refused),
            (http(401), Shared),
            (http(403), Shared),
            (http(404), Refused),
            (http(429), Shared),
            (http(503), Shared),
            (grpc(0), Done),
            (grpc(3), Refused),
            (grpc(7), Shared),
            (grpc(14), Shared),
            (Reply::Sql(SqlResponse::Done(Vec::new())), Done),
            (sql(SqlErrorKind::Constraint), Refused),
            (sql(SqlErrorKind::Data), Refused),
            (sql(SqlErrorKind::Serialization), Refused),
            (sql(SqlErrorKind::Permission), Shared),
            (sql(SqlErrorKind::Unavailable), Shared),
            (Reply::Failed(Failure::TimedOut), Shared),
            (Reply::Failed(Failure::Connection("x".into())), Shared),
            (Reply::Failed(Failure::TooLarge(1)), Refused),
            (Reply::Failed(Failure::NotAllowed("x".into())), Refused),
        ] {
            assert_eq!(means(&reply), expected, "{reply:?}");
        }
    }

    #[test]
    fn what_was_too_much_is_halved_and_comes_back_by_doubling() {
        let mut extent = Extent::new(500);
        let done = |extent: &mut Extent, events: usize, times: u32| {
            (0..times).for_each(|_| extent.was_done(events));
            extent.now()
        };
        extent.was_too_much(500);
        assert_eq!(extent.now(), 250);
        extent.was_too_much(500);
        assert_eq!(extent.now(), 250, "one that was gathered before");
        extent.was_too_much(3);
        assert_eq!(extent.now(), 2);
        extent.was_too_much(2);
        assert_eq!(extent.now(), 2, "one alone is never done together, so it could not grow again");
        assert_eq!(done(&mut extent, 2, TAKEN - 1), 2);
        assert_eq!(done(&mut extent, 1, 1), 2, "fewer say nothing of more");
        assert_eq!(done(&mut extent, 2, 1), 4);
        assert_eq!(done(&mut extent, 4, TAKEN - 1), 4);
        extent.was_too_much(8);
        assert_eq!(
            done(&mut extent, 4, TAKEN - 1),
            4,
            "it is counted from the last time that it was too much"
        );
        assert_eq!(done(&mut extent, 500, 10 * TAKEN), 500);
    }

    fn put(body: Body) -> Effect {
        let (method, url) = ("PUT".to_owned(), "/a".to_owned());
        Effect::from(HttpRequest { method, url, headers: Vec::new(), body, timeout: None, keep_body: false })
    }

    fn joint(effect: Effect, members: &[u32]) -> Joint {
        Joint { effect, members: members.to_vec(), memo: bytes::Bytes::new() }
    }

    #[test]
    fn what_cannot_stand_for_its_members_is_found() {
        let limits = config::Limits { request_body_bytes: 1_000, ..config::Limits::default() };
        let said = |joints: &[Joint]| check(joints, 3, &Limits::of(&limits, false)).err();
        let fits = put(Body::Bytes(vec![b'x'; 2_000].into()));
        let large = put(Body::Bytes(vec![b'x'; 2_001].into()));
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[joint(fits.clone(), &[1, 0]), joint(put(Body::None), &[2])]), None);
        for (joints, part) in [
            (vec![joint(large, &[0, 1])], "a joint effect of 2001 bytes for members of 2000"),
            (vec![joint(fits.clone(), &[])], "of nothing"),
            (vec![joint(fits.clone(), &[0, 3])], "delivery 3 joined, which is none of 3"),
            (vec![joint(fits.clone(), &[0, 1]), joint(fits, &[1, 2])], "delivery 1 joined twice"),
            (vec![joint(put(Body::EventData), &[0])], "needs one delivery's data"),
        ] {
            let found = said(&joints);
            assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{part}: {found:?}");
        }
    }
}
