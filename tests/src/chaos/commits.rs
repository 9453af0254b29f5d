//! Every commit that Kafka ever took, read from its own topic `__consumer_offsets`, whose log the cluster keeps whole.
//!
//! A reader of its own, for Kafka's records (`OffsetCommitKey.json` and `OffsetCommitValue.json` of its source) as for
//! the host's metadata: what judges the host must not share its mistakes.

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use liaison::config::{Brokers, Kafka};
use liaison::event::Record;
use liaison::kafka::reader::{Start, read_topic};

const TOPIC: &str = "__consumer_offsets";

/// One commit of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub group: String,
    pub topic: String,
    pub partition: i32,
    /// The next offset to read: all below it is said to be settled.
    pub offset: i64,
    /// What is said to be settled above it.
    pub settled: Vec<Range<i64>>,
    /// When the coordinator took it, by its clock.
    pub at_ms: u64,
}

impl Commit {
    /// Whether it says that this offset is settled.
    pub fn covers(&self, offset: i64) -> bool {
        offset < self.offset || self.settled.iter().any(|range| range.contains(&offset))
    }
}

/// All commits of these groups, in Kafka's order for each partition of a group.
pub fn read(bootstrap: &str, groups: &[&str], limit: Duration) -> anyhow::Result<Vec<Commit>> {
    let settings = Kafka::new(Brokers::At(vec![bootstrap.to_owned()]));
    let (mut commits, mut failure) = (Vec::new(), None);
    read_topic(&settings, bootstrap, TOPIC, Start::Beginning, limit, |record| match commit_of(&record) {
        Ok(commit) => {
            commits.extend(commit.filter(|commit| groups.contains(&commit.group.as_str())));
            ControlFlow::Continue(())
        }
        Err(error) => {
            failure = Some(error.context(format!("{TOPIC} {}", record.origin)));
            ControlFlow::Break(())
        }
    })?;
    failure.map_or(Ok(commits), Err)
}

/// `None`: the record is of something else, or takes a commit back.
fn commit_of(record: &Record) -> anyhow::Result<Option<Commit>> {
    let mut key = Bytes(record.key.as_deref().context("a record without a key")?);
    // 2 is a group's own record.
    if !matches!(key.i16()?, 0 | 1) {
        return Ok(None);
    }
    let (group, topic, partition) = (key.text()?, key.text()?, key.i32()?);
    let Some(value) = record.value.as_deref() else { return Ok(None) };
    let mut value = Bytes(value);
    let version = value.i16()?;
    ensure!((3..=4).contains(&version), "version {version} of a commit is unknown");
    let offset = value.i64()?;
    let _leader_epoch = value.i32()?;
    let metadata = if version == 3 { value.text()? } else { value.compact_text()? };
    let at_ms = u64::try_from(value.i64()?)?;
    let settled =
        settled_above(&metadata, offset).with_context(|| format!("metadata {metadata:?} at {offset}"))?;
    Ok(Some(Commit { group, topic, partition, offset, settled, at_ms }))
}

/// The host's metadata: `liaison1.` and base64url of LEB128 numbers: the committed offset, then in turn how many are
/// not settled and how many are.
fn settled_above(metadata: &str, committed: i64) -> anyhow::Result<Vec<Range<i64>>> {
    if metadata.is_empty() {
        return Ok(Vec::new());
    }
    let text = metadata.strip_prefix("liaison1.").context("it is not the host's")?;
    let bytes = URL_SAFE_NO_PAD.decode(text)?;
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0_i64, 0);
    for byte in bytes {
        number |= i64::from(byte & 0x7f).checked_shl(shift).context("a number is too long")?;
        shift += 7;
        if byte & 0x80 == 0 {
            numbers.push(number);
            (number, shift) = (0, 0);
        }
    }
    ensure!(shift == 0, "its last number is cut off");
    let (first, lengths) = numbers.split_first().context("it holds no number")?;
    ensure!(*first == committed, "it is of offset {first}");
    ensure!(lengths.len() % 2 == 0, "its last range has no end");
    let mut reached = committed;
    let ranges = lengths.chunks(2).map(|pair| {
        let start = reached + pair[0];
        reached = start + pair[1];
        start..reached
    });
    Ok(ranges.collect())
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take(&mut self, count: usize) -> anyhow::Result<&[u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else { bail!("it is cut off") };
        self.0 = rest;
        Ok(taken)
    }

    fn i16(&mut self) -> anyhow::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn i32(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    fn i64(&mut self) -> anyhow::Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    fn text(&mut self) -> anyhow::Result<String> {
        let length = usize::try_from(self.i16()?)?;
        Ok(String::from_utf8(self.take(length)?.to_vec())?)
    }

    /// Its length and one more, as an unsigned varint.
    fn compact_text(&mut self) -> anyhow::Result<String> {
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.take(1)?[0];
            length |= usize::from(byte & 0x7f).checked_shl(shift).context("a length is too long")?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let length = length.checked_sub(1).context("a text is missing")?;
        Ok(String::from_utf8(self.take(length)?.to_vec())?)
    }
}

#[cfg(test)]
mod tests {
    use liaison::event::Origin;

    use super::*;

    fn record(key: &[u8], value: Option<&[u8]>) -> Record {
        let copy = bytes::Bytes::copy_from_slice;
        Record {
            origin: Origin { topic: TOPIC.into(), partition: 0, offset: 0 },
            timestamp: None,
            key: Some(copy(key)),
            value: value.map(copy),
            headers: Vec::new(),
        }
    }

    /// Version 1, group `g`, topic `t`, partition 5.
    const KEY: &[u8] = b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x05";

    fn value(version: u8, metadata: &str) -> Vec<u8> {
        let length = u8::try_from(metadata.len()).unwrap();
        let (before, after) =
            if version == 3 { (vec![0, length], vec![]) } else { (vec![length + 1], vec![0]) };
        let head = [0, version, 0, 0, 0, 0, 0, 0, 0, 10, 0xff, 0xff, 0xff, 0xff];
        let at = [0, 0, 0, 0, 0, 0, 4, 0];
        [&head[..], &before, metadata.as_bytes(), &at, &after].concat()
    }

    #[test]
    fn a_commit_is_read_in_both_versions() {
        let metadata = format!("liaison1.{}", URL_SAFE_NO_PAD.encode([10, 2, 3, 0x81, 1, 1]));
        for version in [3, 4] {
            let commit = commit_of(&record(KEY, Some(&value(version, &metadata)))).unwrap().unwrap();
            assert_eq!((commit.group.as_str(), commit.topic.as_str()), ("g", "t"));
            assert_eq!((commit.partition, commit.offset, commit.at_ms), (5, 10, 1024));
            assert_eq!(commit.settled, [12..15, 144..145]);
            let covered: Vec<i64> = (8..20).filter(|offset| commit.covers(*offset)).collect();
            assert_eq!(covered, [8, 9, 12, 13, 14]);
        }
    }

    #[test]
    fn what_is_no_commit_is_passed_over_and_what_is_broken_is_an_error() {
        assert_eq!(commit_of(&record(b"\x00\x02\x00\x01g", Some(b"x"))).unwrap(), None);
        assert_eq!(commit_of(&record(KEY, None)).unwrap(), None);
        assert!(commit_of(&record(&KEY[..6], Some(&value(3, "")))).is_err());
        assert!(commit_of(&record(KEY, Some(&value(3, "")[..20]))).is_err());
        assert!(commit_of(&record(KEY, Some(&value(9, "")))).is_err());
        for metadata in ["other", "liaison1.", "liaison1.Cw", "liaison1.CgI", "liaison1.CoE"] {
            assert!(commit_of(&record(KEY, Some(&value(3, metadata)))).is_err(), "{metadata}");
        }
    }

    #[test]
    fn nothing_above_is_no_metadata() {
        let commit = commit_of(&record(KEY, Some(&value(3, "")))).unwrap().unwrap();
        assert_eq!(commit.settled, [0..0; 0]);
    }
}
