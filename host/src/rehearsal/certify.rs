//! The conformance kit: tries a plugin under all that a host meets in a year, and judges what it does.
//!
//! In come the author's cases, of which at least one must end well: they give events and settings that the plugin
//! accepts, and an endpoint that answers. Each case is run as it is, then again with one thing changed: a reply, the
//! event, the order, or where the host crashes. `trial` says what and which end is right, `bench` runs it, `judge`
//! finds what is wrong. Time is virtual, and nothing leaves the process.

mod bench;
mod events;
mod judge;
mod trial;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::judge::{Finding, Rule};

use self::bench::Bench;
use self::judge::Findings;
use self::trial::{EVENT_TRIALS, Protocol, ReplyTrial, Trial};
use super::case::{Case, Ending};
use super::compare::{differences, ending_of};
use super::run::{Exchange, Run};
use super::{Clock, RehearsalError, Subject};
use crate::contract::Effect;
use crate::delivery::attempt::Place;
use crate::plugin::Observed;

/// More findings of one trial are counted and not kept.
const MAX_FINDINGS: usize = 10;
/// Calls that the warm instance of the trial of order is kept for.
const WARM_CALLS: u32 = 10_000;
/// What an endpoint echoes: no plugin has a reason to say it.
const SECRET: &str = "liaison-rehearsal-secret-5f0c9e";

/// What came of all trials.
#[derive(Debug, Clone)]
pub struct Certification {
    pub sha256: [u8; 32],
    pub is_connector: bool,
    pub cases: usize,
    /// Those that end well, and were tampered with.
    pub good_cases: usize,
    pub trials: Vec<Tried>,
    /// Of all runs together.
    pub cost: Cost,
    /// Endings that cases declare as right beside the kit's own, by trial.
    pub accepted: BTreeMap<String, Vec<Ending>>,
}

/// One trial of all cases.
#[derive(Debug, Clone)]
pub struct Tried {
    pub name: &'static str,
    pub about: &'static str,
    /// 0: no case gave occasion to it.
    pub runs: u32,
    pub failed: u32,
    /// The first of them; a run may have several.
    pub findings: Vec<Finding>,
    /// Findings that are left out.
    pub omitted: usize,
}

/// The most that any run took, beside what it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub runs: u32,
    pub longest_call: Duration,
    pub cpu_limit: Duration,
    pub memory_bytes: usize,
    pub memory_limit: usize,
}

impl Certification {
    /// No finding, and at least one case that could be tampered with.
    pub fn is_passed(&self) -> bool {
        self.good_cases > 0 && self.trials.iter().all(|tried| tried.failed == 0)
    }
}

impl Subject {
    /// Puts the plugin through all trials. Takes milliseconds a case for a small plugin.
    pub fn certify(&self, cases: &[Case]) -> Result<Certification, RehearsalError> {
        let cases = cases.to_vec();
        check_accepted(&cases, &Trial::all(self.is_connector()))?;
        self.on_a_thread(Clock::Virtual, async move |subject| {
            let mut kit = Kit::new(subject);
            let mut good = Vec::new();
            for case in &cases {
                let bench = Bench::new(subject, &subject.plugin, case)?;
                if let Some(base) = kit.as_scripted(&bench, case).await {
                    kit.tamper(&bench, case, &base).await;
                    good.push((case, base));
                }
            }
            kit.reorder(&good).await?;
            Ok(kit.certification(&cases, good.len()))
        })
    }
}

/// Trials under way.
struct Kit<'a> {
    subject: &'a Subject,
    tried: BTreeMap<Trial, Tried>,
    cost: Cost,
}

/// Of which run something is said.
struct About<'a> {
    trial: Trial,
    case: &'a Case,
    at: Option<String>,
}

/// Which reply is changed, of a run that ends like this without.
#[derive(Clone, Copy)]
struct Tampering<'a> {
    at: Place,
    exchange: &'a Exchange,
    ending: Ending,
}

impl<'a> Kit<'a> {
    fn new(subject: &'a Subject) -> Self {
        let tried = |trial: Trial| {
            let (name, about) = (trial.name(), trial.about());
            (trial, Tried { name, about, runs: 0, failed: 0, findings: Vec::new(), omitted: 0 })
        };
        let limits = subject.plugin.limits();
        let (cpu_limit, memory_limit) = (limits.cpu_time, limits.memory_bytes);
        Self {
            subject,
            tried: Trial::all(subject.is_connector()).into_iter().map(tried).collect(),
            cost: Cost { cpu_limit, memory_limit, ..Cost::default() },
        }
    }

    /// The run of a case that ends well, which is what the others are compared with.
    async fn as_scripted(&mut self, bench: &Bench, case: &Case) -> Option<Run> {
        let run = bench.as_scripted(case).await;
        let mut findings = judge::always(&run);
        let differs = differences(case, &run).into_iter();
        findings.extend(differs.map(|difference| {
            let text =
                format!("{}: expected {}, found {}", difference.place, difference.expected, difference.found);
            (Rule::Outcome, text)
        }));
        let is_good = findings.is_empty()
            && matches!(ending_of(&run.end), Some(Ending::Delivered | Ending::Skipped | Ending::Emitted));
        self.note(About { trial: Trial::AsScripted, case, at: None }, &run.observed, findings);
        is_good.then_some(run)
    }

    async fn tamper(&mut self, bench: &Bench, case: &Case, base: &Run) {
        let again = bench.as_scripted(case).await;
        let findings = judge::same(base, &again, Rule::SameAnswer, "given the same event again");
        self.note(About { trial: Trial::Duplicate, case, at: None }, &again.observed, findings);
        self.crash(bench, case, base).await;
        let ending = ending_of(&base.end).unwrap_or(Ending::Fault);
        for (round, exchanges) in base.rounds.iter().enumerate() {
            for (position, exchange) in exchanges.iter().enumerate() {
                let at = Tampering { at: Place { round, position }, exchange, ending };
                for trial in ReplyTrial::all() {
                    self.reply(bench, case, &at, trial).await;
                }
            }
        }
        for trial in EVENT_TRIALS {
            let Some(event) = events::changed(&case.event, trial) else { continue };
            let run = bench.with_event(case, event).await;
            let trial_name = Trial::Event(trial);
            let right = with_accepted(trial.right_endings(ending), case, trial_name);
            let findings = [judge::always(&run), judge::outcome(&run, &right)].concat();
            self.note(About { trial: trial_name, case, at: None }, &run.observed, findings);
        }
    }

    async fn crash(&mut self, bench: &Bench, case: &Case, base: &Run) {
        for rounds in 1..base.rounds.len() {
            let Some(run) = bench.crashed(case, rounds).await else { return };
            let mut findings = judge::always(&run);
            if run.end != base.end {
                let text = format!("it ends as {:?}, and without the crash as {:?}", run.end, base.end);
                findings.push((Rule::Recovers, text));
            }
            findings.extend(judge::no_double_effect(base, &run));
            let at = Some(format!("after step {rounds}"));
            self.note(About { trial: Trial::Crash, case, at }, &run.observed, findings);
        }
    }

    /// One reply is another. What may have been done must be recognised by the next attempt, which must deliver.
    async fn reply(&mut self, bench: &Bench, case: &Case, tampering: &Tampering<'_>, trial: ReplyTrial) {
        let Tampering { at, exchange, ending } = *tampering;
        let Some(sent) = &exchange.sent else { return };
        let protocol = Protocol::of(&exchange.effect);
        if !trial.is_of(protocol) {
            return;
        }
        let run = bench.tampered(case, at, trial, SECRET).await;
        let right = match &exchange.effect {
            Effect::Sql(request) => trial.sql_endings(request.only_reads(), ending),
            Effect::Http(_) | Effect::Grpc(_) => trial.right_endings(&sent.method, ending),
        };
        let right = with_accepted(right, case, Trial::Reply(trial));
        let mut findings = judge::always(&run);
        findings.extend(judge::outcome(&run, &right));
        findings.extend(judge::no_repetition(&run));
        findings.extend(judge::secrets_stay(&run, SECRET));
        if trial.has_wait() {
            findings.extend(judge::wait(&run, trial::WAIT));
        }
        if trial.is_transient() {
            let next = bench.next_attempt(case).await;
            findings.extend(judge::no_double_effect(&run, &next));
            if ending_of(&next.end) != Some(Ending::Delivered)
                && ending_of(&next.end) != Some(Ending::Skipped)
            {
                findings.push((Rule::Recovers, "the next attempt does not deliver".to_owned()));
            }
        }
        let at = Some(format!("step {}, {} {}", at.round + 1, sent.method, sent.url));
        self.note(About { trial: Trial::Reply(trial), case, at }, &run.observed, findings);
    }

    /// All good cases of the same settings, there and back in one instance.
    async fn reorder(&mut self, good: &[(&Case, Run)]) -> Result<(), RehearsalError> {
        let warm = self.subject.plugin.warm(WARM_CALLS);
        let mut settings: Vec<_> = Vec::new();
        for (case, _) in good {
            if !settings.contains(&&case.settings) {
                settings.push(&case.settings);
            }
        }
        for settings in settings {
            let group: Vec<_> = good.iter().filter(|(case, _)| case.settings == *settings).collect();
            let Some((first, _)) = group.first() else { continue };
            let bench = Bench::new(self.subject, &warm, first)?;
            for (case, base) in group.iter().rev().chain(&group) {
                // An endpoint of its own would need a bench of its own.
                let is_same_gateway = case.endpoint == first.endpoint
                    && case.allow == first.allow
                    && case.tables == first.tables;
                if !is_same_gateway {
                    continue;
                }
                let run = bench.as_scripted(case).await;
                let findings = judge::same(base, &run, Rule::SameAnswer, "after other events");
                self.note(About { trial: Trial::Reordered, case, at: None }, &run.observed, findings);
            }
        }
        Ok(())
    }

    fn note(&mut self, about: About<'_>, observed: &Observed, findings: Findings) {
        self.cost.runs += 1;
        self.cost.longest_call = self.cost.longest_call.max(observed.longest_call);
        self.cost.memory_bytes = self.cost.memory_bytes.max(observed.memory_bytes);
        let Some(tried) = self.tried.get_mut(&about.trial) else { return };
        tried.runs += 1;
        tried.failed += u32::from(!findings.is_empty());
        let (case, at) = (about.case.name.clone(), about.at);
        let room = MAX_FINDINGS.saturating_sub(tried.findings.len());
        tried.omitted += findings.len().saturating_sub(room);
        let findings = findings.into_iter().take(room);
        let finding = |(rule, text)| Finding { rule, case: case.clone(), at: at.clone(), text };
        tried.findings.extend(findings.map(finding));
    }

    fn certification(self, cases: &[Case], good_cases: usize) -> Certification {
        let mut accepted: BTreeMap<String, Vec<Ending>> = BTreeMap::new();
        for (trial, endings) in cases.iter().flat_map(|case| &case.accept) {
            let known = accepted.entry(trial.clone()).or_default();
            known.extend(endings);
            known.sort();
            known.dedup();
        }
        let is_connector = self.subject.is_connector();
        let order = Trial::all(is_connector);
        let mut tried = self.tried;
        Certification {
            sha256: self.subject.sha256(),
            is_connector,
            cases: cases.len(),
            good_cases,
            trials: order.iter().filter_map(|trial| tried.remove(trial)).collect(),
            cost: self.cost,
            accepted,
        }
    }
}

/// A name that is misspelt would accept nothing, and nobody would know why.
fn check_accepted(cases: &[Case], trials: &[Trial]) -> Result<(), RehearsalError> {
    let is_known = |name: &str| trials.iter().any(|trial| trial.name() == name);
    for case in cases {
        if let Some(trial) = case.accept.keys().find(|name| !is_known(name)) {
            return Err(RehearsalError::NoTrial { case: case.name.clone(), trial: trial.clone() });
        }
    }
    Ok(())
}

fn with_accepted(mut right: Vec<Ending>, case: &Case, trial: Trial) -> Vec<Ending> {
    right.extend(case.accept.get(trial.name()).into_iter().flatten());
    right
}

#[cfg(test)]
mod tests;
