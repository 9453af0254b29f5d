//! Text in headers: S3 keeps metadata beyond ASCII as encoded words (RFC 2047), and may give them back in another of their
//! two forms than they came in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "=?UTF-8?B?";
const END: &str = "?=";
/// Of UTF-8 in one word, which has at most 75 characters.
const WORD_BYTES: usize = 45;

/// As it is where it is plain ASCII, else as encoded words.
pub(super) fn encode(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains("=?");
    if is_plain {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES));
        words.push(format!("{BEGIN}{}{END}", STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

/// What encoded words say, and all else as it is. Spaces between two words are none (RFC 2047, 6.2).
pub(super) fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_after_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, word) = rest.split_at(at);
        let Some((content, after)) = one_word(word) else {
            let (mark, after) = rest.split_at(at + 2);
            decoded.push_str(mark);
            (rest, is_after_word) = (after, false);
            continue;
        };
        if !is_after_word || !before.trim().is_empty() {
            decoded.push_str(before);
        }
        decoded.push_str(&content);
        (rest, is_after_word) = (after, true);
    }
    decoded.push_str(rest);
    decoded
}

/// The content of a word that the text begins with, and what follows it.
fn one_word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (content, after) = rest.split_once(END)?;
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(content).ok()?,
        "Q" | "q" => quoted(content)?,
        _ => return None,
    };
    let is_utf8 = charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii");
    is_utf8.then(|| String::from_utf8(bytes).ok())?.map(|content| (content, after))
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_plain_ascii_and_reads_back() {
        let long = "Überstunden 🜚 ".repeat(20);
        for text in ["", "plain: a=b?", "Grüße", "=?no word?=", "漢字 עברית \u{202e}", long.as_str()]
        {
            let encoded = encode(text);
            assert!(encoded.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{encoded}");
            assert!(encoded.split(' ').all(|word| !word.starts_with(BEGIN) || word.len() <= 75), "{encoded}");
            assert_eq!(decode(&encoded), text);
        }
        assert_eq!(encode("Title"), "Title");
    }

    #[test]
    fn both_forms_are_read_and_what_is_no_word_stays() {
        for (text, expected) in [
            ("=?UTF-8?Q?Gr=C3=BC=C3=9Fe_=3D?=", "Grüße ="),
            ("=?utf-8?q?a?= =?UTF-8?B?Yg==?= c", "ab c"),
            ("x =?UTF-8?B?Yg==?=", "x b"),
            ("=?ISO-8859-1?Q?=FC?=", "=?ISO-8859-1?Q?=FC?="),
            ("=?UTF-8?B?!?=", "=?UTF-8?B?!?="),
            ("=?UTF-8?Q?=F?=", "=?UTF-8?Q?=F?="),
            ("=?", "=?"),
            ("a =?b c", "a =?b c"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }
}
