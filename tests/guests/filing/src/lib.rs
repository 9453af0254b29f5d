//! A connector of three calls, each of which needs the answer to the one before: it opens a case, uploads the event's
//! data into it, and books a date for it.
//!
//! Nothing in it knows that it may be interrupted: that is what the scenarios are about.

use liaison_sdk::prelude::*;
use serde::Deserialize;
use serde_json::json;

liaison_sdk::connector!(deliver);

/// What opening a case is answered with.
#[derive(Deserialize)]
struct Case {
    id: String,
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Ending, Failure> {
    let event = &delivery.event;
    let opened = http.post("/cases").header("ce-id", &event.id).event_data().send().await?;
    if !opened.is_success() {
        return Ok(Outcome::from_response(&opened).into());
    }
    let case: Case = opened.json()?;
    let case = format!("/cases/{}", encode_segment(&case.id));
    let file = http.put(format!("{case}/file")).header("ce-id", &event.id).event_data();
    let uploaded = file.send().await?;
    if !uploaded.is_success() {
        return Ok(Outcome::from_response(&uploaded).into());
    }
    // The frozen clock: the same in an attempt that goes on later.
    let date = json!({ "event": event.id, "at": delivery.now, "attempt": delivery.attempt });
    Ok(http.post(format!("{case}/dates")).header("ce-id", &event.id).json(&date).settle().into())
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{endpoint, event, reply};

    use super::*;

    #[test]
    fn each_call_goes_to_the_case_that_was_opened() {
        let run = endpoint()
            .expect("POST /cases", reply(201).json(&json!({ "id": "a b" })))
            .expect("PUT /cases/a%20b/file", reply(204))
            .expect("POST /cases/a%20b/dates", reply(201))
            .deliver(deliver, event("t").data(json!({})));
        assert_eq!(run.outcome, Outcome::delivered());
    }

    #[test]
    fn a_call_that_fails_is_the_last() {
        let run = endpoint()
            .expect("POST /cases", reply(201).json(&json!({ "id": "1" })))
            .expect("PUT /cases/1/file", reply(503))
            .deliver(deliver, event("t").data(json!({})));
        assert!(matches!(run.outcome, Outcome::Retry(_)), "{:?}", run.outcome);
    }
}
