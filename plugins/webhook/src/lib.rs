//! Posts each event to a receiver of webhooks, by the rules of Standard Webhooks 1.0.0.
//!
//! In come a delivery and the connector's settings, out goes one request and what its answer means. The signature is the
//! host's: its keys never come here. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

mod payload;
mod settings;

use liaison_sdk::prelude::*;

use crate::settings::{Format, Settings};

liaison_sdk::connector!(deliver, check);

/// Shown where a receiver has had enough.
const DISABLED: &str =
    "the receiver takes no more webhooks from here; nothing more is sent until it does again";

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
    let settings = settings::<Settings>()?;
    // The same on every attempt, so that the receiver knows a repetition.
    let mut request = http.post(&settings.path).header("webhook-id", &delivery.idempotency_key);
    for (name, value) in &settings.headers {
        request = request.header(name, value);
    }
    Ok(with_payload(request, settings.format, delivery)?.settle_or(outcome))
}

fn with_payload<'http>(
    request: Request<'http>,
    format: Format,
    delivery: &Delivery,
) -> Result<Request<'http>, Failure> {
    let event = &delivery.event;
    Ok(match format {
        Format::Standard => {
            request.header("content-type", "application/json").body(payload::standard(event)?)
        }
        Format::Cloudevent => {
            request.header("content-type", "application/cloudevents+json").body(payload::cloud_event(event)?)
        }
        Format::Data if event.is_tombstone() => {
            let why = "the event is a tombstone: without data there is nothing to post, and a receiver could not know what is \
                       gone; post it as `standard` or `cloudevent`";
            return Err(Failure::Event(why.to_owned()));
        }
        Format::Data => {
            let request = match &event.content_type {
                Some(content_type) => request.header("content-type", content_type),
                None => request,
            };
            request.event_data()
        }
    })
}

/// What an answer that is no success means. Beside 410 the standard knows only failures, which are tried again; those that
/// speak of this very message are spared that.
fn outcome(reply: &Response) -> Outcome {
    match reply.status() {
        410 => Outcome::denied(format!("{}: {DISABLED}", reply.summary())),
        400 | 413 | 415 | 422 => Outcome::of_kind(OutcomeKind::Rejected, reply),
        status => match OutcomeKind::of_status(status) {
            kind @ (OutcomeKind::Denied | OutcomeKind::Throttled) => Outcome::of_kind(kind, reply),
            OutcomeKind::Delivered
            | OutcomeKind::Skipped
            | OutcomeKind::Retry
            | OutcomeKind::Conflict
            | OutcomeKind::Rejected => Outcome::of_kind(OutcomeKind::Retry, reply),
        },
    }
}

/// Asks for the head of what webhooks are posted to. A receiver need not know that method, so most answers tell only that
/// somebody is there; 410 and what is broken tell more.
async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let reply = http.request("HEAD", &settings.path).send().await?;
    Ok(match reply.status() {
        410 => Check::unusable(format!("{}: {DISABLED}", reply.summary())),
        429 | 500.. if reply.status() != 501 => Check::unusable(reply.summary()),
        _ => Check::usable(format!("{}: somebody is there; only a webhook tells more", reply.summary())),
    })
}

#[cfg(test)]
mod tests;
