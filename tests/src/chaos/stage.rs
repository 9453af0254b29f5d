//! All parts of a run, started: Kafka, the external systems, the hosts and the links between them.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context;

use super::Plan;
use super::clock::Clock;
use super::events::Producing;
use super::link::{Link, Links};
use super::member::{Disk, LIMIT, Member};
use super::subscription::{SUBSCRIPTIONS, Subscription, latency};
use crate::kafka::Cluster;
use crate::system::{Behaviour, Keep, System};
use crate::wait;

/// Partitions of each topic at the start.
pub(super) const PARTITIONS: u32 = 6;

/// The parts are dropped in this order: who asks goes before who answers.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) producing: Producing,
    /// The last one joins and leaves in a rebalance storm alone.
    pub(super) members: Vec<Member>,
    /// One for each subscription.
    pub(super) systems: Vec<System>,
    pub(super) cluster: Cluster,
    pub(super) partitions: u32,
    pub(super) clock: Clock,
    delivered: Vec<Delivered>,
    _links: Links,
}

/// What a system has accepted so far.
#[derive(Debug, Default)]
struct Delivered {
    looked_at: usize,
    identifiers: HashSet<String>,
}

impl Stage {
    /// Starts everything, and waits until every host is ready. Files are kept in `folder`.
    pub(super) fn set(plan: &Plan, folder: &Path) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let links = Links::new()?;
        let systems: Vec<System> = SUBSCRIPTIONS
            .iter()
            .map(|subscription| System::start_keeping(subscription.name(), Keep::Outline, well()))
            .collect::<anyhow::Result<_>>()?;
        let mut to_kafka: Vec<Vec<Link>> = (0..=plan.hosts).map(|_| Vec::new()).collect();
        let cluster = Cluster::start(plan.hosts + 1, |client, _, listens| {
            let link = links.open(listens)?;
            let address = link.address();
            to_kafka[client].push(link);
            Ok(address)
        })?;
        create_topics(&cluster)?;
        let mut members = Vec::new();
        for (number, kafka) in to_kafka.into_iter().enumerate() {
            let to_systems = systems.iter().map(|system| links.open(system.address()));
            members.push(Member::new(number, kafka, to_systems.collect::<Result<_, _>>()?, folder)?);
        }
        let producing = Producing::start(&cluster.bootstrap(), plan.seed, plan.events, PARTITIONS)?;
        let delivered = SUBSCRIPTIONS.map(|_| Delivered::default()).into();
        let partitions = PARTITIONS;
        let mut stage =
            Self { producing, members, systems, cluster, partitions, clock, delivered, _links: links };
        for member in &mut stage.members[..plan.hosts] {
            member.start(Disk::Usual)?;
        }
        stage.wait_shared()?;
        Ok(stage)
    }

    /// The hosts that are meant to run.
    pub(super) fn hosts(&mut self) -> &mut [Member] {
        let count = self.members.len() - 1;
        &mut self.members[..count]
    }

    /// The one that joins and leaves.
    pub(super) fn guest(&mut self) -> anyhow::Result<&mut Member> {
        self.members.last_mut().context("there is a guest")
    }

    /// All systems behave like this from now on.
    pub(super) fn behave(&self, behaviour: &Behaviour) {
        self.systems.iter().for_each(|system| system.behave(behaviour.clone()));
    }

    /// Waits until all hosts are ready, each holds partitions of every topic, and none is left over.
    fn wait_shared(&mut self) -> anyhow::Result<()> {
        self.hosts().iter_mut().try_for_each(Member::wait_ready)?;
        let all = f64::from(self.partitions);
        let is_shared = |hosts: &mut [Member], subscription| {
            let held: Vec<f64> = hosts.iter_mut().map(|host| host.partitions(subscription)).collect();
            held.iter().all(|count| *count > 0.0) && held.iter().sum::<f64>() == all
        };
        wait::until(LIMIT, "the partitions to be shared", || {
            SUBSCRIPTIONS.iter().all(|subscription| is_shared(self.hosts(), *subscription))
        })
    }

    /// Waits until all hosts share the work and everything that Kafka has by now is delivered.
    pub(super) fn wait_delivered(&mut self) -> anyhow::Result<()> {
        self.wait_shared()?;
        for subscription in SUBSCRIPTIONS {
            let count = self.producing.deliverable(subscription);
            self.wait_for_first(subscription, count)?;
        }
        Ok(())
    }

    fn wait_for_first(&mut self, subscription: Subscription, count: usize) -> anyhow::Result<()> {
        let system = &self.systems[subscription as usize];
        let delivered = &mut self.delivered[subscription as usize];
        let mut missing = self.producing.first_deliverable(subscription, count);
        let what = format!("{} deliveries", missing.len());
        system.wait_until(&what, LIMIT, |ledger| {
            for entry in ledger[delivered.looked_at..].iter().filter(|entry| entry.is_accepted()) {
                if let Some((_, identifier)) = asked(&entry.path) {
                    delivered.identifiers.insert(identifier.to_owned());
                }
            }
            delivered.looked_at = ledger.len();
            // From the end, where the latest are: mostly one look.
            while missing.last().is_some_and(|identifier| delivered.identifiers.contains(identifier)) {
                missing.pop();
            }
            missing.is_empty()
        })
    }
}

fn create_topics(cluster: &Cluster) -> anyhow::Result<()> {
    for subscription in SUBSCRIPTIONS {
        // Timestamps that jump must not make anything look old.
        cluster.create_topic(subscription.topic(), PARTITIONS, &["retention.ms=-1"])?;
        // By the broker's clock: when a dead letter was there.
        let settings = ["retention.ms=-1", "message.timestamp.type=LogAppendTime"];
        cluster.create_topic(subscription.dead_letter_topic(), 3, &settings)?;
    }
    Ok(())
}

/// Which host asked for which event, by the path of the request.
pub(super) fn asked(path: &str) -> Option<(usize, &str)> {
    let (host, identifier) = path.strip_prefix("/host-")?.split_once("/events/")?;
    Some((host.parse().ok()?, identifier))
}

/// How the systems are when nothing ails them.
pub(super) fn well() -> Behaviour {
    Behaviour::ok()
        .when(|request| identifier(request.path).ends_with("-rejected"), Behaviour::status(400))
        .with_latency_by(|request| latency(identifier(request.path)))
}

fn identifier(path: &str) -> &str {
    asked(path).map_or("", |(_, identifier)| identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_who_asked_for_what() {
        assert_eq!(asked("/host-1/events/7-plain"), Some((1, "7-plain")));
        assert_eq!(asked("/events/7-plain"), None);
        assert_eq!(asked("/host-x/events/7"), None);
    }
}
