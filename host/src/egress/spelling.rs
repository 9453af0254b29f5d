//! How a plugin may write a URL: in RFC 3986's characters, and as a path without ways out of the endpoint's.
//!
//! Pure, and without parsing: text in, what is wrong with it out.

use crate::contract::Failure;

/// RFC 3986's characters and no others; `#` is out too, since a fragment is never sent.
pub(super) fn check_characters(url: &str) -> Result<(), Failure> {
    let bytes = url.as_bytes();
    for (position, byte) in bytes.iter().enumerate() {
        let fits = match byte {
            b'%' => bytes
                .get(position + 1..position + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
            byte => IS_URL[usize::from(*byte)],
        };
        if !fits {
            let found = url
                .get(position..)
                .and_then(|rest| rest.chars().next())
                .unwrap_or(char::REPLACEMENT_CHARACTER);
            return Err(Failure::Invalid(format!(
                "url: {found:?} at byte {position} must be percent-encoded"
            )));
        }
    }
    Ok(())
}

/// By byte: may it stand in a URL as it is?
const IS_URL: [bool; 256] = {
    let allowed = b"-._~:/?[]@!$&'()*+,;=";
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut position = 0;
    while position < allowed.len() {
        table[allowed[position] as usize] = true;
        position += 1;
    }
    table
};

/// Refuses what a server might read as leaving the endpoint's path.
pub(super) fn check_relative_path(url: &str) -> Result<(), Failure> {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    if path.starts_with("//") {
        return Err(Failure::Invalid(format!(
            "url `{url}`: starts with `//`; write the scheme, or one slash"
        )));
    }
    if has_dot_segment(path) {
        return Err(Failure::Invalid(format!("url `{url}`: a `.` or `..` segment is refused")));
    }
    Ok(())
}

/// As the laxest server would see it: percent-encoded dots, slashes and backslashes count, encoded twice too, and so
/// does `..;x`, which some servers cut at the semicolon.
pub(super) fn has_dot_segment(path: &str) -> bool {
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%')) {
        return false;
    }
    let once = percent_decode(path.as_bytes());
    let twice = percent_decode(&once);
    [once, twice].iter().any(|decoded| {
        decoded
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .any(|segment| matches!(segment.split(|byte| *byte == b';').next(), Some(b"." | b"..")))
    })
}

/// Once. A `%` that two digits do not follow stays as it is.
fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = after;
            }
            _ => decoded.push(*byte),
        }
    }
    decoded
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => digit & 0x0f,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_the_endpoints_path_is_refused() {
        let refused = [
            "/..",
            "/../admin",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/admin",
            "/.%2E/admin",
            "/%2e",
            "/..%2fadmin",
            "/a%2f..%2fadmin",
            "/..%5cadmin",
            "/..;/admin",
            "/..;x=1/admin",
            "/%252e%252e/admin",
            "/a/..%252fadmin",
            "/%252e%252e%255cadmin",
            "//evil.example/x",
        ];
        for url in refused {
            assert!(matches!(check_relative_path(url), Err(Failure::Invalid(_))), "{url}");
        }
        for url in ["/", "/a..b", "/.a/..b/c.", "/...", "/a//b", "/a?b=/../c", "/a%20b", "/a%252e"] {
            assert_eq!(check_relative_path(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn characters_that_must_be_encoded_are_refused() {
        let refused = [
            "/a b",
            "/a\r\nHost: x",
            "/a\tb",
            "/a\0",
            "/a#b",
            "http://h/a#b",
            "/a\\b",
            "/ä",
            "/a<b",
            "/a\"b",
            "/%",
            "/%4",
            "/%zz",
            "/a{b}",
            "/a\u{7f}",
            " http://h/",
            "ht\ntp://h/",
        ];
        for url in refused {
            assert!(matches!(check_characters(url), Err(Failure::Invalid(_))), "{url:?}");
        }
        for url in ["", "/a%2Fb", "http://[::1]:80/a;b=c,d?e=f&g[h]=i+j*k!l~m", "/:@$&'()"] {
            assert_eq!(check_characters(url), Ok(()), "{url:?}");
        }
    }
}
