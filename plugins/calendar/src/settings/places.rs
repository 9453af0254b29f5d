//! Where the fields of an appointment stand in an event's data.

use std::collections::BTreeMap;

use liaison_sdk::pointer::Pointer;
use serde::Deserialize;

/// What is looked for in an event's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    Title,
    Description,
    Location,
    Url,
    Start,
    End,
    Duration,
    Timezone,
    Recurrence,
    Status,
    Organiser,
    Attendees,
    Categories,
}

impl Place {
    pub(crate) const ALL: [Place; 13] = [
        Place::Title,
        Place::Description,
        Place::Location,
        Place::Url,
        Place::Start,
        Place::End,
        Place::Duration,
        Place::Timezone,
        Place::Recurrence,
        Place::Status,
        Place::Organiser,
        Place::Attendees,
        Place::Categories,
    ];

    /// Unless the settings say otherwise.
    fn usual(self) -> Pointer {
        let text = match self {
            Place::Title => "/title",
            Place::Description => "/description",
            Place::Location => "/location",
            Place::Url => "/url",
            Place::Start => "/start",
            Place::End => "/end",
            Place::Duration => "/duration",
            Place::Timezone => "/timezone",
            Place::Recurrence => "/recurrence",
            Place::Status => "/status",
            Place::Organiser => "/organiser",
            Place::Attendees => "/attendees",
            Place::Categories => "/categories",
        };
        Pointer::parse(text).unwrap_or_else(|_| Pointer::whole())
    }
}

/// Where each stands.
#[derive(Debug)]
pub(crate) struct Places(pub(super) BTreeMap<Place, PlaceSetting>);

impl Places {
    /// Where the status is shown although the settings say `false`.
    pub(crate) fn of_status(&self) -> Pointer {
        self.of(Place::Status).unwrap_or_else(|| Place::Status.usual())
    }

    /// Nothing where the settings say `false`.
    pub(crate) fn of(&self, place: Place) -> Option<Pointer> {
        match self.0.get(&place) {
            None => Some(place.usual()),
            Some(PlaceSetting::At(pointer)) => Some(pointer.clone()),
            Some(PlaceSetting::Nowhere) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "StringOrFalse")]
pub(crate) enum PlaceSetting {
    At(Pointer),
    Nowhere,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a JSON pointer such as `/title`, or false")]
enum StringOrFalse {
    Text(String),
    Switch(bool),
}

impl TryFrom<StringOrFalse> for PlaceSetting {
    type Error = String;

    fn try_from(written: StringOrFalse) -> Result<Self, String> {
        match written {
            StringOrFalse::Text(text) => Pointer::try_from(text).map(PlaceSetting::At),
            StringOrFalse::Switch(false) => Ok(PlaceSetting::Nowhere),
            StringOrFalse::Switch(true) => {
                Err("`true` names no place: use a JSON pointer, or false".to_owned())
            }
        }
    }
}
