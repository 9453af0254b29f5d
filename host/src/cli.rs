//! The command line: which commands there are, what they share, and how each ends.
//!
//! In come the program's arguments, out goes its exit code: 0 done, 1 failed, 64 bad usage or configuration (the
//! `EX_USAGE` of sysexits.h). Answers go to stdout, the log and failures to stderr. A command's work is the library's:
//! nothing here knows Kafka or a plugin.

mod check;
mod configuration;
mod dead_letters;
mod emit;
mod failure;
mod import;
mod input;
mod logging;
mod output;
mod plugin;
mod provenance;
mod run;
mod schema;
mod sync;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::failure::{Exit, Failure};
use self::logging::LogFormat;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 64 bad usage or configuration.";

/// Delivers Kafka events to other systems through sandboxed WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "liaison", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Common {
    /// The configuration file [default: $LIAISON_CONFIG or liaison.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The log on stderr: text, or json with one object a line
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    #[arg(hide_possible_values = true)]
    log_format: LogFormat,
    /// What is logged [default: $RUST_LOG or info,librdkafka=warn]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deliver events until SIGTERM or SIGINT; SIGHUP reloads the configuration
    Run,
    /// Tell whether the configuration is right, its plugins too
    Check(check::Check),
    /// Deliver one event now, to every connector that is subscribed to it
    Sync(sync::Sync),
    /// Write events to a Kafka topic
    Emit(emit::Emit),
    /// Show events that were given up, replay them, send them again or discard them
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Look at a plugin, try it out, test it
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Make a configuration of the older JSON files, and report what has no place in it
    Import(import::Import),
    /// Print the JSON Schema of the configuration file
    Schema,
}

/// Does what the arguments say.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers; where nobody reads them there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let format = arguments.common.log_format;
    let done = logging::start(format, arguments.common.log.as_deref()).and_then(|()| perform(arguments));
    match done {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.report(format);
            failure.exit().into()
        }
    }
}

fn perform(arguments: Arguments) -> Result<(), Failure> {
    let common = &arguments.common;
    match arguments.command {
        Command::Run => run::run(common),
        Command::Check(options) => check::check(common, &options),
        Command::Sync(options) => sync::sync(common, &options),
        Command::Emit(options) => emit::emit(common, &options),
        Command::DeadLetters(command) => dead_letters::dead_letters(common, &command),
        Command::Plugin(command) => plugin::plugin(common, &command),
        Command::Import(options) => import::import(&options),
        Command::Schema => schema::schema(),
    }
}

/// Runs a future to its end. What it left behind on other threads is not waited for.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    // One thread beside this one, so that signals are noticed while a future blocks this one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("no event loop: {error}")))?;
    let output = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(output)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_help_is_wider_than_the_page() {
        let mut commands = vec![Arguments::command()];
        while let Some(mut command) = commands.pop() {
            for text in [command.render_help(), command.render_long_help()] {
                for line in text.to_string().lines() {
                    assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
                }
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn what_commands_share_may_stand_on_either_side() {
        for line in ["liaison run --config a.toml", "liaison --config a.toml run"] {
            let arguments = parse(line).unwrap();
            assert_eq!(arguments.common.config, Some(PathBuf::from("a.toml")), "{line}");
            assert_eq!(arguments.common.log_format, LogFormat::Text);
        }
        let arguments = parse("liaison dead-letters list --log-format json --log debug").unwrap();
        assert_eq!(arguments.common.log_format, LogFormat::Json);
        assert_eq!(arguments.common.log.as_deref(), Some("debug"));
    }

    #[test]
    fn wrong_usage_is_refused() {
        for (line, expected) in [
            ("liaison", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("liaison fly", ErrorKind::InvalidSubcommand),
            ("liaison run now", ErrorKind::UnknownArgument),
            ("liaison run --log-format xml", ErrorKind::InvalidValue),
            ("liaison sync", ErrorKind::MissingRequiredArgument),
            ("liaison emit --topic t", ErrorKind::MissingRequiredArgument),
            ("liaison emit --topic t --file f --key id", ErrorKind::ValueValidation),
            ("liaison import", ErrorKind::MissingRequiredArgument),
            ("liaison import a.json --overwrite", ErrorKind::MissingRequiredArgument),
            ("liaison dead-letters list --reason boredom", ErrorKind::InvalidValue),
            ("liaison dead-letters list --type [", ErrorKind::ValueValidation),
            ("liaison dead-letters show 7", ErrorKind::ValueValidation),
            ("liaison dead-letters list --state gone", ErrorKind::InvalidValue),
            ("liaison dead-letters list --since yesterday", ErrorKind::ValueValidation),
            ("liaison dead-letters replay", ErrorKind::MissingRequiredArgument),
            ("liaison dead-letters replay c/0/1 --file f", ErrorKind::ArgumentConflict),
            ("liaison plugin run a.wasm", ErrorKind::MissingRequiredArgument),
            ("liaison plugin run a.wasm --event e --connector c --case f", ErrorKind::ArgumentConflict),
            ("liaison plugin new A --lang rust --kind connector --sdk .", ErrorKind::ValueValidation),
            ("liaison plugin new a --lang cobol --kind connector --sdk .", ErrorKind::ValueValidation),
            ("liaison plugin new a --lang rust --kind sink --sdk .", ErrorKind::InvalidValue),
            ("liaison dead-letters redrive c/0/1 --rate 0", ErrorKind::ValueValidation),
            ("liaison dead-letters discard c/0/1", ErrorKind::MissingRequiredArgument),
        ] {
            assert_eq!(parse(line).unwrap_err().kind(), expected, "{line}");
        }
    }
}
