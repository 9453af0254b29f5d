//! The command line of the demo: arguments in, exit code out. The work is in the library.

use std::process::ExitCode;

use clap::Parser;

/// Bad usage, as `sysexits.h` numbers it.
const USAGE: u8 = 64;

/// Shows liaison at work on this machine: Kafka, a host with plugins, three systems that fail.
///
/// It ends with 0 if exactly what should have arrived at the systems did, in order by key.
#[derive(Debug, Parser)]
#[command(name = "demo", bin_name = "cargo demo --")]
struct Arguments {
    /// Keep everything running at the end, until Ctrl-C, to try commands on it
    #[arg(long)]
    stay: bool,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => liaison_tests::demo::run(arguments.stay),
        Err(error) => {
            // Nobody reads it where stdout or stderr is closed.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        }
    }
}
