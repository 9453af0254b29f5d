//! `liaison plugin`: what the author of a plugin works with, and what its reviewer asks. One file a command.

mod build;
mod certify;
mod inspect;
mod language;
mod new;
mod run;
mod test;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::Subcommand;

use liaison::config;
use liaison::rehearsal::file::CasesError;
use liaison::rehearsal::{RehearsalError, Subject};

use super::Common;
use super::failure::Failure;

/// What loads within this is not spoken of.
const SOON: Duration = Duration::from_secs(1);

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

/// A component and its cases, of which what is missing is most often a wrong folder or a step left out.
fn are_there(component: &Path, cases: &[PathBuf]) -> Result<(), Failure> {
    let missing =
        |path: &Path, mend: &str| Err(Failure::Usage(format!("{} is not there: {mend}", path.display())));
    if !component.exists() {
        return missing(component, "make it by `liaison plugin build`, or mend the path");
    }
    match cases.iter().find(|path| !path.exists()) {
        Some(path) => missing(path, "run this in the plugin's folder, or name its case files"),
        None => Ok(()),
    }
}

/// Loads the component, which is compiled if this machine has not done so yet. A person who waits for it is told so.
fn load(plugin: &config::Plugin) -> Result<Subject, Failure> {
    if !io::stderr().is_terminal() {
        return Ok(Subject::load(plugin)?);
    }
    thread::scope(|scope| {
        let (loaded, waiting) = mpsc::channel::<()>();
        scope.spawn(move || {
            if waiting.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout) {
                // Nobody is left to be told when stderr is closed.
                let _ = writeln!(io::stderr(), "compiling the component, once");
            }
        });
        let subject = Subject::load(plugin);
        drop(loaded);
        Ok(subject?)
    })
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
