//! The host's alerts, taken from its log as a person would read them there.
//!
//! In come all events of `tracing`, out go those that are alerts: to the screen at once, and into a list for the end.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::screen::{Screen, Tone};

/// The state of an alert that is over.
const RECOVERED: &str = "recovered";

/// One alert of the host.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: Instant,
    /// Such as `breaker-opened`.
    pub(super) kind: String,
    /// Such as `raised`, and `recovered` when it is over.
    pub(super) state: String,
    /// Whose it is, if it is about a connector.
    pub(super) connector: String,
    pub(super) message: String,
}

/// Listens for alerts. Clones share what was heard.
#[derive(Debug, Clone)]
pub(super) struct Alerts {
    screen: Screen,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Alerts {
    pub(super) fn new(screen: &Screen) -> Self {
        Self { screen: screen.clone(), heard: Arc::default() }
    }

    /// All so far, oldest first.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no holder panics").clone()
    }

    /// What the latest alert of this kind says of this connector, unless it is over.
    pub(super) fn standing(&self, kind: &str, connector: &str) -> Option<String> {
        let heard = self.heard.lock().expect("no holder panics");
        let latest = heard.iter().rev().find(|alert| alert.kind == kind && alert.connector == connector)?;
        (latest.state != RECOVERED).then(|| latest.message.clone())
    }
}

impl<S: Subscriber> Layer<S> for Alerts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = AlertFields::default();
        event.record(&mut fields);
        let Some(kind) = fields.kind else { return };
        let AlertFields { state, connector, message, .. } = fields;
        self.screen.moment(Tone::Alert, &format!("alert {kind}, {state}: {message}"));
        let heard = Heard { at: Instant::now(), kind, state, connector, message };
        self.heard.lock().expect("no holder panics").push(heard);
    }
}

/// What an alert's log line is made of.
#[derive(Default)]
struct AlertFields {
    kind: Option<String>,
    state: String,
    connector: String,
    message: String,
}

impl Visit for AlertFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "alert" {
            self.kind = Some(value.to_owned());
        }
        match field.name() {
            "state" => value.clone_into(&mut self.state),
            "connector" => value.clone_into(&mut self.connector),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.message, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn an_alert_stands_until_it_is_over_and_for_its_own_connector() {
        let alerts = Alerts::new(&Screen::silent());
        tracing::subscriber::with_default(Registry::default().with(alerts.clone()), || {
            tracing::warn!(alert = "denied", state = "raised", connector = "own", "no path");
            tracing::warn!(alert = "denied", state = "recovered", connector = "other", "well again");
            tracing::warn!(connector = "own", "no alert");
        });
        assert_eq!(alerts.standing("denied", "own").as_deref(), Some("no path"));
        assert_eq!(alerts.standing("denied", "other"), None);
        assert_eq!(alerts.standing("breaker-opened", "own"), None);
        tracing::subscriber::with_default(Registry::default().with(alerts.clone()), || {
            tracing::warn!(alert = "denied", state = "recovered", connector = "own", "well again");
        });
        assert_eq!(alerts.standing("denied", "own"), None);
    }
}
