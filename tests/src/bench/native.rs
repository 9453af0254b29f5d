//! What the plugin `rest` does with `path = "/events/{id}"`, linked into the host: the price of a host without sandboxes.

use liaison::contract::{
    Body, Conflict, Delivery, Effect, Failure, HttpRequest, HttpResponse, Outcome, Receipt, Reply, Retry,
    Step,
};
use liaison::native::NativeConnector;

/// Puts each event's data to `/events/{id}` as it is; the answer's status says what came of it.
#[derive(Debug)]
pub struct Rest;

impl NativeConnector for Rest {
    fn deliver(&self, delivery: &Delivery) -> Step {
        match delivery.rounds.first().and_then(|replies| replies.first()) {
            None => Step::Perform(vec![Effect::from(request(delivery))]),
            Some(Reply::Http(response)) => Step::Settle(outcome(response)),
            Some(Reply::Grpc(_) | Reply::Sql(_)) => {
                Step::Settle(Outcome::Rejected("it asked by HTTP".to_owned()))
            }
            Some(Reply::Failed(failure)) => Step::Settle(failed(failure)),
        }
    }
}

fn request(delivery: &Delivery) -> HttpRequest {
    let content_type = delivery.event.content_type.as_ref();
    HttpRequest {
        method: "PUT".to_owned(),
        url: format!("/events/{}", delivery.event.id),
        headers: content_type.map(|value| ("content-type".to_owned(), value.clone())).into_iter().collect(),
        body: Body::EventData,
        timeout: None,
        keep_body: false,
    }
}

/// As `OutcomeKind::of_status` of the SDK.
fn outcome(response: &HttpResponse) -> Outcome {
    let header = |name| response.headers.get(name)?.to_str().ok().map(str::to_owned);
    let reason = || format!("answered {}", response.status);
    match response.status {
        200..=299 => Outcome::Delivered(Receipt { external_id: header("location"), version: header("etag") }),
        304 => Outcome::Skipped(reason()),
        401 | 403 | 407 => Outcome::Denied(reason()),
        409 | 412 => {
            let current = Some(response.body.clone()).filter(|body| !body.is_empty());
            Outcome::Conflict(Conflict { version: header("etag"), current, reason: reason() })
        }
        429 => Outcome::Throttled(Retry { after: None, reason: reason() }),
        501 | 505 => Outcome::Rejected(reason()),
        408 | 425 | 500..=599 => Outcome::Retry(Retry { after: None, reason: reason() }),
        _ => Outcome::Rejected(reason()),
    }
}

fn failed(failure: &Failure) -> Outcome {
    let reason = failure.to_string();
    match failure {
        Failure::Connection(_) | Failure::TimedOut | Failure::Other(_) => {
            Outcome::Retry(Retry { after: None, reason })
        }
        Failure::NotAllowed(_) | Failure::Invalid(_) | Failure::TooLarge(_) | Failure::Unsupported(_) => {
            Outcome::Rejected(reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> HttpResponse {
        HttpResponse { status, headers: http::HeaderMap::new(), body: bytes::Bytes::new(), kept: None }
    }

    #[test]
    fn the_status_says_what_came_of_it() {
        for (status, name) in [
            (201, "delivered"),
            (304, "skipped"),
            (401, "denied"),
            (412, "conflict"),
            (429, "throttled"),
            (501, "rejected"),
            (503, "retry"),
            (404, "rejected"),
        ] {
            assert_eq!(outcome(&response(status)).name(), name, "{status}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert_eq!(failed(&Failure::TimedOut).name(), "retry");
        assert_eq!(failed(&Failure::NotAllowed("x".into())).name(), "rejected");
    }
}
