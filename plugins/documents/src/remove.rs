//! What becomes of a document whose event has no data any more: a tombstone.

use liaison_sdk::prelude::*;

use crate::repository::{Condition, Repository};
use crate::settings::Tombstone;
use crate::stop::Stop;
use crate::template::Source;
use crate::version::rfc3339;
use crate::wanted::Held;

/// Removes it, or keeps it, as the settings say. What is gone already is delivered; kept versions stay.
pub(crate) async fn remove(
    repository: &Repository<'_>,
    source: &Source<'_>,
    delivery: &Delivery,
) -> Result<Outcome, Stop> {
    let settings = repository.settings;
    let path = settings.path.render(source)?;
    if settings.tombstone == Tombstone::Keep {
        return Ok(Outcome::skipped(format!("{}: it is kept, as the setting `tombstone` says", path.url())));
    }
    let condition = match delivery.resolution {
        Some(_) => Condition::over(delivery.version()),
        None => match repository.look(&path).await? {
            None => return Ok(Outcome::delivered()),
            Some(held) => match against(&held, delivery.event.time.map(rfc3339).as_deref()) {
                Some(why) => return Ok(held.conflict(settings, source, format!("{}: {why}", path.url()))),
                None => Condition::over(held.etag.as_deref()),
            },
        },
    };
    if repository.delete(&path, &condition).await? {
        return Ok(Outcome::delivered());
    }
    let why = format!("{}: someone else has changed it meanwhile", path.url());
    Ok(match repository.look(&path).await? {
        None => Outcome::delivered(),
        Some(held) => held.conflict(settings, source, why),
    })
}

/// What speaks against its removal.
fn against(held: &Held, event_time: Option<&str>) -> Option<&'static str> {
    if held.is_foreign() {
        return Some(match held.record {
            None => "it holds what was not delivered here, and is to be removed",
            Some(_) => "someone else has changed it since, and it is to be removed",
        });
    }
    held.is_newer_than(event_time).then_some("it holds what is newer than its removal")
}
