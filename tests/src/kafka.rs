//! A real Apache Kafka for the tests: one node, broker and controller in one, on loopback.
//!
//! It can be stopped, killed and started again with the same port and data. Its jars come by [`liaison_tasks::kafka`];
//! nothing of it outlives the test process.

mod admin;
mod cluster;
pub mod security;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

use crate::folder::Folder;
use crate::port;
use crate::process::{Process, Signal};
pub use admin::GroupOffset;
pub use cluster::{Cluster, NODES};
use security::Extra;
use settings::Node;

/// Starting takes 4 seconds on an idle machine.
const STARTED: Duration = Duration::from_secs(90);

/// Writing the storage's metadata and every command of the admin tools: 1 to 2 seconds on an idle machine.
const COMMAND: Duration = Duration::from_secs(60);

/// An orderly end hands over what it leads first.
const STOPPED: Duration = Duration::from_secs(60);

/// What the broker prints when clients may come.
const READY: &str = "Kafka Server started";

/// A broker, running or not. Dropped, it is killed and its data removed.
#[derive(Debug)]
pub struct Kafka {
    /// `None` while it is down.
    process: Option<Process>,
    folder: Folder,
    libraries: PathBuf,
    broker: SocketAddr,
}

impl Kafka {
    /// Starts an empty broker and waits until it takes clients. Fetches Kafka if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_at(port::free()?, port::free()?, &Extra::default())
    }

    fn start_at(broker: SocketAddr, controller: SocketAddr, extra: &Extra) -> anyhow::Result<Self> {
        let libraries = liaison_tasks::kafka::prepare()?;
        let folder = Folder::new("kafka")?;
        let node = Node { folder: folder.path(), id: 1, broker, controllers: &[controller], doors: &[] };
        let settings = settings::server(&node) + &extra.settings;
        folder.write("server.properties", &settings)?;
        folder.write("log4j2.properties", settings::LOGGING)?;
        let mut kafka = Self { process: None, folder, libraries, broker };
        kafka.format(&extra.users)?;
        kafka.start_again()?;
        Ok(kafka)
    }

    /// The broker that all tests of this process share: started by the first that asks. Topics and groups of a test
    /// need names of their own.
    pub fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceLock<Result<Kafka, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        shared.as_ref().map_err(|error| anyhow!("the shared Kafka did not start: {error}"))
    }

    /// `127.0.0.1:PORT`, the same for its whole life.
    pub fn bootstrap(&self) -> String {
        self.broker.to_string()
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.status().is_none())
    }

    /// Ends it in order: it writes down what it holds and says goodbye.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.take().context("Kafka is not running")?;
        process.signal(Signal::Terminate)?;
        process.wait(STOPPED)
    }

    /// Kills it: clients see their connections break, and then nobody.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("Kafka is not running")?.kill()
    }

    /// Freezes it, with its connections open.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.running()?.signal(Signal::Stop)
    }

    /// Lets it go on.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.running()?.signal(Signal::Continue)
    }

    /// Starts it with the port and the data it had, and waits until it takes clients.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(!self.is_running(), "Kafka is running already");
        let mut java = self.java(&["-Xms256m", "-Xmx512m"], "kafka.Kafka");
        java.arg(self.folder.path().join("server.properties"));
        let process = Process::start("Kafka", &java, self.folder.path())?;
        process.wait_for_line(READY, STARTED)?;
        self.process = Some(process);
        Ok(())
    }

    /// What it printed since it was started, for a person.
    pub fn log(&self) -> Vec<String> {
        self.process.as_ref().map(Process::lines).unwrap_or_default()
    }

    fn running(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("Kafka is not running")
    }

    /// Writes the metadata without which a broker does not start.
    fn format(&self, users: &[String]) -> anyhow::Result<()> {
        let file = self.folder.path().join("server.properties");
        let file = file.to_str().context("the temporary folder's name is not UTF-8")?;
        let format = ["format", "-t", settings::CLUSTER_ID, "-c", file];
        let users = users.iter().flat_map(|user| ["--add-scram", user]);
        let arguments: Vec<&str> = format.into_iter().chain(users).collect();
        self.run("kafka.tools.StorageTool", &arguments).map(drop)
    }

    /// Runs one of Kafka's command line tools to its end and gives what it printed. Fails if the tool does.
    fn run(&self, class: &str, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
        // A short life is not worth the second compiler.
        let mut java = self.java(&["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"], class);
        java.args(arguments);
        let mut process = Process::start(class, &java, self.folder.path())?;
        let status = process.wait(COMMAND)?;
        let lines = process.into_lines()?;
        ensure!(status.success(), "{class} {arguments:?} failed ({status}):\n{}", lines.join("\n"));
        Ok(lines)
    }

    fn java(&self, options: &[&str], class: &str) -> Command {
        let mut java = Command::new(liaison_tasks::kafka::java());
        java.args(options).arg("-cp").arg(self.libraries.join("*"));
        let logging = self.folder.path().join("log4j2.properties");
        java.arg(format!("-Dlog4j2.configurationFile={}", logging.display())).arg(class);
        java
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// One test, for each start takes seconds.
    #[test]
    fn a_broker_keeps_topics_and_offsets_over_a_stop_and_a_kill() {
        if crate::is_quick() {
            return crate::say_skipped(
                "a_broker_keeps_topics_and_offsets_over_a_stop_and_a_kill",
                "needs real Kafka",
            );
        }
        let mut kafka = Kafka::start().unwrap();
        kafka.create_topic("orders", 2).unwrap();
        assert!(kafka.create_topic("orders", 2).is_err(), "it exists");
        assert!(kafka.group_offsets("readers").is_err(), "there is no such group");
        commit_zero(&kafka);
        let bootstrap = kafka.bootstrap();

        assert!(kafka.stop().is_ok());
        assert!(!kafka.is_running());
        assert!(TcpStream::connect(&bootstrap).is_err());
        kafka.start_again().unwrap();
        assert_eq!(kafka.bootstrap(), bootstrap);
        assert_zero(&kafka);

        kafka.kill().unwrap();
        assert!(TcpStream::connect(&bootstrap).is_err());
        kafka.start_again().unwrap();
        assert_zero(&kafka);
    }

    #[test]
    fn the_shared_broker_is_one() {
        if crate::is_quick() {
            return crate::say_skipped("the_shared_broker_is_one", "needs real Kafka");
        }
        let first = Kafka::shared().unwrap();
        assert_eq!(first.bootstrap(), Kafka::shared().unwrap().bootstrap());
        assert!(TcpStream::connect(first.bootstrap()).is_ok());
    }

    /// Commits offset 0 for a group that has no members.
    fn commit_zero(kafka: &Kafka) {
        let (class, bootstrap) =
            ("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", kafka.bootstrap());
        let reset =
            ["--reset-offsets", "--to-offset", "0", "--execute", "--topic", "orders", "--group", "readers"];
        let arguments: Vec<&str> = reset.into_iter().chain(["--bootstrap-server", &bootstrap]).collect();
        kafka.run(class, &arguments).unwrap();
    }

    fn assert_zero(kafka: &Kafka) {
        let zero =
            |partition| GroupOffset { topic: "orders".to_owned(), partition, committed: Some(0), end: 0 };
        assert_eq!(kafka.group_offsets("readers").unwrap(), [zero(0), zero(1)]);
    }
}
