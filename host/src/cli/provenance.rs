//! Where a plugin comes from and who signed it, as a person and a program are told.

use serde_json::{Value, json};

use liaison::host::Signature;

/// On one line; nothing where nobody looked.
pub(super) fn signature_text(signature: &Signature) -> Option<String> {
    match signature {
        Signature::NotAsked => None,
        Signature::Nobody(why) => Some(format!("none that counts: {why}")),
        Signature::By { key, found } => Some(format!("by {key}, in {found}")),
    }
}

pub(super) fn signature_json(signature: &Signature) -> Value {
    match signature {
        Signature::NotAsked => Value::Null,
        Signature::Nobody(why) => json!({"by": null, "why": why}),
        Signature::By { key, found } => json!({"by": key.as_str(), "found": found}),
    }
}
