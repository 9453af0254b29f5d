//! A Kafka of three nodes, each broker and controller, on loopback: any one of them may be killed.
//!
//! Everything is replicated three times and acknowledged by two. Beside the door for everybody, each client that asks
//! for it has doors of its own, one at each node, whose advertised addresses are the client's to choose: so its
//! connections to all nodes can be led over links that break.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

use super::settings::{Door, Node};
use super::{Kafka, settings};
use crate::folder::Folder;
use crate::{port, wait};

/// How many nodes there are.
pub const NODES: usize = 3;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// A dead node is noticed within 4 s, and the log of commits is kept whole.
const FAIL_OVER: &str = "\
num.network.threads=2
num.io.threads=4
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
log.cleaner.enable=false
";

/// Following what was missed takes seconds, and asking whether it is done about as long.
const IN_SYNC: Duration = Duration::from_secs(300);

/// The nodes, running or not. Dropped, they are killed and their data removed.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Kafka>,
}

impl Cluster {
    /// Starts empty nodes and waits until all take clients. `advertise` is told where a client's door at a node listens,
    /// by the client's number and the node's, and says under which address the client is to look for it.
    pub fn start(
        clients: usize,
        mut advertise: impl FnMut(usize, usize, SocketAddr) -> anyhow::Result<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let libraries = liaison_tasks::kafka::prepare()?;
        let mut ports = port::free_many(NODES * (2 + clients))?.into_iter();
        let mut next = || ports.next().expect("as many as are asked for");
        let controllers: Vec<SocketAddr> = (0..NODES).map(|_| next()).collect();
        let mut nodes = Vec::with_capacity(NODES);
        for node in 0..NODES {
            let broker = next();
            let doors = (0..clients).map(|client| {
                let listens = next();
                Ok(Door { listens, advertised: advertise(client, node, listens)? })
            });
            let doors: Vec<Door> = doors.collect::<anyhow::Result<_>>()?;
            let folder = Folder::new("kafka")?;
            let id = node + 1;
            let node = Node { folder: folder.path(), id, broker, controllers: &controllers, doors: &doors };
            folder.write("server.properties", &(settings::server(&node) + FAIL_OVER))?;
            folder.write("log4j2.properties", settings::LOGGING)?;
            nodes.push(Kafka { process: None, folder, libraries: libraries.clone(), broker });
        }
        let mut cluster = Self { nodes };
        cluster.start_all()?;
        Ok(cluster)
    }

    /// At once, for none is ready without another.
    fn start_all(&mut self) -> anyhow::Result<()> {
        let start = |node: &mut Kafka| node.format(&[]).and_then(|()| node.start_again());
        thread::scope(|scope| {
            let started: Vec<_> =
                self.nodes.iter_mut().map(|node| scope.spawn(move || start(node))).collect();
            started.into_iter().try_for_each(|node| node.join().map_err(|_| anyhow!("a start panicked"))?)
        })
    }

    /// The doors for everybody, for a client's settings.
    pub fn bootstrap(&self) -> String {
        self.nodes.iter().map(Kafka::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// Kills a node; the others go on without it.
    pub fn kill(&mut self, node: usize) -> anyhow::Result<()> {
        self.nodes[node].kill()
    }

    /// Starts a killed node again and waits until it has what it missed.
    pub fn start_again(&mut self, node: usize) -> anyhow::Result<()> {
        self.nodes[node].start_again()?;
        wait::until(IN_SYNC, "all replicas to be in step", || self.is_in_sync().unwrap_or_default())
    }

    /// What a node printed since it was started, for a person.
    pub fn log(&self, node: usize) -> Vec<String> {
        self.nodes[node].log()
    }

    /// Creates a topic with settings of its own, `key=value` each. Fails if it exists.
    pub fn create_topic(&self, name: &str, partitions: u32, settings: &[&str]) -> anyhow::Result<()> {
        self.running()?.create_topic_with(name, partitions, settings)
    }

    /// Gives a topic more partitions: `partitions` in all.
    pub fn grow_topic(&self, name: &str, partitions: u32) -> anyhow::Result<()> {
        let count = partitions.to_string();
        let arguments = ["--alter", "--topic", name, "--partitions", &count];
        self.tool(TOPICS, &arguments).map(drop)
    }

    /// The node that coordinates a group now.
    pub fn coordinator(&self, group: &str) -> anyhow::Result<usize> {
        let lines = self.tool(GROUPS, &["--describe", "--state", "--group", group])?;
        coordinator_in(&lines).with_context(|| format!("no coordinator of {group} in:\n{}", lines.join("\n")))
    }

    fn is_in_sync(&self) -> anyhow::Result<bool> {
        let lines = self.tool(TOPICS, &["--describe", "--under-replicated-partitions"])?;
        Ok(lines.iter().all(|line| !line.contains("Partition:")))
    }

    fn tool(&self, class: &str, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
        let bootstrap = self.bootstrap();
        let server = ["--bootstrap-server", &bootstrap];
        self.running()?.run(class, &arguments.iter().copied().chain(server).collect::<Vec<_>>())
    }

    fn running(&self) -> anyhow::Result<&Kafka> {
        let running = self.nodes.iter().find(|node| node.process.is_some());
        running.context("no node of Kafka is running")
    }
}

/// The number of the node in the tool's table, `127.0.0.1:9092 (2)`, from 0.
fn coordinator_in(lines: &[String]) -> anyhow::Result<usize> {
    let number = lines.iter().find_map(|line| {
        let (before, rest) = line.split_once(" (")?;
        let address = before.split_whitespace().last()?;
        address.parse::<SocketAddr>().ok()?;
        rest.split_once(')')?.0.parse::<usize>().ok()
    });
    let number = number.context("there is no coordinator")?;
    ensure!((1..=NODES).contains(&number), "there is no node {number}");
    Ok(number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinator_is_read_from_the_table_of_the_tool() {
        let lines = [
            "",
            "GROUP      COORDINATOR (ID)      ASSIGNMENT-STRATEGY  STATE   #MEMBERS",
            "liaison.a  127.0.0.1:20001 (3)   cooperative-sticky   Stable  2",
        ];
        let lines = lines.map(str::to_owned);
        assert_eq!(coordinator_in(&lines).unwrap(), 2);
        assert!(coordinator_in(&lines[..2]).is_err());
    }
}
