//! A certificate: what the conformance kit found, bound to one component and to the host that ran it.
//!
//! It is not signed: it says only that somebody ran the trials and wrote this. Who may write the file is for those to
//! keep who let a host require it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::case::Ending;
use super::certify::{Certification, Finding};
use crate::config::{self, PluginName};
use crate::dead_letter::header::{hex_text, time_text};

/// What is read here, and by no other name.
const FORMAT: &str = "liaison-certificate-1";
const CONTRACT: &str = "liaison:plugin@0.1.0";
/// A larger file is no certificate.
const MAX_BYTES: u64 = 4 << 20;

/// What `liaison plugin certify` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub format: String,
    /// Always `false`: whoever can write this file can write what it says.
    pub is_signed: bool,
    pub is_passed: bool,
    /// Of the component file, in hexadecimal.
    pub plugin_sha256: String,
    pub world: String,
    pub contract: String,
    /// Of the host whose sandbox and rules were used.
    pub host_version: String,
    pub made_at: String,
    pub cases: usize,
    pub good_cases: usize,
    pub runs: u32,
    pub longest_call_us: u64,
    pub memory_bytes: usize,
    /// What the author's cases declare as right beside the kit's own rules.
    pub accepted: BTreeMap<String, Vec<Ending>>,
    pub trials: Vec<TrialRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialRecord {
    pub name: String,
    pub about: String,
    pub runs: u32,
    pub failed: u32,
    pub findings: Vec<Finding>,
}

/// Why a plugin is not loaded for want of a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(
        "plugin {plugin} has no certificate, and runtime.require-certificate wants one: make it by `liaison plugin \
         certify`, and name it in plugins.{plugin}.certificate"
    )]
    Missing { plugin: PluginName },
    #[error("plugin {plugin}: its certificate {path} cannot be read: {source}", path = path.display())]
    Read { plugin: PluginName, path: PathBuf, source: io::Error },
    #[error("plugin {plugin}: {path} is no certificate: {reason}", path = path.display())]
    Form { plugin: PluginName, path: PathBuf, reason: String },
    #[error(
        "plugin {plugin}: its certificate {path} is of another component, with sha256 {certified}; this one has {found}: \
         certify it anew",
        path = path.display()
    )]
    Other { plugin: PluginName, path: PathBuf, certified: String, found: String },
    #[error("plugin {plugin}: its certificate {path} says that it failed: {failed}", path = path.display())]
    Failed { plugin: PluginName, path: PathBuf, failed: String },
}

impl Certificate {
    /// Of these findings, made now.
    pub fn of(certification: &Certification) -> Self {
        let world = if certification.is_connector { "connector-plugin" } else { "transformer-plugin" };
        let cost = &certification.cost;
        let now = u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or_default();
        let record = |tried: &super::certify::Tried| TrialRecord {
            name: tried.name.to_owned(),
            about: tried.about.to_owned(),
            runs: tried.runs,
            failed: tried.failed,
            findings: tried.findings.clone(),
        };
        Self {
            format: FORMAT.to_owned(),
            is_signed: false,
            is_passed: certification.is_passed(),
            plugin_sha256: hex_text(&certification.sha256),
            world: world.to_owned(),
            contract: CONTRACT.to_owned(),
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: time_text(now),
            cases: certification.cases,
            good_cases: certification.good_cases,
            runs: cost.runs,
            longest_call_us: u64::try_from(cost.longest_call.as_micros()).unwrap_or(u64::MAX),
            memory_bytes: cost.memory_bytes,
            accepted: certification.accepted.clone(),
            trials: certification.trials.iter().map(record).collect(),
        }
    }

    /// Why it does not stand for this component; `None` if it does.
    fn objection(&self, plugin: &PluginName, path: &Path, sha256: &[u8; 32]) -> Option<CertificateError> {
        let (plugin, path) = (plugin.clone(), path.to_owned());
        if self.format != FORMAT || self.contract != CONTRACT {
            let reason = format!(
                "it is of format {} for {}, and this host reads {FORMAT} for {CONTRACT}",
                self.format, self.contract
            );
            return Some(CertificateError::Form { plugin, path, reason });
        }
        let found = hex_text(sha256);
        if self.plugin_sha256 != found {
            let certified = self.plugin_sha256.clone();
            return Some(CertificateError::Other { plugin, path, certified, found });
        }
        let failed: Vec<_> =
            self.trials.iter().filter(|trial| trial.failed > 0).map(|trial| trial.name.as_str()).collect();
        let is_passed = self.is_passed && failed.is_empty() && self.good_cases > 0 && !self.trials.is_empty();
        if is_passed {
            return None;
        }
        let failed = if failed.is_empty() { "no trial was made".to_owned() } else { failed.join(", ") };
        Some(CertificateError::Failed { plugin, path, failed })
    }
}

/// Looks for the certificate of a loaded plugin, where the configuration wants one.
///
/// One that another version of the host made is taken, and logged.
///
/// # Errors
///
/// When there is none, or it is of another component, or says that a trial failed.
pub(crate) fn required(
    name: &PluginName,
    settings: &config::Plugin,
    runtime: &config::Runtime,
    sha256: &[u8; 32],
) -> Result<(), CertificateError> {
    let Some(path) = &settings.certificate else {
        return match runtime.require_certificate {
            true => Err(CertificateError::Missing { plugin: name.clone() }),
            false => Ok(()),
        };
    };
    let certificate = read(name, path)?;
    if let Some(error) = certificate.objection(name, path, sha256) {
        return Err(error);
    }
    if certificate.host_version != env!("CARGO_PKG_VERSION") {
        let by = &certificate.host_version;
        tracing::warn!(plugin = %name, by, "another version of the host made the plugin's certificate");
    }
    Ok(())
}

fn read(name: &PluginName, path: &Path) -> Result<Certificate, CertificateError> {
    let failed = |source| CertificateError::Read { plugin: name.clone(), path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| CertificateError::Form {
        plugin: name.clone(),
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
