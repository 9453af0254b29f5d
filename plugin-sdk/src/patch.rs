//! What makes one JSON document of another: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396), as a diff.
//!
//! Only what differs is in a patch. An array that differs is replaced as a whole.

use serde_json::{Map, Value, json};

/// What the other document has and this one has not: does it go, or does it stay?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    /// It stays: systems add members of their own, such as when a record was changed.
    Keep,
    /// It goes.
    Remove,
}

/// The operations of a JSON Patch (RFC 6902) that make `wanted` of `held`; none where nothing differs. They are below
/// `at`, a JSON pointer, empty for the whole document.
pub fn json_patch(held: &Value, wanted: &Value, surplus: Surplus, at: &str) -> Vec<Value> {
    let mut operations = Vec::new();
    compare(held, wanted, surplus, at, &mut operations);
    operations
}

fn compare(held: &Value, wanted: &Value, surplus: Surplus, at: &str, operations: &mut Vec<Value>) {
    if let (Value::Object(held), Value::Object(wanted)) = (held, wanted) {
        let path = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if surplus == Surplus::Remove {
            let gone = held.keys().filter(|name| !wanted.contains_key(*name));
            operations.extend(gone.map(|name| json!({ "op": "remove", "path": path(name) })));
        }
        for (name, wanted) in wanted {
            match held.get(name) {
                Some(held) => compare(held, wanted, surplus, &path(name), operations),
                None => operations.push(json!({ "op": "add", "path": path(name), "value": wanted })),
            }
        }
    } else if held != wanted {
        operations.push(json!({ "op": "replace", "path": at, "value": wanted }));
    }
}

/// The JSON Merge Patch (RFC 7396) that makes `wanted` of `held`; nothing where nothing differs.
///
/// Such a patch cannot give a member the value `null`: a member that is to be `null` is removed.
pub fn merge_patch(held: &Value, wanted: &Value, surplus: Surplus) -> Option<Value> {
    let (Value::Object(held), Value::Object(wanted)) = (held, wanted) else {
        return (held != wanted).then(|| wanted.clone());
    };
    let mut patch = Map::new();
    if surplus == Surplus::Remove {
        let gone = held.keys().filter(|name| !wanted.contains_key(*name));
        patch.extend(gone.map(|name| (name.clone(), Value::Null)));
    }
    for (name, wanted) in wanted {
        let difference = match held.get(name) {
            Some(held) => merge_patch(held, wanted, surplus),
            // A member that is not there needs no removal.
            None => (!wanted.is_null()).then(|| wanted.clone()),
        };
        patch.extend(difference.map(|difference| (name.clone(), difference)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Does `held` have all that `wanted` has, with the same values? It may have more members, at any depth, and one that
/// is to be `null` may be missing.
pub fn is_held(held: &Value, wanted: &Value) -> bool {
    let (Value::Object(held), Value::Object(wanted)) = (held, wanted) else { return held == wanted };
    wanted.iter().all(|(name, wanted)| match held.get(name) {
        Some(held) => is_held(held, wanted),
        None => wanted.is_null(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held() -> Value {
        json!({ "id": 7, "title": "A", "tags": ["x"], "owner": { "name": "Bo", "desk": 3 }, "a/b~": null })
    }

    #[test]
    fn only_what_differs_is_patched() {
        let wanted =
            json!({ "title": "B", "tags": ["x", "y"], "owner": { "name": "Bo", "phone": "1" }, "a/b~": 1 });
        let operations = json_patch(&held(), &wanted, Surplus::Keep, "/data");
        let expected = json!([
            { "op": "replace", "path": "/data/a~1b~0", "value": 1 },
            { "op": "add", "path": "/data/owner/phone", "value": "1" },
            { "op": "replace", "path": "/data/tags", "value": ["x", "y"] },
            { "op": "replace", "path": "/data/title", "value": "B" },
        ]);
        assert_eq!(Value::Array(operations), expected);
        let removed = json_patch(&held(), &wanted, Surplus::Remove, "");
        for path in ["/id", "/owner/desk"] {
            assert!(removed.contains(&json!({ "op": "remove", "path": path })), "{removed:?}");
        }
        let merge = json!({ "title": "B", "tags": ["x", "y"], "owner": { "phone": "1" }, "a/b~": 1 });
        assert_eq!(merge_patch(&held(), &wanted, Surplus::Keep), Some(merge));
        let merge = json!({ "id": null, "title": "B", "tags": ["x", "y"], "owner": { "phone": "1", "desk": null }, "a/b~": 1 });
        assert_eq!(merge_patch(&held(), &wanted, Surplus::Remove), Some(merge));
    }

    #[test]
    fn what_is_held_already_needs_no_patch() {
        let wanted = json!({ "title": "A", "owner": { "desk": 3 }, "gone": null });
        assert_eq!(merge_patch(&held(), &wanted, Surplus::Keep), None);
        assert!(is_held(&held(), &wanted));
        assert!(is_held(&held(), &json!({ "title": "A", "owner": { "desk": 3 } })));
        assert!(!is_held(&held(), &json!({ "tags": [] })));
        assert!(!is_held(&json!(1), &json!({})));
        assert_eq!(
            json_patch(&json!([1]), &json!({}), Surplus::Keep, ""),
            [json!({ "op": "replace", "path": "", "value": {} })]
        );
    }

    /// RFC 7396, section 2.
    fn merged(target: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = target.as_object().cloned().unwrap_or_default();
        for (name, value) in patch {
            match value {
                Value::Null => drop(target.remove(name)),
                value => {
                    let merged = merged(target.get(name).unwrap_or(&Value::Null), value);
                    target.insert(name.clone(), merged);
                }
            }
        }
        Value::Object(target)
    }

    /// The operations that are made here, on members alone.
    fn applied(document: &Value, operations: &[Value]) -> Value {
        let mut document = document.clone();
        for operation in operations {
            let path = operation["path"].as_str().unwrap();
            let Some((parent, name)) = path.rsplit_once('/') else {
                document = operation["value"].clone();
                continue;
            };
            let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            let name = name.replace("~1", "/").replace("~0", "~");
            match operation["op"].as_str().unwrap() {
                "remove" => assert!(parent.remove(&name).is_some()),
                "add" => assert!(parent.insert(name, operation["value"].clone()).is_none()),
                "replace" => assert!(parent.insert(name, operation["value"].clone()).is_some()),
                other => panic!("{other}"),
            }
        }
        document
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!([1])), Just(json!(true))];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop::collection::btree_map("[ab~/]{1,2}", inner, 0..4).prop_map(|members| json!(members))
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_one_of_the_other(held in documents(), wanted in documents()) {
            let operations = json_patch(&held, &wanted, Surplus::Remove, "");
            prop_assert_eq!(applied(&held, &operations), wanted.clone());
            let merge = merge_patch(&held, &wanted, Surplus::Remove);
            prop_assert_eq!(merge.map_or_else(|| held.clone(), |patch| merged(&held, &patch)), wanted.clone());
            let kept = applied(&held, &json_patch(&held, &wanted, Surplus::Keep, ""));
            prop_assert!(is_held(&kept, &wanted));
        }
    }
}
