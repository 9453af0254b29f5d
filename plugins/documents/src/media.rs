//! Is it what it is said to be? A source that wants a log-in answers 200 with a page, which is no document.
//!
//! The first bytes decide where the wanted media type has such; the declared type rules out a page. A checksum in the event
//! that a fetched document matches says more than either.

use liaison_sdk::prelude::*;

/// How many bytes are looked at. Readers of PDF take a header within the first 1024.
pub(crate) const HEAD_BYTES: usize = 1024;

/// How much of what is no document is quoted, in characters.
const QUOTED_CHARACTERS: usize = 40;

/// What people log in by, and what proxies apologise with.
const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// How documents of some types begin.
const BEGINNINGS: [(&str, &[&[u8]]); 8] = [
    ("application/pdf", &[b"%PDF-"]),
    ("application/zip", &[b"PK\x03\x04", b"PK\x05\x06"]),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &[b"PK\x03\x04"]),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &[b"PK\x03\x04"]),
    ("application/vnd.oasis.opendocument.text", &[b"PK\x03\x04"]),
    ("image/png", &[b"\x89PNG\r\n\x1a\n"]),
    ("image/jpeg", &[b"\xff\xd8\xff"]),
    ("image/tiff", &[b"II*\0", b"MM\0*"]),
];

/// The type alone: `Text/HTML; charset=utf-8` is `text/html`.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Do the first bytes of such a document tell that it is one?
pub(crate) fn is_told_by_bytes(wanted: &str) -> bool {
    beginnings(wanted).is_some()
}

fn beginnings(wanted: &str) -> Option<&'static [&'static [u8]]> {
    let wanted = essence(wanted);
    BEGINNINGS.iter().find(|(known, _)| *known == wanted).map(|(_, beginnings)| *beginnings)
}

/// Why something with these first bytes is none of the wanted type.
pub(crate) fn against_bytes(wanted: &str, bytes: &[u8]) -> Option<String> {
    let beginnings = beginnings(wanted)?;
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let is_pdf = essence(wanted) == "application/pdf";
    let begins = |beginning: &&[u8]| match is_pdf {
        true => head.windows(beginning.len()).any(|window| window == *beginning),
        false => head.starts_with(beginning),
    };
    if beginnings.iter().any(begins) {
        return None;
    }
    let text = String::from_utf8_lossy(head);
    let text: String = text.trim_start().chars().take(QUOTED_CHARACTERS).collect();
    Some(format!("it is no {}: it begins with {text:?}", essence(wanted)))
}

/// Why an answer that declares this type is no document of the wanted one: it is a page.
pub(crate) fn against_declared(wanted: &str, reply: &Response) -> Option<String> {
    let declared = essence(reply.header("content-type")?);
    let is_page = PAGES.contains(&declared.as_str()) && !PAGES.contains(&essence(wanted).as_str());
    is_page.then(|| format!("it is {declared} and no {}: a page to log in by, or an error", essence(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_a_document_is() {
        let late = |offset: usize| [vec![b' '; offset], b"%PDF-1.7".to_vec()].concat();
        for (wanted, bytes, is_one) in [
            ("application/pdf", b"%PDF-1.7\n".to_vec(), true),
            ("Application/PDF; version=1.7", b"\xef\xbb\xbf%PDF-1.4".to_vec(), true),
            ("application/pdf", late(1019), true),
            ("application/pdf", late(1020), false),
            ("application/pdf", b"<!doctype html><title>Log in".to_vec(), false),
            ("application/pdf", b"%PD".to_vec(), false),
            ("image/png", b"\x89PNG\r\n\x1a\n\0".to_vec(), true),
            ("image/png", b" \x89PNG\r\n\x1a\n\0".to_vec(), false),
            ("image/tiff", b"MM\0*".to_vec(), true),
            ("text/csv", b"<!doctype html>".to_vec(), true),
        ] {
            assert_eq!(against_bytes(wanted, &bytes).is_none(), is_one, "{wanted} {bytes:?}");
        }
        let why = against_bytes("application/pdf", b"\n <html>\"\x07\xff").unwrap();
        assert_eq!(why, "it is no application/pdf: it begins with \"<html>\\\"\\u{7}\u{fffd}\"");
    }
}
