//! Whether the promises were kept. Pure: trails and incidents in, what broke out; nothing is the proof.

use std::collections::HashSet;

use super::bounds::{self, Bound};
use super::incident::Incident;
use super::subscription::{Fate, Subscription};
use super::trail::{Event, Place, Repeat, Trail};
use crate::proof;

/// Kafka's clock is the machine's as the ledger's is, cut to milliseconds.
const SLACK_MS: u64 = 2;

/// How many of each kind are named.
const NAMED: usize = 20;

/// Events that broke a promise: how many, and the first of them in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broken {
    pub count: usize,
    pub named: Vec<String>,
}

/// What one fault did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    pub duplicates: usize,
    pub bound: Bound,
}

/// What became of the events of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub produced: usize,
    pub delivered: usize,
    pub dead_lettered: usize,
    pub commits: usize,
    /// In the order of the faults.
    pub repeated: Vec<Repeated>,
    /// Neither delivered nor a dead letter.
    pub lost: Broken,
    /// A dead letter that should be delivered, or the other way round.
    pub misjudged: Broken,
    /// First delivered after a later one of its key.
    pub out_of_order: Broken,
    /// Said to be settled before they were.
    pub committed_early: Broken,
    /// Sent again by a host that could know from Kafka that they were settled.
    pub again_although_committed: Broken,
    /// Duplicates from before the first fault.
    pub unprovoked: Broken,
}

impl Verdict {
    /// Whether everything was kept.
    pub fn is_kept(&self) -> bool {
        let broken = [
            &self.lost,
            &self.misjudged,
            &self.out_of_order,
            &self.committed_early,
            &self.again_although_committed,
            &self.unprovoked,
        ];
        broken.iter().all(|broken| broken.count == 0)
            && self.repeated.iter().all(|repeated| repeated.duplicates <= repeated.bound.duplicates)
    }
}

impl Broken {
    fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(text());
        }
    }
}

/// Judges a run whose faults came one after another.
pub fn judge(trails: &[Trail], incidents: &[Incident]) -> Verdict {
    let mut verdict = Verdict::default();
    for trail in trails {
        verdict.commits += trail.commit_count();
        judge_ends(trail, &mut verdict);
        judge_order(trail, &mut verdict.out_of_order);
        judge_commits(trail, &mut verdict.committed_early);
        judge_repeats(trail, &mut verdict.again_although_committed);
    }
    let begins = |index: usize| incidents.get(index).map_or(u64::MAX, |incident| incident.began_ms);
    let within = |from_ms: u64, to_ms: u64| {
        let repeats =
            trails.iter().flat_map(|trail| trail.repeats().iter().map(move |repeat| (trail, repeat)));
        repeats.filter(move |(_, repeat)| (from_ms..to_ms).contains(&repeat.at_ms))
    };
    for (trail, repeat) in within(0, begins(0)) {
        verdict.unprovoked.add(|| named(trail.subscription, repeat.place));
    }
    for (index, incident) in incidents.iter().enumerate() {
        let duplicates = within(incident.began_ms, begins(index + 1)).count();
        let bound = bounds::of(incident, begins(index + 1), trails);
        verdict.repeated.push(Repeated { duplicates, bound });
    }
    verdict
}

fn judge_ends(trail: &Trail, verdict: &mut Verdict) {
    let letters: HashSet<Place> = trail.letters.iter().map(|letter| letter.place).collect();
    let delivered: HashSet<Place> = trail.deliveries.iter().map(|delivery| delivery.place).collect();
    verdict.produced += trail.events.len();
    verdict.delivered += delivered.len();
    verdict.dead_lettered += letters.len();
    for Event { place, nature, .. } in &trail.events {
        let fates = (delivered.contains(place), letters.contains(place));
        match (fates, trail.subscription.fate(*nature)) {
            ((false, false), _) => verdict.lost.add(|| named(trail.subscription, *place)),
            ((true, false), Fate::Delivered) | ((false, true), Fate::DeadLetter) => {}
            ((_, true) | (true, _), _) => {
                verdict.misjudged.add(|| format!("{} ({nature:?})", named(trail.subscription, *place)));
            }
        }
    }
}

fn judge_order(trail: &Trail, broken: &mut Broken) {
    if !trail.subscription.is_ordered() {
        return;
    }
    let name = |place: Place| format!("{}/{}", place.partition, place.offset);
    let names: Vec<String> = trail.events.iter().map(|event| name(event.place)).collect();
    let delivered: Vec<String> = trail.deliveries.iter().map(|delivery| name(delivery.place)).collect();
    let produced: Vec<(&str, &str)> =
        trail.events.iter().zip(&names).map(|(event, name)| (event.key.as_str(), name.as_str())).collect();
    let delivered: Vec<&str> = delivered.iter().map(String::as_str).collect();
    for proof::OutOfOrder { key, id, after } in proof::out_of_order(&produced, &delivered) {
        broken.add(|| format!("{id} of {key} after {after}"));
    }
}

/// Every commit against when the events that it covers had settled.
fn judge_commits(trail: &Trail, broken: &mut Broken) {
    let partitions: HashSet<i32> = trail.events.iter().map(|event| event.place.partition).collect();
    for partition in partitions {
        let events = trail.events_in(partition);
        let settled_ms = |event: &Event| trail.settled(event.place).map_or(u64::MAX, |settled| settled.at_ms);
        // When the last of all up to there had settled.
        let mut latest = 0;
        let all_settled_ms: Vec<u64> = events
            .iter()
            .map(|event| {
                latest = settled_ms(event).max(latest);
                latest
            })
            .collect();
        let below = |offset: i64| events.partition_point(|event| event.place.offset < offset);
        for commit in trail.commits(partition) {
            let by_ms = commit.at_ms + SLACK_MS;
            let count = below(commit.offset);
            let is_early = count > 0 && all_settled_ms[count - 1] > by_ms;
            let mut above =
                commit.settled.iter().flat_map(|range| &events[below(range.start)..below(range.end)]);
            if is_early || above.any(|event| settled_ms(event) > by_ms) {
                broken.add(|| format!("{} at {}: {commit:?}", trail.subscription.name(), commit.at_ms));
            }
        }
    }
}

/// Nobody sends what Kafka said to be settled when it gave out the partition.
fn judge_repeats(trail: &Trail, broken: &mut Broken) {
    for Repeat { place, at_ms, host } in trail.repeats() {
        let Some(host) = host else { continue };
        let gained_ms = trail.gained_at(*host, place.partition, *at_ms);
        if gained_ms.is_none_or(|gained_ms| trail.is_committed(*place, gained_ms)) {
            broken.add(|| {
                format!(
                    "{} by host {host} at {at_ms}, which had the partition since {gained_ms:?}",
                    named(trail.subscription, *place)
                )
            });
        }
    }
}

fn named(subscription: Subscription, Place { partition, offset }: Place) -> String {
    format!("{}/{partition}/{offset}", subscription.topic())
}

#[cfg(test)]
mod tests {
    use super::super::commits::Commit;
    use super::super::fault::{Fault, Kind};
    use super::super::incident::MayRepeat;
    use super::super::subscription::Nature;
    use super::super::trail::{Delivery, Holding, Letter};
    use super::*;

    fn place(offset: i64) -> Place {
        Place { partition: 0, offset }
    }

    fn event(offset: i64, nature: Nature) -> Event {
        let identifier = nature.identifier(offset as usize);
        Event { place: place(offset), key: "k".to_owned(), identifier, nature, written_ms: Some(1) }
    }

    fn delivery(offset: i64, host: usize, at_ms: u64) -> Delivery {
        Delivery { place: place(offset), host, at_ms }
    }

    fn commit(offset: i64, settled: &[std::ops::Range<i64>], at_ms: u64) -> Commit {
        let (group, topic) = (String::new(), String::new());
        Commit { group, topic, partition: 0, offset, settled: settled.to_vec(), at_ms }
    }

    /// Three plain events and one that is rejected, held by host 0 from the beginning and by host 1 from 500 on.
    fn verdict(deliveries: Vec<Delivery>, letters: &[(i64, u64)], commits: Vec<Commit>) -> Verdict {
        let natures = [Nature::Plain, Nature::Plain, Nature::Plain, Nature::Rejected];
        let events = natures.into_iter().enumerate().map(|(offset, nature)| event(offset as i64, nature));
        let letters = letters.iter().map(|(offset, at_ms)| Letter { place: place(*offset), at_ms: *at_ms });
        let gain = |host, at_ms| Holding { host, partition: 0, at_ms, is_gained: true };
        let trail = Trail::new(
            Subscription::Calendar,
            events.collect(),
            deliveries,
            letters.collect(),
            vec![gain(0, 0), gain(1, 500)],
            commits,
        );
        let incident = Incident {
            fault: Fault { kind: Kind::Terminate, host: 0, node: 0 },
            began_ms: 400,
            over_ms: 450,
            recovered_ms: Ok(600),
            may_repeat: MayRepeat::Nothing,
        };
        judge(&[trail], &[incident])
    }

    fn in_order() -> Vec<Delivery> {
        vec![delivery(0, 0, 100), delivery(1, 0, 200), delivery(2, 0, 300)]
    }

    #[test]
    fn a_run_that_keeps_everything_is_kept() {
        let commits = vec![commit(1, &[], 100), commit(1, &[2..3], 300), commit(4, &[], 400)];
        let verdict = verdict(in_order(), &[(3, 350)], commits);
        assert!(verdict.is_kept(), "{verdict:?}");
        assert_eq!(
            (verdict.produced, verdict.delivered, verdict.dead_lettered, verdict.commits),
            (4, 3, 1, 3)
        );
    }

    #[test]
    fn what_is_nowhere_is_lost_and_what_is_in_the_wrong_place_is_misjudged() {
        let lost = verdict(in_order()[..2].to_vec(), &[(3, 350)], Vec::new());
        assert_eq!((lost.lost.count, lost.lost.named[0].as_str()), (1, "chaos.calendar/0/2"));
        let misjudged = verdict(in_order()[..2].to_vec(), &[(2, 300), (3, 350)], Vec::new());
        assert_eq!((misjudged.misjudged.count, misjudged.lost.count), (1, 0));
        assert!(!lost.is_kept() && !misjudged.is_kept());
    }

    #[test]
    fn a_later_event_of_the_key_must_not_be_first() {
        let deliveries = vec![delivery(1, 0, 100), delivery(0, 0, 200), delivery(2, 0, 300)];
        assert_eq!(verdict(deliveries, &[(3, 350)], Vec::new()).out_of_order.count, 1);
    }

    #[test]
    fn a_commit_before_its_events_had_settled_is_early() {
        for (early, commit) in [
            (false, commit(2, &[], 200)),
            (true, commit(2, &[], 150)),
            (true, commit(4, &[], 300)),
            (false, commit(1, &[2..3], 300)),
            (true, commit(1, &[2..3], 290)),
            (true, commit(1, &[3..4], 340)),
        ] {
            let text = format!("{commit:?}");
            let verdict = verdict(in_order(), &[(3, 350)], vec![commit]);
            assert_eq!(verdict.committed_early.count, usize::from(early), "{text}");
        }
    }

    #[test]
    fn a_duplicate_is_its_faults_and_must_not_be_of_what_was_committed() {
        let again = |at_ms| [in_order(), vec![delivery(2, 1, at_ms)]].concat();
        let unknown = verdict(again(600), &[(3, 350)], vec![commit(2, &[], 300)]);
        assert_eq!((unknown.repeated[0].duplicates, unknown.repeated[0].bound.duplicates), (1, 0));
        assert_eq!((unknown.again_although_committed.count, unknown.unprovoked.count), (0, 0));
        assert!(!unknown.is_kept());
        let known = verdict(again(600), &[(3, 350)], vec![commit(2, &[2..3], 300)]);
        assert_eq!(known.again_although_committed.count, 1);
        let before = [in_order(), vec![delivery(2, 0, 350)]].concat();
        assert_eq!(verdict(before, &[(3, 360)], Vec::new()).unprovoked.count, 1);
    }
}
