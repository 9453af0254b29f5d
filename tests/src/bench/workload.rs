//! What is delivered, and by which host: the rows of the table. Values only; nothing here runs.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// The seed of everything that is random: two runs of a workload are the same events and the same waits.
pub const SEED: u64 = 20_260_101;

/// The workload that `--events` speaks of, at its full size.
const FULL_EVENTS: usize = 200_000;

/// How the connector is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A connector linked into the host, without a sandbox; or, into a database, a loop written by hand without a host.
    Native,
    /// The plugin, a fresh instance for each batch: what a host does by default.
    Fresh,
    /// The plugin, instances kept for 1,000 calls.
    Warm,
    /// The plugin, a fresh instance for each event.
    Each,
    /// As fresh, with the plugin `reshape` before it.
    Transform,
}

/// What is asked of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// A backlog, and an external system that answers at once.
    Throughput,
    /// A backlog, and an external system that takes 5 ms.
    #[value(name = "latency-5ms")]
    #[serde(rename = "latency-5ms")]
    Latency5ms,
    /// One key on one partition, 0 to 5 ms a request.
    #[value(name = "keys-1")]
    #[serde(rename = "keys-1")]
    Keys1,
    /// The same with 10 keys.
    #[value(name = "keys-10")]
    #[serde(rename = "keys-10")]
    Keys10,
    /// The same with 1,000 keys.
    #[value(name = "keys-1000")]
    #[serde(rename = "keys-1000")]
    Keys1000,
    /// A backlog in which every hundredth key is refused for ever.
    Poison,
    /// 500 events a second for 10 seconds, to a host that waits for them.
    Paced,
    /// A backlog into a table of PostgreSQL, many rows a statement.
    Warehouse,
    /// The same, a row a statement, over eight connections.
    Database,
}

/// How long the external system takes for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    None,
    Always(Duration),
    /// Anything up to this, evenly.
    UpTo(Duration),
}

/// A workload in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    pub events: usize,
    pub keys: usize,
    pub partitions: i32,
    pub latency: Latency,
    /// Every key with a number that this divides is answered 503 for ever.
    pub poison_every: Option<u32>,
    /// The time between two events; without it all of them are there before the host starts.
    pub pace: Option<Duration>,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Native => "native",
            Mode::Fresh => "fresh",
            Mode::Warm => "warm",
            Mode::Each => "each",
            Mode::Transform => "transform",
        }
    }
}

impl Workload {
    pub fn name(self) -> &'static str {
        match self {
            Workload::Throughput => "throughput",
            Workload::Latency5ms => "latency-5ms",
            Workload::Keys1 => "keys-1",
            Workload::Keys10 => "keys-10",
            Workload::Keys1000 => "keys-1000",
            Workload::Poison => "poison",
            Workload::Paced => "paced",
            Workload::Warehouse => "warehouse",
            Workload::Database => "database",
        }
    }

    /// The modes that are compared where none is asked for.
    pub fn modes(self) -> Vec<Mode> {
        match self {
            Workload::Throughput => Mode::value_variants().to_vec(),
            Workload::Latency5ms
            | Workload::Keys1
            | Workload::Keys10
            | Workload::Keys1000
            | Workload::Poison
            | Workload::Paced
            | Workload::Warehouse
            | Workload::Database => vec![Mode::Native, Mode::Fresh],
        }
    }

    /// Is the external system a database?
    pub fn is_of_rows(self) -> bool {
        match self {
            Workload::Warehouse | Workload::Database => true,
            Workload::Throughput
            | Workload::Latency5ms
            | Workload::Keys1
            | Workload::Keys10
            | Workload::Keys1000
            | Workload::Poison
            | Workload::Paced => false,
        }
    }

    /// The workload at its full size, or as much smaller or larger as `throughput` is with this many events.
    pub fn load(self, throughput_events: Option<usize>) -> Load {
        let full = self.full();
        let wanted = throughput_events.unwrap_or(FULL_EVENTS);
        let events = (full.events * wanted / FULL_EVENTS).max(1);
        Load { events, keys: full.keys.min(events), ..full }
    }

    fn full(self) -> Load {
        let backlog = Load {
            events: FULL_EVENTS,
            keys: 10_000,
            partitions: 6,
            latency: Latency::None,
            poison_every: None,
            pace: None,
        };
        let by_key = |keys| Load {
            events: 10_000,
            keys,
            partitions: 1,
            latency: Latency::UpTo(Duration::from_millis(5)),
            ..backlog
        };
        match self {
            Workload::Throughput | Workload::Warehouse => backlog,
            Workload::Database => Load { events: 50_000, ..backlog },
            Workload::Latency5ms => {
                let latency = Latency::Always(Duration::from_millis(5));
                Load { events: 20_000, latency, ..backlog }
            }
            Workload::Keys1 => by_key(1),
            Workload::Keys10 => by_key(10),
            Workload::Keys1000 => by_key(1_000),
            Workload::Poison => Load { events: 20_000, poison_every: Some(100), ..backlog },
            Workload::Paced => {
                Load { events: 5_000, keys: 1_000, pace: Some(Duration::from_millis(2)), ..backlog }
            }
        }
    }
}

impl Load {
    /// The key of each event, in the order in which they are produced: all keys equally often, in any order.
    pub fn keys_of_events(&self) -> Vec<u32> {
        let keys = u32::try_from(self.keys).unwrap_or(u32::MAX).max(1);
        let mut of_events: Vec<u32> = (0..keys).cycle().take(self.events).collect();
        fastrand::Rng::with_seed(SEED).shuffle(&mut of_events);
        of_events
    }

    /// Whether events of this key are refused for ever.
    pub fn is_poisoned(&self, key: u32) -> bool {
        self.poison_every.is_some_and(|every| key.is_multiple_of(every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_equally_frequent_and_the_same_in_every_run() {
        let load = Workload::Throughput.load(None);
        let keys = load.keys_of_events();
        assert_eq!(keys.len(), 200_000);
        assert_eq!(keys.iter().filter(|key| **key == 77).count(), 20);
        assert_eq!(keys, load.keys_of_events());
        assert!(!keys.is_sorted());
    }

    #[test]
    fn one_event_in_a_hundred_is_poisoned() {
        let load = Workload::Poison.load(None);
        let poisoned = load.keys_of_events().into_iter().filter(|key| load.is_poisoned(*key)).count();
        assert_eq!(poisoned, 200);
        assert!(!Workload::Throughput.load(None).is_poisoned(0));
    }

    #[test]
    fn workloads_shrink_alike() {
        for (workload, events, keys) in [
            (Workload::Throughput, 2_000, 2_000),
            (Workload::Poison, 200, 200),
            (Workload::Keys10, 100, 10),
            (Workload::Paced, 50, 50),
        ] {
            let load = workload.load(Some(2_000));
            assert_eq!((load.events, load.keys), (events, keys), "{}", workload.name());
        }
    }
}
