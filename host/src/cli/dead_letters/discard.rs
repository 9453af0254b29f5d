//! `liaison dead-letters discard`: given up for good, with a reason that is kept beside them.

use clap::Args;
use serde_json::json;

use liaison::config::Config;
use liaison::dead_letter::Reason;
use liaison::dead_letter::store::LetterId;
use liaison::host::DeadLetters;

use super::select::{Filter, deliberate, reason};
use super::{Reading, reach, wanted};
use crate::cli::failure::Failure;
use crate::cli::output::{self, count};

#[derive(Debug, Args)]
#[command(after_help = "They stay in the topic, with who reads `show` told why; a redrive passes them by.")]
pub(in crate::cli) struct Discard {
    /// SUBSCRIPTION/PARTITION/OFFSET, as `list` shows it
    id: Option<LetterId>,
    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Of this subscription alone
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    subscription: Option<String>,
    /// Given up for this reason alone, such as rejected; a wrong one names all
    #[arg(long, value_name = "REASON", value_parser = reason(), hide_possible_values = true)]
    cause: Option<Reason>,
    #[command(flatten)]
    filter: Filter,
    /// All that wait
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn discard(config: &Config, options: &Discard) -> Result<(), Failure> {
    let selection = options.filter.selection(options.id.clone(), options.cause);
    deliberate(&selection, options.all)?;
    let names = wanted(config, options.id.as_ref(), options.subscription.as_deref())?;
    let access = reach(config, &options.reading)?;
    let mut discarded = 0;
    for name in names {
        let letters = DeadLetters::of(config, access.settings.clone(), &access.bootstrap, &name);
        let Some(letters) = letters else { continue };
        discarded += super::super::block_on(letters.discard(&selection, &options.reason))?
            .map_err(|error| Failure::Failed(error.to_string()))?;
    }
    if options.reading.json {
        return output::json_line(&json!({"discarded": discarded}));
    }
    output::text(&format!("{} discarded\n", count(discarded, "dead letter")))
}
