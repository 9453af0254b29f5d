//! A path with fields in it: whatever is in them, it leads to what was meant.

use serde::Deserialize;

use super::Source;
use super::field::{Beside, Field, Named, Part, parse, render};
use crate::encode::push_segment;
use crate::failure::Failure;

/// A path, and a query if it has one, after the connector's endpoint. Each field is percent-encoded, so it stays within
/// its segment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathTemplate(Vec<Part>);

impl PathTemplate {
    /// Is it made from the record that a lookup finds?
    pub fn needs_found(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(Named { field: Field::Found(_), .. })))
    }

    /// The path for one event.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where the event has no such field, where one is empty, and where the path would have a segment
    /// `.` or `..`: whatever they are encoded as, a server may take the path for another one, and a `DELETE` of one thing
    /// would become that of all. [`Failure::Reply`] where what a lookup found has no such part.
    pub fn render(&self, source: &Source<'_>) -> Result<String, Failure> {
        let path = render(&self.0, source, |path, name, value| {
            if value.is_empty() {
                return Err(Failure::Event(format!("`{name}` is empty, and the path needs it")));
            }
            push_segment(path, value);
            Ok(())
        })?;
        let segments = path.split('?').next().unwrap_or_default();
        if segments.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Failure::Event(format!(
                "`{path}` would lead to another path: it has a `.` or `..` in it"
            )));
        }
        Ok(path)
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("`{text}` must begin with `/`: it follows the connector's endpoint"));
        }
        parse(&text, Beside::Found).map(Self)
    }
}
