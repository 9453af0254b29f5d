//! The details of a status (`google.rpc.Status`), as far as they say when to try again.
//!
//! Read by hand: a decoder of protobuf would be most of a small guest. What is not as it should be says nothing.

use std::time::Duration;

/// Of a message by which a server says how long to wait, packed into an `Any`.
const RETRY_INFO: &[u8] = b"/google.rpc.RetryInfo";

/// Metadata holds 8 KiB by default; no more is looked at than ten times that.
const MAX_BYTES: usize = 80 * 1024;

/// The wait that the first `RetryInfo` among the details asks for. `text` is base64, as metadata have it.
pub(super) fn retry_delay(text: &str) -> Option<Duration> {
    let status = base64(text).filter(|status| status.len() <= MAX_BYTES)?;
    // Status: details are field 3, each an Any, with its type as field 1 and its message as field 2.
    let infos = Fields(&status).filter_map(|field| field.bytes_of(3)).filter(|any| {
        Fields(any).filter_map(|field| field.bytes_of(1)).any(|kind| kind.ends_with(RETRY_INFO))
    });
    let mut delays = infos.filter_map(|any| {
        // RetryInfo: field 1 is a Duration, with seconds as field 1 and nanoseconds as field 2.
        let info = Fields(any).find_map(|field| field.bytes_of(2))?;
        let delay = Fields(info).find_map(|field| field.bytes_of(1))?;
        let number = |wanted| Fields(delay).find_map(|field| field.number_of(wanted)).unwrap_or_default();
        let nanoseconds = u32::try_from(number(2)).ok().filter(|part| *part < 1_000_000_000)?;
        // What is negative is larger than any wait.
        i64::try_from(number(1)).ok()?;
        Some(Duration::new(number(1), nanoseconds))
    });
    delays.next()
}

/// The fields of a message, until one that cannot be read.
struct Fields<'message>(&'message [u8]);

enum Content<'message> {
    Number(u64),
    Bytes(&'message [u8]),
    /// Of a fixed length.
    Other,
}

struct Field<'message> {
    number: u64,
    content: Content<'message>,
}

impl<'message> Field<'message> {
    fn bytes_of(&self, number: u64) -> Option<&'message [u8]> {
        match self.content {
            Content::Bytes(bytes) if self.number == number => Some(bytes),
            Content::Bytes(_) | Content::Number(_) | Content::Other => None,
        }
    }

    fn number_of(&self, number: u64) -> Option<u64> {
        match self.content {
            Content::Number(value) if self.number == number => Some(value),
            Content::Bytes(_) | Content::Number(_) | Content::Other => None,
        }
    }
}

impl<'message> Fields<'message> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'message [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl<'message> Iterator for Fields<'message> {
    type Item = Field<'message>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let content = match key & 7 {
            0 => Content::Number(self.varint()?),
            1 => self.take(8).map(|_| Content::Other)?,
            2 => {
                let length = self.varint()?;
                Content::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Content::Other)?,
            _ => return None,
        };
        Some(Field { number: key >> 3, content })
    }
}

/// Standard base64, with padding or without, as metadata have it.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = ((bits << 6) | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xff) as u8);
        }
    }
    (count < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_it_is_given_it_ends(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,64}") {
            retry_delay(&text);
            for field in Fields(&bytes) {
                field.bytes_of(3);
            }
        }
    }
}
