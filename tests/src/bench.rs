//! The benchmarks. What a plugin costs in each language is [`plugins`]; all else is the delivery benchmark: how fast, how soon and at what price the host delivers, counted at the external system.
//!
//! Real Kafka, the host in a process of its own, an HTTP sink in this one. What is measured is the host alone: its
//! processor time and memory are read from `/proc`, and its backlog is produced before it starts.
//!
//! ```text
//!  workload ─▶ produce ─▶ Kafka ─▶ host (this program, executed again) ─▶ sink ─▶ judge ─▶ report
//!                                    │ native or plugin                   │
//!                                    └─ usage (/proc)                     └─ what arrived, and when
//! ```
//!
//! - [`workload`]: what is delivered, in which modes
//! - [`produce`]: the events
//! - [`host`]: the hidden sub-command that is measured, and its configuration
//! - [`native`]: the connector without a sandbox that the plugin is compared with
//! - [`sink`]: the external system: an HTTP server that counts
//! - `rows`: runs whose external system is a real PostgreSQL
//! - [`handwritten`]: the loop that those are compared with
//! - [`usage`]: what a process has used
//! - [`judge`]: lost, duplicate and out-of-order events
//! - [`run`]: one run from topic to figures
//! - [`report`]: medians, targets, the table

pub mod handwritten;
pub mod host;
pub mod judge;
pub mod native;
pub mod plugins;
pub mod produce;
pub mod report;
mod rows;
pub mod run;
pub mod sink;
pub mod usage;
pub mod workload;
