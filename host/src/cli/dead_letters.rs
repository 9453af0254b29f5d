//! `liaison dead-letters`: which events were given up, and everything about one of them.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use globset::{Glob, GlobMatcher};

use liaison::config::{Config, Subscription, SubscriptionName};
use liaison::dead_letter::Reason;
use liaison::dead_letter::report::{list_json, list_text, show_json, show_text};
use liaison::dead_letter::store::{self, LetterId, Listing, Summary};
use liaison::kafka::topics::Topics;

use super::Common;
use super::configuration::{Configuration, KafkaAccess};
use super::failure::Failure;
use super::output;

/// For reading one topic to its end.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
    /// List the events that were given up and not dealt with
    List(List),
    /// Show one of them: what happened, its attempts, the event, and what to do
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Of this subscription alone
    #[arg(long, value_name = "NAME")]
    subscription: Option<String>,
    /// With those that are dealt with
    #[arg(long)]
    all: bool,
    /// Given up for this reason alone, such as rejected; a wrong one names all
    #[arg(long, value_name = "REASON", value_parser = reason(), hide_possible_values = true)]
    reason: Option<Reason>,
    /// Of events of this type alone, such as policy.*
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<GlobMatcher>,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// SUBSCRIPTION/PARTITION/OFFSET, as `list` shows it
    id: LetterId,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Args)]
struct Reading {
    /// Brokers in place of the configuration's, host:port separated by commas
    #[arg(long, value_name = "BROKERS", value_delimiter = ',')]
    brokers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn dead_letters(common: &Common, command: &DeadLetters) -> Result<(), Failure> {
    match command {
        DeadLetters::List(options) => list(common, options),
        DeadLetters::Show(options) => show(common, options),
    }
}

fn list(common: &Common, options: &List) -> Result<(), Failure> {
    let config = Configuration::read(common)?.config;
    let wanted = wanted(&config, options)?;
    let access = reach(&config, &options.reading)?;
    let mut all = Listing::default();
    for (name, subscription) in wanted {
        let topic = &subscription.dead_letter_topic;
        let listing = store::list(&access.settings, &access.bootstrap, name, topic, LIMIT)?;
        all.letters.extend(listing.letters.into_iter().filter(|letter| is_asked_for(letter, options)));
        all.omitted += listing.omitted;
        all.foreign.extend(listing.foreign);
    }
    if options.reading.json {
        all.letters.retain(|letter| options.all || letter.resolution.is_none());
        return output::json(&list_json(&all));
    }
    output::text(&list_text(&all, options.all))
}

fn show(common: &Common, options: &Show) -> Result<(), Failure> {
    let config = Configuration::read(common)?.config;
    let subscription = subscription(&config, &options.id.subscription)?;
    let access = reach(&config, &options.reading)?;
    let topic = &subscription.dead_letter_topic;
    let letter = store::find(&access.settings, &access.bootstrap, &options.id, topic, LIMIT)?;
    if options.reading.json {
        return output::json(&show_json(&letter));
    }
    output::text(&show_text(&letter))
}

/// Where Kafka is; an error if it is not there.
fn reach(config: &Config, reading: &Reading) -> Result<KafkaAccess, Failure> {
    let access = KafkaAccess::new(config.kafka.clone(), &reading.brokers)?;
    let topics = Topics::new(&access.settings, &access.bootstrap)?;
    super::block_on(topics.wait_for_brokers(access.settings.start_timeout))??;
    Ok(access)
}

fn wanted<'a>(
    config: &'a Config,
    options: &List,
) -> Result<Vec<(&'a SubscriptionName, &'a Subscription)>, Failure> {
    let Some(name) = &options.subscription else { return Ok(config.subscriptions.iter().collect()) };
    let name = SubscriptionName::new(name);
    subscription(config, &name)?;
    Ok(config.subscriptions.get_key_value(&name).into_iter().collect())
}

fn subscription<'a>(config: &'a Config, name: &SubscriptionName) -> Result<&'a Subscription, Failure> {
    config.subscriptions.get(name).ok_or_else(|| {
        let known: Vec<&str> = config.subscriptions.keys().map(SubscriptionName::as_str).collect();
        Failure::Usage(match known.join(", ") {
            none if none.is_empty() => "the configuration has no subscription".to_owned(),
            known => format!("the configuration has no subscription `{name}`; known are {known}"),
        })
    })
}

fn is_asked_for(letter: &Summary, options: &List) -> bool {
    let kind = letter.event_type.as_deref().unwrap_or_default();
    options.reason.is_none_or(|reason| reason == letter.reason)
        && options.kind.as_ref().is_none_or(|wanted| wanted.is_match(kind))
}

fn reason() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::ALL.map(Reason::name))
        .try_map(|name| Reason::named(&name).ok_or("there is no such reason"))
}

/// A pattern as in a subscription's `types`.
fn kind(text: &str) -> Result<GlobMatcher, globset::Error> {
    Glob::new(text).map(|glob| glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use liaison::dead_letter::Stage;
    use liaison::event::Origin;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        list: List,
    }

    fn summary(kind: Option<&str>, reason: Reason) -> Summary {
        Summary {
            id: "calendar/0/1".parse().unwrap(),
            event_id: None,
            event_type: kind.map(str::to_owned),
            origin: Origin { topic: "t".into(), partition: 0, offset: 1 },
            stage: Stage::Deliver,
            reason,
            message: String::new(),
            attempts: 1,
            dead_lettered_at: 0,
            resolution: None,
        }
    }

    #[test]
    fn a_list_holds_what_fits_every_filter() {
        for (line, expected) in [
            ("list", [true, true, true]),
            ("list --type policy.*", [true, true, false]),
            ("list --type policy.updated", [true, false, false]),
            ("list --reason rejected", [true, false, true]),
            ("list --reason gave-up --type *.created", [false, true, false]),
        ] {
            let options = Line::try_parse_from(line.split(' ')).map_err(|error| error.to_string()).unwrap();
            let letters = [
                summary(Some("policy.updated"), Reason::Rejected),
                summary(Some("policy.created"), Reason::GaveUp),
                summary(None, Reason::Rejected),
            ];
            assert_eq!(letters.map(|letter| is_asked_for(&letter, &options.list)), expected, "{line}");
        }
    }
}
