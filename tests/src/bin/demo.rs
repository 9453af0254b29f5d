//! The command line of the demo: arguments in, exit code out. The work is in the library.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use liaison_tests::demo::{self, Kind, Own};
use liaison_tests::stories::{self, Story};

/// Bad usage, as `sysexits.h` numbers it.
const USAGE: u8 = 64;

/// Shows liaison at work on this machine: Kafka, a host with plugins, three systems that fail.
///
/// It ends with 0 if exactly what should have arrived at the systems did, in order by key, and a plugin of your own has
/// ended all events.
#[derive(Debug, Parser)]
#[command(name = "demo", bin_name = "cargo demo --")]
struct Arguments {
    /// Keep everything running at the end, until Ctrl-C, to try commands on it
    #[arg(long)]
    stay: bool,
    /// Give every event to a connector of your own too: its component
    #[arg(long, value_name = "FILE", conflicts_with = "transformer")]
    connector: Option<PathBuf>,
    /// Give every event to a transformer of your own too: its component
    #[arg(long, value_name = "FILE")]
    transformer: Option<PathBuf>,
    /// The settings of your own plugin: 'path = "/events"'
    #[arg(long, value_name = "TOML", default_value = "", hide_default_value = true)]
    settings: String,
    /// Tell a story with real servers instead: policy, experiment, appointment, hard-day, or all
    #[arg(long, value_name = "STORY", value_parser = chosen, conflicts_with_all = ["stay", "connector", "transformer"])]
    story: Option<Stories>,
}

/// All of them, or one.
#[derive(Debug, Clone)]
struct Stories(Vec<Story>);

fn chosen(name: &str) -> Result<Stories, String> {
    match name {
        "all" => Ok(Stories(Story::ALL.to_vec())),
        name => name.parse().map(|story| Stories(vec![story])),
    }
}

impl Arguments {
    fn own(&self) -> anyhow::Result<Option<Own>> {
        let connector = self.connector.as_ref().map(|file| (Kind::Connector, file));
        let plugin = connector.or(self.transformer.as_ref().map(|file| (Kind::Transformer, file)));
        plugin.map(|(kind, file)| Own::new(kind, file, &self.settings)).transpose()
    }
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(Arguments { story: Some(Stories(stories)), .. }) => stories::run(&stories),
        Ok(arguments) => match arguments.own() {
            Ok(own) => demo::run(arguments.stay, own),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "the demo cannot begin: {error:#}");
                ExitCode::from(USAGE)
            }
        },
        Err(error) => {
            // Nobody reads it where stdout or stderr is closed.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        }
    }
}
