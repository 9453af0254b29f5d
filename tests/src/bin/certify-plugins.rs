//! `cargo certify-plugins`: puts every plugin that ships through the conformance kit, and writes `certificate.json` into
//! its folder.
//!
//! Exit codes: 0 every plugin passed; 1 one did not, or with `--check` a certificate says something else; 64 for bad
//! usage. The work is in `liaison_tests::conformance`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use liaison_tests::conformance;

const USAGE: u8 = 64;

/// Certifies every plugin that ships, and writes what was found into its folder, where that is not what it says already.
#[derive(Debug, Parser)]
#[command(name = "certify-plugins", bin_name = "cargo certify-plugins --")]
struct Arguments {
    /// Write nothing: fail where a certificate is missing, or judges otherwise than the kit does now
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody reads it where the stream is closed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match if arguments.check { conformance::check(&say) } else { conformance::write(&say) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
