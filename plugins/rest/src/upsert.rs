//! Writes a record to a system that tells creating from changing: looks it up, creates it, or changes it.
//!
//! Nothing that the system holds is lost on the way: a record that is not older than the event, or that somebody else has
//! changed in between, is a conflict, which the host decides.

mod deletion;
mod looking;

use liaison_sdk::etag;
use liaison_sdk::prelude::*;
use liaison_sdk::template::{PathTemplate, Source};

pub(crate) use self::deletion::delete;
use self::looking::Looked;
use crate::held::{Held, Standing, answered_conflict};
use crate::settings::{BodyKind, Gone, Settings, Upsert, is_precondition};
use crate::{body, gone, is_content_type, outcome, patching, place, says_gone, with_headers};

/// One attempt.
struct Job<'job> {
    settings: &'job Settings,
    delivery: &'job Delivery,
    http: &'job Http,
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
        Looked::Nothing => match job.gone()? {
            Some(conflict) => Ok(conflict),
            None => match job.create().await? {
                Created::Ended(outcome) => Ok(outcome),
                Created::IsThere(reply) => job.conflict(&reply).await,
            },
        },
    }
}

impl Job<'_> {
    fn is_deletion(&self) -> bool {
        self.delivery.data().is_none()
    }

    fn source<'source>(&'source self, found: Option<&'source [u8]>) -> Source<'source> {
        Source::new(self.delivery).with_found(found)
    }

    /// By one request, of which what is there has not to be known, where more may follow.
    async fn put(&self) -> Result<Outcome, Failure> {
        let over = etag::if_match(self.delivery.version());
        if over.is_none() && self.delivery.resolution.is_some() {
            return self.put_after_a_look().await;
        }
        let reply = crate::request(self.settings, self.delivery, self.http, over)?.send().await?;
        self.written(reply).await
    }

    /// Over what the host has decided upon, where nothing but a look tells whether it is still there.
    async fn put_after_a_look(&self) -> Result<Outcome, Failure> {
        let request = |over: Option<&str>| crate::request(self.settings, self.delivery, self.http, over);
        let request = match self.look_up().await? {
            Looked::Ended(outcome) => return Ok(outcome),
            Looked::Nothing => match self.gone()? {
                Some(conflict) => return Ok(conflict),
                None => request(None)?.header("if-none-match", "*"),
            },
            Looked::Held(held, path) => match held.standing(self.settings, self.delivery)? {
                Standing::Free | Standing::AlreadyThere => request(held.if_match())?,
                Standing::Conflict(why) => return Ok(self.objection(held, &path, why)),
            },
        };
        self.written(request.send().await?).await
    }

    /// The host decides, for this reason.
    fn objection(&self, held: Held, path: &str, why: &str) -> Outcome {
        held.conflict(self.settings, format!("{}: {why}", place(path)))
    }

    /// What becomes of a decision where nothing is there.
    fn gone(&self) -> Result<Option<Outcome>, Failure> {
        gone(self.settings, self.delivery)
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
            Standing::Conflict(why) => return Ok(self.objection(held, &path, why)),
        }
        let source = self.source(None);
        let request = self.http.request(&self.settings.method, path);
        let is_whole = matches!(self.settings.body, BodyKind::Data | BodyKind::None);
        let headers = self.settings.headers.iter().filter(|(name, _)| is_whole || !is_content_type(name));
        let mut request = with_headers(request, headers, &source)?;
        if let Some(etag) = held.if_match() {
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
        if says_gone(self.settings, &reply)
            && let Some(conflict) = self.gone()?
        {
            return Ok(conflict);
        }
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
            return Ok(answered_conflict(self.settings, reply));
        }
        match self.look_up().await? {
            Looked::Held(held, _) => Ok(match held.standing(self.settings, self.delivery)? {
                Standing::AlreadyThere => held.already_there(),
                Standing::Free | Standing::Conflict(_) => held.conflict(self.settings, reply.summary()),
            }),
            Looked::Ended(outcome) => Ok(outcome),
            Looked::Nothing if self.is_deletion() => Ok(Outcome::delivered()),
            Looked::Nothing => {
                let now = || Outcome::retry(format!("{}, and now nothing is there", reply.summary()));
                Ok(self.gone()?.unwrap_or_else(now))
            }
        }
    }
}
