//! How much may come again because of a fault: from what Kafka knew, and when, never from what came. Pure.

use super::incident::{Incident, MayRepeat};
use super::subscription::latency;
use super::trail::{Event, Holding, Settled, Trail};

/// A commit that was on its way when its host was killed is taken by then.
const ON_ITS_WAY_MS: u64 = 500;

/// Of events that a host held when its trouble began, the last were sent so much later.
const FETCHED_MS: u64 = 1_000;

/// A bound, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub duplicates: usize,
    pub because: String,
}

/// What may come again of all subscriptions. The window of a fault reaches to the beginning of the next.
pub fn of(incident: &Incident, until_ms: u64, trails: &[Trail]) -> Bound {
    match incident.may_repeat {
        MayRepeat::Nothing => Bound { duplicates: 0, because: String::new() },
        MayRepeat::Killed { host, at_ms, again_ms } => killed(host, at_ms, again_ms, trails),
        MayRepeat::HandedOver => handed_over(incident.began_ms, until_ms, trails),
        MayRepeat::Unanswered { attempts, .. } => Bound {
            duplicates: usize::try_from(attempts).unwrap_or(usize::MAX),
            because: format!("{attempts} attempts without an answer"),
        },
    }
}

/// An event that the killed host had sent, and of which Kafka does not know, was in flight or settled since the last
/// commit.
fn killed(host: usize, at_ms: u64, again_ms: u64, trails: &[Trail]) -> Bound {
    let (mut in_flight, mut since_commit) = (0, 0);
    for trail in trails {
        for partition in trail.held_by(host, at_ms) {
            for event in trail.events_in(partition) {
                let Some(settled) = trail.settled(event.place) else { continue };
                // A dead letter names no host, and was that of the partition's.
                let is_of_the_host = settled.host.is_none_or(|by| by == host) && settled.at_ms <= again_ms;
                if !is_of_the_host || trail.is_committed(event.place, at_ms + ON_ITS_WAY_MS) {
                    continue;
                }
                if is_in_flight(event, settled, at_ms) { in_flight += 1 } else { since_commit += 1 }
            }
        }
    }
    let because = format!("{in_flight} in flight, {since_commit} settled since the last commit");
    Bound { duplicates: in_flight + since_commit, because }
}

/// The system had it, and had not answered yet.
fn is_in_flight(event: &Event, settled: Settled, at_ms: u64) -> bool {
    let latency = event.identifier.as_deref().map(latency).unwrap_or_default();
    settled.host.is_some() && settled.at_ms + u64::try_from(latency.as_millis()).unwrap_or(0) > at_ms
}

/// At each hand-over: what Kafka did not know to be settled, and was settled already or was there when the trouble
/// began, so that an owner that hears of the hand-over too late may send it too.
fn handed_over(began_ms: u64, until_ms: u64, trails: &[Trail]) -> Bound {
    let (mut duplicates, mut partitions) = (0, 0);
    for trail in trails {
        let window = began_ms..until_ms;
        let gains =
            trail.holdings.iter().filter(|holding| holding.is_gained && window.contains(&holding.at_ms));
        for Holding { partition, at_ms, .. } in gains {
            partitions += 1;
            let may_come = |event: &&Event| {
                let was_settled = trail.settled(event.place).is_some_and(|settled| settled.at_ms <= *at_ms);
                let was_there = event.written_ms.is_some_and(|written| written <= began_ms + FETCHED_MS);
                (was_settled || was_there) && !trail.is_committed(event.place, *at_ms)
            };
            duplicates += trail.events_in(*partition).iter().filter(may_come).count();
        }
    }
    let because = format!("{partitions} hand-overs, {duplicates} not committed at them");
    Bound { duplicates, because }
}

#[cfg(test)]
mod tests {
    use super::super::commits::Commit;
    use super::super::fault::{Fault, Kind};
    use super::super::subscription::{Nature, Subscription};
    use super::super::trail::{Delivery, Place};
    use super::*;

    fn place(offset: i64) -> Place {
        Place { partition: 0, offset }
    }

    /// Ten events, the first eight delivered by host 1 at 1,000, 1,100 … 1,700; at 1,350 Kafka was told of three.
    fn trail(holdings: Vec<Holding>) -> Trail {
        let event = |offset| Event {
            place: place(offset),
            key: "k".to_owned(),
            identifier: Some(format!("{offset}-plain")),
            nature: Nature::Plain,
            written_ms: Some(900 + offset as u64),
        };
        let delivery =
            |offset| Delivery { place: place(offset), host: 1, at_ms: 1_000 + 100 * offset as u64 };
        let commit = Commit {
            group: String::new(),
            topic: String::new(),
            partition: 0,
            offset: 2,
            settled: vec![3..4],
            at_ms: 1_350,
        };
        let (events, deliveries) = ((0..10).map(event).collect(), (0..8).map(delivery).collect());
        Trail::new(Subscription::Calendar, events, deliveries, Vec::new(), holdings, [commit])
    }

    fn incident(may_repeat: MayRepeat) -> Incident {
        let fault = Fault { kind: Kind::Kill, host: 1, node: 0 };
        Incident { fault, began_ms: 1_500, over_ms: 1_800, recovered_ms: Ok(3_000), may_repeat }
    }

    fn gained(host: usize, at_ms: u64) -> Holding {
        Holding { host, partition: 0, at_ms, is_gained: true }
    }

    #[test]
    fn a_kill_may_repeat_what_its_host_had_sent_and_kafka_did_not_know() {
        let trails = [trail(vec![gained(1, 500)])];
        let killed = |host| MayRepeat::Killed { host, at_ms: 1_750, again_ms: 1_800 };
        // Of 2, 4, 5, 6 and 7 the last was received 50 ms before.
        let bound = of(&incident(killed(1)), 9_000, &trails);
        let in_flight = [5_u64, 6, 7].iter().filter(|offset| {
            1_000 + 100 * **offset + latency(&format!("{offset}-plain")).as_millis() as u64 > 1_750
        });
        let in_flight = in_flight.count();
        assert_eq!(bound.duplicates, 5);
        assert_eq!(
            bound.because,
            format!("{in_flight} in flight, {} settled since the last commit", 5 - in_flight)
        );
        assert_eq!(of(&incident(killed(0)), 9_000, &trails).duplicates, 0);
    }

    #[test]
    fn without_a_hand_over_nothing_may_come_again() {
        let bound = |holdings| of(&incident(MayRepeat::HandedOver), 9_000, &[trail(holdings)]).duplicates;
        assert_eq!(bound(vec![gained(1, 500)]), 0);
        // 2, 4 to 7 were delivered, 8 and 9 were there when the trouble began.
        assert_eq!(bound(vec![gained(1, 500), gained(0, 2_000)]), 7);
        assert_eq!(bound(vec![gained(1, 500), gained(0, 9_500)]), 0, "that is the next fault's");
    }

    #[test]
    fn a_lost_answer_may_be_asked_for_again() {
        let lost = MayRepeat::Unanswered { host: 1, before: 3, attempts: 4 };
        assert_eq!(of(&incident(lost), 9_000, &[]).duplicates, 4);
        assert_eq!(of(&incident(MayRepeat::Nothing), 9_000, &[]).duplicates, 0);
    }
}
