//! Delivers each event by operations of a SOAP service: envelopes from a template, or from a WSDL's fields.
//!
//! In come a delivery and the connector's settings, out go calls and what their answers mean. Which call follows which
//! is the SDK's ([`liaison_sdk::procedure`]); the WS-Security header is put in by the host.

mod envelope;
mod fault;
mod read;
mod schema;
mod settings;
mod write;
mod wsdl;
mod xml;

use liaison_sdk::prelude::*;
use liaison_sdk::procedure::{Answer, Role};
use liaison_sdk::template::Source;
use serde_json::Value;

use crate::envelope::{Content, Fault};
use crate::fault::Meaning;
use crate::settings::{Call, Settings};

liaison_sdk::connector!(deliver, check);

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
    let body = settings.body(call, source)?;
    let header = settings.header.as_ref().map(|header| header.render(source, xml::escaped)).transpose()?;
    let response = send(settings, &call.action, &header.unwrap_or_default(), &body, http).await?;
    answer(settings, call, role, &response)
}

async fn send(
    settings: &Settings,
    action: &str,
    header: &str,
    body: &str,
    http: &Http,
) -> Result<Response, Failure> {
    let envelope = settings.version.envelope(header, body);
    if let Some(character) = xml::forbidden(&envelope) {
        return Err(Failure::Event(format!("the event holds {character:?}, which no XML may hold")));
    }
    let mut request = settings.version.address(http.post("").body(envelope), action);
    if let Some(timeout) = settings.calls.timeout {
        request = request.timeout(timeout);
    }
    request.send().await
}

/// What a reply means. What is no envelope comes from something on the way, or from a service that is broken.
fn answer(settings: &Settings, call: &Call, role: Role, response: &Response) -> Result<Answer, Failure> {
    let status = response.status();
    let says_nothing = response.body().is_empty() && matches!(status, 202 | 204);
    if role == Role::Lookup && says_nothing {
        // It would be taken for a record that is not there, and be written over.
        return Ok(Answer::Ended(Outcome::rejected(format!(
            "SOAP {}: the lookup was answered {status} without an envelope: call an operation that answers with what is held",
            call.name
        ))));
    }
    if says_nothing || (response.is_success() && response.body().is_empty() && call.is_one_way) {
        return Ok(Answer::Done(Value::Null));
    }
    let text = response.text();
    let document = xml::parse(text.trim_start());
    let content = document.as_ref().ok().and_then(|document| envelope::content(document.root_element()));
    match content {
        Some(Content::Fault(fault)) => Ok(faulted(settings, call, &fault, response)),
        Some(Content::Answer(node)) if response.is_success() => {
            let json = node.map(|node| match &call.output {
                Some(output) => read::element(&settings.schema, output, node),
                None => read::generic(node),
            });
            Ok(Answer::Done(json.map_or(Value::Null, unwrapped)))
        }
        // As a lookup it shows nothing, and as a change it may have been done.
        None if response.is_success() => {
            let why = document.as_ref().err().cloned().unwrap_or_else(|| "it is another document".to_owned());
            let what = if role == Role::Lookup { "the lookup" } else { "the change" };
            Err(Failure::Reply(format!("SOAP {}: {what} was answered with no envelope: {why}", call.name)))
        }
        Some(Content::Answer(_)) | None if OutcomeKind::of_status(status) == OutcomeKind::Conflict => {
            Ok(Answer::Conflict(response.summary()))
        }
        Some(Content::Answer(_)) | None => Ok(Answer::Ended(Outcome::from_response(response))),
    }
}

/// What a response is about: most have one element, such as `PutRecordResult` or `return`, and all in that.
fn unwrapped(response: Value) -> Value {
    match response {
        Value::Object(fields) if fields.len() == 1 => {
            fields.into_iter().next().map_or(Value::Null, |(_, value)| value)
        }
        other => other,
    }
}

fn faulted(settings: &Settings, call: &Call, fault: &Fault, response: &Response) -> Answer {
    let Fault { code, reason, .. } = fault;
    let separator = if reason.is_empty() { "" } else { ": " };
    let why = format!("SOAP {} was answered with the fault {code}{separator}{reason}", call.name);
    Answer::Ended(match settings.faults.meaning(fault, response.status()) {
        Meaning::Missing => return Answer::Missing(why),
        Meaning::Conflict => return Answer::Conflict(why),
        Meaning::Delivered => Outcome::delivered(),
        Meaning::Skipped => Outcome::skipped(why),
        Meaning::Retry => match response.retry_after() {
            Some(after) => Outcome::retry_after(after, why),
            None => Outcome::retry(why),
        },
        Meaning::Throttled => Outcome::throttled(response.retry_after(), why),
        Meaning::Denied => Outcome::denied(why),
        Meaning::Rejected => Outcome::rejected(why),
    })
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    if let Some(call) = &settings.check {
        let response = send(&settings, &call.action, "", &call.body, http).await?;
        return Ok(checked(&settings, &call.name, &response));
    }
    let Some(path) = &settings.check_path else {
        let why = "cannot tell: neither `check` nor `check-path` says what to ask for";
        return Ok(Check::usable(why));
    };
    Ok(Check::from_response(&http.get(path).send().await?))
}

/// Usable is what answers as SOAP does and lets us in, be it with a fault.
fn checked(settings: &Settings, name: &str, response: &Response) -> Check {
    let text = response.text();
    let document = xml::parse(text.trim_start());
    match document.as_ref().ok().and_then(|document| envelope::content(document.root_element())) {
        Some(Content::Answer(_)) => Check::usable(format!("SOAP {name} was answered")),
        Some(Content::Fault(fault)) => {
            let why = format!("SOAP {name} was answered with the fault {}: {}", fault.code, fault.reason);
            match settings.faults.meaning(&fault, response.status()) {
                Meaning::Retry | Meaning::Throttled | Meaning::Denied => Check::unusable(why),
                Meaning::Missing
                | Meaning::Delivered
                | Meaning::Skipped
                | Meaning::Conflict
                | Meaning::Rejected => Check::usable(why),
            }
        }
        None => Check::unusable(format!("{}, and it is no SOAP envelope", response.summary())),
    }
}

#[cfg(test)]
mod tests;
