//! The ids that the registry said it has no schema of, from when on that is believed, and how often it is asked. Pure.
//!
//! A registry has replicas, and one that lags does not know yet what another has just registered: so its word counts once
//! it has stood for [`PATIENCE`], and for a record once that record is so old too. Until then who needs the schema waits.
//! Beyond that nothing is believed for longer than [`KEPT`].

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// So long a replica may lag behind.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions for one id.
pub(super) const AGAIN: Duration = Duration::from_millis(500);
/// What was not asked for so long is not known any more.
const KEPT: Duration = Duration::from_secs(60);
/// The most ids.
const MOST: usize = 4_096;
/// What each answer of none costs, of all ids together, and what may be owed before the next question has to wait: whoever
/// writes other bytes than schemas' ids makes one question of each.
const COST: Duration = Duration::from_millis(20);
const CREDIT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Unknown {
    by_id: HashMap<u32, Heard>,
    paid_until: Option<Instant>,
}

#[derive(Debug)]
struct Heard {
    first: Instant,
    last: Instant,
    why: String,
}

/// What is known of an id that has no schema here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The registry is to be asked.
    Ask,
    /// It was asked just now, and is not believed yet.
    Wait,
    /// There is none.
    None(String),
}

impl Unknown {
    /// For records of this id, the youngest of which is so old.
    pub(super) fn word(&self, id: u32, age: Duration, now: Instant) -> Word {
        let Some(heard) = self.by_id.get(&id) else { return Word::Ask };
        let since_last = now.saturating_duration_since(heard.last);
        let has_stood = heard.last.saturating_duration_since(heard.first) >= PATIENCE;
        if since_last < KEPT && has_stood && age >= since_last + PATIENCE {
            return Word::None(heard.why.clone());
        }
        if since_last < AGAIN { Word::Wait } else { Word::Ask }
    }

    /// What was heard last, for who waits for nothing.
    pub(super) fn heard(&self, id: u32, now: Instant) -> Option<String> {
        let heard = self.by_id.get(&id)?;
        (now.saturating_duration_since(heard.last) < KEPT).then(|| heard.why.clone())
    }

    /// The registry has none, it says. Is that the first time?
    pub(super) fn hear(&mut self, id: u32, why: String, now: Instant) -> bool {
        self.paid_until = Some(self.paid_until.map_or(now, |until| until.max(now)) + COST);
        if let Some(heard) = self.by_id.get_mut(&id)
            && now.saturating_duration_since(heard.last) < KEPT
        {
            (heard.last, heard.why) = (now, why);
            return false;
        }
        if self.by_id.len() >= MOST {
            let oldest = self.by_id.iter().min_by_key(|(_, heard)| heard.last).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.by_id.remove(&oldest));
        }
        self.by_id.insert(id, Heard { first: now, last: now, why });
        true
    }

    /// There is a schema.
    pub(super) fn forget(&mut self, id: u32) {
        self.by_id.remove(&id);
    }

    /// How long the next question has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let owed = self.paid_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        owed.saturating_sub(CREDIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Duration = Duration::from_secs(3_600);

    fn second(begin: Instant, seconds: f64) -> Instant {
        begin + Duration::from_secs_f64(seconds)
    }

    fn none() -> Word {
        Word::None("none".into())
    }

    #[test]
    fn a_word_is_believed_once_it_has_stood() {
        let (begin, mut unknown) = (Instant::now(), Unknown::default());
        let at = |seconds| second(begin, seconds);
        assert_eq!(unknown.word(9, OLD, begin), Word::Ask);
        assert!(unknown.hear(9, "none".into(), begin));
        for (seconds, expected) in [(0.0, Word::Wait), (0.4, Word::Wait), (0.5, Word::Ask), (30.0, Word::Ask)]
        {
            assert_eq!(unknown.word(9, OLD, at(seconds)), expected, "{seconds}");
        }
        assert!(!unknown.hear(9, "none".into(), at(9.9)));
        assert_eq!(unknown.word(9, OLD, at(9.9)), Word::Wait);
        assert!(!unknown.hear(9, "none".into(), at(10.0)));
        assert_eq!(unknown.word(9, OLD, at(10.0)), none());
        assert_eq!(unknown.word(9, OLD, at(69.0)), none());
        assert_eq!(unknown.word(8, OLD, at(10.0)), Word::Ask, "another id is another matter");
        // What is so long ago begins anew.
        assert_eq!(unknown.word(9, OLD, at(70.0)), Word::Ask);
        assert!(unknown.hear(9, "none".into(), at(70.0)));
        assert_eq!(unknown.word(9, OLD, at(70.0)), Word::Wait);
    }

    #[test]
    fn for_a_record_it_is_believed_once_the_record_is_old_enough_too() {
        let (begin, mut unknown) = (Instant::now(), Unknown::default());
        unknown.hear(9, "none".into(), begin);
        unknown.hear(9, "none".into(), second(begin, 20.0));
        for (now, age, expected) in [
            // Written 10 s before the answer, and later.
            (20.0, 10.0, none()),
            (20.0, 9.9, Word::Wait),
            (25.0, 15.0, none()),
            (25.0, 14.9, Word::Ask),
            (25.0, 0.0, Word::Ask),
        ] {
            let word = unknown.word(9, Duration::from_secs_f64(age), second(begin, now));
            assert_eq!(word, expected, "{now} {age}");
        }
    }

    #[test]
    fn what_is_found_after_all_is_forgotten() {
        let (begin, mut unknown) = (Instant::now(), Unknown::default());
        unknown.hear(9, "none".into(), begin);
        assert_eq!(unknown.heard(9, begin), Some("none".into()));
        unknown.forget(9);
        assert_eq!((unknown.word(9, OLD, begin), unknown.heard(9, begin)), (Word::Ask, None));
    }

    #[test]
    fn ids_are_bounded_and_the_oldest_goes() {
        let (begin, mut unknown) = (Instant::now(), Unknown::default());
        for id in 0..=u32::try_from(MOST).unwrap() {
            unknown.hear(id, "none".into(), begin + Duration::from_micros(id.into()));
        }
        assert_eq!(unknown.by_id.len(), MOST);
        assert_eq!((unknown.heard(0, begin), unknown.heard(1, begin)), (None, Some("none".into())));
    }

    #[test]
    fn a_flood_of_ids_is_asked_for_at_a_bounded_rate() {
        let (begin, mut unknown) = (Instant::now(), Unknown::default());
        let (mut now, mut asked) = (begin, 0_u32);
        while now < second(begin, 10.0) {
            now += unknown.wait(now);
            unknown.hear(asked, "none".into(), now);
            asked += 1;
        }
        assert!((550..=650).contains(&asked), "{asked} questions in 10 s");
        // And what was owed is forgiven in time.
        assert_eq!(unknown.wait(now + CREDIT), Duration::ZERO);
    }
}
