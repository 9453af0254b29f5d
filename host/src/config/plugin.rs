//! A plugin, and what one call of it may use.

use std::path::PathBuf;
use std::time::Duration;

use super::{Signers, Source};

/// A component, and how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub source: Source,
    /// Of the only component that will be loaded, if given.
    pub sha256: Option<[u8; 32]>,
    pub signers: Signers,
    /// What `liaison plugin certify` wrote of it; a plugin whose certificate does not stand for it is not loaded.
    pub certificate: Option<PathBuf>,
    pub instances: Instances,
    /// The most events in one call.
    pub batch: usize,
    pub limits: Limits,
    pub rollout: Rollout,
}

/// How a new version of a plugin takes the place of the one that runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollout {
    /// How long its first events are watched, and over how long its failures are counted.
    pub window: Duration,
    /// The share of them that may fail, from 0 to 1: more, and it is rolled back.
    pub max_failures: f64,
    /// So many must have been judged before anything is decided by them.
    pub min_events: u32,
    /// The share of keys that it is given first, from 0 to 1; `None`: all at once.
    pub canary: Option<f64>,
    pub canary_for: Duration,
    /// How long before that it only repeats what the version that runs has done, and performs nothing; zero: not at all.
    pub shadow: Duration,
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// One call: nothing passes from one batch to the next.
    Fresh,
    /// That many calls.
    Warm { calls: u32 },
}

/// What one call of a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub cpu_time: Duration,
    pub wall_time: Duration,
    pub memory_bytes: usize,
    /// Of all tables of an instance together.
    pub table_elements: usize,
    /// Resources that an instance may hold.
    pub handles: usize,
    /// Times that one call may call the host.
    pub host_calls: u32,
    /// All strings and lists of one answer together.
    pub result_bytes: usize,
    /// Lines that one call may log.
    pub log_lines: u32,
    /// Bytes that one call may log.
    pub log_bytes: usize,
    /// Lines a second that all calls for one connector or transformer of one subscription may log together.
    pub log_rate: u32,
    /// Steps one attempt may take.
    pub steps: u32,
    /// Effects one step may ask for.
    pub effects: usize,
    /// Method, address and headers of one request.
    pub request_head_bytes: usize,
    /// The body of one request, where the plugin writes it itself.
    pub request_body_bytes: usize,
}

impl Limits {
    /// Memory of an instance is addressed by 32 bits.
    pub const MAX_MEMORY_BYTES: usize = 4 << 30;
    /// Room in the address space is set aside for that many, for every instance that may exist.
    pub const MAX_TABLE_ELEMENTS: usize = 10_000_000;
}
