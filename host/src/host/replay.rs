//! Replays a dead letter: its plugin from the configuration or from a file, all else from the record.

use std::path::PathBuf;

use super::workers;
use crate::config::{Config, PluginName, Signers, Source, TransformerName};
use crate::dead_letter::Stage;
use crate::dead_letter::recording::{Recorded, Recording, TransformRecording};
use crate::dead_letter::replayed::{Replayed, Rerun};
use crate::dead_letter::store::Letter;
use crate::delivery::ask::Limits;
use crate::event::{DecodeRules, Event};
use crate::plugin::{Plugin, PluginError, PoolSize, Runtime};
use crate::schema_registry::{Away, ReadError, RegistryError, SchemaRegistry};
use crate::subscription::replay::{replay as run, replay_transform};
use crate::telemetry::Telemetry;

/// Instances of the one plugin that runs.
const INSTANCES: u32 = 4;

/// Why there is nothing to replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("it was given up in the stage `{}`, before any plugin was asked: there is nothing to run again", .0.name())]
    NoAttempt(Stage),
    #[error(
        "the dead letter was written without its last attempt: nothing was attempted, or the host was an older one"
    )]
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
    NoEvent(#[from] ReadError),
    #[error(transparent)]
    SchemaRegistry(#[from] RegistryError),
    #[error("{0}; the original is in its wire format, and cannot be read without it")]
    RegistryAway(#[from] Away),
    #[error("the configuration has no {0}, which the dead letter needs")]
    Missing(String),
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// Runs again what the letter recorded, in the plugin that the configuration names for its connector or transformer, or
/// in the component of this file. Nothing is sent, no secret is read, and nothing but files is looked at.
pub async fn replay(
    config: &Config,
    letter: &Letter,
    plugin: Option<PathBuf>,
) -> Result<Replayed, ReplayError> {
    let recorded = recorded(letter)?;
    let rules = DecodeRules { type_header: config.kafka.type_header.clone() };
    let (settings, metrics) =
        (config.kafka.schema_registry.as_ref(), Telemetry::new().schema_registry().clone());
    // No network and no secret, but for an original that cannot be read without its schema.
    let original =
        match SchemaRegistry::unasked(settings, &metrics).event_if_known(&letter.letter.record, &rules) {
            Some(original) => original?,
            None => SchemaRegistry::new(settings, &metrics)?.event(&letter.letter.record, &rules).await??,
        };
    let (sha256, rerun) = match recorded {
        Recorded::Whole(recording) => attempt(config, letter, recording, original, plugin).await?,
        Recorded::Transform(recording) => transform(config, *recording, original, plugin).await?,
        Recorded::Cut(why) => return Err(ReplayError::Cut(why)),
    };
    let recorded_sha256 = letter.letter.plugin.as_ref().map(|blamed| blamed.sha256);
    Ok(Replayed { id: letter.id.clone(), recorded_sha256, sha256, rerun })
}

/// The connector's attempt; with the digest of its plugin.
async fn attempt(
    config: &Config,
    letter: &Letter,
    recorded: Box<Recording>,
    original: Event,
    file: Option<PathBuf>,
) -> Result<([u8; 32], Rerun), ReplayError> {
    let name = &letter.letter.subscription;
    let subscription =
        config.subscriptions.get(name).ok_or_else(|| missing("subscription", name.as_str()))?;
    let name = &subscription.connector;
    let connector = config.connectors.get(name).ok_or_else(|| missing("connector", name.as_str()))?.clone();
    let plugin = load(config, &connector.plugin, file)?;
    let sha256 = plugin.sha256;
    let user = name.as_str().to_owned();
    let work = move |(recorded, original): (Box<Recording>, Event)| async move {
        let metrics = Telemetry::new().plugin(&plugin.name);
        let calls = plugin.connector(&user, &connector.settings, metrics)?;
        let limits = Limits::of(plugin.limits(), true);
        Ok::<_, PluginError>(run(&calls, limits, &recorded, &original).await)
    };
    let (rounds, end) = workers::on_a_worker(work, (recorded.clone(), original)).await?;
    Ok((sha256, Rerun::Attempt { recorded, rounds, end }))
}

/// The transformer's call; with the digest of its plugin.
async fn transform(
    config: &Config,
    recorded: TransformRecording,
    original: Event,
    file: Option<PathBuf>,
) -> Result<([u8; 32], Rerun), ReplayError> {
    let name = TransformerName::new(&recorded.transformer);
    let transformer =
        config.transformers.get(&name).ok_or_else(|| missing("transformer", name.as_str()))?.clone();
    let plugin = load(config, &transformer.plugin, file)?;
    let sha256 = plugin.sha256;
    let work = move |given: Event| async move {
        let metrics = Telemetry::new().plugin(&plugin.name);
        let calls = plugin.transformer(name.as_str(), &transformer.settings, metrics)?;
        Ok::<_, PluginError>(replay_transform(&calls, given).await)
    };
    let end = workers::on_a_worker(work, recorded.given(original)).await?;
    Ok((sha256, Rerun::Transform { recorded, end }))
}

/// The plugin of this name, or the component of this file in its place.
fn load(config: &Config, name: &PluginName, file: Option<PathBuf>) -> Result<Plugin, ReplayError> {
    let mut settings = config.plugins.get(name).ok_or_else(|| missing("plugin", name.as_str()))?.clone();
    if let Some(path) = file {
        // A person named the file, and nothing is sent: neither the pin nor a signature is asked for.
        (settings.source, settings.sha256) = (Source::File(path), None);
        settings.signers = Signers::default();
    }
    let size = PoolSize::new(INSTANCES, [&settings.limits]);
    Ok(Runtime::new(&config.runtime, size)?.load(name, &settings)?)
}

fn missing(what: &str, name: &str) -> ReplayError {
    ReplayError::Missing(format!("{what} `{name}`"))
}

fn recorded(letter: &Letter) -> Result<Recorded, ReplayError> {
    let dead = &letter.letter;
    if dead.is_pointer {
        return Err(ReplayError::Pointer);
    }
    let json = match (&dead.recording, dead.stage) {
        (Some(json), _) => json,
        (None, Stage::Deliver | Stage::Transform) => return Err(ReplayError::NotRecorded),
        (None, stage @ (Stage::Decode | Stage::Filter)) => return Err(ReplayError::NoAttempt(stage)),
    };
    Ok(Recorded::from_json(json)?)
}
