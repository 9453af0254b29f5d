//! `liaison dead-letters show`: everything about one letter.

use clap::Args;

use liaison::config::Config;
use liaison::dead_letter::report::{show_json, show_text};
use liaison::dead_letter::store::{Letter, LetterId, StoreError};

use super::{Reading, reach, store, subscription};
use crate::cli::failure::Failure;
use crate::cli::output;

#[derive(Debug, Args)]
#[command(after_help = "What --json prints is what `replay --file` reads, on any machine.")]
pub(in crate::cli) struct Show {
    /// SUBSCRIPTION/PARTITION/OFFSET, as `list` shows it
    id: LetterId,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn show(config: &Config, options: &Show) -> Result<(), Failure> {
    let letter = read(config, &options.id, &options.reading)?;
    if options.reading.json {
        return output::json(&show_json(&letter));
    }
    output::text(&show_text(&letter))
}

/// The letter with its original, where that is still there.
pub(super) fn read(config: &Config, id: &LetterId, reading: &Reading) -> Result<Letter, Failure> {
    let subscription = subscription(config, &id.subscription)?;
    let access = reach(config, reading)?;
    let store = store(&access, &id.subscription, subscription);
    let mut letter = store.find(id)?;
    match store.resolved(letter.letter.clone()) {
        Ok(resolved) => letter.letter = resolved,
        Err(error @ StoreError::Gone(_)) => tracing::warn!("{error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(letter)
}
