//! How a document comes into the repository: look, fetch, write, verify, describe. Each is a request or two, and an attempt
//! may end between any of them.

use liaison_sdk::prelude::*;

use crate::document::{Content, Digest, Document, Fetched};
use crate::judge::{Judgement, judge};
use crate::repository::{Condition, Put, Repository};
use crate::settings::TargetKind;
use crate::stop::Stop;
use crate::template::Source;
use crate::wanted::{Held, Wanted};

/// One event on its way.
struct Storing<'attempt> {
    repository: &'attempt Repository<'attempt>,
    source: &'attempt Source<'attempt>,
    wanted: Wanted,
}

/// What is to be done.
#[derive(Debug)]
struct Plan {
    condition: Condition,
    is_same_content: bool,
    is_same_metadata: bool,
}

/// Writes the event's document, unless it is there already or the host has to decide.
pub(crate) async fn store(
    repository: &Repository<'_>,
    source: &Source<'_>,
    delivery: &Delivery,
) -> Result<Outcome, Stop> {
    let wanted = Wanted::read(repository.settings, source)?;
    let document = Document::read(repository.settings, source)?;
    let storing = Storing { repository, source, wanted };
    let held = repository.look(&storing.wanted.path).await?;
    let whole = |condition| Plan { condition, is_same_content: false, is_same_metadata: false };
    let Some(held) = held else { return storing.write(whole(Condition::Absent), document).await };
    if delivery.resolution.is_some() {
        // What an attempt of ours left has another version than the one that the host decided on.
        let version = if held.is_begun() { held.etag.as_deref() } else { delivery.version() };
        return storing.write(whole(Condition::over(version)), document).await;
    }
    // Without a checksum in the event only the document itself tells whether it is there already.
    let document = match document.sha256() {
        Some(_) => document,
        None => Document::Inline(document.fetch(repository.settings, repository.http).await?),
    };
    let Some(sha256) = document.sha256() else { return Err(Stop::retry("the document has no checksum")) };
    match judge(&storing.wanted, sha256, &held) {
        Judgement::AlreadyThere => Ok(storing.already_there()),
        Judgement::Conflict(why) => Ok(storing.conflict(&held, why)),
        Judgement::Write { is_same_content, is_same_metadata } => {
            let condition = Condition::over(held.etag.as_deref());
            let plan = Plan { condition, is_same_content, is_same_metadata };
            let is_kept_apart = storing.wanted.copy.is_some() && !is_same_metadata;
            if is_same_content && !is_kept_apart && repository.settings.target == TargetKind::WebDav {
                return storing.describe_alone(&held, sha256.clone()).await;
            }
            storing.write(plan, document).await
        }
    }
}

impl Storing<'_> {
    /// The document itself is there: what is beside it remains to be written.
    async fn describe_alone(&self, held: &Held, sha256: Digest) -> Result<Outcome, Stop> {
        let content = Content { sha256, length: held.length };
        self.repository.describe(&self.wanted.path, &self.wanted, &content).await?;
        Ok(self.delivered(held.etag.clone()))
    }

    async fn write(&self, plan: Plan, document: Document) -> Result<Outcome, Stop> {
        let (repository, path) = (self.repository, &self.wanted.path);
        let document = document.fetch(repository.settings, repository.http).await?;
        let is_new_version = !(plan.is_same_content && plan.is_same_metadata);
        let mut written = Vec::with_capacity(2);
        if let Some(copy) = self.wanted.copy.as_ref().filter(|_| is_new_version) {
            let put = repository.put(copy, &self.wanted, Some(&document), &Condition::Any).await?;
            if matches!(put, Put::Refused) {
                return Err(Stop::retry(format!("PUT {} was refused, and had no condition", copy.url())));
            }
            written.push((copy, put));
        }
        let mut described: Vec<_> = written.iter().map(|(copy, _)| *copy).collect();
        described.push(path);
        if !plan.is_same_content || repository.settings.target == TargetKind::S3 {
            written.push((path, self.put(&document, &plan.condition).await?));
        }
        let sha256 = &document.content.sha256;
        let verified = join_all(written.iter().map(|(path, put)| repository.verify(path, put, sha256))).await;
        let etags = verified.into_iter().collect::<Result<Vec<_>, _>>()?;
        let content = &document.content;
        let done =
            join_all(described.iter().map(|path| repository.describe(path, &self.wanted, content))).await;
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(self.delivered(etags.into_iter().next_back().flatten()))
    }

    /// Writes it. Where something else came there meanwhile, that ends the attempt.
    async fn put(&self, document: &Fetched, condition: &Condition) -> Result<Put, Stop> {
        let (repository, path) = (self.repository, &self.wanted.path);
        let put = repository.write(path, &self.wanted, document, condition).await?;
        if matches!(put, Put::Written { .. }) {
            return Ok(put);
        }
        let Some(held) = repository.look(path).await? else {
            return Err(Stop::retry(format!("{}: it comes and goes", path.url())));
        };
        Err(Stop::Outcome(match judge(&self.wanted, &document.content.sha256, &held) {
            Judgement::AlreadyThere => self.already_there(),
            Judgement::Conflict(why) => self.conflict(&held, why),
            Judgement::Write { .. } => {
                self.conflict(&held, format!("{}: someone else has changed it meanwhile", path.url()))
            }
        }))
    }

    fn delivered(&self, etag: Option<String>) -> Outcome {
        Outcome::Delivered(Receipt { external_id: Some(self.wanted.path.url()), version: etag })
    }

    fn already_there(&self) -> Outcome {
        Outcome::skipped(format!(
            "{}: version {} is already there",
            self.wanted.path.url(),
            self.wanted.version
        ))
    }

    fn conflict(&self, held: &Held, why: String) -> Outcome {
        held.conflict(self.repository.settings, self.source, why)
    }
}
