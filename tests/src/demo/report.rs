//! The end of the demo: a table, the dead letters, what happened in words, and what to try next.
//!
//! In comes what was played, by the demo, the systems' ledgers and the host's metrics; out go texts to the screen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, LineStyle, Table};
use hdrhistogram::Histogram;
use liaison::config::SubscriptionName;
use liaison::dead_letter::listing::{self, Listing, Summary};
use liaison::dead_letter::selection::Selection;
use liaison::dead_letter::store::Store;

use super::alerts::Heard;
use super::check::{Became, arrivals, differences};
use super::expected::{Emitted, Expected, expected, expected_dead, is_unwanted};
use super::levels::{Levels, levels};
use super::play::Played;
use super::stage::Stage;
use super::systems::{Subscriber, is_probe};
use crate::screen::{Screen, Tone};
use crate::system::Entry;

/// How long reading a dead-letter topic may take.
const READ: Duration = Duration::from_secs(10);
/// What took longer counts as this.
const LONGEST_LATENCY_US: u64 = 60_000_000;
const TITLE_COLUMNS: usize = 13;

/// All that is known of one subscription at the end.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) subscriber: Subscriber,
    pub(super) ledger: Vec<Arc<Entry>>,
    /// As read back from Kafka.
    pub(super) letters: Listing,
    pub(super) levels: Levels,
}

/// Gathers the accounts of all subscriptions, in their order.
pub(super) async fn accounts(stage: &Stage) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::with_capacity(Subscriber::ALL.len());
    for (subscriber, levels) in Subscriber::ALL.into_iter().zip(levels(&stage.telemetry)?) {
        let letters = letters(stage, subscriber.name()).await?;
        let ledger = stage.systems.of(subscriber).ledger();
        accounts.push(Account { subscriber, ledger, letters, levels });
    }
    Ok(accounts)
}

/// The dead letters of a subscription, as read back from Kafka.
pub(super) async fn letters(stage: &Stage, subscription: &str) -> anyhow::Result<Listing> {
    let name = SubscriptionName::new(subscription);
    let topic = stage.config.subscriptions.get(&name).map(|settings| settings.dead_letter_topic.clone());
    let topic = topic.context("the demo's configuration has all its subscriptions")?;
    let (kafka, bootstrap) = (stage.config.kafka.clone(), stage.broker.bootstrap().to_owned());
    let read = move || {
        let (settings, bootstrap, subscription) = (&kafka, bootstrap.as_str(), &name);
        let store = Store { settings, bootstrap, subscription, topic: &topic, limit: READ };
        listing::list(&store, &Selection::default())
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Shows the whole end but what to try next. Gives whether all is as it should be.
pub(super) fn show(screen: &Screen, played: &Played, accounts: &[Account], alerts: &[Heard]) -> bool {
    screen.heading("Deliveries");
    screen.show(table(&played.emitted, accounts).trim_fmt());
    screen.heading("Dead letters, as read back from Kafka");
    accounts
        .iter()
        .flat_map(|account| &account.letters.letters)
        .for_each(|letter| show_letter(screen, letter));
    screen.heading("What happened");
    for (title, text) in happened(played, accounts, alerts) {
        screen.titled(Tone::Plain, title, &text, TITLE_COLUMNS);
    }
    proof(screen, &played.emitted, accounts)
}

fn table(emitted: &[Emitted], accounts: &[Account]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING.header_separator(LineStyle::none().fill('─').junction('─')));
    table.set_header(["subscription", "delivered", "filtered", "dead letters", "attempts", "p50", "p99"]);
    for account in accounts {
        let latencies = latencies(emitted, &account.ledger);
        let quantile =
            |quantile| Duration::from_micros(latencies.value_at_quantile(quantile)).as_secs_f64() * 1000.0;
        table.add_row([
            account.subscriber.name().to_owned(),
            account.levels.delivered.to_string(),
            account.levels.filtered.to_string(),
            account.levels.dead_lettered.to_string(),
            account.levels.attempts.to_string(),
            format!("{:.0} ms", quantile(0.5)),
            format!("{:.0} ms", quantile(0.99)),
        ]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

pub(super) fn show_letter(screen: &Screen, letter: &Summary) {
    let event = letter.event_id.as_deref().unwrap_or("an event without id");
    let kind = letter.event_type.as_deref().unwrap_or("unknown");
    let text = format!(
        "{event} of type {kind}, read at {}, given up after {} attempt: {}",
        letter.origin,
        letter.attempts,
        letter.reason.name()
    );
    screen.titled(Tone::Plain, &letter.id.to_string(), &text, TITLE_COLUMNS);
    screen.titled(Tone::Bad, "", &letter.message, TITLE_COLUMNS);
}

/// From just before an event is produced until the system has it, in microseconds.
fn latencies(emitted: &[Emitted], ledger: &[Arc<Entry>]) -> Histogram<u64> {
    let mut histogram =
        Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 3).expect("the bounds are in order");
    let arrivals = arrivals(ledger);
    for Emitted { id, at, .. } in emitted {
        if let Some(arrival) = arrivals.get(id.as_str()) {
            let latency = arrival.received.saturating_duration_since(*at);
            histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
    }
    histogram
}

/// What went wrong and what the host did about it, each with a title.
fn happened(played: &Played, accounts: &[Account], alerts: &[Heard]) -> Vec<(&'static str, String)> {
    let of = |subscriber| accounts.iter().find(|account: &&Account| account.subscriber == subscriber);
    let count = |subscriber, status, of_probes| {
        let ledger = of(subscriber).map_or(&[][..], |account| &account.ledger);
        let answered = ledger.iter().filter(|entry| entry.status == Some(status));
        answered.filter(|entry| is_probe(entry) == of_probes).count()
    };
    let breaker_at = |state: &str| {
        let mut breaker = alerts.iter().filter(|alert| alert.kind == "breaker-opened");
        breaker.find(|alert| alert.state == state).map(|alert| alert.at)
    };
    let seconds = |from: Option<Instant>, to: Option<Instant>| {
        let length = from.zip(to).map(|(from, to)| to.saturating_duration_since(from));
        length.map_or("?".to_owned(), |length| format!("{:.1}", length.as_secs_f64()))
    };
    let (opened, closed) = (breaker_at("raised"), breaker_at("recovered"));
    let kinds: Vec<_> = alerts.iter().map(|alert| format!("{} {}", alert.kind, alert.state)).collect();
    let unwanted = played.emitted.iter().filter(|emitted| is_unwanted(emitted)).count();
    vec![
        (
            "outage",
            format!(
                "The {} answered 503 to {} deliveries and {} probes. The host's breaker was open for {} s: \
                 its events waited in Kafka, in order, and the other two subscriptions went on. It closed {} s \
                 after the system was well again. No event was given up.",
                Subscriber::Documents.system(),
                count(Subscriber::Documents, 503, false),
                count(Subscriber::Documents, 503, true),
                seconds(opened, closed),
                seconds(Some(played.recovered), closed),
            ),
        ),
        (
            "throttling",
            format!(
                "The {} answered 429 with `Retry-After: 1` to {} deliveries: each time the host held the whole \
                 connector back for that second, and it counted no failed attempt.",
                Subscriber::Compliance.system(),
                count(Subscriber::Compliance, 429, false),
            ),
        ),
        (
            "reject",
            format!(
                "The {} answered 422 to {} delivery: trying again would not help, so the event is kept as a dead \
                 letter and the next ones of its training went on.",
                Subscriber::Calendar.system(),
                count(Subscriber::Calendar, 422, false),
            ),
        ),
        (
            "reshaping",
            format!(
                "A jq expression in a sandbox made documents of {} policies, and dropped those that are drafts.",
                of(Subscriber::Documents).map_or(0, |account| account.levels.delivered),
            ),
        ),
        ("filtering", format!("{unwanted} events are wanted by no subscription, and were settled by all.")),
        ("alerts", format!("{}: {}", kinds.len(), kinds.join(", "))),
    ]
}

/// Compares what arrived with what should have, and says so.
fn proof(screen: &Screen, emitted: &[Emitted], accounts: &[Account]) -> bool {
    screen.heading("Proof, by the systems' own ledgers");
    let mut is_as_expected = true;
    for account in accounts {
        let subscriber = account.subscriber;
        let wanted: Vec<Expected<'_>> =
            emitted.iter().filter_map(|emitted| expected(subscriber, emitted)).collect();
        let dead_letters: Vec<&str> = account
            .letters
            .letters
            .iter()
            .map(|letter| letter.event_id.as_deref().unwrap_or("without id"))
            .collect();
        let became = Became { ledger: &account.ledger, dead_letters: &dead_letters, levels: &account.levels };
        let found = differences(emitted.len(), &wanted, &expected_dead(subscriber, emitted), &became);
        if found.is_empty() {
            let text = format!(
                "all {} events arrived once, byte for byte, in order by key; no other did",
                wanted.len()
            );
            screen.titled(Tone::Good, subscriber.name(), &text, TITLE_COLUMNS);
        }
        for difference in &found {
            screen.titled(Tone::Bad, subscriber.name(), difference, TITLE_COLUMNS);
        }
        is_as_expected &= found.is_empty();
    }
    is_as_expected
}
