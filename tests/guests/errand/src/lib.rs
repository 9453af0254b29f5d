//! A connector that runs the errand its event names, in the extension attribute `errand`:
//!
//! | name | does |
//! |---|---|
//! | `copy` | has the host keep a document of one system, and hands it to another: the settings say where both are |

use liaison_sdk::prelude::*;
use serde::Deserialize;

liaison_sdk::connector!(deliver);

/// Where a document comes from, and where it goes.
#[derive(Deserialize)]
struct Copy {
    from: String,
    to: String,
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    match delivery.event.attribute("errand") {
        Some("copy") => copy(http).await,
        Some(other) => Ok(Outcome::rejected(format!("nobody knows the errand `{other}`"))),
        None => Ok(Outcome::rejected("the event names no errand")),
    }
}

async fn copy(http: &Http) -> Result<Outcome, Failure> {
    let places = settings::<Copy>()?;
    let document = http.get(places.from.as_str()).keep_body().send().await?;
    let Some(kept) = document.kept_body().filter(|_| document.is_success()) else {
        return Ok(Outcome::from_response(&document));
    };
    let sha256: String = kept.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let length = kept.length.to_string();
    let put =
        http.put(places.to.as_str()).header("x-sha256", sha256).header("x-length", length).body_of(&document);
    Ok(Outcome::from_response(&put.send().await?))
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{self, endpoint, event, reply};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_copied_without_being_seen() {
        testing::settings(json!({ "from": "https://a/report", "to": "/copy" }));
        let run = endpoint()
            .expect("GET https://a/report", reply(200).text("long"))
            .expect("PUT /copy", reply(201))
            .deliver(deliver, event("t").attribute("errand", "copy"));
        assert_eq!(run.outcome, Outcome::delivered());
        assert_eq!(run.requests[1].header("x-length"), Some("4"));
        let run = endpoint()
            .expect("GET https://a/report", reply(404))
            .deliver(deliver, event("t").attribute("errand", "copy"));
        assert!(matches!(run.outcome, Outcome::Rejected(_)), "{:?}", run.outcome);
    }
}
