//! Shows both sides of a conflict that a person decides.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};

use super::body::{body_json, body_text, printable};
use super::wrapped;
use crate::dead_letter::conflict::{Content, Side, Sides, WrittenOwners};

/// What is there of a conflict, for a person; nothing where there is none.
pub(super) fn conflict_text(json: Option<&Bytes>) -> String {
    let Some(json) = json else { return String::new() };
    let sides = match Sides::from_json(json) {
        Ok(sides) => sides,
        Err(error) => return format!("\nconflict\n  in a form that cannot be read: {error}\n"),
    };
    let mut text = "\nconflict\n".to_owned();
    let compares = sides.compares.as_deref();
    let by = compares.map(|pointer| format!(", which compares {}", printable(pointer))).unwrap_or_default();
    let _ = writeln!(text, "  {:<14}{}{by}", "policy", printable(&sides.policy));
    let _ = writeln!(text, "  {:<14}{}", "event", side_text(&sides.event, compares));
    let _ = writeln!(text, "  {:<14}{}", "held", side_text(&sides.held, compares));
    let version = match &sides.version {
        Some(version) => printable(version),
        None if sides.is_version_cut => "too long to be kept".to_owned(),
        None => "none was named".to_owned(),
    };
    let _ = writeln!(text, "  {:<14}{version}", "held version");
    text.extend(sides.owners.as_ref().map(owners_text));
    if let Some(content) = sides.event.content.as_ref().filter(|content| !content.is_original) {
        let _ = write!(text, "\nwhat was to be written\n{}", content_text(content));
    }
    let held = sides.held.content.as_ref().map(content_text);
    let unknown = || "nobody knows: the connector did not say\n".to_owned();
    let _ = write!(text, "\nwhat the external system holds\n{}", held.unwrap_or_else(unknown));
    text
}

fn side_text(side: &Side, compares: Option<&str>) -> String {
    let Some(content) = &side.content else { return "no data".to_owned() };
    let mut text = format!("{} bytes\n  {:<14}sha256 {}", content.bytes, "", content.sha256);
    if let (Some(pointer), Some(value)) = (compares, &side.value) {
        let _ = write!(text, "\n  {:<14}{} is {}", "", printable(pointer), printable(value));
    }
    text
}

fn owners_text(owners: &WrittenOwners) -> String {
    let mut sides: Vec<String> = Vec::new();
    for side in ["source", "target"] {
        let fields = owners.fields.iter().filter(|(_, owner)| *owner == side);
        let fields: Vec<String> = fields.map(|(field, _)| printable(field)).collect();
        if !fields.is_empty() {
            sides.push(format!("the {side} owns {}", fields.join(", ")));
        }
    }
    sides.push(format!("the {} owns all else", printable(&owners.default)));
    wrapped(&sides.join("; "))
}

fn content_text(content: &Content) -> String {
    let Content { bytes, data, is_cut, .. } = content;
    match (is_cut, data.len()) {
        (true, 0) => format!("{bytes} bytes, which are not kept here\n"),
        (true, kept) => {
            format!("{}\n… the dead letter keeps the first {kept} of {bytes} bytes\n", body_text(Some(data)))
        }
        (false, _) => format!("{}\n", body_text(Some(data))),
    }
}

/// The same as JSON; `null` where there is none, or it cannot be read.
pub(super) fn conflict_json(json: Option<&Bytes>) -> Value {
    let Some(Ok(sides)) = json.map(|json| Sides::from_json(json)) else { return Value::Null };
    json!({
        "policy": sides.policy,
        "compares": sides.compares,
        "owners": sides.owners,
        "event": side_json(&sides.event),
        "held": side_json(&sides.held),
        "held_version": sides.version,
    })
}

fn side_json(side: &Side) -> Value {
    let Some(content) = &side.content else { return Value::Null };
    let is_elsewhere = content.is_original || content.is_cut && content.data.is_empty();
    let data = (!is_elsewhere).then_some(&content.data);
    json!({
        "bytes": content.bytes,
        "sha256": content.sha256,
        "value": side.value.as_deref().and_then(|value| serde_json::from_str::<Value>(value).ok()),
        "data": body_json(data),
        "is_cut": content.is_cut,
        "is_record_value": content.is_original,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::conflict::tests::sides;

    #[test]
    fn a_person_sees_both_sides_and_whose_which_field_is() {
        let text = conflict_text(Some(&sides().to_json()));
        for line in [
            "  policy        merge, which compares /revision",
            "                /revision is 3",
            "                /revision is 4",
            "  held version  \"v7\"",
            "  the source owns /date, /revision; the target owns all else",
            "what was to be written",
            "  \"room\": \"B\"",
            "what the external system holds",
            "  \"room\": \"A\"",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is not a line of:\n{text}");
        }
        let held = &sides().held.content.unwrap().sha256;
        assert!(
            text.contains(&format!("  held          36 bytes\n                sha256 {held}\n")),
            "{text}"
        );
        assert_eq!(conflict_text(None), "");
        let unreadable = conflict_text(Some(&Bytes::from_static(b"[]")));
        assert!(unreadable.contains("in a form that cannot be read"), "{unreadable}");
    }

    #[test]
    fn what_is_not_kept_is_said() {
        let mut cut = sides();
        if let Some(content) = &mut cut.held.content {
            (content.data, content.is_cut, content.bytes) = (Bytes::from_static(b"{\"a"), true, 90_000);
        }
        (cut.event.content, cut.version) = (None, None);
        let text = conflict_text(Some(&cut.to_json()));
        for line in [
            "… the dead letter keeps the first 3 of 90000 bytes",
            "  event         no data",
            "  held version  none was named",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is not a line of:\n{text}");
        }
        let text = conflict_text(Some(&cut.without_data()));
        assert!(text.contains("\n90000 bytes, which are not kept here\n"), "{text}");
        cut.held.content = None;
        assert!(conflict_text(Some(&cut.to_json())).ends_with("nobody knows: the connector did not say\n"));
    }

    #[test]
    fn the_json_holds_both_sides() {
        let json = conflict_json(Some(&sides().to_json()));
        for (pointer, expected) in [
            ("/policy", json!("merge")),
            ("/owners/fields/~1date", json!("source")),
            ("/event/value", json!(3)),
            ("/held/data", json!({"encoding": "json", "content": {"date": "1", "room": "A", "revision": 4}})),
            ("/held/is_cut", json!(false)),
            ("/held_version", json!("\"v7\"")),
        ] {
            assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
        }
        assert_eq!(conflict_json(None), Value::Null);
    }
}
