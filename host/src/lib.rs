//! liaison delivers events from Kafka to external systems through sandboxed WebAssembly plugins.
//!
//! [`host::Host`] is the way in: build one from a [`config::Config`], then `run` it or `sync_event` through it.
//!
//! ```text
//! Kafka ─▶ consumer ─▶ lanes ─▶ transform ─▶ step ◀──────────────┐
//!         (poll         (order   (plugin)     (connector plugin)  │ replies
//!          thread)       by key)                │  perform ─▶ egress gateway ─▶ external system
//!                                               ▼
//!                                            outcome ─┬─▶ settled ─▶ offsets ─▶ commit
//!                                                     ├─▶ retry, throttle, conflict: the lane waits, then again
//!                                                     └─▶ dead letter (acknowledged by Kafka first) ─▶ settled
//! ```
//!
//! The code, in the order an event meets it:
//!
//! | where | what |
//! |---|---|
//! | `main.rs`, `cli/` | the binary: arguments to exit code, one file a command |
//! | [`config`] | settings as people write them into settings as the host uses them |
//! | [`host`] | everything a configuration names, running: plans, workers, reloads, plugins' versions, and what is done once |
//! | [`kafka`] | all that touches librdkafka: consumer thread, commit, producer, embedded broker |
//! | [`event`] | a Kafka record read as a CloudEvent |
//! | [`schema_registry`] | Confluent's wire format to JSON, by the schemas of a registry |
//! | [`subscription`] | the task that joins the stages; lanes, offsets and partitions in `subscription/` are pure |
//! | [`contract`] | the words of `wit/` as the stages share them |
//! | [`plugin`] | all that touches wasmtime: engine, cache, sandbox, instances, calls in batches |
//! | `provenance` | where a plugin comes from: file, registry or layout; its digest and its signature, before anything looks into it |
//! | [`native`] | connectors without a sandbox, for those who embed the host |
//! | [`egress`] | all that touches the network for a plugin: grants, addresses, credentials, HTTP and gRPC |
//! | `journal` | what a delivery was answered, kept so that nothing is done twice |
//! | [`delivery`] | attempt, and what follows it: retry, breaker, deadline, conflict, objective; pure but for attempt |
//! | [`rehearsal`] | a plugin tried out: cases, simulated endpoints, the conformance kit |
//! | [`dead_letter`] | events that were given up, with the evidence |
//! | [`alert`] | who is told: of each cause once while it lasts, and when it is over |
//! | [`intake`] | events over HTTP: who may send, what is checked, and Kafka's word before the answer |
//! | [`whereabouts`] | what became of the latest events, for whoever asks |
//! | [`admin`] | health, metrics and the reload over HTTP |
//! | [`telemetry`] | every metric, its help and its labels |
//! | `fnv` | a short number for bytes, the same on every host |
//!
//! Three rules hold everywhere. A stage does not know another: `subscription` joins them. Everything in memory is
//! bounded: events by the configuration, the rest by constants. What is decided is decided by plain functions over
//! values and a `now` that is passed in; what acts does not decide.

pub mod admin;
pub mod alert;
pub mod config;
pub mod contract;
pub mod dead_letter;
pub mod delivery;
pub mod egress;
pub mod event;
mod fnv;
#[cfg(test)]
mod fuzz;
pub mod host;
pub mod intake;
mod journal;
pub mod kafka;
pub mod native;
pub mod plugin;
mod provenance;
pub mod rehearsal;
pub mod schema_registry;
pub mod subscription;
pub mod telemetry;
pub mod whereabouts;
