//! Organiser and attendees: `"a@example.gov"`, or `{"name": "A", "email": "a@example.gov"}`.

use liaison_sdk::failure::Failure;
use serde_json::Value;

use crate::field::Element;
use crate::wanted::{Found, address, distinct, person_element};

/// Nothing where it is null.
pub(crate) fn one(found: &Found<'_>, property: &str) -> Result<Option<Element>, Failure> {
    let (mail, name) = match found.value {
        Value::Null => return Ok(None),
        Value::String(mail) => (mail.as_str(), None),
        Value::Object(person) => {
            let text = |name: &str| person.get(name).and_then(Value::as_str);
            let mail = text("email").ok_or_else(|| found.wrong("it has no text at `email`"))?;
            (mail, text("name").filter(|name| !name.trim().is_empty()))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(found.wrong("it is neither a mail address nor an object with `email`"));
        }
    };
    Ok(Some(person_element(property, &address(found, mail)?, name)))
}

pub(crate) fn all(found: &Found<'_>, property: &str) -> Result<Vec<Element>, Failure> {
    let people: Result<Vec<_>, Failure> = found.list().iter().map(|found| one(found, property)).collect();
    Ok(distinct(people?.into_iter().flatten()))
}

/// As events have them: an address alone where there is no name.
pub(crate) fn to_json(element: &Element) -> Value {
    let value = element.line.value();
    let is_mail = value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let address = if is_mail { &value[7..] } else { value };
    match element.line.parameter("CN") {
        Some(name) => serde_json::json!({ "name": name, "email": address }),
        None => Value::from(address),
    }
}
