//! How a command ends: its exit code, and what a person is told of a failure.

use std::io::Write;
use std::process::ExitCode;

use liaison::config::ConfigErrors;
use liaison::dead_letter::store::StoreError;
use liaison::host::{HostError, RedriveError};
use liaison::kafka::client::KafkaError;

use super::logging::LogFormat;

/// What the program's caller can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Done,
    /// It was tried and failed; another time it may succeed.
    Failed,
    /// Arguments, configuration or input must be mended first: `EX_USAGE` of sysexits.h.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// Mistakes of a configuration file.
    Mistakes(ConfigErrors),
    /// Wrong lines of a file of events, each with its place.
    Lines(Vec<String>),
    /// Anything else that must be mended first.
    Usage(String),
    /// It was tried and failed.
    Failed(String),
    /// What was printed says it already.
    Printed(Exit),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Failure::Mistakes(_) | Failure::Lines(_) | Failure::Usage(_) => Exit::Usage,
            Failure::Failed(_) => Exit::Failed,
            Failure::Printed(exit) => *exit,
        }
    }

    /// Tells a person on stderr; among the lines of a log that programs read, as one of them.
    pub(super) fn report(&self, format: LogFormat) {
        for line in self.lines() {
            match format {
                // Nobody is left to be told when stderr is closed.
                LogFormat::Text => drop(writeln!(std::io::stderr(), "{line}")),
                LogFormat::Json => tracing::error!("{}", line.trim_start_matches("error: ")),
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            // Each begins with its place, as a compiler's does, so that editors find it.
            Failure::Mistakes(errors) => errors.to_string().lines().map(str::to_owned).collect(),
            Failure::Lines(lines) => lines.clone(),
            Failure::Usage(text) | Failure::Failed(text) => vec![format!("error: {text}")],
            Failure::Printed(_) => Vec::new(),
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Failure::Mistakes(errors)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let text = error.to_string();
        if error.is_configuration() { Failure::Usage(text) } else { Failure::Failed(text) }
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        HostError::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Kafka(error) => error.into(),
            StoreError::NoSuchLetter(_)
            | StoreError::IsMark(_)
            | StoreError::Foreign(_)
            | StoreError::Gone(_)
            | StoreError::TooMany { .. }
            | StoreError::TooManyAtOnce { .. } => Failure::Failed(error.to_string()),
        }
    }
}

impl From<RedriveError> for Failure {
    fn from(error: RedriveError) -> Self {
        Failure::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use liaison::config::Config;

    use super::*;

    #[test]
    fn every_mistake_has_a_line_of_its_own() {
        let errors = Config::from_toml("[kafka]\nbrokrs = []\n[nonsense]\n", Path::new("")).unwrap_err();
        let count = errors.len();
        let failure = Failure::from(errors);
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(count > 1);
        assert_eq!(failure.lines().len(), count);
        assert_eq!(Failure::Failed("it broke".to_owned()).lines(), ["error: it broke"]);
    }

    #[test]
    fn what_is_not_there_has_failed() {
        let id = "calendar/0/7".parse().unwrap();
        assert_eq!(Failure::from(StoreError::NoSuchLetter(id)).exit(), Exit::Failed);
    }
}
