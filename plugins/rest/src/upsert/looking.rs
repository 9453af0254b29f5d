//! What the system holds: looked up by the record's path, or by a query first.

use liaison_sdk::prelude::*;
use serde_json::value::RawValue;

use super::Job;
use crate::held::Held;
use crate::settings::{Gone, Lookup};
use crate::{is_content_type, outcome, with_headers};

/// What a lookup has found.
pub(super) enum Looked {
    Nothing,
    /// It is there, on this path.
    Held(Held, String),
    /// The system did not say.
    Ended(Outcome),
}

/// What the query of a lookup has found.
pub(super) enum Found {
    Nothing,
    /// As JSON.
    One(Vec<u8>),
    Ended(Outcome),
}

impl Job<'_> {
    /// Finds the record, and what it is.
    pub(super) async fn look_up(&self) -> Result<Looked, Failure> {
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
            (200..=299, _) => Ok(Looked::Held(Held::new(self.settings, &reply, self.is_deletion())?, path)),
            (404 | 410, _) if self.is_deletion() => Ok(Looked::Nothing),
            (404, _) if found.is_none() => Ok(Looked::Nothing),
            // It was found a moment ago: the next attempt finds what has become of it.
            (404, _) => Ok(Looked::Ended(Outcome::retry(reply.summary()))),
            (410, Gone::Create) => Ok(Looked::Nothing),
            (410, _) => Ok(Looked::Ended(outcome(self.settings, false, &reply))),
            _ => Ok(Looked::Ended(self.not_looked_up(&reply))),
        }
    }

    /// One record by a query, which must tell it from all others.
    pub(super) async fn find(&self, lookup: &Lookup) -> Result<Found, Failure> {
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
}
