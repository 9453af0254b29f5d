//! Checks `[sla]` and lays its tables over each other: the defaults, `[sla.default]`, the type's, the subscription's.

use std::collections::BTreeMap;

use super::{Checker, set};
use crate::config::document::KeyPath;
use crate::config::settings::SlaSettings;
use crate::config::{Sla, SlaTable};

/// The key of the table that holds for every type.
const DEFAULT: &str = "default";

/// The tables of `[sla]` as written.
pub(super) struct Tables {
    default: SlaSettings,
    by_type: BTreeMap<String, SlaSettings>,
}

impl Tables {
    pub(super) fn new(mut settings: BTreeMap<String, SlaSettings>, checker: &mut Checker<'_>) -> Self {
        let default = settings.remove(DEFAULT).unwrap_or_default();
        let tables = Self { default, by_type: settings };
        let path = KeyPath::of(&["sla", DEFAULT]);
        check_alone(&path, &tables.default, checker);
        let merged = merge(&[&tables.default]);
        check_together(&path, &tables.default, &merged, checker);
        for (kind, own) in &tables.by_type {
            let path = KeyPath::of(&["sla", kind]);
            check_alone(&path, own, checker);
            check_together(&path, own, &merge(&[&tables.default, own]), checker);
        }
        tables
    }

    /// What a subscription promises, its own table laid over all others.
    pub(super) fn of(&self, path: &KeyPath, own: &SlaSettings, checker: &mut Checker<'_>) -> SlaTable {
        check_alone(path, own, checker);
        let default = merge(&[&self.default, own]);
        let by_type = self.by_type.iter();
        let by_type: BTreeMap<String, Sla> =
            by_type.map(|(kind, settings)| (kind.clone(), merge(&[&self.default, settings, own]))).collect();
        // One type's trouble is enough to say: the same table is behind all of them.
        for merged in std::iter::once(&default).chain(by_type.values()) {
            if check_together(path, own, merged, checker) {
                break;
            }
        }
        SlaTable { by_type, default }
    }
}

fn merge(layers: &[&SlaSettings]) -> Sla {
    let mut sla = Sla::default();
    for layer in layers {
        set(&mut sla.max_attempts, layer.max_attempts);
        set(&mut sla.initial_interval, layer.initial_interval);
        set(&mut sla.multiplier, layer.multiplier);
        set(&mut sla.max_interval, layer.max_interval);
        set(&mut sla.attempt_timeout, layer.attempt_timeout);
        set(&mut sla.give_up_after, layer.give_up_after);
        set(&mut sla.alert, layer.alert);
        sla.deadline = layer.deadline.map(Into::into).or(sla.deadline);
    }
    sla
}

/// What is wrong whatever the other tables say.
fn check_alone(path: &KeyPath, own: &SlaSettings, checker: &mut Checker<'_>) {
    checker.not_zero(&path.key("attempt-timeout"), own.attempt_timeout);
    checker.not_zero(&path.key("give-up-after"), own.give_up_after);
    let path = path.key("multiplier");
    if let Some(multiplier) = own.multiplier.filter(|multiplier| !multiplier.is_finite() || *multiplier < 1.0)
    {
        checker.mistake(&path, format!("{multiplier} would shorten the waits; write 1 or more"));
    }
}

/// What is wrong between two values, reported where this table holds one of them; true if anything was.
fn check_together(path: &KeyPath, own: &SlaSettings, merged: &Sla, checker: &mut Checker<'_>) -> bool {
    let before = checker.mistakes.len();
    if merged.initial_interval > merged.max_interval {
        let (first, longest) = (merged.initial_interval, merged.max_interval);
        let text =
            format!("`initial-interval` is {first:?} and `max-interval` only {longest:?}; raise the latter");
        let keys = [("initial-interval", own.initial_interval), ("max-interval", own.max_interval)];
        blame(path, keys, &text, checker);
    }
    if let Some(deadline) = merged.deadline.filter(|deadline| *deadline < merged.attempt_timeout) {
        let attempt = merged.attempt_timeout;
        let text = format!(
            "`deadline` is {deadline:?} and one attempt may take {attempt:?}; lower `attempt-timeout`"
        );
        let keys = [("deadline", own.deadline), ("attempt-timeout", own.attempt_timeout)];
        blame(path, keys, &text, checker);
    }
    checker.mistakes.len() > before
}

/// Reports at the first of these keys that the table gives; at none if another table gives both.
fn blame<T>(path: &KeyPath, keys: [(&str, Option<T>); 2], text: &str, checker: &mut Checker<'_>) {
    if let Some((key, _)) = keys.iter().find(|(_, written)| written.is_some()) {
        checker.mistake(&path.key(key), text);
    }
}
