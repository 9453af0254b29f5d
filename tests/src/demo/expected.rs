//! What should become of each event, worked out from what it says and from the demo's configuration, not from the host.

use serde::Serialize;

use super::events::{Event, What};
use super::systems::Subscriber;

/// An event that was produced.
#[derive(Debug)]
pub(super) struct Emitted {
    pub(super) event: Event,
    /// What the host calls it.
    pub(super) id: String,
    pub(super) at: std::time::Instant,
}

/// One request that a system should have accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected<'a> {
    pub(super) key: &'a str,
    pub(super) id: &'a str,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
}

/// What the reshaping transformer makes of a policy.
#[derive(Serialize)]
struct Document<'a> {
    document: &'a str,
    title: String,
    revision: u32,
    changed: &'a str,
    event: &'a str,
}

/// The request by which a subscriber should get this event, if it should.
pub(super) fn expected<'a>(subscriber: Subscriber, emitted: &'a Emitted) -> Option<Expected<'a>> {
    let Emitted { event, id, .. } = emitted;
    let (method, path, body) = match (subscriber, &event.what) {
        (Subscriber::Calendar, What::Schedule(_) | What::Cancelled(_)) if !is_refused(event) => {
            ("PUT", format!("/events/{}", id.replace('/', "%2F")), event.data().to_owned())
        }
        (Subscriber::Documents, What::Policy(policy)) if policy.status == "published" => {
            let document = Document {
                document: &policy.number,
                title: format!("{} ({})", policy.title, policy.unit),
                revision: policy.revision,
                changed: &policy.updated_at,
                event: id,
            };
            let body = serde_json::to_string(&document).expect("strings and numbers are JSON");
            ("PUT", format!("/documents/{}", policy.number), body)
        }
        (Subscriber::Compliance, What::Policy(_) | What::Cancelled(_)) => {
            ("POST", "/records".to_owned(), event.data().to_owned())
        }
        (Subscriber::Compliance, What::Audit(audit)) if audit.severity >= 3 => {
            ("POST", "/records".to_owned(), event.data().to_owned())
        }
        (Subscriber::Calendar | Subscriber::Documents | Subscriber::Compliance, _) => return None,
    };
    let key = event.what.key().unwrap_or_default();
    Some(Expected { key, id, method, path, body })
}

/// The events that should be dead letters of a subscriber.
pub(super) fn expected_dead(subscriber: Subscriber, emitted: &[Emitted]) -> Vec<&str> {
    match subscriber {
        Subscriber::Calendar => emitted
            .iter()
            .filter(|emitted| is_refused(&emitted.event))
            .map(|emitted| emitted.id.as_str())
            .collect(),
        Subscriber::Documents | Subscriber::Compliance => Vec::new(),
    }
}

/// Whether nobody should get it.
pub(super) fn is_unwanted(emitted: &Emitted) -> bool {
    let nobody = Subscriber::ALL.iter().all(|subscriber| expected(*subscriber, emitted).is_none());
    nobody && !is_refused(&emitted.event)
}

/// Whether the calendar refuses it for good.
fn is_refused(event: &Event) -> bool {
    matches!(&event.what, What::Schedule(schedule) if schedule.ends < schedule.starts)
}
