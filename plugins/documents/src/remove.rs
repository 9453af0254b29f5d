//! What becomes of a document whose event has no data any more: a tombstone.

use liaison_sdk::prelude::*;
use liaison_sdk::template::Source;

use crate::judge::against_removal;
use crate::repository::{Condition, Repository};
use crate::settings::Tombstone;
use crate::stop::Stop;

/// Removes it, or keeps it, as the settings say. What is gone already is delivered; kept versions stay.
///
/// It looks first, whatever the host has decided: only what was seen a moment ago is removed, and of what was decided
/// upon only just that.
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
    let Some(held) = repository.look(&path).await? else { return Ok(Outcome::delivered()) };
    let against = match &delivery.resolution {
        None => against_removal(&held, &delivery.event),
        Some(_) if delivery.version() == Some(held.version().as_str()) => None,
        Some(_) => Some("it has changed since its removal was decided".to_owned()),
    };
    if let Some(why) = against {
        return Ok(held.conflict(settings, source, format!("{}: {why}", path.url())));
    }
    if repository.delete(&path, &Condition::over(&held)).await? {
        return Ok(Outcome::delivered());
    }
    let why = format!("{}: someone else has changed it meanwhile", path.url());
    Ok(match repository.look(&path).await? {
        None => Outcome::delivered(),
        Some(held) => held.conflict(settings, source, why),
    })
}
