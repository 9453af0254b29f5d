//! JSON to XML by a schema: each element in its order and its namespace.

use liaison_sdk::failure::Failure;
use liaison_sdk::text::scalar;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::schema::{Complex, Element, Schema, Type};
use crate::xml::{MAX_DEPTH, XSI, escaped};

/// What becomes of fields that an operation does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownFields {
    #[default]
    Ignore,
    Reject,
}

/// The name of a member that stands for the text of an element with attributes.
pub(crate) const TEXT: &str = "$";

/// This element with this value.
pub(crate) fn element(
    schema: &Schema,
    element: &Element,
    value: &Value,
    unknown: UnknownFields,
) -> Result<String, Failure> {
    let mut writer = Writer { schema, unknown, out: String::new(), path: Vec::new() };
    writer.element(element, value, None)?;
    Ok(writer.out)
}

struct Writer<'a> {
    schema: &'a Schema,
    unknown: UnknownFields,
    out: String,
    /// The names of the elements on the way, for a person.
    path: Vec<String>,
}

impl Writer<'_> {
    /// `inherited` is the default namespace where it stands.
    fn element(&mut self, element: &Element, value: &Value, inherited: Option<&str>) -> Result<(), Failure> {
        let resolved = self.schema.resolved(element).map_err(Failure::Settings)?;
        let kind = self.schema.content(&resolved).map_err(Failure::Settings)?;
        if self.path.len() >= MAX_DEPTH {
            return Err(self.wrong(&format!("more than {MAX_DEPTH} elements within each other")));
        }
        let name = &resolved.name;
        self.path.push(name.local.clone());
        self.out.push('<');
        self.out.push_str(&name.local);
        if inherited != Some(name.namespace.as_str()) && !(inherited.is_none() && name.namespace.is_empty()) {
            self.out.push_str(&format!(" xmlns=\"{}\"", escaped(&name.namespace)));
        }
        match (&kind, value) {
            (_, Value::Null) => {
                if !resolved.is_nillable && !element.is_nillable {
                    return Err(self.wrong("it is null, which the operation does not take"));
                }
                self.out.push_str(&format!(" xmlns:xsi=\"{XSI}\" xsi:nil=\"true\"/>"));
            }
            (Type::Complex(complex), Value::Object(fields)) => {
                self.complex(complex, fields, &name.namespace)?;
                self.close(&name.local);
            }
            (Type::Complex(Complex { text: None, .. }), _) => {
                return Err(self.wrong("it is no object, and the operation asks for fields"));
            }
            (Type::Simple(_) | Type::Complex(_), value) => {
                let text = scalar(value);
                let text = text.ok_or_else(|| self.wrong("it is no text, number or boolean"))?;
                self.out.push('>');
                self.out.push_str(&escaped(&text));
                self.close(&name.local);
            }
        }
        self.path.pop();
        Ok(())
    }

    /// The rest of the start tag, and the content.
    fn complex(
        &mut self,
        complex: &Complex,
        fields: &Map<String, Value>,
        inherited: &str,
    ) -> Result<(), Failure> {
        for attribute in &complex.attributes {
            if let Some(text) = fields.get(&format!("@{attribute}")).and_then(scalar) {
                self.out.push_str(&format!(" {attribute}=\"{}\"", escaped(&text)));
            }
        }
        self.out.push('>');
        if complex.text.is_some() {
            let text = fields.get(TEXT).and_then(scalar);
            let text = text.ok_or_else(|| self.wrong(&format!("it has no text under `{TEXT}`")))?;
            self.out.push_str(&escaped(&text));
        }
        for element in &complex.elements {
            self.field(element, fields.get(&element.name.local), inherited)?;
        }
        match fields.keys().find(|name| !is_known(complex, name)) {
            Some(unknown) if self.unknown == UnknownFields::Reject => {
                Err(self.wrong(&format!("it has a field `{unknown}`, which the operation does not have")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn field(&mut self, element: &Element, value: Option<&Value>, inherited: &str) -> Result<(), Failure> {
        match value {
            Some(Value::Array(values)) if element.is_list => {
                values.iter().try_for_each(|value| self.element(element, value, Some(inherited)))
            }
            None | Some(Value::Null) if element.is_optional && !element.is_nillable => Ok(()),
            None if element.is_optional => Ok(()),
            None if element.is_nillable => self.element(element, &Value::Null, Some(inherited)),
            None => {
                Err(self.wrong(&format!("it has no `{}`, which the operation asks for", element.name.local)))
            }
            Some(value) => self.element(element, value, Some(inherited)),
        }
    }

    fn close(&mut self, local: &str) {
        self.out.push_str("</");
        self.out.push_str(local);
        self.out.push('>');
    }

    fn wrong(&self, why: &str) -> Failure {
        Failure::Event(format!("the event does not fit the operation, at `{}`: {why}", self.path.join("/")))
    }
}

fn is_known(complex: &Complex, name: &str) -> bool {
    match name.strip_prefix('@') {
        Some(attribute) => complex.attributes.iter().any(|known| known == attribute),
        None => name == TEXT || complex.elements.iter().any(|element| element.name.local == name),
    }
}
