//! Writes each event to an HTTP API, on a path made from the event: by one request, or by what a system wants that tells
//! creating from changing.
//!
//! In come a delivery and the connector's settings, out go requests and what their answers mean. Where one request does,
//! the data are sent by the host as they are, and are not read here unless a setting names a part of them.

mod body;
mod held;
mod patching;
mod settings;
mod shape;
mod upsert;

use liaison_sdk::etag;
use liaison_sdk::prelude::*;
use liaison_sdk::template::{FieldTemplate, Source};
use liaison_sdk::version;

use crate::settings::{BodyKind, Gone, Settings};

liaison_sdk::connector!(deliver, check);

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Ending, Failure> {
    let settings = settings::<Settings>()?;
    let is_deletion = delivery.data().is_none();
    if !is_one_request(&settings, delivery) {
        return Ok(match is_deletion {
            true => upsert::delete(&settings, delivery, http).await?,
            false => upsert::write(&settings, delivery, http).await?,
        }
        .into());
    }
    let gone = gone(&settings, delivery)?;
    let request = request(&settings, delivery, http, etag::if_match(delivery.version()))?;
    let judge = move |settings: &Settings, reply: &Response| match gone {
        Some(conflict) if says_gone(settings, reply) => conflict,
        Some(_) | None => outcome(settings, is_deletion, reply),
    };
    if settings.statuses.is_success_delivered() {
        return Ok(request.settle_or(move |reply| judge(&settings, reply)).into());
    }
    Ok(judge(&settings, &request.send().await?).into())
}

/// Does an answer to a write say that nothing is there, as far as the settings do not say what else it means?
fn says_gone(settings: &Settings, reply: &Response) -> bool {
    let is_plain = settings.statuses.kind_of(reply.status()).is_none();
    is_plain && (reply.status() == 404 || reply.status() == 410 && !matches!(settings.gone, Gone::Kind(_)))
}

/// What becomes of a decision where nothing is there; nothing where nobody has decided.
fn gone(settings: &Settings, delivery: &Delivery) -> Result<Option<Outcome>, Failure> {
    if delivery.resolution.is_none() {
        return Ok(None);
    }
    // The path may be of a record that was found, of which there is none.
    let path = settings.lookup.is_none().then(|| settings.path.render(&Source::new(delivery))).transpose()?;
    Ok(version::gone(delivery, path.as_deref().map_or("the record", place)))
}

/// What a person is told of a path.
fn place(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// Does one request say it all, and nothing has to be looked up for it? What the host has decided is bound to the version
/// that it has decided upon, by a condition or by a look.
fn is_one_request(settings: &Settings, delivery: &Delivery) -> bool {
    let is_bound = delivery.resolution.is_none() || etag::if_match(delivery.version()).is_some();
    let is_alone = match delivery.data() {
        None => settings.is_one_deletion(),
        Some(_) => settings.is_one_request(),
    };
    is_bound && is_alone
}

/// What a reply to a write means to this external system. What is to be deleted may be gone already.
fn outcome(settings: &Settings, is_deletion: bool, reply: &Response) -> Outcome {
    let is_gone = is_deletion && matches!(reply.status(), 404 | 410);
    let usual = match (reply.status(), settings.gone) {
        _ if is_gone => OutcomeKind::Delivered,
        (410, Gone::Kind(kind)) => kind,
        (status, _) => OutcomeKind::of_status(status),
    };
    match settings.statuses.kind_of(reply.status()).unwrap_or(usual) {
        OutcomeKind::Conflict => held::answered_conflict(settings, reply),
        kind => Outcome::of_kind(kind, reply),
    }
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let Some(path) = &settings.check_path else {
        return Ok(Check::usable("cannot tell: the setting `check-path` names nothing to ask for"));
    };
    Ok(Check::from_response(&http.get(path).send().await?))
}

/// The one request of a delivery, over this version where there is one to name.
fn request<'http>(
    settings: &Settings,
    delivery: &Delivery,
    http: &'http Http,
    over: Option<&str>,
) -> Result<Request<'http>, Failure> {
    let source = Source::new(delivery);
    let is_deletion = source.bytes().is_none();
    let method = if is_deletion { &settings.delete_method } else { &settings.method };
    let mut request = http.request(method, settings.path.render(&source)?);
    let is_form = matches!(settings.body, BodyKind::Form(_) | BodyKind::Multipart(..));
    for (name, value) in &settings.headers {
        // The host has decided which version to write over: a condition of our own would contradict it.
        let is_ours = delivery.resolution.is_some() && settings::is_precondition(name);
        // Only what is not there can be created, and what is to be deleted is there.
        let creates = is_deletion && name.eq_ignore_ascii_case("if-none-match");
        if !(is_ours || creates || is_form && is_content_type(name)) {
            request = request.header(name, value.render(&source)?);
        }
    }
    if let Some(version) = over {
        request = request.header("if-match", version);
    }
    body::with_body(request, settings, delivery, &source)
}

fn is_content_type(header: &str) -> bool {
    header.eq_ignore_ascii_case("content-type")
}

/// The request with these headers, but for those that only a whole record has.
fn with_headers<'http, 'settings>(
    request: Request<'http>,
    headers: impl Iterator<Item = (&'settings String, &'settings FieldTemplate)>,
    source: &Source<'_>,
) -> Result<Request<'http>, Failure> {
    let mut headers = headers.filter(|(name, _)| !settings::is_precondition(name));
    headers.try_fold(request, |request, (name, value)| Ok(request.header(name, value.render(source)?)))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upsert_tests;
