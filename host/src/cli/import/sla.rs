//! The older SLAs, `{"policy.updated": {"maxRetries": 5, …}}`, as entries of `[sla]`.

use std::time::Duration;

use serde_json::Value;
use toml::Value as Toml;

use super::older::{Entry, Older, plain};
use super::report::Report;

/// What an attempt may take, and the longest wait, where nothing else is written.
const ATTEMPT_TIMEOUT_MS: u64 = 10_000;
const MAX_INTERVAL_MS: u64 = 60_000;

/// The keys of one entry, each with its value.
pub(super) type Keys = Vec<(&'static str, Toml)>;

/// The entries, each with its event type.
pub(super) fn map(older: &Older, report: &mut Report) -> Vec<(String, Keys)> {
    let mut mapped: Vec<(String, Keys)> = Vec::new();
    for (kind, entry) in &older.entries {
        let from = format!("{}: {kind}", older.name);
        let Entry::Members(members) = entry else {
            report.unmapped_member(&from, "is no object");
            continue;
        };
        let name = if matches!(kind.as_str(), "*" | "default") { "default" } else { kind.as_str() };
        if name.is_empty() || mapped.iter().any(|(known, _)| known == name) {
            report.unmapped_member(&from, "names no event type of its own");
            continue;
        }
        let table = format!("sla.{}", super::text::key(name));
        let mut rules = Rules::default();
        for (member, value) in members {
            let from = format!("{from}.{member}");
            if !rules.take(member, value, (&from, &table), report) {
                report.unmapped_member(
                    &from,
                    "no SLA has anything like it; see [sla.default] of the example configuration",
                );
            }
        }
        let keys = rules.keys((&from, &table), report);
        if !keys.is_empty() {
            mapped.push((name.to_owned(), keys));
        }
    }
    mapped
}

/// What was found of one entry, in milliseconds where it is a time.
#[derive(Debug, Default)]
pub(super) struct Rules {
    max_attempts: Option<u32>,
    initial_interval: Option<u64>,
    max_interval: Option<u64>,
    multiplier: Option<f64>,
    attempt_timeout: Option<u64>,
    deadline: Option<u64>,
    give_up_after: Option<u64>,
    alert: Option<bool>,
}

impl Rules {
    /// Takes a member that it knows, and reports what it became, or why it is none; `false` for any other.
    pub(super) fn take(
        &mut self,
        member: &str,
        value: &Value,
        (from, table): (&str, &str),
        report: &mut Report,
    ) -> bool {
        let name = plain(member);
        let (key, taken) = match name.as_str() {
            "maxretries" | "retries" | "retrycount" => {
                // The first try is none of the retries.
                let attempts = whole(value).and_then(|retries| u32::try_from(retries + 1).ok());
                ("max-attempts", set(&mut self.max_attempts, attempts))
            }
            "maxattempts" | "attempts" => {
                let attempts =
                    whole(value).and_then(|attempts| u32::try_from(attempts).ok()).filter(|most| *most > 0);
                ("max-attempts", set(&mut self.max_attempts, attempts))
            }
            "backoffmultiplier" | "retrybackoffmultiplier" | "multiplier" => {
                let multiplier =
                    value.as_f64().filter(|multiplier| multiplier.is_finite() && *multiplier >= 1.0);
                ("multiplier", set(&mut self.multiplier, multiplier))
            }
            "alertonfailure" | "alert" => ("alert", set(&mut self.alert, value.as_bool())),
            other => return self.take_time(other, value, (from, table), report),
        };
        told(taken, key, (from, table), report);
        true
    }

    fn take_time(
        &mut self,
        name: &str,
        value: &Value,
        (from, table): (&str, &str),
        report: &mut Report,
    ) -> bool {
        let (base, unit_ms) = unit(name);
        let (key, least, place) = match base {
            "retryinterval" | "retrydelay" | "initialinterval" => {
                ("initial-interval", 0, &mut self.initial_interval)
            }
            "maxretryinterval" | "maxinterval" | "maxretrydelay" => {
                ("max-interval", 0, &mut self.max_interval)
            }
            "timeout" | "attempttimeout" | "requesttimeout" => {
                ("attempt-timeout", 1, &mut self.attempt_timeout)
            }
            "deadline" | "maxdelay" | "maxlatency" | "sla" => ("deadline", 1, &mut self.deadline),
            "giveupafter" | "ttl" | "expiresafter" => ("give-up-after", 1, &mut self.give_up_after),
            _ => return false,
        };
        let time = whole(value).and_then(|time| time.checked_mul(unit_ms.unwrap_or(1)));
        let taken = set(place, time.filter(|ms| *ms >= least));
        told(taken, key, (from, table), report);
        if taken && unit_ms.is_none() {
            report.look(from, &format!("{table}.{key}"), "names no unit, and was taken for milliseconds");
        }
        true
    }

    /// As the configuration has them, made so that they agree with each other.
    pub(super) fn keys(mut self, (from, table): (&str, &str), report: &mut Report) -> Keys {
        if let Some(first) = self.initial_interval {
            if self.multiplier.is_none() {
                self.multiplier = Some(1.0);
                let text =
                    "the older interval is the same before each try; leave this out, and the wait doubles";
                report.look(from, &format!("{table}.multiplier"), text);
            }
            if first > self.max_interval.unwrap_or(MAX_INTERVAL_MS) {
                self.max_interval = Some(first);
                let text = "raised to the first wait, which would be longer than it";
                report.look(from, &format!("{table}.max-interval"), text);
            }
        }
        if let Some(deadline) =
            self.deadline.filter(|ms| *ms < self.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT_MS))
        {
            self.attempt_timeout = Some(deadline);
            let text = "lowered to the deadline: one attempt may not take longer";
            report.look(from, &format!("{table}.attempt-timeout"), text);
        }
        let time = |ms: Option<u64>| ms.map(time_text).map(Toml::from);
        let keys = [
            ("max-attempts", self.max_attempts.map(Toml::from)),
            ("initial-interval", time(self.initial_interval)),
            ("multiplier", self.multiplier.map(Toml::from)),
            ("max-interval", time(self.max_interval)),
            ("attempt-timeout", time(self.attempt_timeout)),
            ("deadline", time(self.deadline)),
            ("give-up-after", time(self.give_up_after)),
            ("alert", self.alert.map(Toml::from)),
        ];
        keys.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// `2s`, `1m 30s`, `500ms`.
pub(super) fn time_text(ms: u64) -> String {
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_free = place.is_none() && value.is_some();
    if is_free {
        *place = value;
    }
    is_free
}

fn told(taken: bool, key: &str, (from, table): (&str, &str), report: &mut Report) {
    if taken {
        report.mapped(from, &format!("{table}.{key}"));
    } else {
        report.unmapped_member(from, &format!("is no value that `{key}` can have, or stands there twice"));
    }
}

/// A whole number that is not negative; text of digits too, as some wrote it.
pub(super) fn whole(value: &Value) -> Option<u64> {
    // Beyond that no setting means anything, and sums stay in their range.
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| *number <= u64::from(u32::MAX))
}

/// The name without its unit, and the unit in milliseconds.
fn unit(name: &str) -> (&str, Option<u64>) {
    for (ending, ms) in [
        ("millis", 1),
        ("milliseconds", 1),
        ("ms", 1),
        ("seconds", 1_000),
        ("secs", 1_000),
        ("sec", 1_000),
        ("minutes", 60_000),
        ("hours", 3_600_000),
    ] {
        if let Some(base) = name.strip_suffix(ending).filter(|base| !base.is_empty()) {
            return (base, Some(ms));
        }
    }
    (name, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(text: &str) -> (Vec<(String, String)>, String) {
        let (older, mut report) = (Older::parse("sla.json", text).unwrap(), Report::default());
        let mapped = map(&older, &mut report).into_iter().map(|(kind, keys)| {
            let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            (kind, keys.join(", "))
        });
        (mapped.collect(), report.text())
    }

    #[test]
    fn retries_and_their_interval_become_attempts_that_come_as_often() {
        let text =
            r#"{"policy.updated": {"maxRetries": 5, "retryIntervalMs": 2000, "alertOnFailure": true}}"#;
        let (mapped, report) = mapped(text);
        let keys = r#"max-attempts = 6, initial-interval = "2s", multiplier = 1.0, alert = true"#;
        assert_eq!(mapped, [("policy.updated".to_owned(), keys.to_owned())]);
        assert!(report.contains(
            "mapped      sla.json: policy.updated.maxRetries -> sla.\"policy.updated\".max-attempts\n"
        ));
    }

    #[test]
    fn units_are_read_and_values_agree_with_each_other() {
        for (members, keys) in [
            (r#""max_retries": 0"#, "max-attempts = 1"),
            (
                r#""retryIntervalSeconds": 90"#,
                r#"initial-interval = "1m 30s", multiplier = 1.0, max-interval = "1m 30s""#,
            ),
            (
                r#""retryInterval": 5, "backoffMultiplier": 2"#,
                r#"initial-interval = "5ms", multiplier = 2.0"#,
            ),
            (r#""deadlineMs": 4000"#, r#"attempt-timeout = "4s", deadline = "4s""#),
            (
                r#""timeoutMs": "1500", "ttlHours": 2"#,
                r#"attempt-timeout = "1s 500ms", give-up-after = "2h""#,
            ),
        ] {
            assert_eq!(
                mapped(&format!("{{\"*\": {{{members}}}}}")).0,
                [("default".to_owned(), keys.to_owned())]
            );
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_said_and_the_rest_is_mapped() {
        let text = r#"{"a": {"maxRetries": -1, "retries": 2, "maxAttempts": 9, "timeoutMs": 0, "priority": "high"}, "b": 3,
            "*": {"alert": false}, "default": {"alert": true}}"#;
        let (mapped, report) = mapped(text);
        let expected = [("a", "max-attempts = 3"), ("default", "alert = false")];
        assert_eq!(mapped, expected.map(|(kind, keys)| (kind.to_owned(), keys.to_owned())));
        for line in [
            "not mapped  sla.json: a.maxRetries: is no value that `max-attempts` can have, or stands there twice",
            "not mapped  sla.json: a.maxAttempts: is no value",
            "not mapped  sla.json: a.timeoutMs: is no value",
            "not mapped  sla.json: a.priority: no SLA has anything like it",
            "not mapped  sla.json: b: is no object",
            "not mapped  sla.json: default: names no event type of its own",
        ] {
            assert!(report.contains(line), "{line}\n{report}");
        }
        assert!(!report.contains("high"));
    }
}
