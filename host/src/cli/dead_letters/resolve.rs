//! `liaison dead-letters resolve`: what a person decided of a conflict, on the way that a redrive goes.

use std::convert::Infallible;
use std::str::FromStr;

use clap::Args;

use liaison::config::Config;
use liaison::dead_letter::store::LetterId;
use liaison::host::{RedriveRequest, Take};

use super::redrive::send;
use super::select::{Filter, deliberate};
use super::{Reading, wanted};
use crate::cli::failure::Failure;
use crate::cli::input::Input;

#[derive(Debug, Args)]
#[command(after_help = "\
`show` tells what both sides say and which version the external system held. `source` writes the
event over that version, FILE writes what is in the file in its place, in the shape that the
connector is given; `target` leaves what is there. Has the external system changed since, then
nothing is written, and there is a new dead letter that shows what it holds now. So it is with all
but the first of several letters of one thing.
All else is as with `redrive`. Where the connector named no version, a change since cannot be seen:
that one is refused, unless --force, and waits with what is behind it in its key.
Exit code 1 if any failed or was refused, or if it ended early.")]
pub(in crate::cli) struct Resolve {
    /// SUBSCRIPTION/PARTITION/OFFSET, as `list` shows it
    id: Option<LetterId>,
    /// source, target, or a file with what is to be written, - for stdin
    #[arg(long, value_name = "WHAT")]
    take: Taken,
    /// Of this subscription alone
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    subscription: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// All conflicts that wait
    #[arg(long)]
    all: bool,
    /// Say what would go, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// What a later event of its key overtook too, and what has no version
    #[arg(long)]
    force: bool,
    /// Attempts a second, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[command(flatten)]
    reading: Reading,
}

/// What `--take` names.
#[derive(Debug, Clone)]
enum Taken {
    Source,
    Target,
    Document(Input),
}

impl FromStr for Taken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "source" => Taken::Source,
            "target" => Taken::Target,
            // A file of such a name is ./source.
            file => Taken::Document(Input::from(std::ffi::OsString::from(file))),
        })
    }
}

pub(super) fn resolve(config: Config, options: &Resolve) -> Result<(), Failure> {
    let selection = options.filter.selection(options.id.clone(), None);
    deliberate(&selection, options.all)?;
    let take = match &options.take {
        Taken::Source => Take::Source,
        Taken::Target => Take::Target,
        Taken::Document(_) if options.id.is_none() => {
            let text = "a file is written for one dead letter: name it by its ID, or take source or target";
            return Err(Failure::Usage(text.to_owned()));
        }
        Taken::Document(input) => Take::Document(input.bytes()?.into()),
    };
    let names = wanted(&config, options.id.as_ref(), options.subscription.as_deref())?;
    let request = RedriveRequest { selection, take: Some(take), force: options.force, rate: options.rate };
    send(config, &names, &request, options.dry_run, &options.reading)
}
