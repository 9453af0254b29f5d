//! The harness: what scenarios, demo and benchmark are made of.
//!
//! Real parts: the host, its plugins, a real HTTP server in the place of the external system, which writes down every
//! request before it answers. Where Kafka itself is under test the broker is Apache Kafka and the host is its binary;
//! elsewhere the broker is the embedded one and the host may run in this process. A scenario starts them, breaks
//! something, and asks what became of the events: [`proof`] does.
//!
//! ```text
//!  kafka ──▶ host (the liaison binary) ──▶ system ──▶ ledger ──▶ proof
//! ```
//!
//! - [`kafka`]: a real Apache Kafka that can be killed and started again
//! - [`host`]: the liaison binary as a process, its log and its admin pages
//! - [`local`]: the host in this process, where nothing needs to be killed
//! - [`metrics`]: its metrics page as values
//! - [`produce`]: events as a core platform sends them
//! - [`system`]: the external system, its behaviour and its ledger
//! - [`etags`]: an external system of documents with versions, which others change too
//! - [`table_bomb`]: the guest that a compiler cannot build
//! - [`rogue`]: an external system that means harm
//! - [`caldav`]: a CalDAV server by Radicale, read and changed by a client library
//! - [`grpc`], [`rooms`]: gRPC servers by grpcio
//! - [`soap`]: a SOAP server by spyne
//! - [`kinto`]: a store of records by HTTP, with ETags
//! - [`mail`]: a mail server that keeps what it takes
//! - [`receiver`]: who is told the alerts of a host
//! - [`registry`], [`signing`]: a real registry of images, and keys and signatures by openssl
//! - [`schema_registry`]: a schema registry that speaks Confluent's API, by Apicurio
//! - [`s3`], [`webdav`]: repositories of documents, by gofakes3 and wsgidav
//! - [`postgres`], [`mariadb`]: databases, read by their own clients
//! - [`certificates`]: certificates for servers and clients, made when they are needed
//! - [`conformance`]: the plugins that ship, and their certificates by the conformance kit
//! - [`proof`]: lost, duplicate and out-of-order events, by what was produced and what arrived
//! - [`languages`]: the languages that have an SDK, and the connector that all of them have
//! - [`exchange`]: one request, to read an external system back
//! - [`mod@demo`], [`stories`], [`mod@bench`], [`chaos`]: what `cargo demo` shows and tells, `cargo bench-delivery` and
//!   `cargo bench-plugins` measure and `cargo chaos` breaks, made of these
//! - [`wait`]: waiting for a condition, with a limit
//! - [`process`], [`folder`], [`port`]: nothing that a test starts or writes outlives it

pub mod bench;
pub mod builder;
pub mod caldav;
pub mod certificates;
pub mod chaos;
pub mod conformance;
pub mod demo;
pub mod etags;
pub mod exchange;
pub mod folder;
pub mod grpc;
pub mod host;
pub mod kafka;
pub mod kinto;
pub mod languages;
pub mod local;
pub mod mail;
pub mod mariadb;
pub mod metrics;
pub mod port;
pub mod postgres;
pub mod process;
pub mod produce;
pub mod proof;
pub mod receiver;
pub mod registry;
pub mod relay;
pub mod rogue;
pub mod rooms;
pub mod s3;
pub mod schema_registry;
pub mod screen;
pub mod signing;
pub mod soap;
pub mod stories;
pub mod system;
pub mod table_bomb;
pub mod wait;
pub mod webdav;

use std::io::Write;

/// Whether only the quick tests are asked for: those without real Kafka and other servers that are fetched.
pub fn is_quick() -> bool {
    std::env::var_os("LIAISON_TESTS").is_some_and(|value| value == "quick")
}

/// Tells the person who runs the tests, past cargo's capture, that a test did not run, and why.
pub fn say_skipped(test: &str, reason: &str) {
    // Nobody reads it where stderr is closed.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}
