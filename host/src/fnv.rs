//! FNV-1a of 64 bits: a short number for bytes, the same on every host and in every version of this one. No secret and no
//! proof: it only spreads. Pure.

pub(crate) fn fnv_1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let begin = 0xcbf2_9ce4_8422_2325_u64;
    bytes.into_iter().fold(begin, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_others_make_of_the_same_bytes() {
        // The vectors of the IETF's draft on FNV.
        for (text, expected) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv_1a(text.bytes()), expected, "{text}");
        }
    }
}
