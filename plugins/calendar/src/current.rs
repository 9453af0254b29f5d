//! What a calendar holds, as an event would say it: for the host, which compares and merges the two.

use liaison_sdk::version::Version;
use serde_json::{Map, Value};

use crate::component::{Component, unescape};
use crate::duration::Length;
use crate::field::{Element, Field};
use crate::moment::Moment;
use crate::moment::written::Written;
use crate::people;
use crate::settings::{DayEnd, Place, Settings, Status, UidSource};

/// How events of this kind say things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Times come without an offset, and with the name of a zone beside them.
    is_local: bool,
    /// How long it lasts, and not when it ends.
    has_duration: bool,
    has_minutes: bool,
    /// A status is shown where the calendar has none, too: it takes place.
    pub(crate) says_status: bool,
}

impl Style {
    pub(crate) fn of(settings: &Settings, data: Option<&Value>) -> Self {
        let find = |place| data?.pointer(settings.places.of(place)?.as_str());
        let start = find(Place::Start).and_then(Value::as_str);
        let duration = find(Place::Duration).filter(|value| !value.is_null());
        Self {
            is_local: start.and_then(Written::parse).is_some_and(Written::is_local),
            has_duration: duration.is_some(),
            has_minutes: duration.is_some_and(Value::is_number),
            says_status: false,
        }
    }
}

/// As JSON, in the shape of events, at this version. What the calendar does not hold is not there.
pub(crate) fn json(
    settings: &Settings,
    uid: &str,
    event: &Component,
    version: Option<&Version>,
    style: Style,
) -> Vec<u8> {
    let mut document = Value::Object(Map::new());
    if let UidSource::At(pointer) = &settings.uid {
        let id = uid.strip_suffix(settings.uid_suffix.as_str()).unwrap_or(uid);
        pointer.put(&mut document, Value::from(id));
    }
    if let (Some(pointer), Some(version)) = (&settings.version, version) {
        pointer.put(&mut document, version.to_json(None));
    }
    let status = event.line("STATUS").map(|line| line.value().trim().to_ascii_uppercase());
    let takes_place = || Status::Confirmed.property().to_owned();
    let (status, pointer) = match style.says_status {
        true => (Some(status.unwrap_or_else(takes_place)), Some(settings.places.of_status())),
        false => (status, settings.places.of(Place::Status)),
    };
    if let (Some(status), Some(pointer)) = (status, pointer) {
        pointer.put(&mut document, Value::from(settings.status_name(&status)));
    }
    let mut put = |place: Place, value: Value| {
        if let Some(pointer) = settings.places.of(place) {
            pointer.put(&mut document, value);
        }
    };
    for (property, place) in
        [("SUMMARY", Place::Title), ("DESCRIPTION", Place::Description), ("LOCATION", Place::Location)]
    {
        if let Some(line) = event.line(property) {
            put(place, Value::from(unescape(line.value())));
        }
    }
    if let Some(line) = event.line("URL") {
        put(Place::Url, Value::from(line.value()));
    }
    put_times(settings, event, style, &mut put);
    put_lists(event, &mut put);
    document.to_string().into_bytes()
}

fn put_times(settings: &Settings, event: &Component, style: Style, put: &mut impl FnMut(Place, Value)) {
    let Some(start) = event.line("DTSTART").and_then(Moment::from_line) else { return };
    put(Place::Start, Value::from(start.to_json(style.is_local)));
    if let Some(zone) = start.zone_name().filter(|zone| *zone != "UTC" || style.is_local) {
        put(Place::Timezone, Value::from(zone));
    }
    let length = event.line("DURATION").and_then(|line| Length::parse(line.value().trim()));
    let end = event.line("DTEND").and_then(Moment::from_line).or_else(|| start.after(length?));
    let Some(end) = end else { return };
    if style.has_duration
        && let Some(length) = length.or_else(|| Length::between(&start, &end))
    {
        let minutes = style.has_minutes.then(|| length.minutes()).flatten();
        return put(Place::Duration, minutes.map_or_else(|| Value::from(length.to_string()), Value::from));
    }
    let end = match (&end, settings.all_day_end) {
        (Moment::Day(day), DayEnd::Inclusive) => day.yesterday().map_or(end, Moment::Day),
        _ => end,
    };
    put(Place::End, Value::from(end.to_json(style.is_local)));
}

fn put_lists(event: &Component, put: &mut impl FnMut(Place, Value)) {
    let lines =
        |field: Field| field.elements(event).into_iter().map(|element| Value::from(element.line.as_str()));
    let (rules, dates) = (Field::Rule.elements(event), lines(Field::Dates).collect::<Vec<_>>());
    match (&rules[..], dates.is_empty()) {
        ([], true) => {}
        ([rule], true) => put(Place::Recurrence, Value::from(rule.line.value())),
        (_, false) => put(Place::Recurrence, lines(Field::Rule).chain(dates).collect()),
        ([..], true) => put(Place::Recurrence, lines(Field::Rule).collect()),
    }
    if let [organiser, ..] = &Field::Organiser.elements(event)[..] {
        put(Place::Organiser, people::to_json(organiser));
    }
    for (field, place) in [(Field::Attendees, Place::Attendees), (Field::Categories, Place::Categories)] {
        let elements = field.elements(event);
        if !elements.is_empty() {
            let one = |element: &Element| match field {
                Field::Attendees => people::to_json(element),
                _ => Value::from(element.key.as_str()),
            };
            put(place, elements.iter().map(one).collect());
        }
    }
}

#[cfg(test)]
mod tests;
