//! `liaison dead-letters redrive`: through their own subscription again, or what would go.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Map, Value, json};

use liaison::config::{Config, SubscriptionName};
use liaison::dead_letter::Reason;
use liaison::dead_letter::report::{printable, summary_json};
use liaison::dead_letter::store::LetterId;
use liaison::host::{Candidate, DeadLetters, Host, RedriveReport, RedriveRequest, Refused};

use super::select::{Filter, deliberate, reason};
use super::{Reading, reach, wanted};
use crate::cli::configuration::KafkaAccess;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, count};
use crate::cli::run::shutdown;

#[derive(Debug, Args)]
#[command(after_help = "\
The same event goes through the subscription's transformers and connector, under the same
idempotency key, in the order of its key. What a later event of its key has overtaken is left,
unless --force. Each that has ended is marked in the topic: run it again after a crash, and it
goes on. One that fails again becomes a new dead letter. Nobody else may be at it.
Exit code 1 if any failed, or if it ended early.")]
pub(in crate::cli) struct Redrive {
    /// SUBSCRIPTION/PARTITION/OFFSET, as `list` shows it
    id: Option<LetterId>,
    /// Of this subscription alone
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    subscription: Option<String>,
    /// Given up for this reason alone, such as rejected; a wrong one names all
    #[arg(long, value_name = "REASON", value_parser = reason(), hide_possible_values = true)]
    reason: Option<Reason>,
    #[command(flatten)]
    filter: Filter,
    /// All that wait
    #[arg(long)]
    all: bool,
    /// Say what would go, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// What a later event of its key has overtaken too
    #[arg(long)]
    force: bool,
    /// Attempts a second, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn redrive(config: Config, options: &Redrive) -> Result<(), Failure> {
    let selection = options.filter.selection(options.id.clone(), options.reason);
    deliberate(&selection, options.all)?;
    let request = RedriveRequest { selection, take: None, force: options.force, rate: options.rate };
    let names = wanted(&config, options.id.as_ref(), options.subscription.as_deref())?;
    send(config, &names, &request, options.dry_run, &options.reading)
}

/// Sends what is asked for of these subscriptions, or says what would go; for `resolve` too.
pub(super) fn send(
    config: Config,
    names: &[SubscriptionName],
    request: &RedriveRequest,
    is_dry: bool,
    reading: &Reading,
) -> Result<(), Failure> {
    let access = reach(&config, reading)?;
    if is_dry {
        return dry_run(&config, names, &access, request, reading.json);
    }
    let mut reports = Map::new();
    let mut is_good = true;
    for name in names {
        // Of its own subscription alone, so that only its plugins and its secrets need to be there.
        let host = Host::from_config(Config { kafka: access.settings.clone(), ..config.clone() }.only(name))?;
        let done = super::super::block_on(async {
            let stop = shutdown().map_err(|error| Failure::Failed(format!("no signals: {error}")))?;
            Ok::<_, Failure>(host.redrive(&access.bootstrap, request, stop).await?)
        })??;
        let Some(report) = done.get(name) else { continue };
        is_good &= report.failed == 0 && report.refused.is_empty() && report.stopped.is_none();
        if reading.json {
            reports.insert(name.to_string(), report_json(report));
        } else {
            output::text(&report_text(name, report))?;
        }
        if report.stopped.is_some() {
            break;
        }
    }
    if reading.json {
        output::json(&reports)?;
    }
    if is_good { Ok(()) } else { Err(Failure::Printed(Exit::Failed)) }
}

fn dry_run(
    config: &Config,
    names: &[SubscriptionName],
    access: &KafkaAccess,
    request: &RedriveRequest,
    json: bool,
) -> Result<(), Failure> {
    let mut all = Vec::new();
    for name in names {
        let letters = DeadLetters::of(config, access.settings.clone(), &access.bootstrap, name);
        let Some(letters) = letters else { continue };
        all.extend(super::super::block_on(letters.candidates(request))??);
    }
    let goes = |candidate: &&Candidate| request.force || candidate.overtaken_by.is_none();
    if json {
        let letters = all.iter().map(|candidate| {
            let mut json = summary_json(&candidate.letter);
            json["overtaken_by"] = candidate.overtaken_by.as_ref().map(ToString::to_string).into();
            json["would_go"] = goes(&candidate).into();
            json
        });
        return output::json(&json!({"dead_letters": letters.collect::<Vec<_>>()}));
    }
    let mut text = String::new();
    for candidate in &all {
        let letter = &candidate.letter;
        let event = letter.event_id.as_deref().map_or_else(|| letter.origin.to_string(), printable);
        let left = match &candidate.overtaken_by {
            Some(by) if request.force => format!(", although overtaken by {by}"),
            Some(by) => format!(", but it would be left: overtaken by {by}"),
            None => String::new(),
        };
        let _ = writeln!(text, "{} {event} ({}){left}", letter.id, letter.reason.name());
    }
    let going = all.iter().filter(goes).count();
    let _ = writeln!(text, "{} would go; nothing was sent", count(going, "dead letter"));
    output::text(&text)
}

fn report_text(name: &SubscriptionName, report: &RedriveReport) -> String {
    let RedriveReport { delivered, filtered, superseded, failed, left, refused, stopped } = report;
    let mut text = format!(
        "{name}: {delivered} delivered, {failed} failed again, {superseded} superseded, {filtered} not wanted, {left} left"
    );
    match refused.len() {
        0 => text.push('\n'),
        count => {
            let _ = writeln!(text, ", {count} not resolved");
        }
    }
    for Refused { id, why } in refused {
        let _ = writeln!(text, "{name}: {id} cannot be resolved: {}", printable(why));
    }
    if let Some(why) = stopped {
        let _ = writeln!(text, "{name}: it ended early: {}; run it again for what is left", printable(why));
    }
    text
}

fn report_json(report: &RedriveReport) -> Value {
    let RedriveReport { delivered, filtered, superseded, failed, left, refused, stopped } = report;
    let refused: Vec<_> =
        refused.iter().map(|Refused { id, why }| json!({"id": id.to_string(), "why": why})).collect();
    json!({"delivered": delivered, "failed": failed, "superseded": superseded, "filtered": filtered, "left": left,
        "refused": refused, "stopped": stopped})
}
