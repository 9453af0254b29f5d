//! What is remembered of a delivery's attempts: evidence for a person, within fixed bounds.
//!
//! In comes each attempt as it ends, out goes JSON of at most 4 KiB that always holds the first and the last. However
//! long an event is retried, only [`KEPT`] attempts are in memory.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contract::TimestampMs;

/// Attempts in memory: the first eight and the latest.
pub const KEPT: usize = 32;
const KEPT_FIRST: usize = 8;
/// The most bytes of a reason and of an outcome. With every byte escaped to six, two attempts fit [`JSON_BYTES`].
const REASON_BYTES: usize = 240;
const OUTCOME_BYTES: usize = 64;
/// The most bytes of the JSON.
pub const JSON_BYTES: usize = 4096;

/// One attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub at_ms: TimestampMs,
    pub duration_ms: u64,
    /// What the connector said, such as `retry`, or how its plugin failed.
    pub outcome: Cow<'static, str>,
    pub reason: String,
}

/// The attempts of one delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    count: u32,
    kept: Vec<Attempt>,
}

#[derive(Serialize, Deserialize)]
struct Form<'a> {
    /// All attempts, shown or not.
    count: u32,
    /// How many are not shown.
    omitted: usize,
    attempts: Cow<'a, [Attempt]>,
}

impl Attempts {
    /// Adds the next attempt; beyond [`KEPT`], one from the middle is forgotten.
    pub fn push(
        &mut self,
        at_ms: TimestampMs,
        duration: Duration,
        outcome: impl Into<Cow<'static, str>>,
        reason: &str,
    ) {
        self.count = self.count.saturating_add(1);
        self.make_room(1);
        self.kept.push(Attempt {
            number: self.count,
            at_ms,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            outcome: outcome.into(),
            reason: cut(reason, REASON_BYTES).to_owned(),
        });
    }

    /// All attempts, remembered or not.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Those that are remembered, oldest first: always the first and the last.
    pub fn kept(&self) -> &[Attempt] {
        &self.kept
    }

    /// How many are not remembered.
    pub fn omitted(&self) -> usize {
        (self.count as usize).saturating_sub(self.kept.len())
    }

    /// `{"count":…,"omitted":…,"attempts":[…]}` in at most [`JSON_BYTES`], leaving out from the middle.
    pub fn to_json(&self) -> String {
        let mut shown =
            Attempts { count: self.count, kept: self.kept.iter().map(Attempt::bounded).collect() };
        loop {
            let form =
                Form { count: shown.count, omitted: shown.omitted(), attempts: (&shown.kept[..]).into() };
            let json =
                serde_json::to_string(&form).expect("numbers and strings can always be written as JSON");
            if json.len() <= JSON_BYTES || shown.kept.len() <= 2 {
                return json;
            }
            shown.kept.remove(shown.kept.len() / 2);
        }
    }

    /// Reads what [`Attempts::to_json`] wrote. What somebody else wrote is held to the same bounds.
    pub fn from_json(json: &[u8]) -> Result<Attempts, serde_json::Error> {
        let form: Form<'_> = serde_json::from_slice(json)?;
        let count = form.count.max(u32::try_from(form.attempts.len()).unwrap_or(u32::MAX));
        let mut attempts = Attempts { count, kept: form.attempts.into_owned() };
        attempts.make_room(0);
        attempts.kept = attempts.kept.iter().map(Attempt::bounded).collect();
        Ok(attempts)
    }

    /// Forgets attempts from the middle, so that as many more may be kept.
    fn make_room(&mut self, more: usize) {
        let surplus = (self.kept.len() + more).saturating_sub(KEPT);
        if surplus > 0 {
            self.kept.drain(KEPT_FIRST..KEPT_FIRST + surplus);
        }
    }
}

impl Attempt {
    fn bounded(&self) -> Attempt {
        let outcome = cut(&self.outcome, OUTCOME_BYTES).to_owned().into();
        Attempt { outcome, reason: cut(&self.reason, REASON_BYTES).to_owned(), ..*self }
    }
}

/// The longest beginning of `text` with at most `bytes` bytes that ends between two characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempts(count: u32, reason: &str) -> Attempts {
        let mut attempts = Attempts::default();
        for number in 1..=count {
            attempts.push(u64::from(number) * 1000, Duration::from_millis(12), "retry", reason);
        }
        attempts
    }

    fn numbers(attempts: &Attempts) -> Vec<u32> {
        attempts.kept().iter().map(|attempt| attempt.number).collect()
    }

    #[test]
    fn the_first_and_the_latest_are_kept_however_many_there_are() {
        let attempts = attempts(1000, "503");
        assert_eq!(attempts.count(), 1000);
        assert_eq!(attempts.omitted(), 968);
        let expected: Vec<u32> = (1..=8).chain(977..=1000).collect();
        assert_eq!(numbers(&attempts), expected);
    }

    #[test]
    fn the_json_is_what_the_documentation_says() {
        let json: serde_json::Value = serde_json::from_str(&attempts(2, "503").to_json()).unwrap();
        let attempt = |number: u32| {
            serde_json::json!({"number": number, "at_ms": number * 1000, "duration_ms": 12, "outcome": "retry",
                "reason": "503"})
        };
        assert_eq!(json, serde_json::json!({"count": 2, "omitted": 0, "attempts": [attempt(1), attempt(2)]}));
    }

    #[test]
    fn what_does_not_fit_is_left_out_of_the_middle_and_counted() {
        let long = attempts(30, &"x".repeat(1000));
        let json = long.to_json();
        assert!(json.len() <= JSON_BYTES, "{}", json.len());
        let read = Attempts::from_json(json.as_bytes()).unwrap();
        assert_eq!(read.count(), 30);
        assert_eq!(read.omitted(), 30 - read.kept().len());
        assert_eq!(read.kept().first(), Some(&long.kept()[0]));
        assert_eq!(read.kept().last(), long.kept().last());
        let form: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(form["omitted"], serde_json::json!(read.omitted()));
    }

    #[test]
    fn what_somebody_else_wrote_is_held_to_the_same_bounds() {
        let attempt = |number| Attempt {
            number,
            at_ms: 1,
            duration_ms: 1,
            outcome: "o".repeat(1_000).into(),
            reason: "r".repeat(1_000),
        };
        let attempts: Vec<_> = (1..=500).map(attempt).collect();
        let json = serde_json::to_vec(&Form { count: 3, omitted: 0, attempts: attempts.into() }).unwrap();
        let mut read = Attempts::from_json(&json).unwrap();
        let expected: Vec<u32> = (1..=8).chain(477..=500).collect();
        assert_eq!((read.count(), numbers(&read)), (500, expected));
        assert!(read.kept().iter().all(|attempt| attempt.outcome.len() == OUTCOME_BYTES));
        assert!(read.kept().iter().all(|attempt| attempt.reason.len() == REASON_BYTES));
        read.push(1, Duration::ZERO, "retry", "503");
        assert_eq!((read.count(), read.kept().len()), (501, KEPT));
        assert_eq!(read.kept().last().map(|attempt| attempt.number), Some(501));
    }

    proptest! {
        #[test]
        fn the_json_is_bounded_and_leads_back_whatever_was_said(
            pushed in prop::collection::vec((any::<u64>(), any::<u64>(), "\\PC{0,300}|[\\x00-\\x1f]{0,300}"), 0..80)
        ) {
            let mut attempts = Attempts::default();
            for (at_ms, duration_ms, said) in &pushed {
                attempts.push(*at_ms, Duration::from_millis(*duration_ms), said.clone(), said);
            }
            let json = attempts.to_json();
            prop_assert!(json.len() <= JSON_BYTES, "{} bytes", json.len());
            let read = Attempts::from_json(json.as_bytes()).unwrap();
            prop_assert_eq!(read.count() as usize, pushed.len());
            prop_assert_eq!(read.kept().first().map(|attempt| attempt.number), (!pushed.is_empty()).then_some(1));
            let last = u32::try_from(pushed.len()).unwrap();
            prop_assert_eq!(read.kept().last().map(|attempt| attempt.number), (last > 0).then_some(last));
            prop_assert_eq!(read.to_json(), json);
        }

        #[test]
        fn cutting_keeps_whole_characters(text in "\\PC{0,50}", bytes in 0usize..60) {
            let short = cut(&text, bytes);
            prop_assert!(text.starts_with(short) && short.len() <= bytes);
            prop_assert!(short.len() + 4 > bytes || short.len() == text.len());
        }
    }
}
