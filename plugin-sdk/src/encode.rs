//! Percent-encoding of what goes into a URL.

/// Text as one segment of a URL's path, or one value of its query: everything but RFC 3986's unreserved
/// characters is percent-encoded, so it can neither end the segment nor begin a query.
///
/// A segment that is `.` or `..` keeps its meaning however it is encoded: where text may come from anyone,
/// refuse those two.
pub fn encode_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    push_segment(&mut encoded, text);
    encoded
}

/// [`encode_segment`], written to the end of a URL.
pub fn push_segment(url: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push(char::from(DIGITS[usize::from(byte >> 4)]));
            url.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::encode_segment;

    #[test]
    fn only_unreserved_characters_stay() {
        for (text, encoded) in [
            ("", ""),
            ("policy-7_a.b~c", "policy-7_a.b~c"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("100 %", "100%20%25"),
            ("é\n", "%C3%A9%0A"),
        ] {
            assert_eq!(encode_segment(text), encoded);
        }
    }
}
