//! Commit metadata: what is settled above the committed offset, as text that Kafka keeps beside it. Pure.
//!
//! The committed offset alone says too little: all that was settled above it would come again after a restart. The text
//! is `liaison1.` and, in URL-safe base64 without padding, LEB128 numbers: the committed offset, then lengths in turn of
//! what is not settled and of what is, upwards from there. Anybody may write such text: what is not ours, or broken,
//! is as if it were not there.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "liaison1.";
/// Brokers refuse more than 4,096 bytes (`offset.metadata.max.bytes`); this many make less than 3,500 bytes of text.
const LIMIT_BYTES: usize = 2_600;
/// The longest LEB128 of 64 bits.
const NUMBER_BYTES: usize = 10;

/// The text for these ranges, which lie above `position`, lowest first and apart from each other. Empty for none. What
/// finds no room, the highest, is left out: it comes again.
pub(crate) fn encode(position: i64, settled: &[Range<i64>]) -> String {
    let mut bytes = Vec::new();
    push(&mut bytes, position);
    let mut reached = position;
    for range in settled {
        if bytes.len() + 2 * NUMBER_BYTES > LIMIT_BYTES {
            break;
        }
        push(&mut bytes, range.start - reached);
        push(&mut bytes, range.end - range.start);
        reached = range.end;
    }
    if reached == position { String::new() } else { format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)) }
}

/// The ranges that a text holds, lowest first, for a partition that goes on from `first`. None if it is not ours or
/// broken, or if `first` lies below the position it was written for: then the topic was made anew or its group was set
/// back, and what it says is of other records.
pub(crate) fn decode(text: &str, first: i64) -> Vec<Range<i64>> {
    let bytes = text.strip_prefix(PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let (position, ranges) = bytes.and_then(|bytes| ranges(&bytes)).unwrap_or_default();
    if first < position { Vec::new() } else { ranges }
}

fn ranges(mut bytes: &[u8]) -> Option<(i64, Vec<Range<i64>>)> {
    let position = pop(&mut bytes)?;
    let mut reached = position;
    let mut ranges = Vec::new();
    while !bytes.is_empty() {
        let start = reached.checked_add(pop(&mut bytes)?)?;
        let end = start.checked_add(pop(&mut bytes)?)?;
        // The first may begin at the position: it was settled by an assignment before, and reached since.
        if (start == reached && !ranges.is_empty()) || end == start {
            return None;
        }
        ranges.push(start..end);
        reached = end;
    }
    Some((position, ranges))
}

fn push(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = number.unsigned_abs();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// The next number; `None` if it is cut off or too large for an offset.
fn pop(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_i64;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= i64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_settled_above_is_read_back() {
        for (position, ranges) in [
            (0, vec![1..2]),
            (10, vec![12..15, 16..17, 1_000..5_000]),
            (i64::MAX - 3, vec![i64::MAX - 1..i64::MAX]),
        ] {
            let text = encode(position, &ranges);
            assert!(text.starts_with("liaison1."), "{text}");
            assert_eq!(decode(&text, position), ranges, "{text}");
        }
        assert_eq!(encode(10, &[]), "");
    }

    #[test]
    fn what_is_not_ours_or_broken_is_as_if_it_were_not_there() {
        let text = |bytes: &[u8]| format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        for (name, text) in [
            ("nothing", String::new()),
            ("someone else's", "checkpoint 7".into()),
            ("no base64", "liaison1.!!".into()),
            ("empty", text(&[])),
            ("a cut range", text(&[10, 1])),
            ("a cut number", text(&[10, 1, 0x80])),
            ("no gap", text(&[10, 1, 1, 0, 1])),
            ("no length", text(&[10, 1, 0])),
            ("a number too large", text(&[0xff; 12])),
            (
                "an offset too large",
                encode(i64::MAX - 1, &[]) + &text(&[&[0xff; 8][..], &[0x7f, 1, 1]].concat()),
            ),
        ] {
            assert_eq!(decode(&text, i64::MAX), [], "{name}");
        }
    }

    #[test]
    fn what_was_written_for_a_later_position_is_of_other_records() {
        let text = encode(100, &[110..120]);
        assert_eq!(decode(&text, 100), [110..120]);
        assert_eq!(decode(&text, 104), [110..120]);
        assert_eq!(decode(&text, 0), []);
    }

    #[test]
    fn what_finds_no_room_is_left_out_from_above() {
        let ranges: Vec<_> = (1..5_000).map(|number| number * 300..number * 300 + 150).collect();
        let text = encode(0, &ranges);
        assert!(text.len() < 3_500, "{}", text.len());
        let found = decode(&text, 0);
        assert!(found.len() > 600, "{}", found.len());
        assert_eq!(found, ranges[..found.len()]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(liaison1\\.)?[A-Za-z0-9_-]{0,200}") {
            let mut reached = -1;
            for range in decode(&text, i64::MAX) {
                prop_assert!(reached < range.start && range.start < range.end);
                reached = range.end;
            }
        }

        #[test]
        fn any_ranges_are_read_back(
            position in 0..i64::MAX / 2,
            lengths in prop::collection::vec((1..1_000_000_i64, 1..1_000_000_i64), 0..200),
        ) {
            let mut reached = position;
            let ranges: Vec<_> = lengths.into_iter().map(|(gap, length)| {
                let range = reached + gap..reached + gap + length;
                reached = range.end;
                range
            }).collect();
            prop_assert_eq!(decode(&encode(position, &ranges), position), ranges);
        }
    }
}
