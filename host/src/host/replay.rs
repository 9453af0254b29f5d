//! Replays a dead letter: its plugin from the configuration or from a file, its rounds from the record.

use std::path::PathBuf;

use super::workers;
use crate::config::{Config, PluginName};
use crate::dead_letter::Stage;
use crate::dead_letter::recording::{Recorded, Recording};
use crate::dead_letter::replayed::Replayed;
use crate::dead_letter::store::Letter;
use crate::delivery::attempt::Limits;
use crate::event::{DecodeError, DecodeRules, Event};
use crate::plugin::{PluginError, PoolSize, Runtime};
use crate::subscription::replay::replay as run;
use crate::telemetry::Telemetry;

/// Instances of the one plugin that runs.
const INSTANCES: u32 = 4;

/// Why there is nothing to replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("it was given up in the stage `{}`, before the connector was asked: there is no attempt to run again", .0.name())]
    NoAttempt(Stage),
    #[error("the dead letter was written without its last attempt, by a host that did not record it")]
    NotRecorded,
    #[error("its last attempt cannot be run again, because it was not recorded: {0}")]
    Cut(String),
    #[error("its last attempt is recorded in a form that this host does not know: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(
        "the dead letter is a pointer, and its original is not beside it: run `show --json` where Kafka is"
    )]
    Pointer,
    #[error("the original record is no event: {0}")]
    NoEvent(#[from] DecodeError),
    #[error("the configuration has no {0}, which the dead letter needs")]
    Missing(String),
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// Runs the last attempt of the letter again, in the plugin that the configuration names for its connector, or in the
/// component of this file. Nothing is sent, no secret is read, and nothing but files is looked at.
pub async fn replay(
    config: &Config,
    letter: &Letter,
    plugin: Option<PathBuf>,
) -> Result<Replayed, ReplayError> {
    let recording = recorded(letter)?;
    let rules = DecodeRules { type_header: config.kafka.type_header.clone() };
    let original = Event::decode(&letter.letter.record, &rules)?;
    let missing = |what: &str, name: &str| ReplayError::Missing(format!("{what} `{name}`"));
    let name = &letter.letter.subscription;
    let subscription =
        config.subscriptions.get(name).ok_or_else(|| missing("subscription", name.as_str()))?;
    let name = &subscription.connector;
    let connector = config.connectors.get(name).ok_or_else(|| missing("connector", name.as_str()))?.clone();
    let plugin_name: PluginName = connector.plugin.clone();
    let mut settings =
        config.plugins.get(&plugin_name).ok_or_else(|| missing("plugin", plugin_name.as_str()))?.clone();
    if let Some(path) = plugin {
        (settings.path, settings.sha256) = (path, None);
    }
    let size = PoolSize { instances: INSTANCES, memory_bytes: settings.limits.memory_bytes };
    let plugin = Runtime::new(&config.runtime, size)?.load(&plugin_name, &settings)?;
    let sha256 = plugin.sha256;
    let user = name.as_str().to_owned();
    let work = move |(recording, original): (Recording, Event)| async move {
        let metrics = Telemetry::new().plugin(&plugin.name);
        let calls = plugin.connector(&user, &connector.settings, metrics)?;
        let limits = Limits { steps: plugin.limits().steps, effects: plugin.limits().effects };
        Ok::<_, PluginError>(run(&calls, limits, &recording, &original).await)
    };
    let (rounds, end) = workers::on_a_worker(work, (recording.clone(), original)).await?;
    let recorded_sha256 = letter.letter.plugin.as_ref().map(|blamed| blamed.sha256);
    Ok(Replayed { id: letter.id.clone(), recorded: recording, recorded_sha256, sha256, rounds, end })
}

fn recorded(letter: &Letter) -> Result<Recording, ReplayError> {
    let dead = &letter.letter;
    if dead.is_pointer {
        return Err(ReplayError::Pointer);
    }
    let json = match (&dead.recording, dead.stage) {
        (Some(json), _) => json,
        (None, Stage::Deliver) => return Err(ReplayError::NotRecorded),
        (None, stage @ (Stage::Decode | Stage::Filter | Stage::Transform)) => {
            return Err(ReplayError::NoAttempt(stage));
        }
    };
    match Recorded::from_json(json)? {
        Recorded::Whole(recording) => Ok(*recording),
        Recorded::Cut(why) => Err(ReplayError::Cut(why)),
    }
}
