//! The three external systems of the demo: real HTTP servers on loopback, and what goes wrong with them.
//!
//! Each answers as such a system would; when it fails is said elsewhere.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde::Deserialize;

use crate::system::{Answer, Behaviour, Entry, Request, RetryAfter, System};

/// What the calendar's callers must know. The host reads it from a file.
pub(super) const CALENDAR_TOKEN: &str = "calendar-demo-token";
/// How long the compliance database asks everyone to wait.
pub(super) const RETRY_AFTER: RetryAfter = RetryAfter::Seconds(1);

/// Who receives events: a subscription, its connector and the system behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscriber {
    Calendar,
    Documents,
    Compliance,
}

impl Subscriber {
    pub(super) const ALL: [Self; 3] = [Self::Calendar, Self::Documents, Self::Compliance];

    /// The name of the subscription.
    pub(super) fn name(self) -> &'static str {
        match self {
            Subscriber::Calendar => "calendar",
            Subscriber::Documents => "documents",
            Subscriber::Compliance => "compliance",
        }
    }

    /// The name of its connector.
    pub(super) fn connector(self) -> &'static str {
        match self {
            Subscriber::Calendar => "training-calendar",
            Subscriber::Documents => "document-repository",
            Subscriber::Compliance => "compliance-database",
        }
    }

    /// What people call the system.
    pub(super) fn system(self) -> &'static str {
        match self {
            Subscriber::Calendar => "training calendar",
            Subscriber::Documents => "document repository",
            Subscriber::Compliance => "compliance database",
        }
    }
}

/// All of them, running.
#[derive(Debug)]
pub(super) struct Systems([System; 3]);

impl Systems {
    pub(super) fn start() -> anyhow::Result<Self> {
        let start = |subscriber: Subscriber| System::start(subscriber.name(), usual(subscriber));
        let [calendar, documents, compliance] = Subscriber::ALL;
        Ok(Self([start(calendar)?, start(documents)?, start(compliance)?]))
    }

    pub(super) fn of(&self, subscriber: Subscriber) -> &System {
        &self.0[subscriber as usize]
    }

    /// The document repository answers `503` until then.
    pub(super) fn break_documents(&self, until: Instant) {
        let documents = Subscriber::Documents;
        self.of(documents).behave(usual(documents).until(until, Behaviour::status(503)));
    }

    /// The compliance database answers its next so many requests with `429`.
    pub(super) fn throttle_compliance(&self, requests: u32) {
        let left = AtomicU32::new(requests);
        let is_next = move |_: &Request<'_>| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        };
        let compliance = Subscriber::Compliance;
        self.of(compliance).behave(usual(compliance).when(is_next, Behaviour::too_many(RETRY_AFTER)));
    }
}

/// Whether a request only asks if the system is there.
pub(super) fn is_probe(entry: &Entry) -> bool {
    entry.method == Method::GET
}

fn usual(subscriber: Subscriber) -> Behaviour {
    let behaviour = match subscriber {
        Subscriber::Calendar => Behaviour::from_fn(answer_of_calendar).with_bearer(CALENDAR_TOKEN),
        Subscriber::Documents => Behaviour::ok(),
        Subscriber::Compliance => {
            Behaviour::status(201).when(|request| request.method == Method::GET, Behaviour::ok())
        }
    };
    // Between 2 and 9 ms, as a system nearby takes.
    behaviour.with_latency_by(|request| {
        let sum: usize = request.path.bytes().chain(request.body.iter().copied()).map(usize::from).sum();
        Duration::from_millis(2 + sum as u64 % 8)
    })
}

/// It takes no training that ends before it begins.
fn answer_of_calendar(request: &Request<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Times {
        starts: String,
        ends: String,
    }
    // What has no times, as a cancellation, is fine.
    match serde_json::from_slice::<Times>(request.body) {
        Ok(times) if times.ends < times.starts => {
            let reason =
                format!("a training cannot end ({}) before it begins ({})", times.ends, times.starts);
            Answer::status(422).with_body(reason)
        }
        Ok(_) | Err(_) => Answer::status(200),
    }
}
