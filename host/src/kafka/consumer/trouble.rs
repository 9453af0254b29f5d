//! Trouble in reading from Kafka as two lines in the log: one when it begins, one when it is over. Pure.
//!
//! While brokers come and go librdkafka reports an error for each connection and partition, many times a second.

use std::time::{Duration, Instant};

/// Trouble is over when nothing was reported for that long.
const QUIET: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Trouble {
    lasting: Option<Lasting>,
}

#[derive(Debug)]
struct Lasting {
    since: Instant,
    latest: Instant,
    errors: u64,
}

/// Trouble that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) errors: u64,
    /// From the first error to the last.
    pub(super) lasted: Duration,
}

impl Trouble {
    /// Kafka reported an error. `true`: trouble begins with it.
    pub(super) fn reported(&mut self, now: Instant) -> bool {
        match &mut self.lasting {
            Some(lasting) => {
                lasting.latest = now;
                lasting.errors += 1;
                false
            }
            None => {
                self.lasting = Some(Lasting { since: now, latest: now, errors: 1 });
                true
            }
        }
    }

    /// Trouble that has ended by now; told once.
    pub(super) fn over(&mut self, now: Instant) -> Option<Over> {
        let Lasting { since, latest, errors } =
            self.lasting.take_if(|lasting| now.duration_since(lasting.latest) >= QUIET)?;
        Some(Over { errors, lasted: latest - since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_beginning_and_one_end() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut trouble = Trouble::default();
        assert_eq!(trouble.over(begin), None);
        let beginnings: Vec<_> = (0..60).filter(|second| trouble.reported(at(*second))).collect();
        assert_eq!(beginnings, [0]);
        assert_eq!(trouble.over(at(73)), None);
        assert_eq!(trouble.over(at(74)), Some(Over { errors: 60, lasted: Duration::from_secs(59) }));
        assert_eq!(trouble.over(at(99)), None);
        assert!(trouble.reported(at(100)), "the next begins anew");
    }
}
