//! The patch that makes of a record what it should be.

use std::iter;

use liaison_sdk::failure::Failure;
use liaison_sdk::patch::{Surplus, json_patch, merge_patch};
use liaison_sdk::pointer::Pointer;
use serde_json::{Map, Value, json};

use crate::held::Held;
use crate::settings::Patch;
use crate::shape::Shape;

/// Its content type and itself; nothing where the record is what it should be. What the record has beside the event's
/// members stays, or only `keeps` of it.
pub(crate) fn patch(
    shape: &Shape,
    held: &Held,
    data: &[u8],
    kind: Patch,
    keeps: Option<&[Pointer]>,
) -> Result<Option<(&'static str, Value)>, Failure> {
    let mut wanted = shape.wanted(data)?;
    let record = held.record.as_ref().unwrap_or(&Value::Null);
    for pointer in keeps.into_iter().flatten() {
        keep(pointer.tokens(), record, &mut wanted);
    }
    let surplus = if keeps.is_some() { Surplus::Remove } else { Surplus::Keep };
    Ok(match kind {
        Patch::Merge => merge_patch(record, &wanted, surplus)
            .map(|patch| ("application/merge-patch+json", shape.wrapped(patch))),
        Patch::Json => {
            let mut operations = json_patch(record, &wanted, surplus, &shape.at());
            // Without a tag to name, the patch itself says what it was made from.
            if held.if_match().is_none() {
                let tested = operations.into_iter().flat_map(|change| tested(&shape.at(), record, change));
                operations = tested.collect();
            }
            (!operations.is_empty()).then_some(("application/json-patch+json", Value::Array(operations)))
        }
    })
}

/// Takes a member over from the record where what is wanted has none.
fn keep(tokens: &[String], record: &Value, wanted: &mut Value) {
    let (Some((token, deeper)), Value::Object(record), Value::Object(wanted)) =
        (tokens.split_first(), record, wanted)
    else {
        return;
    };
    match (record.get(token), deeper) {
        (Some(kept), []) => {
            wanted.entry(token.as_str()).or_insert_with(|| kept.clone());
        }
        (Some(record @ Value::Object(_)), deeper) => {
            let inner = wanted.entry(token.as_str()).or_insert_with(|| Value::Object(Map::new()));
            keep(deeper, record, inner);
        }
        (Some(_) | None, _) => {}
    }
}

/// The change, after a test that what it changes is what was looked up.
fn tested(at: &str, record: &Value, change: Value) -> impl Iterator<Item = Value> + use<> {
    let path = change["path"].as_str().unwrap_or_default();
    let held = path.strip_prefix(at).and_then(|path| record.pointer(path));
    let test = held.map(|held| json!({ "op": "test", "path": path, "value": held }));
    test.into_iter().chain(iter::once(change))
}
