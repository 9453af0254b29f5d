//! Finds and reads the configuration that a command works with.

use std::path::{Path, PathBuf};

use liaison::config::{Brokers, Checked, Config, ConfigErrors, Kafka, Mistake, Position};

use super::Common;
use super::failure::Failure;

const DEFAULT: &str = "liaison.toml";
const VARIABLE: &str = "LIAISON_CONFIG";

/// A configuration without a mistake, with where it was read.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) path: PathBuf,
    pub(super) config: Config,
    /// What works and is probably not meant.
    pub(super) warnings: Vec<Mistake>,
}

impl Configuration {
    /// Reads the file that `--config` or `LIAISON_CONFIG` names, else `liaison.toml`.
    pub(super) fn read(common: &Common) -> Result<Self, Failure> {
        Self::read_by(common, |path| Config::from_file(path))
    }

    /// As `read`, for a command that needs none of its secrets, or only some.
    pub(super) fn read_without_secrets(common: &Common) -> Result<Self, Failure> {
        Self::read_by(common, |path| Config::from_file_without_secrets(path))
    }

    fn read_by(
        common: &Common,
        read: impl FnOnce(&Path) -> Result<Checked, ConfigErrors>,
    ) -> Result<Self, Failure> {
        let path = named(common).unwrap_or_else(|| DEFAULT.into());
        let checked = read(&path)?;
        Ok(Self { path, config: checked.config, warnings: checked.warnings })
    }

    /// Each warning with its place.
    pub(super) fn warning_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.warnings.iter().map(|warning| warning_line(&self.path, warning))
    }
}

/// How to reach Kafka, for the commands that work on one topic.
#[derive(Debug)]
pub(super) struct KafkaAccess {
    pub(super) settings: Kafka,
    /// `host:port`, separated by commas.
    pub(super) bootstrap: String,
}

impl KafkaAccess {
    /// Of these brokers where any are given, else of the configuration's own.
    pub(super) fn new(mut settings: Kafka, brokers: &[String]) -> Result<Self, Failure> {
        if !brokers.is_empty() {
            settings.brokers = Brokers::At(brokers.to_vec());
        }
        match &settings.brokers {
            Brokers::At(brokers) => Ok(Self { bootstrap: brokers.join(","), settings }),
            Brokers::Embedded => Err(Failure::Usage(
                "the configuration's broker is one inside `liaison run`; give --brokers with the address that `run` \
                 logs"
                    .to_owned(),
            )),
        }
    }

    /// As `new`, from the configuration; brokers alone do where there is no file and none is named.
    pub(super) fn read(common: &Common, brokers: &[String]) -> Result<Self, Failure> {
        let is_missing = named(common).is_none() && !Path::new(DEFAULT).exists();
        if is_missing && !brokers.is_empty() {
            return Self::new(Kafka::new(Brokers::At(brokers.to_vec())), brokers);
        }
        Self::new(Configuration::read_without_secrets(common)?.config.kafka, brokers)
    }
}

fn named(common: &Common) -> Option<PathBuf> {
    let variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    common.config.clone().or_else(variable)
}

/// With its place, as a compiler's.
pub(super) fn warning_line(path: &Path, warning: &Mistake) -> String {
    let path = path.display();
    match warning.position {
        Some(Position { line, column }) => format!("{path}:{line}:{column}: {warning}"),
        None => format!("{path}: {warning}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_given_win_over_the_configurations() {
        let given = ["a:1".to_owned(), "b:2".to_owned()];
        let own = Brokers::At(vec!["own:9092".to_owned()]);
        for (brokers, given, expected) in [
            (own.clone(), &given[..], Some("a:1,b:2")),
            (own, &[], Some("own:9092")),
            (Brokers::Embedded, &given, Some("a:1,b:2")),
            (Brokers::Embedded, &[], None),
        ] {
            let access = KafkaAccess::new(Kafka::new(brokers), given);
            assert_eq!(access.ok().map(|access| access.bootstrap).as_deref(), expected);
        }
    }
}
