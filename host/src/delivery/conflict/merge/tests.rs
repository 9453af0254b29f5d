//! Each side's own fields survive, and merging again changes nothing.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::json::is_same;
use super::*;

fn owners(default: Owner, fields: &[(&str, Owner)]) -> Owners {
    Owners { default, fields: fields.iter().map(|(field, owner)| ((*field).to_owned(), *owner)).collect() }
}

fn merged(owners: &Owners, event: &Value, current: &Value) -> Result<Value, String> {
    let merged = merge(owners, event.to_string().as_bytes(), current.to_string().as_bytes())?;
    Ok(serde_json::from_slice(&merged).expect("what is merged is JSON"))
}

/// The examples of RFC 7396, appendix A, each as a field of a document that is wholly the source's.
#[test]
fn what_the_source_owns_is_patched_as_the_rfc_says() {
    for (current, patch, result) in [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a":"b"}), json!(["c"]), json!(["c"])),
        (json!({"a":"foo"}), json!("bar"), json!("bar")),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
        (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
    ] {
        let in_field = |value: &Value| json!({ "field": value });
        let owners = owners(Owner::Source, &[]);
        let found = merged(&owners, &in_field(&patch), &in_field(&current)).unwrap();
        assert_eq!(found, in_field(&result), "{current} {patch}");
    }
    let all = owners(Owner::Source, &[]);
    let removed = merged(&all, &json!({"field": null}), &json!({"field": {"a": "foo"}, "x": 1})).unwrap();
    assert_eq!(removed, json!({"x": 1}));
}

#[test]
fn each_side_keeps_its_own_fields() {
    let event = json!({"date": "2026-05-02", "room": "B1", "title": "Drill", "notes": null, "place": {"city": "X", "map": 1}});
    let current = json!({"room": "A7", "date": "2026-05-01", "notes": "bring a coat", "place": {"city": "Y", "floor": 2}});
    use Owner::{Source, Target};
    for (default, fields, expected) in [
        (
            Target,
            &[("/date", Source)][..],
            json!({"room": "A7", "date": "2026-05-02", "notes": "bring a coat", "place": {"city": "Y", "floor": 2}}),
        ),
        (
            Source,
            &[("/room", Target)],
            json!({"room": "A7", "date": "2026-05-02", "title": "Drill", "place": {"city": "X", "floor": 2, "map": 1}}),
        ),
        (
            Target,
            &[("/place", Source), ("/place/city", Target), ("/notes", Source)],
            json!({"room": "A7", "date": "2026-05-01", "place": {"city": "Y", "floor": 2, "map": 1}}),
        ),
    ] {
        assert_eq!(merged(&owners(default, fields), &event, &current), Ok(expected), "{fields:?}");
    }
}

#[test]
fn a_value_that_would_take_the_place_of_what_the_other_owns_is_not_merged() {
    use Owner::{Source, Target};
    let city = &[("/place/city", Target)][..];
    let floor = &[("/place/floor", Source)][..];
    let clash = "at `/place` one of the two has an object and the other has none, and each owns a part of it";
    for (default, fields, event, current, expected) in [
        // The source would replace or remove an object in which the city is the target's.
        (Source, city, json!({"place": "X"}), json!({"place": {"city": "Y"}}), Err(clash)),
        (Source, city, json!({"place": null}), json!({"place": {"city": "Y"}}), Err(clash)),
        (Source, city, json!({"place": null}), json!({"place": {"map": 1}}), Ok(json!({}))),
        (Source, city, json!({"place": "X"}), json!({}), Ok(json!({"place": "X"}))),
        // The target holds a value of its own where the source's floor would go.
        (Target, floor, json!({"place": {"floor": 1}}), json!({"place": "Y"}), Err(clash)),
        (Target, floor, json!({"place": {"city": 1}}), json!({"place": "Y"}), Ok(json!({"place": "Y"}))),
        (
            Target,
            floor,
            json!({"place": {"floor": 1}}),
            json!({"place": null}),
            Ok(json!({"place": {"floor": 1}})),
        ),
        (Target, floor, json!({"place": {"floor": 1}}), json!({}), Ok(json!({"place": {"floor": 1}}))),
        (Target, floor, json!({"place": {"city": 1}}), json!({}), Ok(json!({}))),
        (
            Target,
            floor,
            json!({"place": 1}),
            json!({"place": {"floor": 2}}),
            Ok(json!({"place": {"floor": 2}})),
        ),
        // The source's own value gives way to an object.
        (Source, city, json!({"place": {"map": 1}}), json!({"place": 7}), Ok(json!({"place": {"map": 1}}))),
    ] {
        let found = merged(&owners(default, fields), &event, &current);
        assert_eq!(found, expected.map_err(str::to_owned), "{event} {current}");
    }
}

#[test]
fn a_pointer_leads_through_names_with_slashes_and_tildes() {
    let owners = owners(Owner::Source, &[("/a~1b", Owner::Target), ("/c~0d/~01", Owner::Target)]);
    let (event, current) =
        (json!({"a/b": 1, "c~d": {"~1": 1, "x": 1}}), json!({"a/b": 2, "c~d": {"~1": 2, "x": 2}}));
    assert_eq!(merged(&owners, &event, &current), Ok(json!({"a/b": 2, "c~d": {"~1": 2, "x": 1}})));
}

#[test]
fn what_is_not_touched_keeps_each_letter() {
    let owners = owners(Owner::Target, &[("/n", Owner::Source)]);
    let current = br#"{ "id": 12345678901234567890123, "price": 1.10, "s": "\u0041", "n": 0 }"#;
    let event = br#"{"n": 98765432109876543210.50}"#;
    let merged = merge(&owners, event, current).unwrap();
    assert_eq!(
        String::from_utf8(merged).unwrap(),
        r#"{"id":12345678901234567890123,"price":1.10,"s":"\u0041","n":98765432109876543210.50}"#
    );
}

#[test]
fn what_is_no_object_is_not_merged() {
    let owners = owners(Owner::Source, &[]);
    for (event, current, expected) in [
        ("<a/>", "{}", "the event is not JSON: "),
        ("{}", "<a/>", "what the external system holds is not JSON: "),
        ("[]", "{}", "the event is no JSON object"),
        ("null", "{}", "the event is no JSON object"),
        ("{}", "[]", "what the external system holds is no JSON object"),
        ("{}", "", "what the external system holds is not JSON: "),
    ] {
        let error = merge(&owners, event.as_bytes(), current.as_bytes()).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let deep = format!("{}1{}", r#"{"a":"#.repeat(1_000), "}".repeat(1_000));
    let error = merge(&owners, deep.as_bytes(), b"{}").unwrap_err();
    assert!(error.contains("nested more than 128 levels deep"), "{error}");
}

/// Documents of few names, so that both sides have the same ones.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        prop::collection::vec(any::<u8>().prop_map(Value::from), 0..2).prop_map(Value::from),
    ];
    prop_oneof![1 => leaf.clone(), 3 => leaf.prop_recursive(2, 12, 3, object_of)]
}

fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[ab]", inner, 1..3).prop_map(|members| members.into_iter().collect())
}

fn any_owner() -> impl Strategy<Value = Owner> {
    prop_oneof![Just(Owner::Source), Just(Owner::Target)]
}

fn any_owners() -> impl Strategy<Value = Owners> {
    let fields = prop::collection::btree_map("(/[ab]){1,2}", any_owner(), 0..5);
    (any_owner(), fields).prop_map(|(default, fields)| Owners { default, fields })
}

/// Every value that is no object, and every empty object, by its pointer.
fn leaves(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    match value.as_object().filter(|members| !members.is_empty()) {
        Some(members) => {
            for (name, value) in members {
                leaves(value, &format!("{pointer}/{name}"), found);
            }
        }
        None => found.push((pointer.to_owned(), value.clone())),
    }
}

fn all_leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    leaves(value, "", &mut found);
    found
}

proptest! {
    // What is rare among them are the clashes.
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_target_owns_survives(owners in any_owners(), event in object_of(value()), current in object_of(value())) {
        if let Ok(merged) = merged(&owners, &event, &current) {
            for (pointer, value) in all_leaves(&current) {
                if !pointer.is_empty() && owners.of(&pointer) == Owner::Target && value.as_object().is_none() && !value.is_null() {
                    prop_assert_eq!(merged.pointer(&pointer), Some(&value), "{} of {}", pointer, merged);
                }
            }
        }
    }

    #[test]
    fn what_the_source_owns_is_there(owners in any_owners(), event in object_of(value()), current in object_of(value())) {
        if let Ok(merged) = merged(&owners, &event, &current) {
            for (pointer, value) in all_leaves(&event) {
                if !pointer.is_empty() && owners.of(&pointer) == Owner::Source && value.as_object().is_none() {
                    // null removes it.
                    let expected = (!value.is_null()).then_some(&value);
                    prop_assert_eq!(merged.pointer(&pointer), expected, "{} of {}", pointer, merged);
                }
            }
        }
    }

    #[test]
    fn nothing_is_there_that_neither_had(owners in any_owners(), event in object_of(value()), current in object_of(value())) {
        if let Ok(merged) = merged(&owners, &event, &current) {
            for (pointer, value) in all_leaves(&merged).into_iter().filter(|(_, value)| !value.is_object()) {
                let had = [&event, &current].map(|side| side.pointer(&pointer) == Some(&value));
                prop_assert!(had.contains(&true), "{} of {}", pointer, merged);
            }
        }
    }

    #[test]
    fn merging_again_changes_nothing(owners in any_owners(), event in object_of(value()), current in object_of(value())) {
        let (event, current) = (event.to_string(), current.to_string());
        if let Ok(once) = merge(&owners, event.as_bytes(), current.as_bytes()) {
            let twice = merge(&owners, event.as_bytes(), &once);
            prop_assert!(twice.as_ref().is_ok_and(|twice| is_same(twice, &once)), "{:?}", twice);
        }
    }

    #[test]
    fn one_owner_of_all_is_a_merge_patch_or_nothing(event in object_of(value()), current in object_of(value())) {
        let nothing = merged(&owners(Owner::Target, &[]), &event, &current);
        prop_assert_eq!(nothing, Ok(current.clone()));
        let mut patched = current.clone();
        merge_patch(&mut patched, &event);
        prop_assert_eq!(merged(&owners(Owner::Source, &[]), &event, &current), Ok(patched));
    }
}

/// RFC 7396, section 2, word by word.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().expect("it is one now");
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_patch(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
