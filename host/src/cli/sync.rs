//! `liaison sync`: one event to every connector that is subscribed to it, now, and how it ended in each.

use clap::Args;
use serde_json::{Map, Value};

use liaison::event::Event;
use liaison::host::{Host, Summary, SyncEnd};

use super::Common;
use super::configuration::Configuration;
use super::failure::{Exit, Failure};
use super::input::Input;
use super::output;

/// Prints one JSON object: `{"training-calendar":"ok","doc-repo":"error: …"}`
#[derive(Debug, Args)]
#[command(after_help = "Kafka takes no part. Each connector gets one attempt. Exit code 1 if any failed.")]
pub(super) struct Sync {
    /// The event, as a CloudEvent or as JSON with a "type"; - reads stdin
    #[arg(long, value_name = "FILE")]
    event: Input,
}

pub(super) fn sync(common: &Common, options: &Sync) -> Result<(), Failure> {
    let configuration = Configuration::read(common)?;
    let text = options.event.text()?;
    let event = Event::from_text(&text)
        .map_err(|error| Failure::Usage(format!("{} holds no event: {error}", options.event)))?;
    let host = Host::from_config(configuration.config)?;
    let summary = super::block_on(host.sync_event(&event))??;
    if summary.is_empty() {
        tracing::warn!(event_type = event.kind, "no subscription wants this event");
    }
    output::json_line(&json(&summary))?;
    if summary.values().any(|end| matches!(end, SyncEnd::Failed(_))) {
        return Err(Failure::Printed(Exit::Failed));
    }
    Ok(())
}

fn json(summary: &Summary) -> Map<String, Value> {
    let text = |end: &SyncEnd| match end {
        SyncEnd::Delivered => "ok".to_owned(),
        SyncEnd::Skipped(why) => format!("skipped: {why}"),
        SyncEnd::Failed(why) => format!("error: {why}"),
    };
    summary.iter().map(|(connector, end)| (connector.to_string(), text(end).into())).collect()
}

#[cfg(test)]
mod tests {
    use liaison::config::ConnectorName;

    use super::*;

    #[test]
    fn a_summary_is_one_object_of_short_texts() {
        let ends = [
            ("calendar", SyncEnd::Delivered),
            ("doc-repo", SyncEnd::Failed("503 Service Unavailable".to_owned())),
            ("roster", SyncEnd::Skipped("nothing changed".to_owned())),
        ];
        let summary = ends.map(|(name, end)| (ConnectorName::new(name), end)).into();
        assert_eq!(
            serde_json::to_string(&json(&summary)).unwrap(),
            r#"{"calendar":"ok","doc-repo":"error: 503 Service Unavailable","roster":"skipped: nothing changed"}"#
        );
        assert_eq!(serde_json::to_string(&json(&Summary::new())).unwrap(), "{}");
    }
}
