//! `liaison dead-letters list`: one line a letter, or one a cause.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use liaison::config::Config;
use liaison::dead_letter::Reason;
use liaison::dead_letter::listing::{self, Listing};
use liaison::dead_letter::mark::{Resolution, state_name};
use liaison::dead_letter::report::{causes_json, causes_text, list_json, list_text};

use super::select::{Filter, reason};
use super::{Reading, reach, store, subscription, wanted};
use crate::cli::failure::Failure;
use crate::cli::output;

/// Every state a letter can be in.
const STATES: [Option<Resolution>; 4] =
    [None, Some(Resolution::Redriven), Some(Resolution::Superseded), Some(Resolution::Discarded)];

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Of this subscription alone
    #[arg(long, value_name = "NAME")]
    subscription: Option<String>,
    /// Given up for this reason alone, such as rejected; a wrong one names all
    #[arg(long, value_name = "REASON", value_parser = reason(), hide_possible_values = true)]
    reason: Option<Reason>,
    #[command(flatten)]
    filter: Filter,
    /// waiting, redriven, superseded or discarded [default: waiting]
    #[arg(long, value_name = "STATE", value_parser = state(), hide_possible_values = true)]
    state: Option<State>,
    /// In every state
    #[arg(long, conflicts_with = "state")]
    all: bool,
    /// Count them by cause
    #[arg(long)]
    by_cause: bool,
    #[command(flatten)]
    reading: Reading,
}

/// One of [`STATES`].
#[derive(Debug, Clone, Copy)]
struct State(Option<Resolution>);

pub(super) fn list(config: &Config, options: &List) -> Result<(), Failure> {
    let names = wanted(config, None, options.subscription.as_deref())?;
    let access = reach(config, &options.reading)?;
    let selection = options.filter.selection(None, options.reason);
    let mut all = Listing::default();
    for name in names {
        let listing = listing::list(&store(&access, &name, subscription(config, &name)?), &selection)?;
        all.letters.extend(listing.letters);
        all.omitted += listing.omitted;
        all.foreign.extend(listing.foreign);
    }
    let one = [options.state.and_then(|State(state)| state)];
    let states = if options.all { &STATES[..] } else { &one };
    match (options.reading.json, options.by_cause) {
        (true, true) => output::json(&causes_json(&all, states)),
        (true, false) => output::json(&list_json(&all, states)),
        (false, true) => output::text(&causes_text(&all, states)),
        (false, false) => output::text(&list_text(&all, states)),
    }
}

fn state() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(STATES.map(state_name)).try_map(|name| {
        let found = STATES.into_iter().find(|state| state_name(*state) == name);
        found.map(State).ok_or("there is no such state")
    })
}
