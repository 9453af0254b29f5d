//! Which plugin an older type of connector is, and what that plugin wants.

/// Each older type with the plugin of today.
const TYPES: [(&str, &str); 22] = [
    ("rest", "rest"),
    ("http", "rest"),
    ("https", "rest"),
    ("soap", "soap"),
    ("grpc", "grpc"),
    ("database", "database"),
    ("db", "database"),
    ("sql", "database"),
    ("jdbc", "database"),
    ("postgres", "database"),
    ("postgresql", "database"),
    ("mysql", "database"),
    ("mariadb", "database"),
    ("sqlite", "database"),
    ("calendar", "calendar"),
    ("caldav", "calendar"),
    ("documents", "documents"),
    ("document", "documents"),
    ("webdav", "documents"),
    ("s3", "documents"),
    ("warehouse", "warehouse"),
    ("webhook", "webhook"),
];

/// The plugin of this type.
pub(super) fn plugin(kind: &str) -> Option<&'static str> {
    let kind = kind.trim().to_ascii_lowercase();
    TYPES.iter().find(|(known, _)| *known == kind).map(|(_, plugin)| *plugin)
}

/// All types, for a message.
pub(super) fn names() -> String {
    TYPES.map(|(kind, _)| kind).join(", ")
}

/// The plugin has the path of its request in its settings, and the endpoint without one.
pub(super) fn has_path(plugin: &str) -> bool {
    plugin == "rest"
}

/// The path with fields that the plugin knows: `{policyId}` is no attribute of an event, so it is one of the data. Says
/// whether there was any.
pub(super) fn with_fields(path: &str) -> (String, bool) {
    let (mut made, mut rest, mut is_changed) = (String::with_capacity(path.len() + 4), path, false);
    while let Some((before, from)) = rest.split_once('{') {
        made.push_str(before);
        let Some((field, after)) = from.split_once('}') else {
            // Without its end it is no field, and a path has no such sign.
            made.push_str("%7B");
            rest = from;
            is_changed = true;
            continue;
        };
        let is_known = matches!(field, "id" | "source" | "type" | "subject" | "key")
            || field.starts_with('/')
            || field.starts_with("attributes.");
        made.push('{');
        if !is_known {
            made.push('/');
            is_changed = true;
        }
        made.push_str(field);
        made.push('}');
        rest = after;
    }
    (made + rest, is_changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_a_plugin_however_it_is_written() {
        assert_eq!(
            ["REST", "Sql", "caldav", " s3 ", "fax"].map(plugin),
            [Some("rest"), Some("database"), Some("calendar"), Some("documents"), None,]
        );
    }

    #[test]
    fn fields_that_no_event_has_are_members_of_the_data() {
        for (path, made) in [
            ("/policies/{id}", "/policies/{id}"),
            ("/p/{policyId}/x/{key}", "/p/{/policyId}/x/{key}"),
            ("/p/{/a/b}/{attributes.tenant}", "/p/{/a/b}/{attributes.tenant}"),
            ("/p/{broken", "/p/%7Bbroken"),
            ("/plain", "/plain"),
        ] {
            assert_eq!(with_fields(path), (made.to_owned(), path != made));
        }
    }
}
