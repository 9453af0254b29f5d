//! The note that a dead letter is dealt with: a record without key and value, behind the letter in its own partition.
//!
//! Kafka keeps what was written, so a letter is never taken out of its topic: a mark says what became of it. In comes
//! which letter and what was done, out go the headers of the record, and back.
//!
//! | header | holds |
//! |---|---|
//! | `liaison.mark.offset` | the letter's offset in this partition |
//! | `liaison.mark.resolution` | `redriven` or `discarded` |
//! | `liaison.mark.at` | when, RFC 3339 in UTC |

use bytes::Bytes;

use super::header::{time_of, time_text};
use crate::contract::TimestampMs;
use crate::event::Record;

const OFFSET: &str = "liaison.mark.offset";
const RESOLUTION: &str = "liaison.mark.resolution";
const AT: &str = "liaison.mark.at";

/// What a person did with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Sent through its subscription again.
    Redriven,
    /// Given up for good.
    Discarded,
}

/// One dead letter is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The letter's offset, in the partition that this mark is written to.
    pub offset: i64,
    pub resolution: Resolution,
    pub at: TimestampMs,
}

impl Resolution {
    pub fn name(self) -> &'static str {
        match self {
            Resolution::Redriven => "redriven",
            Resolution::Discarded => "discarded",
        }
    }
}

impl Mark {
    pub fn to_headers(self) -> Vec<(String, Option<Bytes>)> {
        let header = |name: &str, value: String| (name.to_owned(), Some(Bytes::from(value)));
        vec![
            header(OFFSET, self.offset.to_string()),
            header(RESOLUTION, self.resolution.name().to_owned()),
            header(AT, time_text(self.at)),
        ]
    }

    /// `None` if the record is no mark: a letter, or foreign.
    pub fn from_record(record: &Record) -> Option<Mark> {
        if record.key.is_some() || record.value.is_some() {
            return None;
        }
        let text = |wanted: &str| {
            let (_, value) = record.headers.iter().find(|(name, _)| name == wanted)?;
            std::str::from_utf8(value.as_ref()?).ok()
        };
        let resolution = [Resolution::Redriven, Resolution::Discarded]
            .into_iter()
            .find(|resolution| Some(resolution.name()) == text(RESOLUTION))?;
        Some(Mark { offset: text(OFFSET)?.parse().ok()?, resolution, at: time_of(text(AT)?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;

    fn record(headers: Vec<(String, Option<Bytes>)>) -> Record {
        let origin = Origin { topic: "dead".into(), partition: 1, offset: 8 };
        Record { origin, timestamp: None, key: None, value: None, headers }
    }

    #[test]
    fn a_mark_is_written_in_its_headers_and_read_back() {
        for resolution in [Resolution::Redriven, Resolution::Discarded] {
            let mark = Mark { offset: 7, resolution, at: 1_700_000_000_000 };
            let headers = mark.to_headers();
            assert_eq!(headers[0], ("liaison.mark.offset".to_owned(), Some(Bytes::from("7"))));
            assert_eq!(headers[1].1, Some(Bytes::from(resolution.name())));
            assert_eq!(headers[2].1, Some(Bytes::from("2023-11-14T22:13:20.000Z")));
            assert_eq!(Mark::from_record(&record(headers)), Some(mark));
        }
    }

    #[test]
    fn a_record_with_a_key_or_a_value_or_without_the_headers_is_no_mark() {
        let mark = Mark { offset: 7, resolution: Resolution::Discarded, at: 0 };
        let with_value = Record { value: Some(Bytes::new()), ..record(mark.to_headers()) };
        let with_key = Record { key: Some(Bytes::new()), ..record(mark.to_headers()) };
        for other in [with_value, with_key, record(vec![]), record(mark.to_headers()[..2].to_vec())] {
            assert_eq!(Mark::from_record(&other), None);
        }
    }
}
