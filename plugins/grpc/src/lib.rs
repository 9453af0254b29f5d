//! Delivers each event by unary gRPC calls: messages made from the event's JSON by a descriptor set.
//!
//! In come a delivery and the connector's settings, out go calls and what their answers mean. Which call follows which
//! is the SDK's ([`liaison_sdk::procedure`]); framing, deadline and credentials are the host's.

mod schema;
mod settings;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_sdk::prelude::*;
use liaison_sdk::procedure::{Answer, Role};
use liaison_sdk::template::Source;
use serde_json::Value;

use crate::settings::{Call, Settings};

liaison_sdk::connector!(deliver, check);

/// Where gRPC servers say whether they are well (the gRPC Health Checking Protocol).
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const NOT_FOUND: u32 = 5;
const UNIMPLEMENTED: u32 = 12;
const SERVING: [u8; 2] = [8, 1];

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let settings = settings::<Settings>()?;
    let ask =
        async |role: Role, call: &Call, source: &Source<'_>| ask(&settings, role, call, source, http).await;
    settings.calls.deliver(delivery, ask).await
}

async fn ask(
    settings: &Settings,
    role: Role,
    call: &Call,
    source: &Source<'_>,
    http: &Http,
) -> Result<Answer, Failure> {
    let answer = send(settings, call, source, http).await?;
    let own = settings.statuses.kind_of(answer.status());
    Ok(match own.unwrap_or_else(|| answer.kind()) {
        // A lookup that finds nothing has not failed, whatever that status means to a change.
        _ if answer.status() == NOT_FOUND && (own.is_none() || role == Role::Lookup) => {
            Answer::Missing(answer.summary())
        }
        OutcomeKind::Delivered if answer.is_ok() => done(call, role, &answer)?,
        OutcomeKind::Conflict => Answer::Conflict(answer.summary()),
        kind => Answer::Ended(Outcome::of_grpc_kind(kind, &answer)),
    })
}

/// What came back. A change that was done is done, even where nobody can read what was answered.
fn done(call: &Call, role: Role, answer: &GrpcAnswer) -> Result<Answer, Failure> {
    match call.method.read(answer.message()) {
        Ok(json) => Ok(Answer::Done(json)),
        Err(why) if role == Role::Lookup => Err(Failure::Reply(format!("{}: {why}", answer.summary()))),
        Err(why) => {
            log::warn(&format!("{}: {why}: it counts as done, without a receipt", answer.summary()));
            Ok(Answer::Done(Value::Null))
        }
    }
}

async fn send(
    settings: &Settings,
    call: &Call,
    source: &Source<'_>,
    http: &Http,
) -> Result<GrpcAnswer, Failure> {
    let message = match &call.request {
        Some(template) => call.method.message(&template.build(source)?, settings.unknown_fields)?,
        None => call.method.message(source.data()?, settings.unknown_fields)?,
    };
    let mut request = http.grpc(&call.method.path).message(message);
    for (name, value) in &settings.metadata {
        request = request.metadata(name, metadata(name, value.render(source, str::to_owned)?)?);
    }
    if let Some(timeout) = settings.calls.timeout {
        request = request.timeout(timeout);
    }
    request.send().await
}

/// Text as gRPC carries it: printable ASCII as it is, and whatever else under a name that says so, in base64.
fn metadata(name: &str, text: String) -> Result<String, Failure> {
    if name.ends_with("-bin") {
        return Ok(STANDARD.encode(text));
    }
    match text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(text),
        false => Err(Failure::Event(format!(
            "the metadata `{name}` would be `{text}`, and gRPC takes printable ASCII alone; a name that ends in `-bin` takes \
             any text"
        ))),
    }
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let Some((method, message)) = &settings.check else { return health(&settings, http).await };
    let answer = http.grpc(&method.path).message(message.clone()).send().await?;
    Ok(match OutcomeKind::of_grpc_status(answer.status()) {
        OutcomeKind::Retry | OutcomeKind::Throttled | OutcomeKind::Denied => {
            Check::unusable(answer.summary())
        }
        OutcomeKind::Delivered | OutcomeKind::Skipped | OutcomeKind::Conflict | OutcomeKind::Rejected => {
            Check::usable(answer.summary())
        }
    })
}

async fn health(settings: &Settings, http: &Http) -> Result<Check, Failure> {
    let service = &settings.service;
    // HealthCheckRequest: its one field is the service's name.
    let mut message = vec![10];
    prost_reflect::prost::encoding::encode_varint(service.len() as u64, &mut message);
    message.extend_from_slice(service.as_bytes());
    let answer = http.grpc(HEALTH).message(message).send().await?;
    Ok(match answer.status() {
        0 if answer.message() == SERVING => Check::usable(format!("{service} is serving")),
        0 => Check::unusable(format!("{service} says that it is not serving")),
        NOT_FOUND => Check::usable(format!("the server answers; its health service does not know {service}")),
        UNIMPLEMENTED => Check::usable("the server answers; it has no health service".to_owned()),
        _ => Check::unusable(answer.summary()),
    })
}

#[cfg(test)]
mod tests;
