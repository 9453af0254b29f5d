//! One content line: `NAME;PARAMETER=value:value`, kept as it was written.

use std::fmt::Write as _;

/// An unfolded line. Only what is asked for is taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    /// Where the name ends.
    name_end: usize,
    /// Where the value begins, behind its colon.
    value_start: usize,
}

impl Line {
    /// Nothing where there is no colon outside of quotes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let name_end = text.find([';', ':'])?;
        let mut is_quoted = false;
        let colon = text[name_end..].find(|character: char| {
            is_quoted ^= character == '"';
            character == ':' && !is_quoted
        })?;
        Some(Self { text: text.to_owned(), name_end, value_start: name_end + colon + 1 })
    }

    /// A line of our own. The value is written as it is: escape what is text.
    pub(crate) fn new(name: &str, parameters: &[(&str, &str)], value: &str) -> Self {
        let mut text = name.to_owned();
        for (parameter, content) in parameters {
            let quote = if content.contains([':', ';', ',']) { "\"" } else { "" };
            let _ = write!(text, ";{parameter}={quote}{}{quote}", encode(content));
        }
        text.push(':');
        let value_start = text.len();
        text.push_str(value);
        Self { text, name_end: name.len(), value_start }
    }

    /// The same line with another value.
    pub(crate) fn with_value(&self, value: &str) -> Self {
        let text = format!("{}{value}", &self.text[..self.value_start]);
        Self { text, name_end: self.name_end, value_start: self.value_start }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn name(&self) -> &str {
        &self.text[..self.name_end]
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// As written: escaped, where it is text.
    pub(crate) fn value(&self) -> &str {
        &self.text[self.value_start..]
    }

    /// The first parameter of this name, without its quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut rest = self.text.get(self.name_end..self.value_start - 1)?;
        while let Some(after) = rest.strip_prefix(';') {
            let mut is_quoted = false;
            let end = after.find(|character: char| {
                is_quoted ^= character == '"';
                character == ';' && !is_quoted
            });
            let (parameter, next) = after.split_at(end.unwrap_or(after.len()));
            rest = next;
            if let Some((found, value)) = parameter.split_once('=')
                && found.eq_ignore_ascii_case(name)
            {
                return Some(decode(value.trim_matches('"')));
            }
        }
        None
    }
}

/// What a parameter may not hold (RFC 6868).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '^' => encoded.push_str("^^"),
            '"' => encoded.push_str("^'"),
            '\n' => encoded.push_str("^n"),
            other if other.is_control() => {}
            other => encoded.push(other),
        }
    }
    encoded
}

fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let coded = match (character, characters.peek()) {
            ('^', Some('^')) => '^',
            ('^', Some('\'')) => '"',
            ('^', Some('n')) => '\n',
            _ => {
                decoded.push(character);
                continue;
            }
        };
        decoded.push(coded);
        characters.next();
    }
    decoded
}
