//! Values of the type TEXT (RFC 5545, 3.3.11).

/// Text as a value. Whatever breaks a line becomes a line break, and other control characters, which no calendar may
/// hold, are left out.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in normal(text).chars() {
        match character {
            '\\' | ';' | ',' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A value as text.
pub(crate) fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

/// The values of a list, as written: a comma that is escaped ends none.
pub(crate) fn split_list(value: &str) -> Vec<&str> {
    let mut is_escaped = false;
    let ends_value = move |character: char| {
        let is_end = character == ',' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_end
    };
    value.split(ends_value).filter(|value| !value.is_empty()).collect()
}

/// Text as a calendar can hold it.
pub(crate) fn normal(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let characters = text.chars().filter_map(|character| match character {
        '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        '\n' | '\t' => Some(character),
        other => (!other.is_control()).then_some(other),
    });
    characters.collect()
}
