//! A real schema registry for the tests: Apicurio Registry, in memory, on loopback, by the API of Confluent's that it has.
//!
//! It comes by [`liaison_tasks::schema_registry`]. It can be frozen, and killed; dropped, it is gone with its schemas.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::certificates::Certified;
use crate::exchange::{self, Reply, encode_path};
use crate::folder::Folder;
use crate::port;
use crate::process::{Process, Signal};

/// Starting takes 5 seconds on an idle machine.
const STARTED: Duration = Duration::from_secs(120);
/// Where it has Confluent's API.
const API: &str = "/apis/ccompat/v7";
/// What it prints when it may be asked.
const LISTENS: &str = "Listening on:";
const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// A running registry.
#[derive(Debug)]
pub struct SchemaRegistry {
    process: Process,
    scheme: &'static str,
    address: SocketAddr,
    /// Its temporary files.
    _folder: Folder,
}

impl SchemaRegistry {
    /// Starts an empty one and waits until it answers. Fetches it if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        let address = port::free()?;
        Self::launch("http", address, &[format!("-Dquarkus.http.port={}", address.port())])
    }

    /// The same over TLS alone, with this certificate. It can be asked by the host, not by [`SchemaRegistry::ask`].
    pub fn start_secured(certified: &Certified) -> anyhow::Result<Self> {
        let address = port::free()?;
        let files = Folder::new("schema-registry-tls")?;
        let certificate = files.write("server.pem", &certified.certificate)?;
        let key = files.write("server-key.pem", &certified.key)?;
        let settings = [
            "-Dquarkus.http.insecure-requests=disabled".to_owned(),
            format!("-Dquarkus.http.ssl-port={}", address.port()),
            format!("-Dquarkus.http.ssl.certificate.files={}", certificate.display()),
            format!("-Dquarkus.http.ssl.certificate.key-files={}", key.display()),
        ];
        // Both files are read before it listens.
        Self::launch("https", address, &settings)
    }

    fn launch(scheme: &'static str, address: SocketAddr, settings: &[String]) -> anyhow::Result<Self> {
        let program = liaison_tasks::schema_registry::prepare()?;
        let folder = Folder::new("schema-registry")?;
        let mut java = Command::new(liaison_tasks::kafka::java());
        // A short life is not worth the second compiler.
        java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms128m", "-Xmx384m"]);
        java.arg(format!("-Djava.io.tmpdir={}", folder.path().display()));
        java.arg(format!("-Dquarkus.http.host={}", address.ip())).args(settings);
        java.arg("-jar").arg(program);
        let process = Process::start("Apicurio Registry", &java, folder.path())?;
        process.wait_for_line(LISTENS, STARTED)?;
        Ok(Self { process, scheme, address, _folder: folder })
    }

    /// What the host is configured with.
    pub fn url(&self) -> String {
        format!("{}://{}{API}", self.scheme, self.address)
    }

    /// Registers a schema (`AVRO`, `PROTOBUF`, `JSON`) under a subject, and gives its id. `references` are names by which it
    /// refers to others, with their subjects, of which the first version is meant.
    pub fn register(
        &self,
        subject: &str,
        kind: &str,
        schema: &str,
        references: &[(&str, &str)],
    ) -> anyhow::Result<u32> {
        let reference =
            |(name, subject): &(&str, &str)| json!({"name": name, "subject": subject, "version": 1});
        let references: Vec<Value> = references.iter().map(reference).collect();
        let body = json!({"schemaType": kind, "schema": schema, "references": references}).to_string();
        let path = format!("/subjects/{}/versions", encode_path(subject).replace('/', "%2F"));
        let reply = self.ask("POST", &path, body.as_bytes())?;
        ensure!(reply.status == 200, "{subject}: {} {}", reply.status, reply.text());
        let answered: Value = serde_json::from_slice(&reply.body)?;
        let id = answered["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.with_context(|| format!("{subject}: no id in {answered}"))
    }

    /// Asks below its API; the path is percent-encoded already.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Reply> {
        exchange::ask(self.address, method, &format!("{API}{path}"), &[("content-type", JSON)], body)
    }

    /// Freezes it, with its connections open.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Stop)
    }

    /// Lets it go on.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Continue)
    }
}
