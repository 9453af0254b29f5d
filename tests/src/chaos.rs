//! `cargo chaos`: everything that can go wrong does, on real parts, and every promise is checked afterwards.
//!
//! ```text
//!            ┌───────── links that break ─────────┐
//!  producer ─▶ Kafka, three nodes ══▶ hosts (processes) ══▶ external systems ─▶ ledgers
//!                    │                   │                        │
//!                    └── every commit    └── log of every life    └─▶ trail ─▶ judge ─▶ report
//!                        and dead letter
//! ```
//!
//! A seed decides what happens to whom. Faults come one after another: the next begins when everything that Kafka held
//! by the end of the one before is delivered, so that each duplicate is the doing of one fault, and is counted against
//! what that one may cost. Clocks are not set: what jumps are the timestamps of events, all that a host sees of another
//! clock.
//!
//! - [`fault`]: the kinds, and the schedule of a seed
//! - `link`: a TCP proxy that breaks on demand
//! - [`subscription`]: the two subscriptions, and what is expected of each event
//! - `events`: the producer
//! - `member`: a host and its lives
//! - `stage`: all parts, started
//! - `inject`: makes a fault happen
//! - [`incident`]: a fault as it happened
//! - [`commits`]: every commit that Kafka took, by a reader of its own
//! - [`trail`]: all that is known of a subscription's events; `gather` collects it
//! - [`bounds`], [`judge`]: what may come again, and what was kept
//! - [`report`], `evidence`: what a person reads, and what a failed run leaves

pub mod bounds;
mod clock;
pub mod commits;
mod events;
mod evidence;
pub mod fault;
mod gather;
pub mod incident;
mod inject;
pub mod judge;
mod link;
mod member;
pub mod report;
mod stage;
pub mod subscription;
pub mod trail;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fault::Fault;
use incident::{Incident, MayRepeat};
use member::{LIMIT, Life, Member};
use stage::{Stage, well};

use crate::wait;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    /// How long the faults are spread over; a slow machine takes longer.
    pub duration: Duration,
    pub faults: usize,
    /// Events, half for each subscription.
    pub events: usize,
    pub hosts: usize,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// For a person.
    pub report: String,
    pub is_kept: bool,
    /// Where the evidence is; `None` if all promises were kept.
    pub evidence: Option<PathBuf>,
}

/// Makes a run with its files in `folder`, which is the caller's to remove. `say` is told what happens.
///
/// Fails if something that is not under test did: Kafka that does not start, a folder that cannot be written.
pub fn run(plan: &Plan, folder: &Path, say: &dyn Fn(&str)) -> anyhow::Result<Outcome> {
    say(&format!("seed {}: {} faults, {} events, {} hosts", plan.seed, plan.faults, plan.events, plan.hosts));
    let began = Instant::now();
    let mut stage = Stage::set(plan, folder)?;
    say(&format!("everything is ready after {:.0} s", began.elapsed().as_secs_f64()));
    let began = Instant::now();
    let schedule = fault::schedule(plan.seed, plan.faults, plan.hosts);
    let slot = plan.duration / u32::try_from(schedule.len().max(1))?;
    let mut incidents = Vec::with_capacity(schedule.len());
    for (number, fault) in schedule.iter().enumerate() {
        let planned = began + slot * u32::try_from(number)?;
        stage.producing.allow(plan.events * (number + 1) / schedule.len(), planned + slot);
        wait::until(plan.duration, "the time of the next fault", || Instant::now() >= planned)?;
        let incident = meet(&mut stage, *fault, plan.duration);
        say(&report::line(number + 1, &incident));
        let is_over = incident.recovered_ms.is_err();
        incidents.push(incident);
        if is_over {
            break;
        }
    }
    let mut trouble = end(&mut stage, say).err().map(|error| format!("{error:#}"));
    if incidents.len() < schedule.len() {
        trouble.get_or_insert_with(|| "it was broken off: see the last fault".to_owned());
    }
    conclude(plan, stage, &incidents, trouble)
}

/// Judges the run, and keeps the evidence if it did not keep everything.
fn conclude(
    plan: &Plan,
    mut stage: Stage,
    incidents: &[Incident],
    trouble: Option<String>,
) -> anyhow::Result<Outcome> {
    let lives: Vec<Vec<Life>> = stage.members.iter_mut().map(Member::take_lives).collect();
    let keep_logs = || evidence::keep_logs(plan.seed, &lives, &stage.cluster);
    let trails = match gather::gather(&stage, &lives) {
        Ok(trails) => trails,
        Err(error) => return Err(error.context(format!("the logs are in {}", keep_logs()?.display()))),
    };
    let verdict = judge::judge(&trails, incidents);
    let (acknowledged, refused) = (stage.producing.acknowledged(), stage.producing.refused());
    let run =
        report::Run { plan, incidents, verdict: &verdict, lives: &lives, trouble, acknowledged, refused };
    let (report, is_kept) = (run.text(), run.is_kept());
    let evidence = if is_kept { None } else { Some(keep_logs()?) };
    if let Some(folder) = &evidence {
        evidence::keep(folder, &run, &trails)?;
    }
    Ok(Outcome { report, is_kept, evidence })
}

/// Makes the fault happen and waits until it is got over.
fn meet(stage: &mut Stage, fault: Fault, run: Duration) -> Incident {
    let began_ms = clock::now_ms();
    let injected = inject::inject(stage, fault, fault.kind.lasts(run));
    let over_ms = clock::now_ms();
    let may_repeat = *injected.as_ref().unwrap_or(&MayRepeat::Nothing);
    let recovered_ms = injected.and_then(|_| recover(stage)).map_err(|error| format!("{error:#}"));
    let may_repeat = asked_again(stage, may_repeat).unwrap_or(may_repeat);
    Incident { fault, began_ms, over_ms, recovered_ms, may_repeat }
}

/// When everything is delivered that Kafka had when the fault was over. Then the same once more, so that what comes
/// again because of it has come.
fn recover(stage: &mut Stage) -> anyhow::Result<u64> {
    stage.wait_delivered()?;
    let recovered_ms = clock::now_ms();
    stage.wait_delivered()?;
    Ok(recovered_ms)
}

/// Counts the attempts without an answer, now that they are over.
fn asked_again(stage: &mut Stage, may_repeat: MayRepeat) -> anyhow::Result<MayRepeat> {
    let MayRepeat::Unanswered { host, before, .. } = may_repeat else { return Ok(may_repeat) };
    let attempts = inject::unanswered(&mut stage.hosts()[host])?.saturating_sub(before);
    Ok(MayRepeat::Unanswered { host, before, attempts })
}

/// Sends what is left, waits until all of it is settled, and ends the hosts in order.
fn end(stage: &mut Stage, say: &dyn Fn(&str)) -> anyhow::Result<()> {
    // A fault that was broken off must not stay.
    stage.behave(&well());
    stage.members.iter().for_each(Member::open_links);
    stage.producing.finish()?;
    say("the faults are over; waiting until all is settled");
    stage.wait_delivered()?;
    let is_settled =
        |host: &mut Member| host.metric("liaison_events_unsettled", &[]).is_ok_and(|count| count == 0.0);
    wait::until(LIMIT, "everything to be settled", || stage.hosts().iter_mut().all(is_settled))?;
    stage.clock.stop();
    stage.members.iter_mut().try_for_each(Member::end)
}
