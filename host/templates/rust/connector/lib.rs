//! Writes each event to its path at the external system.

use liaison_sdk::prelude::*;
use serde::Deserialize;

liaison_sdk::connector!(deliver, check);

/// What `settings` of the connector holds in `liaison.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Such as `/events`.
    path: String,
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
    let settings = settings::<Settings>()?;
    let url = format!("{}/{}", settings.path, encode_segment(&delivery.event.id));
    let request = match &delivery.event.data {
        Some(_) => http.put(url).event_data(),
        // A tombstone: the thing is gone.
        None => http.delete(url),
    };
    Ok(request.settle())
}

async fn check(http: &Http) -> Result<Check, Failure> {
    Ok(Check::from_response(&http.get("/").send().await?))
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{self, endpoint, event, reply};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_goes_to_its_path() {
        testing::settings(json!({ "path": "/events" }));
        let run = endpoint().expect("PUT /events/a%2Fb", reply(204)).deliver(deliver, event("made").id("a/b"));
        assert_eq!(run.outcome, Outcome::delivered());
    }

    #[test]
    fn a_tombstone_deletes() {
        testing::settings(json!({ "path": "/events" }));
        let run = endpoint().expect("DELETE /events/1", reply(204)).deliver(deliver, event("gone").tombstone());
        assert_eq!(run.outcome, Outcome::delivered());
    }
}
