//! Changes of good input: in its bytes, and in which headers there are.

use bytes::Bytes;
use fastrand::Rng;

use crate::event::Record;

/// Changes of one input, at most.
const CHANGES: usize = 8;
/// The longest value that is made by doubling.
const LONGEST: usize = 64 << 10;
/// Where decoders tend to be wrong.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b",",
    b":",
    b"=",
    b"/",
    b".",
    b"\n",
    b"\0",
    b"\xff",
    b"\xc3",
    "\u{e9}".as_bytes(),
    "\u{202e}".as_bytes(),
    b"null",
    b"true",
    b"-0",
    b"-1",
    b"0.5",
    b"1e400",
    b"2147483648",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9999-12-31T23:59:59.999Z",
    b"1969-12-31T23:59:59Z",
    b"+10000-01-01T00:00:00Z",
];

/// One of the seeds, changed.
pub(super) fn mutate(random: &mut Rng, seeds: &[Record]) -> Record {
    let pick = |random: &mut Rng| seeds[random.usize(..seeds.len())].clone();
    let (mut record, other) = (pick(random), pick(random));
    for _ in 0..random.usize(1..=CHANGES) {
        match random.u8(..10) {
            0 => headers(random, &mut record, &other),
            1 => record.timestamp = [None, Some(0), Some(u64::MAX), Some(random.u64(..))][random.usize(..4)],
            2 => record.key = changed(random, record.key.as_ref(), other.key.as_ref()),
            3..6 if !record.headers.is_empty() => {
                let index = random.usize(..record.headers.len());
                let from = other.headers.get(index).and_then(|(_, value)| value.as_ref());
                let value = changed(random, record.headers[index].1.as_ref(), from);
                record.headers[index].1 = value;
            }
            _ => record.value = changed(random, record.value.as_ref(), other.value.as_ref()),
        }
    }
    record
}

/// A header goes, comes twice, comes from another, or changes its name.
fn headers(random: &mut Rng, record: &mut Record, other: &Record) {
    if record.headers.is_empty() {
        return record.headers.clone_from(&other.headers);
    }
    let index = random.usize(..record.headers.len());
    match random.u8(..5) {
        0 => drop(record.headers.remove(index)),
        1 => record.headers.push(record.headers[index].clone()),
        2 => record.headers.extend(other.headers.get(index).cloned()),
        3 => random.shuffle(&mut record.headers),
        _ => {
            let name = bytes(random, record.headers[index].0.as_bytes(), b"ce_");
            record.headers[index].0 = String::from_utf8_lossy(&name).into_owned().into();
        }
    }
}

fn changed(random: &mut Rng, value: Option<&Bytes>, other: Option<&Bytes>) -> Option<Bytes> {
    if random.u8(..20) == 0 {
        return None;
    }
    let empty = Bytes::new();
    Some(bytes(random, value.unwrap_or(&empty), other.unwrap_or(&empty)).into())
}

/// Changed in one place.
fn bytes(random: &mut Rng, value: &[u8], other: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    let (from, to) = range(random, value.len());
    match random.u8(..8) {
        0 if from < to => value[from] ^= 1 << random.u8(..8),
        1 if from < to => value[from] = random.u8(..),
        2 => drop(value.drain(from..to)),
        3 => value.truncate(from),
        4 => {
            let (first, last) = range(random, other.len());
            value.splice(from..to, other[first..last].iter().copied());
        }
        5 if value.len() < LONGEST => {
            let repeated = value[from..to].repeat(random.usize(1..40));
            value.splice(from..from, repeated);
        }
        _ => {
            let token = TOKENS[random.usize(..TOKENS.len())];
            let end = if random.bool() { from } else { to };
            value.splice(from..end, token.iter().copied());
        }
    }
    value
}

fn range(random: &mut Rng, length: usize) -> (usize, usize) {
    let (one, other) = (random.usize(..=length), random.usize(..=length));
    // Mostly short ones.
    let longest = if random.bool() { 8 } else { length };
    (one.min(other), one.max(other).min(one.min(other) + longest))
}
