//! `liaison check`: is the configuration right, are its plugins, and with `--live` is everything there that it names.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Args;
use serde_json::{Map, Value, json};

use liaison::config::{Brokers, Config, ConfigErrors, ConnectorName, Mistake, SubscriptionName};
use liaison::dead_letter::header::hex_text;
use liaison::dead_letter::report::printable;
use liaison::host::{Host, HostError};

use super::Common;
use super::configuration::Configuration;
use super::failure::{Exit, Failure};
use super::output::{self, count};
use super::provenance::{signature_json, signature_text};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Ask Kafka, the registry and each external system too; exit code 1 if any is not usable
    #[arg(long)]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How it is usable, or why it is not.
type Answer = Result<String, String>;

/// What was asked with `--live`.
#[derive(Debug)]
struct Live {
    kafka: Answer,
    /// `None` without one.
    schema_registry: Option<Answer>,
    connectors: BTreeMap<ConnectorName, Answer>,
    /// Their topics; nothing where Kafka is not there.
    subscriptions: BTreeMap<SubscriptionName, Answer>,
}

pub(super) fn check(common: &Common, options: &Check) -> Result<(), Failure> {
    let configuration = match Configuration::read(common) {
        Err(Failure::Mistakes(errors)) if options.json => {
            output::json(&json!({"right": false, "mistakes": mistakes(&errors)}))?;
            return Err(Failure::Printed(Exit::Usage));
        }
        other => other?,
    };
    let host = match Host::from_config(configuration.config.clone()) {
        Err(error) if options.json && error.is_configuration() => {
            let mistake = json!({"line": null, "column": null, "key": "", "text": error.to_string()});
            output::json(&json!({"right": false, "mistakes": [mistake]}))?;
            return Err(Failure::Printed(Exit::Usage));
        }
        other => other?,
    };
    if !options.json {
        output::text(&right_text(&configuration, &host))?;
    }
    let live = if options.live { Some(super::block_on(ask(&host))??) } else { None };
    if options.json {
        output::json(&right_json(&configuration, &host, live.as_ref()))?;
    } else if let Some(live) = &live {
        output::text(&live_text(live))?;
    }
    match live {
        Some(live) if live.answers().any(|(_, answer)| answer.is_err()) => {
            Err(Failure::Printed(Exit::Failed))
        }
        Some(_) | None => Ok(()),
    }
}

/// Asks all at the same time.
async fn ask(host: &Host) -> Result<Live, HostError> {
    let (kafka, schema_registry, connectors) =
        tokio::join!(host.check_kafka(), host.check_schema_registry(), host.check_connectors());
    let brokers = match &host.config().kafka.brokers {
        Brokers::Embedded => "embedded, keeps nothing".to_owned(),
        Brokers::At(brokers) => brokers.join(","),
    };
    let subscriptions = if kafka.is_ok() { host.check_topics().await? } else { BTreeMap::new() };
    let kafka = kafka.map(|()| brokers).map_err(|error| error.to_string());
    Ok(Live { kafka, schema_registry, connectors: connectors?, subscriptions })
}

impl Live {
    /// Each with what was asked.
    fn answers(&self) -> impl Iterator<Item = (String, &Answer)> {
        let connectors = self.connectors.iter().map(|(name, answer)| (format!("connector {name}"), answer));
        let topics = |(name, answer)| (format!("subscription {name}"), answer);
        let subscriptions = self.subscriptions.iter().map(topics);
        let registry = self.schema_registry.iter().map(|answer| ("schema registry".to_owned(), answer));
        std::iter::once(("kafka".to_owned(), &self.kafka))
            .chain(registry)
            .chain(connectors)
            .chain(subscriptions)
    }
}

fn right_text(configuration: &Configuration, host: &Host) -> String {
    let mut text = String::new();
    for line in configuration.warning_lines() {
        let _ = writeln!(text, "warning: {line}");
    }
    let counts = counts(&configuration.config).join(", ");
    let _ = writeln!(text, "{} is right: {counts}", configuration.path.display());
    for (name, provenance) in host.plugins() {
        if let Some(signature) = provenance.and_then(|known| signature_text(&known.signature)) {
            let _ = writeln!(text, "plugin {name}: signature {}", printable(&signature));
        }
    }
    text
}

fn right_json(configuration: &Configuration, host: &Host, live: Option<&Live>) -> Value {
    let plugins: BTreeMap<_, _> = host
        .plugins()
        .map(|(name, known)| (name.to_string(), known.map(|known| hex_text(&known.sha256))))
        .collect();
    let provenance: BTreeMap<_, _> = host
        .plugins()
        .filter_map(|(name, known)| Some((name.to_string(), known?)))
        .map(|(name, known)| {
            let signature = signature_json(&known.signature);
            (name, json!({"source": known.source.to_string(), "signature": signature}))
        })
        .collect();
    let mut json = json!({
        "right": true,
        "warnings": configuration.warnings.iter().map(mistake).collect::<Vec<_>>(),
        "plugins": plugins,
        "provenance": provenance,
    });
    if let Some(live) = live {
        let connectors: Map<_, _> =
            live.connectors.iter().map(|(name, answer)| (name.to_string(), answer_json(answer))).collect();
        let topics = |(name, answer): (&SubscriptionName, &Answer)| (name.to_string(), answer_json(answer));
        let subscriptions: Map<_, _> = live.subscriptions.iter().map(topics).collect();
        json["live"] = json!({
            "kafka": answer_json(&live.kafka),
            "connectors": connectors,
            "subscriptions": subscriptions,
        });
        if let Some(answer) = &live.schema_registry {
            json["live"]["schema-registry"] = answer_json(answer);
        }
    }
    json
}

fn answer_json(answer: &Answer) -> Value {
    match answer {
        Ok(seen) => json!({"usable": true, "seen": seen}),
        Err(why) => json!({"usable": false, "why": why}),
    }
}

fn live_text(live: &Live) -> String {
    let width = live.answers().map(|(asked, _)| asked.chars().count()).max().unwrap_or_default();
    let line = |(asked, answer): (String, &Answer)| {
        let (state, text) = match answer {
            Ok(seen) => ("ok", seen),
            Err(why) => ("failed", why),
        };
        // A check's text is the plugin's own.
        format!("{asked:<width$}  {state:<6}  {}\n", printable(text).replace('\n', " "))
    };
    live.answers().map(line).collect()
}

fn counts(config: &Config) -> Vec<String> {
    let mut counts = vec![count(config.plugins.len(), "plugin")];
    if !config.transformers.is_empty() {
        counts.push(count(config.transformers.len(), "transformer"));
    }
    counts.push(count(config.connectors.len(), "connector"));
    counts.push(count(config.subscriptions.len(), "subscription"));
    counts
}

fn mistakes(errors: &ConfigErrors) -> Vec<Value> {
    errors.mistakes().iter().map(mistake).collect()
}

fn mistake(mistake: &Mistake) -> Value {
    json!({
        "line": mistake.position.map(|position| position.line),
        "column": mistake.position.map(|position| position.column),
        "key": mistake.key,
        "text": mistake.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_asked_has_one_line_that_a_plugin_cannot_break() {
        let answer = Err("503\nbusy\u{1b}[2J".to_owned());
        let live = Live {
            kafka: Ok("127.0.0.1:9092".to_owned()),
            schema_registry: Some(Err("it refuses".to_owned())),
            connectors: [(ConnectorName::new("calendar"), answer)].into(),
            subscriptions: BTreeMap::new(),
        };
        let text = live_text(&live);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "kafka               ok      127.0.0.1:9092");
        assert_eq!(lines[1], "schema registry     failed  it refuses");
        assert!(lines[2].starts_with("connector calendar  failed  503 busy"), "{text}");
        assert_eq!(lines.len(), 3);
        assert!(!text.contains('\u{1b}'));
    }
}
