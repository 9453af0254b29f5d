//! The command line of the tasks: arguments in, exit code out. The work is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    liaison_tasks::run(std::env::args_os().skip(1))
}
