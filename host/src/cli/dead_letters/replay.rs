//! `liaison dead-letters replay`: the last attempt again, or the last call of a transformer, offline.

use std::path::PathBuf;

use clap::Args;

use liaison::config::Config;
use liaison::dead_letter::file;
use liaison::dead_letter::report::{replay_json, replay_text};
use liaison::dead_letter::store::LetterId;
use liaison::host;

use super::{Reading, show};
use crate::cli::failure::{Exit, Failure};
use crate::cli::input::Input;
use crate::cli::output;

#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is sent: the recorded replies stand in the place of the external system. What ended in
a transformer is given to that transformer again. Settings and limits are the configuration's;
no secret is read. Exit code 1 if the plugin that gave up does not do the same again.")]
pub(in crate::cli) struct Replay {
    /// SUBSCRIPTION/PARTITION/OFFSET, as `list` shows it
    #[arg(required_unless_present = "file")]
    id: Option<LetterId>,
    /// What `show --json` printed, or - for stdin, instead of an ID in Kafka
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    file: Option<Input>,
    /// A component in place of the configuration's, such as a mended one
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn replay(config: &Config, options: &Replay) -> Result<(), Failure> {
    let letter = match (&options.file, &options.id) {
        (Some(input), _) => file::from_json(&input.text()?)
            .map_err(|error| Failure::Usage(format!("{input} holds no dead letter: {error}")))?,
        (None, Some(id)) => show::read(config, id, &options.reading)?,
        (None, None) => return Err(Failure::Usage("name a dead letter, or give --file".to_owned())),
    };
    let replayed = super::super::block_on(host::replay(config, &letter, options.plugin.clone()))?
        .map_err(|error| Failure::Failed(format!("{}: {error}", letter.id)))?;
    if options.reading.json {
        output::json(&replay_json(&replayed))?;
    } else {
        output::text(&replay_text(&replayed))?;
    }
    if replayed.is_same_plugin() && !replayed.is_same() {
        return Err(Failure::Printed(Exit::Failed));
    }
    Ok(())
}
