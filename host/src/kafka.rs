//! All that touches librdkafka. None of its types leaves this module.
//!
//! `consumer` is the thread a subscription has; `producer`, `topics`, `reader` and `hold` are for dead letters and for
//! setting up; `retention` and `overtaken` watch what Kafka deletes; `embedded` is a broker in this process, for trying out
//! and for tests. `security` protects every client, and what a broker refuses is told by `complaints`, in the words of
//! `refusal` and `certificate`.

mod certificate;
pub mod client;
mod commit;
pub(crate) mod complaints;
pub(crate) mod consumer;
pub mod embedded;
pub mod hold;
mod overtaken;
mod partition;
pub mod producer;
mod properties;
pub mod reader;
pub(crate) mod record;
mod refusal;
pub mod retention;
mod security;
pub mod topics;
mod watermark;
