//! Where in a document a rule holds: a JSON pointer (RFC 6901) in which `*` is any member and any element.

use std::fmt;

use serde::Deserialize;

/// Deeper than anybody writes by hand. It bounds how deep a document is looked into.
const MAX_DEPTH: usize = 32;

/// A pointer with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern {
    text: String,
    pub(crate) tokens: Vec<Token>,
}

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Any,
    /// A member of this name, or the element at this place.
    Named {
        name: String,
        index: Option<usize>,
    },
}

impl Token {
    pub(crate) fn is_member(&self, member: &str) -> bool {
        match self {
            Token::Any => true,
            Token::Named { name, .. } => name == member,
        }
    }

    pub(crate) fn is_element(&self, place: usize) -> bool {
        match self {
            Token::Any => true,
            Token::Named { index, .. } => *index == Some(place),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Token::Any);
        }
        let mut name = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            name.push(match character {
                '~' => match characters.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    Some('2') => '*',
                    _ => {
                        return Err(
                            "`~` stands only in `~0` (for ~), `~1` (for /) and `~2` (for *)".to_owned()
                        );
                    }
                },
                plain => plain,
            });
        }
        let index = name.parse().ok().filter(|index: &usize| index.to_string() == name);
        Ok(Token::Named { name, index })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!(
                "`{text}` is no JSON pointer: it must begin with `/`, such as `/owner/phone`"
            ));
        };
        let tokens: Result<Vec<_>, String> = rest.split('/').map(Token::parse).collect();
        let tokens = tokens.map_err(|why| format!("`{text}`: {why}"))?;
        if tokens.len() > MAX_DEPTH {
            return Err(format!("`{text}` leads deeper than {MAX_DEPTH} levels"));
        }
        Ok(Self { text, tokens })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, String> {
        Pattern::try_from(text.to_owned())
    }

    #[test]
    fn a_pattern_is_a_pointer_with_wildcards() {
        let tokens = pattern("/a~1b/*/~2/01/7/").unwrap().tokens;
        assert!(tokens[0].is_member("a/b") && !tokens[0].is_member("a~1b"));
        assert!(tokens[1].is_member("x") && tokens[1].is_element(9));
        assert!(tokens[2].is_member("*") && !tokens[2].is_member("x") && !tokens[2].is_element(0));
        assert!(tokens[3].is_member("01") && !tokens[3].is_element(1));
        assert!(tokens[4].is_member("7") && tokens[4].is_element(7) && !tokens[4].is_element(6));
        assert!(tokens[5].is_member("") && !tokens[5].is_element(0));
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for (text, expected) in [
            ("a", "`a` is no JSON pointer: it must begin with `/`"),
            ("", "`` is no JSON pointer"),
            ("/a~3", "`/a~3`: `~` stands only in"),
            ("/a~", "`/a~`: `~` stands only in"),
        ] {
            let error = pattern(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        assert!(pattern(&"/a".repeat(32)).is_ok());
        assert!(pattern(&"/a".repeat(33)).unwrap_err().ends_with("leads deeper than 32 levels"));
    }
}
