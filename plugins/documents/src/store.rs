//! How a document comes into the repository: look, fetch, write, verify, describe. Each is a request or two, and an attempt
//! may end between any of them.

use liaison_sdk::prelude::*;
use liaison_sdk::template::Source;
use liaison_sdk::version::gone;

use crate::document::{Content, Digest, Document, Fetched};
use crate::held::Held;
use crate::judge::{Judgement, judge};
use crate::repository::{Condition, Put, Repository};
use crate::said::Said;
use crate::settings::TargetKind;
use crate::stop::Stop;
use crate::wanted::{Wanted, metadata};

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

impl Plan {
    /// All of it is to be written.
    fn whole(condition: Condition) -> Self {
        Self { condition, is_same_content: false, is_same_metadata: false }
    }
}

/// Writes the event's document, unless it is there already or the host has to decide.
pub(crate) async fn store(
    repository: &Repository<'_>,
    source: &Source<'_>,
    delivery: &Delivery,
) -> Result<Outcome, Stop> {
    let mut wanted = Wanted::read(repository.settings, source, &delivery.event)?;
    if matches!(delivery.resolution, Some(Resolution::Merged(_))) {
        // The other side's fields stay the other side's: the next event, too, must not write over them unasked.
        let own = Delivery { resolution: None, rounds: Vec::new(), ..delivery.clone() };
        wanted.said = Said::of(&metadata(repository.settings, &Source::new(&own)));
        wanted.is_merged = true;
    }
    let document = Document::read(repository.settings, source, &wanted.content_type)?;
    let storing = Storing { repository, source, wanted };
    let held = repository.look(&storing.wanted.path).await?;
    let Some(held) = held else {
        return match gone(delivery, &storing.wanted.path.url()) {
            Some(conflict) => Ok(conflict),
            None => storing.write(Plan::whole(Condition::Absent), document).await,
        };
    };
    // Without a checksum in the event only the document itself tells whether it is there already.
    let document = match document.sha256() {
        Some(_) => document,
        None => Document::Inline(storing.fetch(document).await?),
    };
    let Some(sha256) = document.sha256().cloned() else {
        return Err(Stop::retry("the document has no checksum"));
    };
    let judgement = judge(repository.settings, &storing.wanted, &sha256, &held);
    if delivery.resolution.is_some() {
        return storing.write_decided(document, delivery, &held, judgement).await;
    }
    match judgement {
        Judgement::AlreadyThere => Ok(storing.already_there()),
        Judgement::Conflict(why) => Ok(storing.conflict(&held, why)),
        Judgement::Write { is_same_content, is_same_metadata } => {
            let plan = Plan { condition: Condition::over(&held), is_same_content, is_same_metadata };
            let is_kept_apart = storing.wanted.copy.is_some() && !is_same_metadata;
            if is_same_content && !is_kept_apart && repository.settings.target == TargetKind::WebDav {
                return storing.describe_alone(&held, sha256).await;
            }
            storing.write(plan, document).await
        }
    }
}

impl Storing<'_> {
    /// The host has decided, and on this state: what has changed since is for it to decide upon again. What an attempt of
    /// ours left, when it carried the decision out, is no change.
    async fn write_decided(
        &self,
        document: Document,
        delivery: &Delivery,
        held: &Held,
        judgement: Judgement,
    ) -> Result<Outcome, Stop> {
        let is_decided_upon =
            delivery.version() == Some(held.version().as_str()) || held.is_left_of(&self.wanted);
        let changed = "it has changed since it was decided what to write over it";
        match judgement {
            Judgement::AlreadyThere => Ok(self.already_there()),
            _ if is_decided_upon => self.write(Plan::whole(Condition::over(held)), document).await,
            Judgement::Conflict(why) => Ok(self.conflict(held, format!("{why}; {changed}"))),
            Judgement::Write { .. } => {
                Ok(self.conflict(held, format!("{}: {changed}", self.wanted.path.url())))
            }
        }
    }

    async fn fetch(&self, document: Document) -> Result<Fetched, Stop> {
        document.fetch(self.repository.settings, &self.wanted.content_type, self.repository.http).await
    }

    /// The document itself is there: what is beside it remains to be written.
    async fn describe_alone(&self, held: &Held, sha256: Digest) -> Result<Outcome, Stop> {
        let content = Content { sha256, length: held.length };
        self.repository.describe(&self.wanted.path, &self.wanted, &content).await?;
        Ok(self.delivered(held.etag.clone()))
    }

    async fn write(&self, plan: Plan, document: Document) -> Result<Outcome, Stop> {
        let (repository, path) = (self.repository, &self.wanted.path);
        let document = self.fetch(document).await?;
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
        if let Condition::Seen(version) = condition {
            let held = repository.look(path).await?;
            if held.as_ref().map(Held::version).as_ref() != Some(version) {
                return Err(self.came_meanwhile(document, held));
            }
        }
        let put = repository.write(path, &self.wanted, document, condition).await?;
        if matches!(put, Put::Written { .. }) {
            return Ok(put);
        }
        Err(self.came_meanwhile(document, repository.look(path).await?))
    }

    /// What is there is not what was seen.
    fn came_meanwhile(&self, document: &Fetched, held: Option<Held>) -> Stop {
        let path = &self.wanted.path;
        let Some(held) = held else { return Stop::retry(format!("{}: it comes and goes", path.url())) };
        Stop::Outcome(match judge(self.repository.settings, &self.wanted, &document.content.sha256, &held) {
            Judgement::AlreadyThere => self.already_there(),
            Judgement::Conflict(why) => self.conflict(&held, why),
            Judgement::Write { .. } => {
                self.conflict(&held, format!("{}: someone else has changed it meanwhile", path.url()))
            }
        })
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
