//! JSON Schemas that files hold, ready to check data by. A reference that leads out of the file is refused: nothing is
//! fetched, and no other file is read.

use std::path::Path;

use jsonschema::{Retrieve, Uri, Validator};

/// Compiles the schema of a file.
///
/// # Errors
/// Why it is none, for whoever wrote it.
pub(crate) fn read(path: &Path) -> Result<Validator, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {} ({error}); mend the path or its rights", path.display()))?;
    compile(&text).map_err(|why| format!("{} is no JSON Schema that can be used: {why}", path.display()))
}

fn compile(text: &str) -> Result<Validator, String> {
    let schema: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    jsonschema::options().with_retriever(Nowhere).build(&schema).map_err(|error| error.to_string())
}

/// Where other schemas are found.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("it refers to {uri}, which is outside of it; write what is there into `$defs`").into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_within_the_file_are_followed_and_others_refused() {
        let text =
            r##"{"$defs": {"name": {"type": "string"}}, "properties": {"name": {"$ref": "#/$defs/name"}}}"##;
        let schema = compile(text).unwrap();
        assert!(schema.is_valid(&json!({"name": "a"})) && !schema.is_valid(&json!({"name": 7})));
        for text in [
            r#"{"$ref": "https://schemas.example.gov/policy.json"}"#,
            r#"{"$ref": "file:///etc/hostname"}"#,
            r#"{"$ref": "other.json"}"#,
            r#"{"type": "strnig"}"#,
            "{",
        ] {
            assert!(compile(text).is_err(), "{text}");
        }
    }
}
