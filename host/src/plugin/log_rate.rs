//! How many lines a second the calls of one user of a plugin may log together.
//!
//! Pure: lines and `now` in, lines that are left out. Seconds are counted from the first call after the last one was
//! over, so what is held back once is at most what one second allows.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct LogRate {
    lines_a_second: u32,
    left: u32,
    began: Option<Instant>,
    /// Somebody was told in this second that lines are dropped.
    was_told: bool,
}

impl LogRate {
    pub(super) fn new(lines_a_second: u32) -> Self {
        Self { lines_a_second, left: lines_a_second, began: None, was_told: false }
    }

    /// Lines that may be logged now.
    pub(super) fn left(&mut self, now: Instant) -> u32 {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= SECOND) {
            (self.began, self.left, self.was_told) = (Some(now), self.lines_a_second, false);
        }
        self.left
    }

    pub(super) fn logged(&mut self, lines: u32) {
        self.left = self.left.saturating_sub(lines);
    }

    /// Whether to say that lines are dropped: once a second.
    pub(super) fn tells(&mut self) -> bool {
        !std::mem::replace(&mut self.was_told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_no_more() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut rate = LogRate::new(10);
        for (ms, logs, left) in [
            (0, 4, 10),
            (500, 4, 6),
            (900, 9, 2),
            (999, 0, 0),
            (1_000, 10, 10),
            (1_999, 1, 0),
            (5_000, 0, 10),
        ] {
            assert_eq!(rate.left(at(ms)), left, "after {ms} ms");
            rate.logged(logs);
        }
    }

    #[test]
    fn what_is_dropped_is_told_once_a_second() {
        let begin = Instant::now();
        let mut rate = LogRate::new(10);
        rate.left(begin);
        assert_eq!([rate.tells(), rate.tells()], [true, false]);
        rate.left(begin + SECOND);
        assert_eq!([rate.tells(), rate.tells()], [true, false]);
    }
}
