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

/// One alert of the host.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: Instant,
    /// Such as `breaker-opened`.
    pub(super) kind: String,
    /// Such as `raised`, and `recovered` when it is over.
    pub(super) state: String,
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
}

impl<S: Subscriber> Layer<S> for Alerts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = AlertFields::default();
        event.record(&mut fields);
        let Some(kind) = fields.kind else { return };
        let state = fields.state;
        self.screen.moment(Tone::Alert, &format!("alert {kind}, {state}: {}", fields.message));
        let heard = Heard { at: Instant::now(), kind, state };
        self.heard.lock().expect("no holder panics").push(heard);
    }
}

/// What an alert's log line is made of.
#[derive(Default)]
struct AlertFields {
    kind: Option<String>,
    state: String,
    message: String,
}

impl Visit for AlertFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "alert" {
            self.kind = Some(value.to_owned());
        }
        if field.name() == "state" {
            value.clone_into(&mut self.state);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.message, "{value:?}");
        }
    }
}
