//! A dead letter in a file: what `show --json` prints, read back byte for byte on another machine.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::{DeadLetter, DeadLetterError};
use super::store::{Letter, LetterId};
use crate::contract::{TimestampMs, written};
use crate::event::{Origin, Record, RecordHeader};

/// A dead letter as it is written to Kafka, under the name `written` in the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    id: String,
    timestamp_ms: Option<TimestampMs>,
    #[serde(with = "written::optional_bytes")]
    key: Option<Bytes>,
    #[serde(with = "written::optional_bytes")]
    value: Option<Bytes>,
    headers: Vec<Header>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    name: String,
    #[serde(with = "written::optional_bytes")]
    value: Option<Bytes>,
}

/// Why a file holds no dead letter.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("it is not what `liaison dead-letters show ID --json` prints: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("its `written.id` {0}")]
    Id(#[from] super::store::LetterIdError),
    #[error(transparent)]
    Letter(#[from] DeadLetterError),
}

impl Written {
    pub(super) fn of(letter: &Letter) -> Written {
        let record = &letter.letter.record;
        let header = |(name, value): RecordHeader| Header { name: name.into_owned(), value };
        Written {
            id: letter.id.to_string(),
            timestamp_ms: record.timestamp,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: letter.letter.all_headers().into_iter().map(header).collect(),
        }
    }
}

/// Reads what `show --json` printed.
pub fn from_json(text: &str) -> Result<Letter, FileError> {
    #[derive(Deserialize)]
    struct File {
        written: Written,
    }
    let File { written } = serde_json::from_str(text)?;
    let id: LetterId = written.id.parse()?;
    let record = Record {
        origin: Origin { topic: "the file".into(), partition: id.partition, offset: id.offset },
        timestamp: written.timestamp_ms,
        key: written.key,
        value: written.value,
        headers: written.headers.into_iter().map(|header| (header.name.into(), header.value)).collect(),
    };
    Ok(Letter { id, letter: DeadLetter::from_record(record)?, marks: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::letter;
    use super::super::report::show_json;
    use super::*;

    #[test]
    fn what_is_shown_as_json_reads_back_byte_for_byte() {
        let mut letter = letter();
        // Not as a program would write it.
        letter.record.value = Some(Bytes::from_static(b"{ \"n\": 1.0 }\n"));
        let shown = Letter { id: "calendar/0/9".parse().unwrap(), letter, marks: Vec::new() };
        let back = from_json(&format!("{:#}", show_json(&shown))).unwrap();
        assert_eq!(format!("{back:?}"), format!("{shown:?}"));
    }

    #[test]
    fn what_is_no_dead_letter_is_said_so() {
        for (text, expected) in [
            ("{", "it is not what `liaison dead-letters show ID --json` prints: EOF"),
            ("{}", "it is not what `liaison dead-letters show ID --json` prints: missing field `written`"),
            (
                r#"{"written":{"id":"7","key":null,"value":null,"headers":[]}}"#,
                "its `written.id` `7` names no",
            ),
            (
                r#"{"written":{"id":"calendar/0/9","key":null,"value":null,"headers":[]}}"#,
                "the file/0/9 is no dead letter of this host",
            ),
        ] {
            let error = from_json(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
