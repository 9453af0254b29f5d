//! Recurrence as an event gives it: a rule such as `FREQ=WEEKLY;COUNT=5`, or a list of lines `RRULE:…`, `RDATE…:…` and
//! `EXDATE…:…`.
//!
//! A rule is checked as far as a server would refuse it; what it means is for those who show it.

use liaison_sdk::failure::Failure;

use crate::component::Line;
use crate::field::{Element, Field, date_key, rule_key};
use crate::moment::{Clock, Moment};
use crate::wanted::{Found, Wanted, distinct};

const FREQUENCIES: [&str; 7] = ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// Both fields: what an event says of recurrence it says as a whole.
pub(crate) fn wanted(
    found: &Found<'_>,
    start: Option<&Moment>,
    clock: Option<&Clock>,
) -> Result<[Wanted; 2], Failure> {
    let (mut rules, mut dates) = (Vec::new(), Vec::new());
    for part in found.list() {
        let text = part.text()?.unwrap_or_default();
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(part.wrong("it has a line break or a control character in it"));
        }
        let line = match Line::parse(text).filter(|line| !line.name().contains('=')) {
            Some(line) => line,
            None if text.is_empty() => continue,
            None => Line::new("RRULE", &[], text),
        };
        if line.is("RRULE") {
            check(line.value(), start).map_err(|why| part.wrong(&why))?;
            let value = line.value().trim();
            rules.push(Element {
                key: rule_key(value),
                line: Line::new("RRULE", &[], &value.to_ascii_uppercase()),
            });
        } else if line.is("RDATE") || line.is("EXDATE") {
            dates.extend(dates_of(&line, start, clock).map_err(|why| part.wrong(&why))?);
        } else {
            return Err(part.wrong(&format!("`{}` is none of RRULE, RDATE and EXDATE", line.name())));
        }
    }
    if rules.len() > 1 {
        return Err(found.wrong("it has several rules, which calendars do not understand alike: give one"));
    }
    let dates = distinct(dates.into_iter());
    Ok([Wanted { field: Field::Rule, elements: rules }, Wanted { field: Field::Dates, elements: dates }])
}

/// One line each. A date without a zone is shown by the clock that the begin is shown by.
fn dates_of(line: &Line, start: Option<&Moment>, clock: Option<&Clock>) -> Result<Vec<Element>, String> {
    if line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("PERIOD")) {
        return Err("periods are not understood: give dates".to_owned());
    }
    let name = line.name().to_ascii_uppercase();
    let zone = line.parameter("TZID");
    let of_start = || match (start, clock) {
        (Some(Moment::Zoned(_, zone)), _) | (_, Some(Clock::In(zone))) => Some(zone.name.to_owned()),
        _ => None,
    };
    let zone = zone.or_else(of_start);
    let one = |value: &str| {
        let moment = Moment::from_value(value.trim(), zone.as_deref());
        let moment = moment.filter(|moment| !matches!(moment, Moment::Foreign(..)));
        let moment =
            moment.ok_or_else(|| format!("`{value}` is no date: use 20260501 or 20260501T100000"))?;
        if start.is_some_and(|start| start.is_day() != moment.is_day()) {
            return Err(format!(
                "`{value}` is not of the kind of the start: both are days, or both have a time"
            ));
        }
        // As the start is written, so that readers find the occurrence that is meant.
        let moment = match (moment.instant(), start) {
            (Some(instant), Some(Moment::Zoned(_, zone))) => {
                Moment::at(instant, Some(&Clock::In(zone.clone())))
            }
            _ => moment,
        };
        let line = moment.line(&name);
        Ok(Element { key: date_key(&line), line })
    };
    line.value().split(',').map(one).collect()
}

/// The grammar of RFC 5545, 3.3.10, as far as it can be seen in each part alone.
fn check(rule: &str, start: Option<&Moment>) -> Result<(), String> {
    let rule = rule.trim().to_ascii_uppercase();
    let mut seen: Vec<&str> = Vec::new();
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` of the rule has no value"))?;
        if seen.contains(&name) {
            return Err(format!("the rule has `{name}` twice"));
        }
        seen.push(name);
        if !is_part(name, value) {
            return Err(format!("`{part}` is no part of a rule"));
        }
        if name == "UNTIL" {
            check_until(value, start)?;
        }
    }
    match (seen.contains(&"FREQ"), seen.contains(&"UNTIL") && seen.contains(&"COUNT")) {
        (false, _) => Err("the rule has no FREQ".to_owned()),
        (_, true) => Err("the rule has UNTIL and COUNT: it must have one of them".to_owned()),
        (true, false) => Ok(()),
    }
}

fn is_part(name: &str, value: &str) -> bool {
    let all = |is_one: &dyn Fn(&str) -> bool| value.split(',').all(is_one);
    let within = |text: &str, most: i32, is_signed: bool| {
        let number: Option<i32> = text.parse().ok();
        number.is_some_and(|number| {
            if is_signed { number != 0 && number.abs() <= most } else { (0..=most).contains(&number) }
        })
    };
    match name {
        "FREQ" => FREQUENCIES.contains(&value),
        "INTERVAL" | "COUNT" => value.parse::<u32>().is_ok_and(|number| number > 0),
        "UNTIL" => Moment::from_value(value, None).is_some(),
        "WKST" => WEEKDAYS.contains(&value),
        "BYDAY" => all(&|day| {
            let at = day.len().saturating_sub(2);
            let (number, day) = day.split_at_checked(at).unwrap_or(("x", ""));
            WEEKDAYS.contains(&day) && (number.is_empty() || within(number, 53, true))
        }),
        "BYSECOND" => all(&|number| within(number, 60, false)),
        "BYMINUTE" => all(&|number| within(number, 59, false)),
        "BYHOUR" => all(&|number| within(number, 23, false)),
        "BYMONTH" => all(&|number| within(number, 12, false) && number != "0"),
        "BYMONTHDAY" => all(&|number| within(number, 31, true)),
        "BYYEARDAY" | "BYSETPOS" => all(&|number| within(number, 366, true)),
        "BYWEEKNO" => all(&|number| within(number, 53, true)),
        _ => false,
    }
}

/// Its kind is that of the begin, and it is in UTC where the begin is in a zone.
fn check_until(value: &str, start: Option<&Moment>) -> Result<(), String> {
    let until = Moment::from_value(value, None);
    let is_right = match (start, &until) {
        (None, _) | (Some(Moment::Foreign(..)), _) => true,
        (Some(Moment::Day(_)), Some(until)) => until.is_day(),
        (Some(Moment::Floating(_)), Some(until)) => matches!(until, Moment::Floating(_)),
        (Some(Moment::Zoned(..) | Moment::Utc(_)), Some(until)) => matches!(until, Moment::Utc(_)),
        (Some(_), None) => false,
    };
    match is_right {
        true => Ok(()),
        false => Err(format!(
            "UNTIL={value} does not fit the start: it is a day where the start is one, and else a time in UTC such as \
             20261231T230000Z"
        )),
    }
}

#[cfg(test)]
mod tests;
