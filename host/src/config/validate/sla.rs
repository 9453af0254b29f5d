//! Checks `[sla]` and lays its tables over each other: the defaults, `[sla.default]`, the type's, the subscription's.

use std::collections::BTreeMap;

use super::{Checker, set};
use crate::config::document::KeyPath;
use crate::config::settings::{BurnSettings, SlaSettings};
use crate::config::{Burn, Sla, SlaTable};

/// The tables of `[sla]` as written.
pub(super) struct Tables {
    default: SlaSettings,
    by_type: BTreeMap<String, SlaSettings>,
}

impl Tables {
    pub(super) fn new(mut settings: BTreeMap<String, SlaSettings>, checker: &mut Checker<'_>) -> Self {
        let default = settings.remove(SlaTable::DEFAULT).unwrap_or_default();
        let tables = Self { default, by_type: settings };
        let path = KeyPath::of(&["sla", SlaTable::DEFAULT]);
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
        set(&mut sla.objective.share, layer.objective);
        set(&mut sla.objective.window, layer.objective_window);
        merge_burn(&mut sla.objective.fast, &layer.fast_burn);
        merge_burn(&mut sla.objective.slow, &layer.slow_burn);
        sla.deadline = layer.deadline.map(Into::into).or(sla.deadline);
    }
    sla
}

fn merge_burn(burn: &mut Burn, layer: &BurnSettings) {
    set(&mut burn.window, layer.window);
    set(&mut burn.short_window, layer.short_window);
    set(&mut burn.rate, layer.rate);
}

/// What is wrong whatever the other tables say.
fn check_alone(path: &KeyPath, own: &SlaSettings, checker: &mut Checker<'_>) {
    checker.not_zero(&path.key("attempt-timeout"), own.attempt_timeout);
    checker.not_zero(&path.key("give-up-after"), own.give_up_after);
    checker.share(&path.key("objective"), own.objective);
    checker.not_zero(&path.key("objective-window"), own.objective_window);
    for (key, burn) in [("fast-burn", &own.fast_burn), ("slow-burn", &own.slow_burn)] {
        checker.not_zero(&path.key(key).key("short-window"), burn.short_window);
        let path = path.key(key).key("rate");
        if let Some(rate) = burn.rate.filter(|rate| !rate.is_finite() || *rate < 1.0) {
            checker.mistake(&path, format!("{rate} would never miss the objective; write 1 or more"));
        }
    }
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
        let keys = [
            (path.key("initial-interval"), own.initial_interval),
            (path.key("max-interval"), own.max_interval),
        ];
        blame(&keys, &text, checker);
    }
    if let Some(deadline) = merged.deadline.filter(|deadline| *deadline < merged.attempt_timeout) {
        let attempt = merged.attempt_timeout;
        let text = format!(
            "`deadline` is {deadline:?} and one attempt may take {attempt:?}; lower `attempt-timeout`"
        );
        let keys = [(path.key("deadline"), own.deadline), (path.key("attempt-timeout"), own.attempt_timeout)];
        blame(&keys, &text, checker);
    }
    check_burns(path, own, merged, checker);
    checker.mistakes.len() > before
}

/// The objective's window holds those of a burn, and each of these its short one.
fn check_burns(path: &KeyPath, own: &SlaSettings, merged: &Sla, checker: &mut Checker<'_>) {
    let whole = (path.key("objective-window"), own.objective_window, merged.objective.window);
    for (key, burn, own) in [
        ("fast-burn", merged.objective.fast, &own.fast_burn),
        ("slow-burn", merged.objective.slow, &own.slow_burn),
    ] {
        let path = path.key(key);
        let Burn { window, short_window, .. } = burn;
        let given = (path.key("window"), own.window);
        if short_window >= window {
            let text =
                format!("`short-window` is {short_window:?} and `window` only {window:?}; raise the latter");
            blame(&[(path.key("short-window"), own.short_window), given.clone()], &text, checker);
        }
        if window > whole.2 {
            let text =
                format!("`window` is {window:?} and `objective-window` only {:?}; raise the latter", whole.2);
            blame(&[given, (whole.0.clone(), whole.1)], &text, checker);
        }
    }
}

/// Reports at the first of these keys that the table gives; at none if another table gives them.
fn blame<T>(keys: &[(KeyPath, Option<T>)], text: &str, checker: &mut Checker<'_>) {
    if let Some((key, _)) = keys.iter().find(|(_, written)| written.is_some()) {
        checker.mistake(key, text);
    }
}
