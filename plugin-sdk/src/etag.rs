//! Entity tags (RFC 9110, 8.8.3): which of them a write can be bound to.
//!
//! One rule for all connectors: **a weak tag cannot be in `If-Match`** (RFC 9110, 13.1.1, compares strongly, so it never
//! matches), and neither can what is no entity tag at all. Where [`if_match`] gives nothing, look at what is held
//! immediately before the write, and compare by [`is_same`].

/// May a write be bound to it? `"…"` and no `W/` before it.
pub fn is_strong(etag: &str) -> bool {
    let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // RFC 9110, 8.8.3: neither quotes, nor spaces, nor control characters.
    inner
        .is_some_and(|inner| inner.chars().all(|character| !matches!(character, '\0'..=' ' | '"' | '\u{7f}')))
}

/// The value of `If-Match` for a write over this version; nothing where it can be bound to none: look before it.
pub fn if_match(version: Option<&str>) -> Option<&str> {
    version.map(str::trim).filter(|etag| is_strong(etag))
}

/// Do two tags name the same version (RFC 9110, 8.8.3.2, weakly)? Enough to see whether what was decided upon is still
/// there; not for a condition, which servers compare strongly.
pub fn is_same(one: &str, other: &str) -> bool {
    opaque(one) == opaque(other)
}

fn opaque(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// As it would be in a header: some servers of WebDAV write it in properties without its quotes.
pub fn quoted(etag: &str) -> String {
    let etag = etag.trim();
    match etag.starts_with('"') || etag.starts_with("W/") || etag.is_empty() {
        true => etag.to_owned(),
        false => format!("\"{etag}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_bound_to_strong_tags_alone() {
        for (etag, expected) in [
            ("\"3\"", Some("\"3\"")),
            (" \"3\" ", Some("\"3\"")),
            ("\"\"", Some("\"\"")),
            ("\"ü\"", Some("\"ü\"")),
            ("W/\"3\"", None),
            ("w/\"3\"", None),
            ("3", None),
            // It would match whatever is there.
            ("*", None),
            ("\"", None),
            ("", None),
            ("\"3\", \"4\"", None),
            ("\"3\r\"", None),
        ] {
            assert_eq!(if_match(Some(etag)), expected, "{etag}");
        }
        assert_eq!(if_match(None), None);
    }

    #[test]
    fn what_is_the_same_is_told_weakly() {
        for (one, other, expected) in [
            ("\"3\"", "\"3\"", true),
            ("W/\"3\"", "\"3\"", true),
            ("W/\"3\"", "W/\"3\" ", true),
            ("\"3\"", "\"4\"", false),
            ("\"3\"", "3", false),
            ("\"a\"", "\"A\"", false),
        ] {
            assert_eq!((is_same(one, other), is_same(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn quotes_are_added_where_they_are_missing() {
        for (written, expected) in [("3", "\"3\""), (" \"3\" ", "\"3\""), ("W/\"3\"", "W/\"3\""), ("", "")] {
            assert_eq!(quoted(written), expected);
        }
    }
}
