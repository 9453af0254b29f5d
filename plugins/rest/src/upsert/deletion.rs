//! Deletes a record: the one that a query finds, or one that may be newer than its tombstone.

use liaison_sdk::prelude::*;

use super::Job;
use super::looking::{Found, Looked};
use crate::held::Standing;
use crate::settings::Settings;
use crate::{outcome, with_headers};

/// A record that is newer than its tombstone stays, as a conflict; what is gone is gone.
pub(crate) async fn delete(
    settings: &Settings,
    delivery: &Delivery,
    http: &Http,
) -> Result<Outcome, Failure> {
    let job = Job { settings, delivery, http };
    let request = match delivery.resolution.is_some() || settings.compares_tombstones() {
        true => job.after_a_look().await?,
        false => job.unseen().await?,
    };
    let reply = match request {
        Deleting::Request(request) => request.send().await?,
        Deleting::Ended(outcome) => return Ok(outcome),
    };
    let outcome = outcome(settings, true, &reply);
    match outcome.kind() {
        OutcomeKind::Conflict => job.conflict(&reply).await,
        _ => Ok(outcome),
    }
}

enum Deleting<'http> {
    Request(Request<'http>),
    Ended(Outcome),
}

impl<'job> Job<'job> {
    /// Where nothing is compared.
    async fn unseen(&self) -> Result<Deleting<'job>, Failure> {
        let Some(lookup) = &self.settings.lookup else {
            let request = crate::request(self.settings, self.delivery, self.http, None)?;
            return Ok(Deleting::Request(request));
        };
        Ok(match self.find(lookup).await? {
            Found::Ended(outcome) => Deleting::Ended(outcome),
            Found::Nothing => Deleting::Ended(Outcome::delivered()),
            Found::One(found) => {
                let path = self.settings.path.render(&self.source(Some(&found)))?;
                Deleting::Request(self.deleting(path)?)
            }
        })
    }

    async fn after_a_look(&self) -> Result<Deleting<'job>, Failure> {
        let (held, path) = match self.look_up().await? {
            Looked::Ended(outcome) => return Ok(Deleting::Ended(outcome)),
            Looked::Nothing => return Ok(Deleting::Ended(Outcome::delivered())),
            Looked::Held(held, path) => (held, path),
        };
        if let Standing::Conflict(why) = held.standing(self.settings, self.delivery)? {
            return Ok(Deleting::Ended(self.objection(held, &path, why)));
        }
        let request = self.deleting(path)?;
        Ok(Deleting::Request(match held.if_match() {
            Some(etag) => request.header("if-match", etag),
            None => request,
        }))
    }

    fn deleting(&self, path: String) -> Result<Request<'job>, Failure> {
        let request = self.http.request(&self.settings.delete_method, path);
        with_headers(request, self.settings.headers.iter(), &self.source(None))
    }
}
