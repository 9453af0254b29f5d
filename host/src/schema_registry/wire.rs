//! Confluent's wire format: what stands before a record's data. Pure.
//!
//! A byte of zero, four of the schema's id, and for Protobuf the place of the message in its file.

/// The messages of a file may be nested so deep.
const MOST_INDEXES: u64 = 32;

/// The schema's id and the data behind it, if this is of that format.
pub(super) fn split(value: &[u8]) -> Option<(u32, &[u8])> {
    let rest = value.strip_prefix(&[0])?;
    let (id, data) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*id), data))
}

/// The place of a Protobuf message in its file, outermost first; what is left of `data` is the message.
pub(super) fn indexes(data: &mut &[u8]) -> Result<Vec<usize>, String> {
    let count = zigzag(data)?;
    // The usual place has a short form.
    if count == 0 {
        return Ok(vec![0]);
    }
    let count = u64::try_from(count).ok().filter(|count| *count <= MOST_INDEXES);
    let count = count.ok_or("the place of its message is none")?;
    let index = |data: &mut &[u8]| {
        usize::try_from(zigzag(data)?).map_err(|_| "the place of its message is none".to_owned())
    };
    (0..count).map(|_| index(data)).collect()
}

fn zigzag(data: &mut &[u8]) -> Result<i64, String> {
    let value = varint(data)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// A number of variable length: seven bits a byte, the least first.
pub(super) fn varint(data: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = data.split_first().ok_or("it ends too early")?;
        *data = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is longer than any may be".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stands_behind_a_zero() {
        assert_eq!(split(b"\0\0\0\x01\x02rest"), Some((258, b"rest".as_slice())));
        assert_eq!(split(b"\0\0\0\0\x07"), Some((7, b"".as_slice())));
        for other in [b"".as_slice(), b"\0", b"\0\0\0\0", b"{\"a\": 1}", b"\x01\0\0\0\x07"] {
            assert_eq!(split(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_place_of_a_message_is_read_and_the_rest_is_left() {
        for (bytes, expected) in [
            (b"\0x".as_slice(), vec![0]),
            (b"\x02\x02x", vec![1]),
            (b"\x04\0\x06x", vec![0, 3]),
            (b"\x02\0x", vec![0]),
        ] {
            let mut data = bytes;
            assert_eq!((indexes(&mut data).unwrap(), data), (expected, b"x".as_slice()));
        }
        for wrong in [b"".as_slice(), b"\x01", b"\x02", b"\x02\x01", b"\xff\xff\xff\xff\x0f", &[0xff; 11]] {
            assert!(indexes(&mut &*wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_of_any_length_are_read() {
        for (bytes, expected) in [
            (vec![0x00], Some(0)),
            (vec![0x7f], Some(127)),
            (vec![0x80, 0x01], Some(128)),
            ([vec![0xff; 9], vec![0x01]].concat(), Some(u64::MAX)),
            ([vec![0xff; 9], vec![0x02]].concat(), None),
            (vec![0x80], None),
            (vec![0x80; 11], None),
        ] {
            assert_eq!(varint(&mut &*bytes).ok(), expected, "{bytes:?}");
        }
    }
}
