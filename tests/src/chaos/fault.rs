//! What can go wrong, when, and to whom: the seed decides. Pure.

use std::time::Duration;

use crate::kafka::NODES;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Blackhole,
    Reset,
    HalfOpen,
    Delay,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kill,
    Freeze,
    Terminate,
    Storm,
    Broker,
    Coordinator,
    /// Between a host and all of Kafka.
    KafkaLink(Trouble),
    /// Between a host and the external systems.
    SystemLink(Trouble),
    SlowSystem,
    ServerErrors,
    Poison,
    HostilePlugin,
    PluginSwap,
    ClockJump,
    FullDisk,
    MorePartitions,
}

/// Every kind there is. The first three are in every schedule that has room for them: their promises are numbers.
pub const KINDS: [Kind; 22] = [
    Kind::Kill,
    Kind::Terminate,
    Kind::Storm,
    Kind::Freeze,
    Kind::Broker,
    Kind::Coordinator,
    Kind::KafkaLink(Trouble::Blackhole),
    Kind::KafkaLink(Trouble::Reset),
    Kind::KafkaLink(Trouble::HalfOpen),
    Kind::KafkaLink(Trouble::Delay),
    Kind::SystemLink(Trouble::Blackhole),
    Kind::SystemLink(Trouble::Reset),
    Kind::SystemLink(Trouble::HalfOpen),
    Kind::SystemLink(Trouble::Delay),
    Kind::SlowSystem,
    Kind::ServerErrors,
    Kind::Poison,
    Kind::HostilePlugin,
    Kind::PluginSwap,
    Kind::ClockJump,
    Kind::FullDisk,
    Kind::MorePartitions,
];

const ALWAYS: usize = 3;

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// The host it meets, from 0; faults of other things do not look at it.
    pub host: usize,
    /// The node of Kafka it meets, from 0; likewise.
    pub node: usize,
}

impl Kind {
    /// For a table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill -9",
            Kind::Freeze => "SIGSTOP",
            Kind::Terminate => "SIGTERM, start again",
            Kind::Storm => "rebalance storm",
            Kind::Broker => "broker kill",
            Kind::Coordinator => "coordinator kill",
            Kind::KafkaLink(Trouble::Blackhole) => "Kafka: blackhole",
            Kind::KafkaLink(Trouble::Reset) => "Kafka: reset",
            Kind::KafkaLink(Trouble::HalfOpen) => "Kafka: half-open",
            Kind::KafkaLink(Trouble::Delay) => "Kafka: 500 ms delay",
            Kind::SystemLink(Trouble::Blackhole) => "system: blackhole",
            Kind::SystemLink(Trouble::Reset) => "system: reset",
            Kind::SystemLink(Trouble::HalfOpen) => "system: half-open",
            Kind::SystemLink(Trouble::Delay) => "system: 500 ms delay",
            Kind::SlowSystem => "slow system",
            Kind::ServerErrors => "5xx storm",
            Kind::Poison => "poison events",
            Kind::HostilePlugin => "plugin traps and loops",
            Kind::PluginSwap => "plugin swapped",
            Kind::ClockJump => "clock jump",
            Kind::FullDisk => "full disk",
            Kind::MorePartitions => "more partitions",
        }
    }

    /// Whether it meets one host.
    pub fn is_of_a_host(self) -> bool {
        match self {
            Kind::Kill
            | Kind::Freeze
            | Kind::Terminate
            | Kind::KafkaLink(_)
            | Kind::SystemLink(_)
            | Kind::PluginSwap
            | Kind::FullDisk => true,
            Kind::Storm
            | Kind::Broker
            | Kind::Coordinator
            | Kind::SlowSystem
            | Kind::ServerErrors
            | Kind::Poison
            | Kind::HostilePlugin
            | Kind::ClockJump
            | Kind::MorePartitions => false,
        }
    }

    /// How long it lasts where nothing else ends it. A session of the hosts lasts 10 s: to be frozen or cut off from
    /// Kafka takes longer than that, and a minute where the run has the time for it.
    pub fn lasts(self, run: Duration) -> Duration {
        match self {
            Kind::Freeze => (run / 20).clamp(Duration::from_secs(14), Duration::from_secs(60)),
            Kind::KafkaLink(Trouble::Blackhole) => Duration::from_secs(14),
            Kind::Broker | Kind::Coordinator | Kind::KafkaLink(Trouble::Delay) => Duration::from_secs(10),
            Kind::SystemLink(_)
            | Kind::SlowSystem
            | Kind::ServerErrors
            | Kind::Poison
            | Kind::HostilePlugin
            | Kind::ClockJump => Duration::from_secs(7),
            Kind::Kill
            | Kind::Terminate
            | Kind::Storm
            | Kind::KafkaLink(Trouble::Reset | Trouble::HalfOpen)
            | Kind::PluginSwap
            | Kind::FullDisk
            | Kind::MorePartitions => Duration::ZERO,
        }
    }
}

/// So many faults for so many hosts. No kind comes twice before each has come.
pub fn schedule(seed: u64, faults: usize, hosts: usize) -> Vec<Fault> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kinds = Vec::with_capacity(faults);
    while kinds.len() < faults {
        let (always, mut others) = (&KINDS[..ALWAYS], KINDS[ALWAYS..].to_vec());
        random.shuffle(&mut others);
        let mut round: Vec<Kind> = always.iter().chain(&others).copied().collect();
        round.truncate(faults - kinds.len());
        random.shuffle(&mut round);
        kinds.extend(round);
    }
    let mut fault = |kind| Fault { kind, host: random.usize(..hosts), node: random.usize(..NODES) };
    kinds.into_iter().map(&mut fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(schedule(7, 30, 3), schedule(7, 30, 3));
        assert_ne!(schedule(7, 30, 3), schedule(8, 30, 3));
    }

    #[test]
    fn no_kind_comes_twice_before_each_has_come() {
        for (faults, hosts) in [(1, 1), (3, 2), (12, 2), (22, 2), (50, 3)] {
            let schedule = schedule(1, faults, hosts);
            assert_eq!(schedule.len(), faults);
            assert!(schedule.iter().all(|fault| fault.host < hosts && fault.node < NODES));
            let count = |kind: Kind| schedule.iter().filter(|fault| fault.kind == kind).count();
            let counts = KINDS.map(count);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
            if faults >= ALWAYS {
                assert!(counts[..ALWAYS].iter().all(|count| *count > 0), "{counts:?}");
            }
        }
    }

    #[test]
    fn names_tell_kinds_apart() {
        let mut names = KINDS.map(Kind::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}
