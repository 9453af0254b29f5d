//! Writes each event to an HTTP API: one request an event, on a path made from the event.
//!
//! In come a delivery and the connector's settings, out goes one request and what its answer means. The data
//! is sent by the host as it is, and is not read here unless a setting names a part of it.

mod pointer;
mod settings;
mod template;

use liaison_sdk::prelude::*;

use crate::settings::{BodySource, Settings};
use crate::template::Source;

liaison_sdk::connector!(deliver, check);

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Ending, Failure> {
    let settings = settings::<Settings>()?;
    let request = request(&settings, delivery, http)?;
    let is_deletion = delivery.data().is_none();
    if settings.statuses.is_success_delivered() {
        return Ok(request.settle_or(move |reply| outcome(&settings, is_deletion, reply)).into());
    }
    Ok(outcome(&settings, is_deletion, &request.send().await?).into())
}

/// What a reply means to this external system. What is to be deleted may be gone already.
fn outcome(settings: &Settings, is_deletion: bool, reply: &Response) -> Outcome {
    let is_gone = is_deletion && matches!(reply.status(), 404 | 410);
    let usual = if is_gone { OutcomeKind::Delivered } else { OutcomeKind::of_status(reply.status()) };
    Outcome::of_kind(settings.statuses.kind_of(reply.status()).unwrap_or(usual), reply)
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let Some(path) = &settings.check_path else {
        return Ok(Check::usable("cannot tell: the setting `check-path` names nothing to ask for"));
    };
    Ok(Check::from_response(&http.get(path).send().await?))
}

/// The one request of a delivery.
fn request<'http>(
    settings: &Settings,
    delivery: &Delivery,
    http: &'http Http,
) -> Result<Request<'http>, Failure> {
    let source = Source { event: &delivery.event, data: delivery.data() };
    let method = if source.data.is_some() { &settings.method } else { &settings.delete_method };
    let mut request = http.request(method, settings.path.render(&source)?);
    for (name, value) in &settings.headers {
        // The host has decided which version to write over: a condition of our own would contradict it.
        if delivery.resolution.is_none() || !settings::is_precondition(name) {
            request = request.header(name, value.render(&source)?);
        }
    }
    if let Some(version) = delivery.version() {
        request = request.header("if-match", version);
    }
    with_body(request, settings, delivery, &source)
}

fn with_body<'http>(
    request: Request<'http>,
    settings: &Settings,
    delivery: &Delivery,
    source: &Source<'_>,
) -> Result<Request<'http>, Failure> {
    let Some(data) = source.data else {
        return Ok(request);
    };
    let (request, content_type) = match &settings.body {
        BodySource::None => return Ok(request),
        BodySource::Data if delivery.resolution.is_none() => {
            (request.event_data(), delivery.event.content_type.as_deref())
        }
        BodySource::Data => (request.body(data), delivery.event.content_type.as_deref()),
        BodySource::Part(pointer) => {
            let part = pointer.pick(data)?.ok_or_else(|| {
                Failure::Event(format!(
                    "the event's data has nothing at `{pointer}`, which is to be the body"
                ))
            })?;
            (request.body(part.get()), Some("application/json"))
        }
    };
    Ok(match content_type {
        Some(content_type) if !settings.has_content_type => request.header("content-type", content_type),
        _ => request,
    })
}

#[cfg(test)]
mod tests;
