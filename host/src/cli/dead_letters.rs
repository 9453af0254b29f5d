//! `liaison dead-letters`: which events were given up, everything about one of them, and what to do with them.

mod discard;
mod list;
mod redrive;
mod replay;
mod resolve;
mod select;
mod show;

use std::time::Duration;

use clap::{Args, Subcommand};

use liaison::config::{Config, Subscription, SubscriptionName};
use liaison::dead_letter::store::{LetterId, Store};
use liaison::kafka::topics::Topics;

use super::Common;
use super::configuration::{Configuration, KafkaAccess};
use super::failure::Failure;

/// For reading one topic to its end.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
    /// List the events that were given up and wait
    List(list::List),
    /// Show one of them: what happened, its attempts, the event, and what to do
    Show(show::Show),
    /// Run the last attempt of one again, offline: nothing is sent
    Replay(replay::Replay),
    /// Send them through their own subscription again
    Redrive(redrive::Redrive),
    /// Decide conflicts: take the event, what the system holds, or a document of your own
    Resolve(resolve::Resolve),
    /// Give them up for good
    Discard(discard::Discard),
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
    // None of them needs a secret but those that send, which read those of its own subscriptions.
    let config = Configuration::read_without_secrets(common)?.config;
    match command {
        DeadLetters::List(options) => list::list(&config, options),
        DeadLetters::Show(options) => show::show(&config, options),
        DeadLetters::Replay(options) => replay::replay(&config, options),
        DeadLetters::Redrive(options) => redrive::redrive(config, options),
        DeadLetters::Resolve(options) => resolve::resolve(config, options),
        DeadLetters::Discard(options) => discard::discard(&config, options),
    }
}

/// Where Kafka is; an error if it is not there.
fn reach(config: &Config, reading: &Reading) -> Result<KafkaAccess, Failure> {
    let access = KafkaAccess::new(config.kafka.clone(), &reading.brokers)?;
    let topics = Topics::new(&access.settings, &access.bootstrap)?;
    super::block_on(topics.wait_for_brokers(access.settings.start_timeout))??;
    Ok(access)
}

fn store<'a>(
    access: &'a KafkaAccess,
    name: &'a SubscriptionName,
    subscription: &'a Subscription,
) -> Store<'a> {
    let (settings, bootstrap) = (&access.settings, access.bootstrap.as_str());
    Store { settings, bootstrap, subscription: name, topic: &subscription.dead_letter_topic, limit: LIMIT }
}

/// The subscriptions that are meant: that of the letter, the one of this name, or all.
fn wanted(
    config: &Config,
    id: Option<&LetterId>,
    name: Option<&str>,
) -> Result<Vec<SubscriptionName>, Failure> {
    let name = id.map(|id| id.subscription.clone()).or(name.map(SubscriptionName::new));
    let Some(name) = name else { return Ok(config.subscriptions.keys().cloned().collect()) };
    subscription(config, &name)?;
    Ok(vec![name])
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
