//! A connector that runs the errand its event names, in the extension attribute `errand`:
//!
//! | name | does |
//! |---|---|
//! | `copy` | has the host keep a document of one system, and hands it to another: the settings say where both are |
//! | `book` | books a room by gRPC, the event's subject |
//! | `hurry` | books a room, and asks again at once whatever it is answered |
//! | `wait` | calls by gRPC what never answers, and gives it a second |
//! | `large` | calls by gRPC what answers with 3 MB |
//! | `demolish` | calls by gRPC what nobody granted |

use std::time::Duration;

use liaison_sdk::prelude::*;
use serde::Deserialize;

liaison_sdk::connector!(deliver, check);

/// Where a document comes from, and where it goes.
#[derive(Deserialize)]
struct Copy {
    from: String,
    to: String,
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    match delivery.event.attribute("errand") {
        Some("copy") => copy(http).await,
        Some("book") => book(delivery, http).await,
        Some("hurry") => {
            let booked = http.grpc("/rooms.Rooms/Book").send().await?;
            Ok(if booked.is_ok() { Outcome::delivered() } else { Outcome::retry(booked.summary()) })
        }
        Some("wait") => {
            let call = http.grpc("/rooms.Rooms/Wait").timeout(Duration::from_secs(1));
            Ok(Outcome::from_grpc(&call.send().await?))
        }
        Some("large") => Ok(Outcome::from_grpc(&http.grpc("/rooms.Rooms/Large").send().await?)),
        Some("demolish") => Ok(Outcome::from_grpc(&http.grpc("/admin.Admin/Demolish").send().await?)),
        Some(other) => Ok(Outcome::rejected(format!("nobody knows the errand `{other}`"))),
        None => Ok(Outcome::rejected("the event names no errand")),
    }
}

async fn book(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let room = delivery.event.subject.clone().unwrap_or_default();
    let booked = http.grpc("/rooms.Rooms/Book").metadata("x-tenant", "north").message(room).send().await?;
    match (booked.is_ok(), booked.metadata("x-tail")) {
        (true, Some("end")) => Ok(Outcome::Delivered(Receipt {
            external_id: Some(String::from_utf8_lossy(booked.message()).into_owned()),
            version: booked.metadata("x-bin-bin").map(str::to_owned),
        })),
        (true, _) => Ok(Outcome::rejected("the answer has no trailers")),
        (false, _) => Ok(Outcome::from_grpc(&booked)),
    }
}

/// Asks the standard health service, `grpc.health.v1`: the message is the service's name as field 1, the answer field 1
/// with 1, which is SERVING.
async fn check(http: &Http) -> Result<Check, Failure> {
    if settings::<Copy>().is_ok() {
        return Ok(Check::usable("who copies has no way to tell"));
    }
    let service = b"rooms.Rooms";
    let message = [&[0x0a, service.len() as u8][..], service].concat();
    let health = http.grpc("/grpc.health.v1.Health/Check").message(message).send().await?;
    match health.message() {
        [0x08, 0x01] => Ok(Check::usable("rooms.Rooms is serving")),
        _ => Ok(Check::unusable(health.summary())),
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
    use liaison_sdk::testing::{self, endpoint, event, grpc_reply, reply};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_room_is_booked_and_the_answer_is_the_receipt() {
        let booked = grpc_reply(0).message("booked").metadata("x-tail", "end");
        let run = endpoint()
            .expect("gRPC /rooms.Rooms/Book", booked)
            .deliver(deliver, event("t").attribute("errand", "book"));
        let receipt = Receipt { external_id: Some("booked".into()), version: None };
        assert_eq!(run.outcome, Outcome::Delivered(receipt));
        assert_eq!(run.grpc_calls[0].metadata, [("x-tenant".to_owned(), "north".to_owned())]);
    }

    #[test]
    fn it_is_usable_while_it_is_serving() {
        let health = |message: &[u8]| {
            let reply = grpc_reply(0).message(message);
            endpoint().expect("gRPC /grpc.health.v1.Health/Check", reply).check(check).outcome
        };
        assert_eq!(health(&[8, 1]), Check::usable("rooms.Rooms is serving"));
        assert!(matches!(health(&[8, 2]), Check::Unusable(_)));
    }

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
