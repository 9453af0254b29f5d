//! The SLA of each event type: what missed its deadline, what will, and how much of that the objective allows.
//!
//! Types that `[sla]` names are told apart; all others are one, `default`: what comes from outside makes no series and
//! no alert of its own. A type without a deadline is not watched.

use std::time::Duration;

use tokio::time::Instant;

use super::short;
use super::steady::{Change, Steady};
use crate::alert::AlertKind;
use crate::config::Sla;
use crate::contract::TimestampMs;
use crate::delivery::drain::{AtRisk, Backlog, DrainRate, at_risk};
use crate::delivery::objective::{Objective, Pace};
use crate::subscription::carried::Carried;
use crate::subscription::witness::Witness;
use crate::telemetry::{BurnWindow, Label as _, Settlement, SlaMetrics, SlaResult, Telemetry};

/// Looks in a row before it is told that events are at risk, and that they are no more.
const RISK_BEGINS: u32 = 3;
const RISK_ENDS: u32 = 10;

#[derive(Debug)]
pub(super) struct SlaWatch {
    types: Vec<Watched>,
    drain: DrainRate,
    settled: u64,
    looked_at: Instant,
}

/// An event type with a deadline.
#[derive(Debug)]
struct Watched {
    name: String,
    sla: Sla,
    deadline: Duration,
    objective: Objective,
    metrics: SlaMetrics,
    risk: Steady,
    fast: Steady,
    slow: Steady,
}

/// A delivery that is not settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    sequence: u64,
    written: Option<TimestampMs>,
    deadline: Option<TimestampMs>,
    /// Position in `types`.
    watched: Option<usize>,
}

impl SlaWatch {
    pub(super) fn new(witness: &Witness, telemetry: &Telemetry, now: Instant) -> Self {
        let watched = |(name, sla): (&str, &Sla)| {
            let metrics = telemetry.sla(&witness.subscription, &witness.connector, name);
            Some(Watched {
                name: name.to_owned(),
                deadline: sla.deadline?,
                objective: Objective::new(sla.objective, now),
                metrics,
                risk: Steady::default(),
                fast: Steady::default(),
                slow: Steady::default(),
                sla: *sla,
            })
        };
        let types = witness.sla.named().filter_map(watched).collect();
        Self { types, drain: DrainRate::default(), settled: 0, looked_at: now }
    }

    pub(super) fn settled(
        &mut self,
        witness: &Witness,
        carried: &mut Carried,
        settlement: Settlement,
        (now_ms, now): (TimestampMs, Instant),
    ) {
        self.settled += 1;
        self.watch_deadline(witness, carried, now_ms, now);
        if carried.deadline.is_some_and(|deadline| !deadline.is_told()) {
            let is_met = settlement != Settlement::DeadLettered;
            self.count(witness, carried, is_met, now);
        }
    }

    /// Says once of each event that its deadline is missed.
    pub(super) fn watch_deadline(
        &mut self,
        witness: &Witness,
        carried: &mut Carried,
        now_ms: TimestampMs,
        now: Instant,
    ) {
        if let Some(late) = carried.deadline.as_mut().and_then(|deadline| deadline.newly_missed(now_ms)) {
            self.count(witness, carried, false, now);
            witness.deadline_missed(&carried.event, late);
        }
    }

    fn count(&mut self, witness: &Witness, carried: &Carried, is_met: bool, now: Instant) {
        let Some(watched) = self.position(witness, carried).map(|position| &mut self.types[position]) else {
            return;
        };
        watched.objective.count(is_met, now);
        watched.metrics.events[if is_met { SlaResult::Met } else { SlaResult::Missed }].inc();
    }

    fn position(&self, witness: &Witness, carried: &Carried) -> Option<usize> {
        let name = witness.sla.name_of(&carried.event.kind);
        self.types.iter().position(|watched| watched.name == name)
    }

    pub(super) fn waiting(&self, witness: &Witness, carried: &Carried) -> Waiting {
        Waiting {
            sequence: carried.sequence,
            written: carried.record.timestamp,
            deadline: carried.deadline.map(|deadline| deadline.at()),
            watched: self.position(witness, carried),
        }
    }

    /// Looks at each type, with all that waits here and the number of records that nobody has read.
    pub(super) fn look(
        &mut self,
        witness: &Witness,
        waiting: &mut [Waiting],
        unread: u64,
        now_ms: TimestampMs,
        now: Instant,
    ) {
        let settled = std::mem::take(&mut self.settled);
        let took = now.saturating_duration_since(std::mem::replace(&mut self.looked_at, now));
        self.drain.observe(settled, !waiting.is_empty(), took);
        waiting.sort_unstable_by_key(|waiting| waiting.sequence);
        let newest = waiting.iter().filter_map(|waiting| waiting.written).max().unwrap_or(now_ms);
        let rate = self.drain.per_second();
        for (position, watched) in self.types.iter_mut().enumerate() {
            let is_one = |waiting: &&Waiting| waiting.watched == Some(position);
            let count = waiting.iter().filter(is_one).count();
            let lengths = [(watched.deadline, share(count, waiting.len()))];
            let deadlines: Vec<_> =
                waiting.iter().map(|waiting| waiting.deadline.filter(|_| is_one(&waiting))).collect();
            let backlog = Backlog { waiting: &deadlines, unread, newest, lengths: &lengths };
            let risk = rate.map(|rate| at_risk(&backlog, rate, now_ms)).unwrap_or_default();
            watched.at_risk(witness, risk, rate.unwrap_or_default());
            watched.burn(witness, now);
        }
    }
}

impl Watched {
    fn at_risk(&mut self, witness: &Witness, risk: AtRisk, per_second: f64) {
        let AtRisk { waiting, unread } = risk;
        let count = waiting + unread;
        self.metrics.at_risk.set(i64::try_from(count).unwrap_or(i64::MAX));
        let name = &self.name;
        match self.risk.look(count > 0, RISK_BEGINS, RISK_ENDS) {
            Some(Change::Began) if self.sla.alert => {
                let message = format!(
                    "{count} events of type {name} will miss their deadline of {}, at the rate at which events settle \
                     now, {per_second:.1} a second: {waiting} that wait here, and about {unread} not read yet",
                    short(self.deadline)
                );
                witness.raise_about(AlertKind::AtRisk, Some(name.clone()), message, None);
            }
            Some(Change::Ended) => {
                let message = format!("no event of type {name} is about to miss its deadline any more");
                witness.over(AlertKind::AtRisk, Some(name.clone()), message);
            }
            Some(Change::Began) | None => {}
        }
    }

    fn burn(&mut self, witness: &Witness, now: Instant) {
        self.metrics.attainment.set(self.objective.attainment(now).unwrap_or(f64::NAN));
        let settings = self.sla.objective;
        for (pace, steady, burn, windows) in [
            (Pace::Fast, &mut self.fast, settings.fast, [BurnWindow::Fast, BurnWindow::FastShort]),
            (Pace::Slow, &mut self.slow, settings.slow, [BurnWindow::Slow, BurnWindow::SlowShort]),
        ] {
            let rates = self.objective.burn(pace, now);
            self.metrics.burn_rate[windows[0]].set(rates.long);
            self.metrics.burn_rate[windows[1]].set(rates.short);
            let about = Some(format!("{}, {}", self.name, windows[0].value()));
            match steady.look(rates.is_burning, 1, RISK_ENDS) {
                Some(Change::Began) if self.sla.alert => {
                    let message = format!(
                        "so many events of type {} miss their deadline that the objective of {} % in {} will be missed: \
                         {:.1} times what it allows over {}, {:.1} times over {}",
                        self.name,
                        settings.share * 100.0,
                        short(settings.window),
                        rates.long,
                        short(burn.window),
                        rates.short,
                        short(burn.short_window)
                    );
                    witness.raise_about(AlertKind::Burning, about, message, None);
                }
                Some(Change::Ended) => {
                    let message =
                        format!("events of type {} meet their deadline often enough again", self.name);
                    witness.over(AlertKind::Burning, about, message);
                }
                Some(Change::Began) | None => {}
            }
        }
    }
}

fn share(count: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { count as f64 / all as f64 }
}
