//! A reader of JSON that keeps one part of it and passes over the rest.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Reads what these tokens lead to, with its bytes; nothing where they lead nowhere.
#[derive(Clone, Copy)]
pub(super) struct Seek<'tokens>(pub(super) &'tokens [String]);

impl<'json> DeserializeSeed<'json> for Seek<'_> {
    type Value = Option<&'json RawValue>;

    fn deserialize<D: Deserializer<'json>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(deserializer).map(Some),
            [..] => deserializer.deserialize_any(self),
        }
    }
}

impl<'json> Visitor<'json> for Seek<'_> {
    type Value = Option<&'json RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'json>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let Some((wanted, deeper)) = self.0.split_first() else { return Ok(None) };
        while let Some(is_it) = members.next_key_seed(Is(wanted))? {
            if is_it {
                found = members.next_value_seed(Seek(deeper))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'json>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Some((wanted, deeper)) = self.0.split_first() else { return Ok(None) };
        if let Some(index) = super::index(wanted) {
            for _ in 0..index {
                if elements.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            let found = elements.next_element_seed(Seek(deeper))?.flatten();
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(found);
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    // Nothing is within a single value.

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Is the name of a member this one? Read without a copy of it.
struct Is<'name>(&'name str);

impl<'json> DeserializeSeed<'json> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'json>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}
