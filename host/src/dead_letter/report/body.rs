//! Shows the bytes of an event as what they are: JSON, text or neither.
//!
//! In come key, value or header, out goes text that is harmless for a terminal, or a JSON value that holds every byte.

use std::fmt::Write;

use base64::Engine;
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::attempts::cut;
use super::super::header::hex_text;

/// The most bytes of a body that are shown as text.
const BODY_BYTES: usize = 4096;
/// The most bytes of a body that are shown in hexadecimal.
const DUMP_BYTES: usize = 256;

/// One value on one line.
pub(crate) fn line_text(value: Option<&Bytes>) -> String {
    const LINE_BYTES: usize = 80;
    let Some(value) = value else {
        return "none".to_owned();
    };
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= LINE_BYTES => printable(text).replace('\n', "\\n"),
        Ok(text) => {
            format!("{}… ({} bytes)", printable(cut(text, LINE_BYTES)).replace('\n', "\\n"), text.len())
        }
        Err(_) => {
            let head = &value[..value.len().min(LINE_BYTES / 2)];
            format!("0x{} ({} bytes)", hex_text(head), value.len())
        }
    }
}

/// A body as pretty JSON if it is JSON, else as text if it is UTF-8, else the head of a hex dump.
pub(super) fn body_text(value: Option<&Bytes>) -> String {
    let Some(value) = value else {
        return "no value: a tombstone".to_owned();
    };
    let Ok(text) = std::str::from_utf8(value) else {
        return dump(value);
    };
    // Pretty JSON is a few times as long: what would be cut anyway is not parsed.
    let parsed = (text.len() <= BODY_BYTES * 4).then(|| serde_json::from_str::<Value>(text).ok()).flatten();
    let pretty = parsed.map_or_else(|| text.to_owned(), |json| format!("{json:#}"));
    let shown = cut(&pretty, BODY_BYTES);
    let rest = match pretty.len() - shown.len() {
        0 => String::new(),
        _ => format!("\n… cut: the value has {} bytes, --json shows all", value.len()),
    };
    format!("{}{rest}", printable(shown))
}

fn dump(value: &[u8]) -> String {
    let shown = &value[..value.len().min(DUMP_BYTES)];
    let mut text = format!("{} bytes that are no text:", value.len());
    for (line, bytes) in shown.chunks(16).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain: String =
            bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        let _ = write!(text, "\n{:08x}  {:<47}  {plain}", line * 16, hex.join(" "));
    }
    if shown.len() < value.len() {
        let _ = write!(text, "\n… cut: --json shows all");
    }
    text
}

/// `null`, the JSON itself, the text, or base64: `encoding` says which.
pub(super) fn body_json(value: Option<&Bytes>) -> Value {
    let Some(value) = value else { return Value::Null };
    if let Ok(content) = serde_json::from_slice::<Value>(value) {
        return json!({"encoding": "json", "content": content});
    }
    match std::str::from_utf8(value) {
        Ok(content) => json!({"encoding": "text", "content": content}),
        Err(_) => {
            let content = base64::engine::general_purpose::STANDARD.encode(value);
            json!({"encoding": "base64", "content": content})
        }
    }
}

/// Writes control characters out, so that an event cannot drive the terminal that shows it. Lines and tabs stay.
pub fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' && character != '\t' {
            printed.extend(character.escape_default());
        } else {
            printed.push(character);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_shown_as_what_they_are() {
        let body = |bytes: &[u8]| body_text(Some(&Bytes::copy_from_slice(bytes)));
        assert_eq!(body(br#"{"a":[1]}"#), "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(body("plain, höchstens".as_bytes()), "plain, höchstens");
        assert_eq!(body(b""), "");
        assert_eq!(body_text(None), "no value: a tombstone");
        assert_eq!(
            body(&[0xff, b'A', 0]),
            "3 bytes that are no text:\n00000000  ff 41 00                                         .A."
        );
        let long = body("x".repeat(5000).as_bytes());
        assert_eq!(long, format!("{}\n… cut: the value has 5000 bytes, --json shows all", "x".repeat(4096)));
        let dumped = body(&[0xff; 1000]);
        assert_eq!(dumped.lines().count(), 1 + 16 + 1, "{dumped}");
    }
}
