//! JSON read with errors that name the place.

use serde::Deserialize;

/// Reads one JSON value. The error names the key that is wrong, such as `retries.limit: invalid type: …`.
///
/// The plain reader comes first, because keeping track of the place takes time; only what is wrong is read
/// twice.
pub(crate) fn parse<'text, T: Deserialize<'text>>(text: &'text [u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|plain| {
        let mut reader = serde_json::Deserializer::from_slice(text);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Ok(_) => plain.to_string(),
            Err(error) if error.path().iter().next().is_none() => error.into_inner().to_string(),
            Err(error) => error.to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::parse;

    #[test]
    fn an_error_names_the_key() {
        type Limits = BTreeMap<String, BTreeMap<String, u8>>;
        for (text, error) in [
            (r#"{"a":{"b":"c"}}"#, "a.b: invalid type: string \"c\", expected u8 at line 1 column 13"),
            ("[]", "invalid type: sequence, expected a map at line 1 column 0"),
            (r#"{"a":{}} x"#, "trailing characters at line 1 column 10"),
        ] {
            assert_eq!(parse::<Limits>(text.as_bytes()), Err(error.into()));
        }
        assert_eq!(parse::<Limits>(b"{}"), Ok(Limits::new()));
    }
}
