//! The broker's settings files, as text.

use std::net::SocketAddr;
use std::path::Path;

/// Any 16 bytes in URL-safe base64: these read `liaison-tests-01`.
pub(super) const CLUSTER_ID: &str = "bGlhaXNvbi10ZXN0cy0wMQ";

/// Warnings, and the line that says that the broker takes clients.
pub(super) const LOGGING: &str = "\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
logger.groups.name=org.apache.kafka.coordinator.group
logger.groups.level=info
";

/// One node, broker and controller at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) folder: &'a Path,
    /// From 1.
    pub(super) id: usize,
    pub(super) broker: SocketAddr,
    /// Those of all nodes, this one's at `id`.
    pub(super) controllers: &'a [SocketAddr],
    /// Listeners beside the one for everybody.
    pub(super) doors: &'a [Door],
}

/// A door of one client at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) listens: SocketAddr,
    pub(super) advertised: SocketAddr,
}

/// Everything is replicated to all nodes, of which one may be away if there are several. Groups do not wait for members
/// that a test does not have.
pub(super) fn server(node: &Node<'_>) -> String {
    let Node { folder, id, broker, controllers, doors } = *node;
    let own = |of: fn(&Door) -> SocketAddr| -> String {
        let doors = doors.iter().enumerate();
        doors.map(|(client, door)| format!(",CLIENT{client}://{}", of(door))).collect()
    };
    let voters: Vec<String> =
        controllers.iter().enumerate().map(|(index, address)| format!("{}@{address}", index + 1)).collect();
    let protocols: String = (0..doors.len()).map(|client| format!(",CLIENT{client}:PLAINTEXT")).collect();
    let replicas = controllers.len();
    let in_sync = (replicas - 1).max(1);
    format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={}
listeners=PLAINTEXT://{broker},CONTROLLER://{}{}
advertised.listeners=PLAINTEXT://{broker}{}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}
log.dirs={}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
",
        voters.join(","),
        controllers[id - 1],
        own(|door| door.listens),
        own(|door| door.advertised),
        folder.join("data").display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_door_of_its_own() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let door = |port| Door { listens: at(port), advertised: at(port + 1) };
        let node = Node {
            folder: Path::new("/f"),
            id: 2,
            broker: at(1),
            controllers: &[at(2), at(3), at(4)],
            doors: &[door(10), door(20)],
        };
        let text = server(&node);
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:2,2@127.0.0.1:3,3@127.0.0.1:4",
            "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:3,CLIENT0://127.0.0.1:10,CLIENT1://127.0.0.1:20",
            "advertised.listeners=PLAINTEXT://127.0.0.1:1,CLIENT0://127.0.0.1:11,CLIENT1://127.0.0.1:21",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CLIENT0:PLAINTEXT,CLIENT1:PLAINTEXT",
            "offsets.topic.replication.factor=3",
            "min.insync.replicas=2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
