//! The note that a dead letter is dealt with: a record without key and value, behind the letter in its own partition.
//!
//! Kafka keeps what was written, so a letter is never taken out of its topic: a mark says what became of it, and of
//! several the last one counts. In comes which letter and what was done, out go the headers of the record, and back.
//!
//! | header | holds |
//! |---|---|
//! | `liaison.mark.offset` | the letter's offset in this partition |
//! | `liaison.mark.resolution` | `redriven`, `superseded` or `discarded` |
//! | `liaison.mark.at` | when, RFC 3339 in UTC |
//! | `liaison.mark.note` | why, or what came of it; cut at 1 KiB, left out where there is nothing to say |

use bytes::Bytes;

use super::attempts::cut;
use super::header::{self, MESSAGE_BYTES, time_of, time_text};
use crate::contract::TimestampMs;
use crate::event::{Record, RecordHeader};

const OFFSET: &str = "liaison.mark.offset";
const RESOLUTION: &str = "liaison.mark.resolution";
const AT: &str = "liaison.mark.at";
const NOTE: &str = "liaison.mark.note";

/// What was done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// Sent through its subscription again.
    Redriven,
    /// Left, because a later event of its key had overtaken it.
    Superseded,
    /// Given up for good.
    Discarded,
}

/// One dead letter is dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The letter's offset, in the partition that this mark is written to.
    pub offset: i64,
    pub resolution: Resolution,
    pub at: TimestampMs,
    /// Why, or what came of it.
    pub note: Option<String>,
}

impl Resolution {
    pub const ALL: [Resolution; 3] = [Resolution::Redriven, Resolution::Superseded, Resolution::Discarded];

    pub fn name(self) -> &'static str {
        match self {
            Resolution::Redriven => "redriven",
            Resolution::Superseded => "superseded",
            Resolution::Discarded => "discarded",
        }
    }

    /// The resolution of this name.
    pub fn named(name: &str) -> Option<Resolution> {
        Self::ALL.into_iter().find(|resolution| resolution.name() == name)
    }
}

/// The state of a letter with this resolution: `waiting` where there is none.
pub fn state_name(resolution: Option<Resolution>) -> &'static str {
    resolution.map_or("waiting", Resolution::name)
}

impl Mark {
    pub fn to_headers(&self) -> Vec<RecordHeader> {
        let header = |name: &'static str, value: String| (name.into(), Some(Bytes::from(value)));
        let mut headers = vec![
            header(OFFSET, self.offset.to_string()),
            header(RESOLUTION, self.resolution.name().to_owned()),
            header(AT, time_text(self.at)),
        ];
        headers.extend(self.note.as_deref().map(|note| header(NOTE, cut(note, MESSAGE_BYTES).to_owned())));
        headers
    }

    /// `None` if the record is no mark: a letter, or foreign.
    pub fn from_record(record: &Record) -> Option<Mark> {
        let text = |wanted: &str| {
            let (_, value) = record.headers.iter().find(|(name, _)| name == wanted)?;
            std::str::from_utf8(value.as_ref()?).ok()
        };
        // A letter without key and value may hold what an original of these headers held: it says whose it is.
        if record.key.is_some() || record.value.is_some() || text(header::SUBSCRIPTION).is_some() {
            return None;
        }
        Some(Mark {
            offset: text(OFFSET)?.parse().ok()?,
            resolution: Resolution::named(text(RESOLUTION)?)?,
            at: time_of(text(AT)?)?,
            note: text(NOTE).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;

    fn record(headers: Vec<RecordHeader>) -> Record {
        let origin = Origin { topic: "dead".into(), partition: 1, offset: 8 };
        Record { origin, timestamp: None, key: None, value: None, headers }
    }

    fn mark(resolution: Resolution, note: Option<&str>) -> Mark {
        Mark { offset: 7, resolution, at: 1_700_000_000_000, note: note.map(str::to_owned) }
    }

    #[test]
    fn a_mark_is_written_in_its_headers_and_read_back() {
        for (resolution, note) in [
            (Resolution::Redriven, None),
            (Resolution::Superseded, Some("by policy-events/0/9")),
            (Resolution::Discarded, Some("the room is gone")),
        ] {
            let mark = mark(resolution, note);
            let headers = mark.to_headers();
            assert_eq!(headers[0], ("liaison.mark.offset".into(), Some(Bytes::from("7"))));
            assert_eq!(headers[1].1, Some(Bytes::from(resolution.name())));
            assert_eq!(headers[2].1, Some(Bytes::from("2023-11-14T22:13:20.000Z")));
            assert_eq!(headers.get(3).and_then(|(_, note)| note.as_deref()), note.map(str::as_bytes));
            assert_eq!(Mark::from_record(&record(headers)), Some(mark));
        }
    }

    #[test]
    fn a_long_note_is_cut() {
        let headers = mark(Resolution::Discarded, Some(&"é".repeat(2000))).to_headers();
        assert_eq!(headers[3].1.as_ref().unwrap().len(), MESSAGE_BYTES);
    }

    #[test]
    fn a_record_with_a_key_or_a_value_or_without_the_headers_is_no_mark() {
        let mark = mark(Resolution::Discarded, None);
        let with_value = Record { value: Some(Bytes::new()), ..record(mark.to_headers()) };
        let with_key = Record { key: Some(Bytes::new()), ..record(mark.to_headers()) };
        let mut letter = record(mark.to_headers());
        letter.headers.push((header::SUBSCRIPTION.into(), Some(Bytes::from("calendar"))));
        for other in [with_value, with_key, letter, record(vec![]), record(mark.to_headers()[..2].to_vec())] {
            assert_eq!(Mark::from_record(&other), None);
        }
    }
}
