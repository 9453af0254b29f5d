//! `liaison plugin`: what the author of a plugin works with, and what its reviewer asks. One file a command.

mod build;
mod certify;
mod inspect;
mod language;
mod new;
mod run;
mod test;

use clap::Subcommand;

use liaison::rehearsal::RehearsalError;
use liaison::rehearsal::file::CasesError;

use super::Common;
use super::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Begin a plugin: a folder that builds and tests
    New(new::New),
    /// Build the plugin in a folder, with the tools of its language
    Build(build::Build),
    /// Show who signed a component, what it is and needs, and whether the host would load it
    Inspect(inspect::Inspect),
    /// Give a plugin one event and show every step, request, reply and log line
    Run(run::Run),
    /// Run a plugin's cases: each an event, what the endpoint answers, and what is expected
    Test(test::Test),
    /// Try a plugin under time-outs, refusals, crashes and strange events
    Certify(certify::Certify),
}

pub(super) fn plugin(common: &Common, command: &Plugin) -> Result<(), Failure> {
    match command {
        Plugin::New(options) => new::new(options),
        Plugin::Build(options) => build::build(options),
        Plugin::Inspect(options) => inspect::inspect(common, options),
        Plugin::Run(options) => run::run(common, options),
        Plugin::Test(options) => test::test(options),
        Plugin::Certify(options) => certify::certify(options),
    }
}

impl From<RehearsalError> for Failure {
    fn from(error: RehearsalError) -> Self {
        let text = error.to_string();
        match error {
            RehearsalError::Plugin(_) | RehearsalError::Egress(_) | RehearsalError::NoTrial { .. } => {
                Failure::Usage(text)
            }
            RehearsalError::Thread(_) => Failure::Failed(text),
        }
    }
}

impl From<CasesError> for Failure {
    fn from(error: CasesError) -> Self {
        Failure::Usage(error.to_string())
    }
}
