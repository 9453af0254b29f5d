//! One host of a run: its configuration, its links, and all the lives it has had, each with its log.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use super::clock;
use super::link::{Link, Passage};
use super::subscription::{SUBSCRIPTIONS, Subscription};
use crate::bench::usage::peak_memory;
use crate::host::{HostProcess, plugin};
use crate::port;

/// Most deliveries at work at once, of each subscription.
const CONCURRENCY: usize = 24;

/// The session of a member of a group: what is frozen or cut off for longer has lost its partitions.
const SESSION: Duration = Duration::from_secs(10);

/// Long enough for anything that happens at all, on a machine that does much else.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// A host that may be running.
#[derive(Debug)]
pub(super) struct Member {
    /// From 0.
    pub(super) number: usize,
    /// To each node of Kafka.
    kafka: Vec<Link>,
    /// To the external system of each subscription.
    systems: Vec<Link>,
    folder: PathBuf,
    /// Changes with each swap of the plugin.
    version: u32,
    running: Option<Running>,
    lives: Vec<Life>,
}

#[derive(Debug)]
struct Running {
    process: HostProcess,
    began_ms: u64,
}

/// A life that is over.
#[derive(Debug)]
pub struct Life {
    pub began_ms: u64,
    pub ended_ms: u64,
    /// Its most memory, in bytes; `None` if it ended by itself.
    pub peak_bytes: Option<u64>,
    pub log: Vec<String>,
}

/// How a life begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Usual,
    /// No room for compiled plugins where they are kept, and none are there.
    Full,
}

impl Member {
    /// One that does not run yet, with its files in a folder of its own below `folder`.
    pub(super) fn new(
        number: usize,
        kafka: Vec<Link>,
        systems: Vec<Link>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(format!("host-{number}"));
        fs::create_dir_all(&folder)?;
        let mut member =
            Self { number, kafka, systems, folder, version: 0, running: None, lives: Vec::new() };
        member.swap_plugin()?;
        Ok(member)
    }

    /// Puts another version of the shipped connector in the place of the one it has; it is loaded at the next start.
    /// It does the same, for only a section that no engine runs differs, and has a digest of its own.
    pub(super) fn swap_plugin(&mut self) -> anyhow::Result<()> {
        self.version += 1;
        let mut component = fs::read(plugin("rest")?)?;
        // A custom section: its number, its length, the length of its name, its name and no content.
        let name = format!("version-{}", self.version);
        let length = u8::try_from(name.len()).context("a short name")?;
        component.extend([0, length + 1, length]);
        component.extend(name.bytes());
        fs::write(self.folder.join("rest.wasm"), component)?;
        Ok(())
    }

    /// Starts it, and does not wait.
    pub(super) fn start(&mut self, disk: Disk) -> anyhow::Result<()> {
        ensure!(self.running.is_none(), "host {} is running already", self.number);
        let admin = port::free()?;
        let cache = self.folder.join(match disk {
            Disk::Usual => "cache",
            Disk::Full => "cache-on-a-full-disk",
        });
        let (config, began_ms) = (self.config(admin, &cache)?, clock::now_ms());
        let process = match disk {
            Disk::Usual => HostProcess::start(&config, admin, &[("RUST_LOG", LOG)])?,
            Disk::Full => HostProcess::start_with_full_disk(&config, admin, &[("RUST_LOG", LOG)], &cache)?,
        };
        self.running = Some(Running { process, began_ms });
        Ok(())
    }

    pub(super) fn wait_ready(&mut self) -> anyhow::Result<()> {
        self.process()?.wait_ready(LIMIT)
    }

    pub(super) fn process(&mut self) -> anyhow::Result<&mut HostProcess> {
        let number = self.number;
        Ok(&mut self.running.as_mut().with_context(|| format!("host {number} is not running"))?.process)
    }

    /// The sum over its samples of a metric that have this label.
    pub(super) fn metric(&mut self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<f64> {
        Ok(self.process()?.metrics()?.sum(name, labels))
    }

    /// How many partitions of this subscription it says that it holds: none while it says nothing.
    pub(super) fn partitions(&mut self, subscription: Subscription) -> f64 {
        let labels = [("subscription", subscription.name())];
        self.metric("liaison_partitions_assigned", &labels).unwrap_or_default()
    }

    /// Kills it. Gives when.
    pub(super) fn kill(&mut self) -> anyhow::Result<u64> {
        let peak = self.peak();
        let at_ms = clock::now_ms();
        self.process()?.kill()?;
        self.bury(peak)?;
        Ok(at_ms)
    }

    /// Ends it in order. Fails unless it says that it did.
    pub(super) fn terminate(&mut self) -> anyhow::Result<()> {
        let peak = self.peak();
        let status = self.process()?.terminate(LIMIT);
        self.bury(peak)?;
        ensure!(status?.success(), "host {} did not end well", self.number);
        Ok(())
    }

    /// Lets it go on if it is frozen, and ends it somehow if it runs.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        if self.running.is_none() {
            return Ok(());
        }
        // One that has ended cannot be told to go on.
        let _ = self.process()?.cont();
        self.terminate()
    }

    /// What is known of all its lives; the present one is ended.
    pub(super) fn take_lives(&mut self) -> Vec<Life> {
        if self.running.is_some() {
            let peak = self.peak();
            // A log that cannot be read to its end is missing, and its life with it.
            let _ = self.bury(peak);
        }
        std::mem::take(&mut self.lives)
    }

    pub(super) fn kafka_links(&self) -> &[Link] {
        &self.kafka
    }

    pub(super) fn system_links(&self) -> &[Link] {
        &self.systems
    }

    pub(super) fn open_links(&self) {
        self.kafka.iter().chain(&self.systems).for_each(|link| link.set(Passage::Open));
    }

    fn peak(&mut self) -> Option<u64> {
        peak_memory(self.process().ok()?.id()).ok()
    }

    fn bury(&mut self, peak_bytes: Option<u64>) -> anyhow::Result<()> {
        let Some(Running { process, began_ms }) = self.running.take() else { return Ok(()) };
        let log = process.into_log()?;
        self.lives.push(Life { began_ms, ended_ms: clock::now_ms(), peak_bytes, log });
        Ok(())
    }

    fn config(&self, admin: SocketAddr, cache: &Path) -> anyhow::Result<String> {
        let brokers: Vec<_> = self.kafka.iter().map(|link| format!("\"{}\"", link.address())).collect();
        let rest = self.folder.join("rest.wasm");
        let digest = Sha256::digest(fs::read(&rest)?);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = HEAD
            .replace("@BROKERS@", &brokers.join(", "))
            .replace("@SESSION@", &SESSION.as_millis().to_string())
            .replace("@ADMIN@", &admin.to_string())
            .replace("@CACHE@", &cache.display().to_string())
            .replace("@REST@", &rest.display().to_string())
            .replace("@DIGEST@", &digest)
            .replace("@RESHAPE@", &plugin("reshape")?.display().to_string())
            .replace("@HOSTILE@", &plugin("hostile")?.display().to_string());
        for (subscription, link) in SUBSCRIPTIONS.into_iter().zip(&self.systems) {
            // The path says which host asked.
            let endpoint = format!("http://{}/host-{}", link.address(), self.number);
            let (connector, own) = match subscription {
                Subscription::Calendar => (
                    "plugin = \"rest\"\nsettings = { path = \"/events/{id}\" }",
                    "transformers = [\"title\"]",
                ),
                Subscription::Archive => {
                    ("plugin = \"hostile\"", "ordering = \"none\"\nparking = { delays = [] }")
                }
            };
            let (name, topic) = (subscription.name(), subscription.topic());
            write!(
                text,
                "\n[connectors.{name}]\n{connector}\nendpoint = \"{endpoint}\"\nallow-networks = [\"127.0.0.1\"]\n\
                 concurrency = {CONCURRENCY}\n[subscriptions.{name}]\nconnector = \"{name}\"\ntopics = [\"{topic}\"]\n{own}\n"
            )?;
        }
        Ok(text)
    }
}

/// Commits that fail are said, so that a run that broke a promise can be understood.
const LOG: &str = "info,librdkafka=warn,liaison::subscription::task::upkeep=debug";

/// What all hosts have in common. Half-open connections and new partitions are noticed sooner than by default.
const HEAD: &str = r#"
[kafka]
brokers = [@BROKERS@]
[kafka.properties]
"session.timeout.ms" = "@SESSION@"
"heartbeat.interval.ms" = "1000"
"socket.timeout.ms" = "10000"
"topic.metadata.refresh.interval.ms" = "5000"
[admin]
address = "@ADMIN@"
[runtime]
cache = "@CACHE@"
call-twice = false
[plugins.rest]
path = "@REST@"
sha256 = "@DIGEST@"
[plugins.reshape]
path = "@RESHAPE@"
instances = { warm = 1000 }
[plugins.hostile]
path = "@HOSTILE@"
[transformers.title]
plugin = "reshape"
settings = { jq = "{title, for}" }
[sla.default]
max-attempts = 50
initial-interval = "100ms"
max-interval = "1s"
attempt-timeout = "5s"
deadline = "10m"
"#;
