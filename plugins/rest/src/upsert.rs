//! Writes a record to a system that tells creating from changing: looks it up, creates it, or changes it.
//!
//! Nothing that the system holds is lost on the way: a record that is not older than the event, or that somebody else has
//! changed in between, is a conflict, which the host decides.

use liaison_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::held::{Held, Standing};
use crate::settings::{BodyKind, Gone, Lookup, Settings, Upsert, is_precondition};
use crate::template::{PathTemplate, Source};
use crate::{body, is_content_type, outcome, patching, with_headers};

/// One attempt.
struct Job<'job> {
    settings: &'job Settings,
    delivery: &'job Delivery,
    http: &'job Http,
}

/// What a lookup has found.
enum Looked {
    Nothing,
    /// It is there, on this path.
    Held(Held, String),
    /// The system did not say.
    Ended(Outcome),
}

/// What the query of a lookup has found.
enum Found {
    Nothing,
    /// As JSON.
    One(Vec<u8>),
    Ended(Outcome),
}

/// What came of a request that creates.
enum Created {
    IsThere(Response),
    Ended(Outcome),
}

pub(crate) async fn write(settings: &Settings, delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let job = Job { settings, delivery, http };
    if settings.upsert == Upsert::Put {
        return job.put().await;
    }
    // After a conflict the record is known to be there.
    if settings.upsert == Upsert::PostThenPatch && delivery.resolution.is_none() {
        match job.create().await? {
            Created::Ended(outcome) => return Ok(outcome),
            Created::IsThere(_) if settings.needs_held() => {}
            Created::IsThere(_) => return job.put().await,
        }
    }
    match job.look_up().await? {
        Looked::Ended(outcome) => Ok(outcome),
        Looked::Held(held, path) => job.change(held, path).await,
        Looked::Nothing => match job.create().await? {
            Created::Ended(outcome) => Ok(outcome),
            Created::IsThere(reply) => job.conflict(&reply).await,
        },
    }
}

/// Deletes the record that a query finds, if it finds one.
pub(crate) async fn delete(
    settings: &Settings,
    lookup: &Lookup,
    delivery: &Delivery,
    http: &Http,
) -> Result<Outcome, Failure> {
    let job = Job { settings, delivery, http };
    let found = match job.find(lookup).await? {
        Found::Ended(outcome) => return Ok(outcome),
        Found::Nothing => return Ok(Outcome::delivered()),
        Found::One(found) => found,
    };
    let source = job.source(Some(&found));
    let request = http.request(&settings.delete_method, settings.path.render(&source)?);
    let mut request = with_headers(request, settings.headers.iter(), &source)?;
    if let Some(version) = delivery.version() {
        request = request.header("if-match", version);
    }
    Ok(outcome(settings, true, &request.send().await?))
}

impl Job<'_> {
    fn source<'source>(&'source self, found: Option<&'source [u8]>) -> Source<'source> {
        Source { event: &self.delivery.event, data: self.delivery.data(), found }
    }

    /// By one request, of which what is there has not to be known, where more may follow.
    async fn put(&self) -> Result<Outcome, Failure> {
        let reply = crate::request(self.settings, self.delivery, self.http)?.send().await?;
        self.written(reply).await
    }

    /// Finds the record, and what it is.
    async fn look_up(&self) -> Result<Looked, Failure> {
        let found = match &self.settings.lookup {
            None => None,
            Some(lookup) => match self.find(lookup).await? {
                Found::Ended(outcome) => return Ok(Looked::Ended(outcome)),
                Found::Nothing => return Ok(Looked::Nothing),
                Found::One(found) => Some(found),
            },
        };
        let path = self.settings.path.render(&self.source(found.as_deref()))?;
        let reply = self.get(path.clone()).await?;
        match (reply.status(), self.settings.gone) {
            (200..=299, _) => Ok(Looked::Held(Held::new(self.settings, &reply)?, path)),
            (404, _) if found.is_none() => Ok(Looked::Nothing),
            // It was found a moment ago: the next attempt finds what has become of it.
            (404, _) => Ok(Looked::Ended(Outcome::retry(reply.summary()))),
            (410, Gone::Create) => Ok(Looked::Nothing),
            (410, _) => Ok(Looked::Ended(outcome(self.settings, false, &reply))),
            _ => Ok(Looked::Ended(self.not_looked_up(&reply))),
        }
    }

    /// One record by a query, which must tell it from all others.
    async fn find(&self, lookup: &Lookup) -> Result<Found, Failure> {
        let reply = self.get(lookup.path.render(&self.source(None))?).await?;
        match reply.status() {
            200..=299 => {}
            404 => return Ok(Found::Nothing),
            _ => return Ok(Found::Ended(self.not_looked_up(&reply))),
        }
        let unclear = |why: String| Failure::Reply(format!("{}, and its body {why}", reply.summary()));
        let results = match &lookup.results {
            None => {
                serde_json::from_slice::<&RawValue>(reply.body()).map(Some).map_err(|error| error.to_string())
            }
            Some(pointer) => pointer.pick(reply.body()).map_err(|error| error.to_string()),
        };
        let results = results.map_err(|why| unclear(format!("is not JSON: {why}")))?;
        let Some(results) = results.filter(|results| results.get() != "null") else {
            return Ok(Found::Nothing);
        };
        if results.get().starts_with('{') {
            return Ok(Found::One(results.get().as_bytes().to_vec()));
        }
        let found: Vec<&RawValue> = serde_json::from_str(results.get())
            .map_err(|_| unclear("has neither a list nor a record where the results are to be".to_owned()))?;
        match found.as_slice() {
            [] => Ok(Found::Nothing),
            [one] => Ok(Found::One(one.get().as_bytes().to_vec())),
            several => Ok(Found::Ended(Outcome::rejected(format!(
                "{} with {} records: a lookup must find one at most, so its path must say more of which one is meant",
                reply.summary(),
                several.len()
            )))),
        }
    }

    async fn get(&self, path: String) -> Result<Response, Failure> {
        let headers = self.settings.headers.iter().filter(|(name, _)| !is_content_type(name));
        with_headers(self.http.get(path), headers, &self.source(None))?.send().await
    }

    /// A lookup that gave no answer delivers nothing, whatever its status means for a write.
    fn not_looked_up(&self, reply: &Response) -> Outcome {
        let status = reply.status();
        let kind = self.settings.statuses.kind_of(status).unwrap_or_else(|| OutcomeKind::of_status(status));
        Outcome::of_kind(
            match kind {
                OutcomeKind::Retry | OutcomeKind::Throttled | OutcomeKind::Denied => kind,
                // Nothing was written that could be in conflict.
                OutcomeKind::Conflict => OutcomeKind::Retry,
                OutcomeKind::Delivered | OutcomeKind::Skipped | OutcomeKind::Rejected => {
                    OutcomeKind::Rejected
                }
            },
            reply,
        )
    }

    /// Creates the record. Where it has a path of its own, only if nothing is there.
    async fn create(&self) -> Result<Created, Failure> {
        let (create, source) = (&self.settings.create, self.source(None));
        let path: &PathTemplate = create.path.as_ref().unwrap_or(&self.settings.path);
        let mut request = self.http.request(&create.method, path.render(&source)?);
        let is_own = |name: &str| create.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
        let usual = self.settings.headers.iter().filter(|(name, _)| !is_own(name) && !is_precondition(name));
        let is_form = matches!(self.settings.body, BodyKind::Form(_) | BodyKind::Multipart(..));
        for (name, value) in usual.chain(&create.headers) {
            if !(is_form && is_content_type(name)) {
                request = request.header(name, value.render(&source)?);
            }
        }
        if create.path.is_none() && !is_own("if-none-match") {
            request = request.header("if-none-match", "*");
        }
        let reply = body::with_body(request, self.settings, self.delivery, &source)?.send().await?;
        let outcome = outcome(self.settings, false, &reply);
        Ok(match outcome.kind() {
            OutcomeKind::Conflict => Created::IsThere(reply),
            _ => Created::Ended(outcome),
        })
    }

    async fn change(&self, held: Held, path: String) -> Result<Outcome, Failure> {
        match held.standing(self.settings, self.delivery)? {
            Standing::Free => {}
            Standing::AlreadyThere => return Ok(held.already_there()),
            Standing::Conflict(why) => {
                let place = path.split('?').next().unwrap_or_default();
                return Ok(held.conflict(self.settings, format!("{place}: {why}")));
            }
        }
        let source = self.source(None);
        let request = self.http.request(&self.settings.method, path);
        let is_whole = matches!(self.settings.body, BodyKind::Data | BodyKind::None);
        let headers = self.settings.headers.iter().filter(|(name, _)| is_whole || !is_content_type(name));
        let mut request = with_headers(request, headers, &source)?;
        if let Some(etag) = held.strong_etag() {
            request = request.header("if-match", etag);
        }
        let request = match &self.settings.body {
            BodyKind::Patch(patch, keeps) => {
                let data = self.delivery.data().unwrap_or_default();
                match patching::patch(&self.settings.shape, &held, data, *patch, keeps.as_deref())? {
                    None => return Ok(held.already_there()),
                    Some((content_type, patch)) => {
                        request.body(patch.to_string()).header("content-type", content_type)
                    }
                }
            }
            BodyKind::None | BodyKind::Data | BodyKind::Form(_) | BodyKind::Multipart(..) => {
                body::with_body(request, self.settings, self.delivery, &source)?
            }
        };
        self.written(request.send().await?).await
    }

    /// What a write has come to.
    async fn written(&self, reply: Response) -> Result<Outcome, Failure> {
        let outcome = outcome(self.settings, false, &reply);
        match (reply.status(), outcome.kind()) {
            (410, _) if self.settings.gone == Gone::Create => match self.create().await? {
                Created::Ended(outcome) => Ok(outcome),
                Created::IsThere(reply) => self.conflict(&reply).await,
            },
            // It was there a moment ago: the next attempt finds what has become of it.
            (404, OutcomeKind::Rejected) if self.settings.upsert != Upsert::Put => {
                Ok(Outcome::retry(reply.summary()))
            }
            (_, OutcomeKind::Conflict) => self.conflict(&reply).await,
            _ => Ok(outcome),
        }
    }

    /// Somebody else was there first: what does the system hold now?
    async fn conflict(&self, reply: &Response) -> Result<Outcome, Failure> {
        if !self.settings.looks_up_conflicts {
            return Ok(Outcome::of_kind(OutcomeKind::Conflict, reply));
        }
        match self.look_up().await? {
            Looked::Held(held, _) => Ok(held.conflict(self.settings, reply.summary())),
            Looked::Ended(outcome) => Ok(outcome),
            Looked::Nothing => Ok(Outcome::retry(format!("{}, and now nothing is there", reply.summary()))),
        }
    }
}
