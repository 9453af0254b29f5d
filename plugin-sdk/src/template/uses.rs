//! What of an event a template is made of.

use super::TextTemplate;
use super::field::{Field, Part};
use crate::pointer::Pointer;

/// What of an event a template is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// It names the version that is written over.
    pub etag: bool,
    /// All of the data stands in it as it is.
    pub all_data: bool,
    /// The parts of the data that stand in it as they are, and not within a text.
    pub parts: Vec<Pointer>,
}

impl Uses {
    /// Adds a field that stands alone.
    pub(super) fn add(&mut self, field: &Field) {
        match field {
            Field::Etag => self.etag = true,
            Field::Data => self.all_data = true,
            Field::Part(pointer) => self.parts.push(pointer.clone()),
            Field::Id
            | Field::Source
            | Field::Type
            | Field::Subject
            | Field::Key
            | Field::Attribute(_)
            | Field::Found(_) => {}
        }
    }
}

impl TextTemplate {
    /// What it is made of: all within a text.
    pub fn uses(&self) -> Uses {
        let is_etag = |part: &Part| matches!(part, Part::Field(named) if named.field == Field::Etag);
        Uses { etag: self.0.iter().any(is_etag), ..Uses::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::template::JsonTemplate;

    #[test]
    fn a_template_tells_what_it_is_made_of() {
        let json = |template: Value| serde_json::from_value::<JsonTemplate>(template).unwrap().uses();
        assert_eq!(json(json!({ "a": "x", "b": [1, "{id}"], "c": "no {/title}" })), Uses::default());
        let parts = ["/seats", "/title"].map(|part| Pointer::parse(part).unwrap());
        let some = Uses { etag: true, all_data: false, parts: parts.into() };
        assert_eq!(json(json!({ "a": { "b": "{/seats}" }, "c": ["{/title}", "W/{etag}"] })), some);
        let all = Uses { etag: true, all_data: true, parts: Vec::new() };
        assert_eq!(json(json!({ "room": "{data}", "etag": "{etag}" })), all);
        let text = |template: &str| TextTemplate::try_from(template.to_owned()).unwrap().uses();
        assert_eq!(text("<a b='{etag}'>{/title}</a>"), Uses { etag: true, ..Uses::default() });
        assert_eq!(text("<a>{/title}</a>"), Uses::default());
    }
}
