//! Texts as connectors read and write them: the Kafka key, a JSON value, and what stands in XML.

use serde_json::Value;

use crate::failure::Failure;
use crate::transform::Event;

impl Event {
    /// The Kafka key as text; nothing where the record has none.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where it is not UTF-8.
    pub fn key_text(&self) -> Result<Option<&str>, Failure> {
        let text = self.key.as_deref().map(std::str::from_utf8).transpose();
        text.map_err(|_| Failure::Event("the event's key is not UTF-8 text".to_owned()))
    }
}

/// The text of a JSON string, number or boolean; nothing for anything else.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As [`scalar`], of JSON as it is written: a number keeps its digits.
pub fn scalar_of(json: &str) -> Option<String> {
    let json = json.trim();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

/// FNV-1a of 64 bits: a short name for bytes, the same wherever and whenever it is made. No secret and no proof: who wants to
/// can make other bytes of the same name.
pub fn fnv_1a(bytes: &[u8]) -> u64 {
    let next = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, next)
}

/// Text that may stand in an element of XML or in an attribute, and is read there as it was.
///
/// Characters that no document of XML 1.0 may hold stay as they are: see [`xml_forbidden`].
pub fn xml_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // A reader would make a line feed, or in an attribute a space, of it.
            '\r' => escaped.push_str("&#13;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The first character that no document of XML 1.0 may hold, not even escaped.
pub fn xml_forbidden(text: &str) -> Option<char> {
    let is_allowed = |character: &char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().find(|character| !is_allowed(character))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn a_name_of_bytes_is_the_published_one() {
        // The vectors of the IETF's draft on FNV.
        for (bytes, expected) in [
            (&b""[..], 0xcbf2_9ce4_8422_2325),
            (b"a", 0xaf63_dc4c_8601_ec8c),
            (b"foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv_1a(bytes), expected);
        }
    }

    #[test]
    fn a_key_is_text_or_none() {
        let key =
            |event: testing::EventBuilder| Event::from(event).key_text().map(|key| key.map(str::to_owned));
        assert_eq!(key(testing::event("t").key("ä/1")), Ok(Some("ä/1".to_owned())));
        assert_eq!(key(testing::event("t")), Ok(None));
        let error = key(testing::event("t").key([0xff])).unwrap_err().to_string();
        assert_eq!(error, "the event's key is not UTF-8 text");
    }

    #[test]
    fn a_single_value_has_a_text() {
        for (written, expected) in [
            ("\"a\\u00e4\"", Some("aä")),
            ("\"\"", Some("")),
            (" 1.50 ", Some("1.50")),
            ("true", Some("true")),
            ("null", None),
            ("[1]", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(scalar_of(written).as_deref(), expected, "{written}");
        }
        assert_eq!(scalar(&json!(1.50)).as_deref(), Some("1.5"));
        assert_eq!(scalar(&json!("a")).as_deref(), Some("a"));
        assert_eq!(scalar(&json!(false)).as_deref(), Some("false"));
        for none in [json!(null), json!([]), json!({})] {
            assert_eq!(scalar(&none), None);
        }
    }

    #[test]
    fn xml_holds_any_text_but_a_few_characters() {
        assert_eq!(
            xml_escaped("a & b < c > \"d\" 'e' ]]> \r\n\t漢"),
            "a &amp; b &lt; c &gt; &quot;d&quot; &apos;e&apos; ]]&gt; &#13;&#10;&#9;漢"
        );
        assert_eq!(xml_forbidden("a\u{1}b"), Some('\u{1}'));
        assert_eq!(xml_forbidden("a\u{fffe}b"), Some('\u{fffe}'));
        assert_eq!(xml_forbidden("\r\n\t 漢🜚"), None);
    }
}
