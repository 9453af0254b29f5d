//! A certificate: what the conformance kit found, bound to one component and to the host that ran it.
//!
//! It is not signed: it says only that somebody ran the trials and wrote this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::case::Ending;
use super::certify::{Certification, Finding};
use crate::dead_letter::header::{hex_text, time_text};

/// What is read here, and by no other name.
const FORMAT: &str = "liaison-certificate-1";
const CONTRACT: &str = "liaison:plugin@0.1.0";

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
}

#[cfg(test)]
mod tests;
