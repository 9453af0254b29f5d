//! Alerts: what a subscription raises, and what is over.

use std::time::Duration;

use super::Witness;
use crate::alert::{Alert, AlertKind};
use crate::config::SubscriptionName;
use crate::delivery::breaker::{self, Change};
use crate::event::Event;
use crate::subscription::carried::unix_ms;

impl Witness {
    /// Told of the connector as a whole, by the one of its subscriptions that saw it.
    pub(crate) fn breaker_changed(&self, change: Change, why: &str) {
        let (kind, message) = match change {
            Change::Opened { reason, .. } => {
                let (kind, what) = match reason {
                    breaker::Reason::Unavailable => (AlertKind::BreakerOpened, "is down"),
                    breaker::Reason::Denied => {
                        (AlertKind::Denied, "refuses us; mend its `credential`, or what it says")
                    }
                };
                let waits = "its events wait in Kafka, no attempts are spent, and it is probed";
                (kind, format!("connector {} {what}: {waits} ({why})", self.connector))
            }
            Change::Closed => {
                for kind in [AlertKind::BreakerOpened, AlertKind::Denied] {
                    let message = format!("connector {} is up again", self.connector);
                    self.alerts.over(self.alert(kind, None, None, message, None));
                }
                return;
            }
        };
        self.alerts.raise(self.alert(kind, None, None, message, None));
    }

    /// What the connector's own check says, told of the connector as a whole.
    pub(crate) fn checked(&self, mut answer: Result<String, String>) {
        let (Ok(said) | Err(said)) = &mut answer;
        self.said(said);
        let connector = &self.connector;
        match answer {
            Ok(how) => {
                tracing::info!(%connector, how, "the external system is usable");
                let message = format!("connector {connector} is usable: {how}");
                self.alerts.over(self.alert(AlertKind::Unusable, None, None, message, None));
            }
            Err(why) => {
                let message = format!("the check of connector {connector} says that it is not usable: {why}");
                self.alerts.raise(self.alert(AlertKind::Unusable, None, None, message, None));
            }
        }
    }

    /// The flood guard has shut: so many of so many deliveries would have been given up, the last with this message.
    pub(crate) fn flood_began(&self, (given_up, all): (u32, u32), message: &str) {
        self.metrics.flood_guard_shut.set(1);
        let text = format!(
            "{given_up} of the last {all} deliveries of {} would be dead letters, so it waits: none is given up, and one \
             event is tried now and then; mend what is wrong, or set `flood-guard.enabled = false` to let them go (the \
             last: {message})",
            self.subscription
        );
        self.health.set_not_ready(&self.flood_subject(), text.clone());
        self.raise(AlertKind::Flood, text, None);
    }

    pub(crate) fn flood_ended(&self) {
        self.metrics.flood_guard_shut.set(0);
        self.health.set_ready(&self.flood_subject());
        self.over(AlertKind::Flood, None, format!("deliveries of {} go on", self.subscription));
    }

    fn flood_subject(&self) -> String {
        format!("deliveries of {}", self.subscription)
    }

    /// Once for each event.
    pub(crate) fn deadline_missed(&self, event: &Event, late: Duration) {
        self.metrics.deadlines_missed.inc();
        if self.sla.of(&event.kind).alert {
            let about = Some(self.sla.name_of(&event.kind).to_owned());
            let message =
                format!("event {} of type {} missed its deadline by {late:?}", event.id, event.kind);
            self.raise_about(AlertKind::DeadlineMissed, about, message, Some(event.id.clone()));
        }
    }

    pub(crate) fn raise(&self, kind: AlertKind, message: String, event_id: Option<String>) {
        self.raise_about(kind, None, message, event_id);
    }

    /// `about` tells causes of one kind apart, each with its own beginning and end.
    pub(crate) fn raise_about(
        &self,
        kind: AlertKind,
        about: Option<String>,
        message: String,
        event_id: Option<String>,
    ) {
        self.alerts.raise(self.alert(kind, Some(self.subscription.clone()), about, message, event_id));
    }

    /// What was raised is over.
    pub(crate) fn over(&self, kind: AlertKind, about: Option<String>, message: String) {
        self.alerts.over(self.alert(kind, Some(self.subscription.clone()), about, message, None));
    }

    fn alert(
        &self,
        kind: AlertKind,
        subscription: Option<SubscriptionName>,
        about: Option<String>,
        message: String,
        event_id: Option<String>,
    ) -> Alert {
        Alert {
            kind,
            subscription,
            connector: Some(self.connector.clone()),
            about,
            message,
            event_id,
            at_ms: unix_ms(),
        }
    }
}
