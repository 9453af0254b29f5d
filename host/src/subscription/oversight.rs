//! What a subscription watches beside its deliveries: its SLA, what Kafka deletes, and whether Kafka is there at all.
//!
//! Looks once a second at all that waits, sets the gauges, and says when something begins and when it is over. It
//! decides by pure rules (`delivery::objective`, `delivery::drain`) and changes no delivery.

mod sla;
mod steady;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::sla::SlaWatch;
use self::steady::{Change, Steady};
use super::SubscriptionPlan;
use super::carried::{Carried, unix_ms};
use super::lanes::Lanes;
use super::witness::Witness;
use crate::admin::Health;
use crate::alert::AlertKind;
use crate::contract::TimestampMs;
use crate::kafka::consumer::{Complaint, Partition};
use crate::kafka::retention::{Retention, Retentions};
use crate::telemetry::Settlement;

/// How long topics keep their records, as far as Kafka says.
#[derive(Debug, Clone)]
pub(crate) struct KnownRetentions {
    pub(crate) of_topics: Retentions,
    /// Warn when an event has reached this share of it.
    pub(crate) warn_at_share: f64,
}

#[derive(Debug)]
pub(super) struct Oversight {
    witness: Witness,
    sla: SlaWatch,
    retentions: watch::Receiver<KnownRetentions>,
    /// By topic: is the oldest event nearly as old as Kafka keeps events?
    near: BTreeMap<Arc<str>, Steady>,
    lag: u64,
    health: Health,
    /// Of `/readyz`.
    subject: String,
    away_after: Duration,
    /// When a broker answered last.
    heard_at: Instant,
    /// What the client has complained of since, and whether that was told.
    complaint: Option<Complaint>,
    is_complaint_told: bool,
    away: Steady,
}

impl Oversight {
    pub(super) fn new(plan: &SubscriptionPlan) -> Self {
        let now = Instant::now();
        let witness = plan.witness.clone();
        Self {
            sla: SlaWatch::new(&witness, &plan.stages.telemetry, now),
            retentions: plan.retentions.clone(),
            near: BTreeMap::new(),
            lag: 0,
            health: plan.health.clone(),
            subject: format!("kafka for {}", witness.subscription),
            away_after: plan.kafka.away_after,
            heard_at: now,
            complaint: None,
            is_complaint_told: false,
            away: Steady::default(),
            witness,
        }
    }

    /// A delivery has settled.
    pub(super) fn settled(
        &mut self,
        carried: &mut Carried,
        settlement: Settlement,
        now: (TimestampMs, Instant),
    ) {
        self.sla.settled(&self.witness, carried, settlement, now);
    }

    /// What librdkafka says of the group and of its connections.
    pub(super) fn statistics(
        &mut self,
        lag: &[(String, i64)],
        silence: Option<Duration>,
        complaint: Option<Complaint>,
        now: Instant,
    ) {
        self.lag = u64::try_from(self.witness.lag(lag)).unwrap_or_default();
        if let Some(heard_at) = silence.and_then(|silence| now.checked_sub(silence)) {
            self.heard_at = self.heard_at.max(heard_at);
        }
        // What was before the last answer is over.
        let complaint = complaint.filter(|complaint| Instant::from_std(complaint.at) > self.heard_at);
        let text = |complaint: &Option<Complaint>| complaint.as_ref().map(|complaint| complaint.text.clone());
        self.is_complaint_told &= text(&complaint) == text(&self.complaint);
        self.complaint = complaint;
    }

    /// Retention deleted these offsets before they were read.
    pub(super) fn overtaken(&self, partition: &Partition, lost: &Range<i64>) {
        let count = u64::try_from(lost.end - lost.start).unwrap_or_default();
        self.witness.metrics.retention_lost.inc_by(count);
        let (first, last) = (lost.start, lost.end - 1);
        let message = format!(
            "Kafka deleted offsets {first} to {last} of partition {partition} before they were read: the events among \
             these {count} offsets are lost to this subscription"
        );
        self.witness.raise_about(AlertKind::RetentionLost, Some(partition.to_string()), message, None);
    }

    /// Looks over all that waits. Once a second.
    pub(super) fn look(&mut self, lanes: &mut Lanes<Box<Carried>>, unsettled: usize, now: Instant) {
        let now_ms = unix_ms();
        let mut oldest: BTreeMap<Arc<str>, TimestampMs> = BTreeMap::new();
        let mut waiting = Vec::with_capacity(unsettled);
        for carried in lanes.iter_mut() {
            self.sla.watch_deadline(&self.witness, carried, now_ms, now);
            if let Some(written) = carried.record.timestamp {
                let topic = &carried.record.origin.topic;
                let known = oldest.entry(topic.clone()).or_insert(written);
                *known = written.min(*known);
            }
            waiting.push(self.sla.waiting(&self.witness, carried));
        }
        let age = oldest.values().min().map_or(0, |written| now_ms.saturating_sub(*written));
        self.witness.oldest(Duration::from_millis(age));
        let unread = self.lag.saturating_sub(unsettled as u64);
        self.sla.look(&self.witness, &mut waiting, unread, now_ms, now);
        self.watch_retention(&oldest, now_ms);
        self.watch_kafka(now);
    }

    fn watch_retention(&mut self, oldest: &BTreeMap<Arc<str>, TimestampMs>, now_ms: TimestampMs) {
        let retentions = self.retentions.borrow();
        let mut most_used = 0.0_f64;
        for topic in oldest.keys() {
            self.near.entry(topic.clone()).or_default();
        }
        for (topic, near) in &mut self.near {
            let age = oldest.get(topic).map(|written| Duration::from_millis(now_ms.saturating_sub(*written)));
            let keeps = match retentions.of_topics.get(&**topic) {
                Some(Retention::For(keeps)) => Some(*keeps),
                Some(Retention::Endless | Retention::Unknown(_)) | None => None,
            };
            let used = age.zip(keeps).map_or(0.0, |(age, keeps)| age.as_secs_f64() / keeps.as_secs_f64());
            most_used = most_used.max(used);
            let about = || Some(topic.to_string());
            match near.look(used >= retentions.warn_at_share, 1, 1) {
                Some(Change::Began) => {
                    let (age, keeps) = (short(age.unwrap_or_default()), short(keeps.unwrap_or_default()));
                    let message = format!(
                        "the oldest undelivered event of topic {topic} is {age} old, and Kafka may delete it at {keeps}"
                    );
                    self.witness.raise_about(AlertKind::RetentionNear, about(), message, None);
                }
                Some(Change::Ended) => {
                    let message =
                        format!("the oldest undelivered event of topic {topic} is far from deletion again");
                    self.witness.over(AlertKind::RetentionNear, about(), message);
                }
                None => {}
            }
        }
        self.witness.metrics.retention_used.set(most_used);
    }

    fn watch_kafka(&mut self, now: Instant) {
        let silence = now.saturating_duration_since(self.heard_at);
        let change = self.away.look(silence >= self.away_after, 1, 1);
        if self.away.is_on() {
            let message = self.away_text(silence);
            self.health.set_not_ready(&self.subject, message.clone());
            // Why it is away may be known later than that it is.
            if change.is_some() || !self.is_complaint_told {
                self.witness.raise(AlertKind::KafkaAway, message, None);
                self.is_complaint_told = true;
            }
        } else if change.is_some() {
            self.health.set_ready(&self.subject);
            self.witness.over(AlertKind::KafkaAway, None, "Kafka answers again".to_owned());
        }
    }

    fn away_text(&self, silence: Duration) -> String {
        let complaint =
            self.complaint.as_ref().map(|complaint| format!(" ({})", complaint.text)).unwrap_or_default();
        let silence = short(silence);
        format!(
            "no Kafka broker has answered for {silence}{complaint}; what is read already goes on, and offsets are held"
        )
    }
}

/// Of a length of time what matters to a person.
fn short(length: Duration) -> String {
    let seconds = length.as_secs();
    let unit = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= 10 * unit).unwrap_or(1);
    humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_rounded_to_what_matters() {
        for (seconds, expected) in
            [(0, "0s"), (59, "59s"), (90, "1m 30s"), (700, "11m"), (40_000, "11h"), (900_000, "10days")]
        {
            assert_eq!(short(Duration::from_secs(seconds)), expected);
        }
    }
}
