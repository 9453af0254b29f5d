//! Text with fields in it, put through whatever escape the place of it needs.

use serde::Deserialize;

use super::Source;
use super::field::{Beside, Part, parse, render};
use crate::failure::Failure;

/// Text with fields in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TextTemplate(pub(super) Vec<Part>);

/// Text with fields of the event alone, as they are: the value of a header, or of a field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FieldTemplate(Vec<Part>);

impl TextTemplate {
    /// The text for one event, each field put through `escape`.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where the event has no such field, or something that is no text, number or boolean there.
    pub fn render(&self, source: &Source<'_>, escape: impl Fn(&str) -> String) -> Result<String, Failure> {
        render(&self.0, source, |text, _, value| {
            text.push_str(&escape(value));
            Ok(())
        })
    }

    /// The text with this in the place of each field: to see whether it is what it is meant to be, whatever the event.
    pub fn with_each(&self, value: &str) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(literal) => literal.as_str(),
            Part::Field(_) => value,
        });
        parts.collect()
    }
}

impl FieldTemplate {
    /// The text for one event.
    ///
    /// # Errors
    ///
    /// As [`TextTemplate::render`].
    pub fn render(&self, source: &Source<'_>) -> Result<String, Failure> {
        render(&self.0, source, |text, _, value| {
            text.push_str(value);
            Ok(())
        })
    }
}

impl TryFrom<String> for TextTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text, Beside::DataAndEtag).map(Self)
    }
}

impl TryFrom<String> for FieldTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text, Beside::Nothing).map(Self)
    }
}
