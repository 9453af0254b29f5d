//! Passes on what is public, and nothing else.

use liaison_sdk::prelude::*;
use serde::Deserialize;

liaison_sdk::transformer!(transform);

/// What `settings` of the transformer holds in `liaison.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The type that events have afterwards.
    kind: String,
}

fn transform(event: Event) -> Result<Transformed, Failure> {
    let settings = settings::<Settings>()?;
    Ok(match event.attribute("audience") {
        Some("public") => Transformed::emit(event.reshaped().kind(&settings.kind)),
        _ => Transformed::drop("not for the public"),
    })
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{self, event};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_public_is_dropped() {
        testing::settings(json!({ "kind": "notice" }));
        assert_eq!(testing::transform(transform, event("made")), Transformed::drop("not for the public"));
    }
}
