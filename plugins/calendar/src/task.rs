//! One event, read: what is to be written, which version it is, and what it wants of its appointment. Pure.

use jiff::Timestamp;
use liaison_sdk::prelude::*;
use liaison_sdk::version::{Offered, Version};
use serde_json::Value;

use crate::settings::{Place, Removal, Settings, Status};
use crate::version;
use crate::wanted::Source;

/// One event, read.
#[derive(Debug)]
pub(crate) struct Task<'delivery> {
    pub(crate) settings: &'delivery Settings,
    pub(crate) delivery: &'delivery Delivery,
    pub(crate) uid: String,
    pub(crate) data: Option<Value>,
    pub(crate) offered: Offered,
    pub(crate) intent: Intent,
}

/// What an event wants of its appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Write,
    /// As `Write`, and it does not take place.
    Cancel,
    Delete,
}

impl<'delivery> Task<'delivery> {
    pub(crate) fn new(
        settings: &'delivery Settings,
        delivery: &'delivery Delivery,
        uid: String,
    ) -> Result<Self, Failure> {
        let data = data(settings, delivery)?;
        let offered = match &data {
            None => Offered::tombstone(delivery.event.time),
            Some(data) => Offered::Record(offered(settings, delivery, data)?),
        };
        let intent = match &data {
            None => of_removal(settings.on_tombstone),
            Some(data) => {
                let source = Source { settings, data };
                let status =
                    source.find(Place::Status).map(|found| source.status(&found)).transpose()?.flatten();
                let is_cancelled =
                    settings.is_cancelling(&delivery.event.type_) || status == Some(Status::Cancelled);
                if is_cancelled { of_removal(settings.on_cancel) } else { Intent::Write }
            }
        };
        Ok(Self { settings, delivery, uid, data, offered, intent })
    }

    /// When the event happened: by its version where that is a time.
    pub(crate) fn time(&self) -> Timestamp {
        let version = self.offered.version().and_then(Version::instant);
        let milliseconds = self.delivery.event.time.unwrap_or(self.delivery.now);
        let nanoseconds = version.unwrap_or(i128::from(milliseconds) * 1_000_000);
        Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// What to write. What the host merged is all that there is to be: where it has left out what the event gives as `null`,
/// that is to be gone.
fn data(settings: &Settings, delivery: &Delivery) -> Result<Option<Value>, Failure> {
    if delivery.data().is_none() {
        return Ok(None);
    }
    let mut data: Value = delivery.json()?;
    if let Some(Resolution::Merged(_)) = &delivery.resolution {
        let event: Value = delivery.event.json()?;
        for pointer in Place::ALL.iter().filter_map(|place| settings.places.of(*place)) {
            let is_left_out = data.pointer(pointer.as_str()).is_none();
            if is_left_out && event.pointer(pointer.as_str()).is_some_and(Value::is_null) {
                pointer.put(&mut data, Value::Null);
            }
        }
    }
    Ok(Some(data))
}

/// A merged document need not have one: then it is the event's own.
fn offered(settings: &Settings, delivery: &Delivery, data: &Value) -> Result<Option<Version>, Failure> {
    match (&delivery.resolution, version::of(settings, data)) {
        (Some(Resolution::Merged(_)), Ok(None) | Err(_)) => version::of(settings, &delivery.event.json()?),
        (_, version) => version,
    }
}

fn of_removal(removal: Removal) -> Intent {
    match removal {
        Removal::Cancel => Intent::Cancel,
        Removal::Delete => Intent::Delete,
    }
}
