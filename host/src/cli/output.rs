//! Answers on stdout. A reader who has gone, as `head` does, is no failure: the answer is no longer wanted.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use super::failure::Failure;

/// Writes the text, which ends its own lines.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("stdout cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a JSON value on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    written(serde_json::to_string(value))
}

/// Writes a JSON value over many lines.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    written(serde_json::to_string_pretty(value))
}

/// `1 event`, `2 events`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A size for a person: `812 bytes`, `1.5 KiB`, `12.0 MiB`.
pub(super) fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_024 => count(usize::try_from(bytes).unwrap_or_default(), "byte"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn written(json: serde_json::Result<String>) -> Result<(), Failure> {
    let json = json.map_err(|error| Failure::Failed(format!("the answer is no JSON: {error}")))?;
    text(&format!("{}\n", harmless(&json)))
}

/// JSON without the control characters that it need not escape and some terminals obey (C1 and DEL).
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() && character != '\n' {
            // They stand in strings alone: JSON has no others between its values.
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_drive_a_terminal_and_means_the_same() {
        let value = serde_json::json!({"text": "\u{9b}31m\u{7f} \u{1b}[0m é"});
        for json in [serde_json::to_string(&value), serde_json::to_string_pretty(&value)] {
            let shown = harmless(&json.unwrap());
            assert!(shown.chars().all(|character| !character.is_control() || character == '\n'), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn a_size_has_its_unit() {
        let sizes = [1, 812, 1_536, 12 << 20].map(bytes_text);
        assert_eq!(sizes.join(", "), "1 byte, 812 bytes, 1.5 KiB, 12.0 MiB");
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!(
            [count(0, "plugin"), count(1, "plugin"), count(2, "plugin")].join(", "),
            "0 plugins, 1 plugin, 2 plugins"
        );
    }
}
