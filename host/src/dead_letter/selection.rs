//! Which dead letters are meant: one, those that fit a filter, or all. Pure.

use bytes::Bytes;
use globset::GlobMatcher;

use super::reason::Reason;
use super::record::DeadLetter;
use super::store::LetterId;
use crate::contract::TimestampMs;

/// What a person asks for; what is not given fits every letter.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub id: Option<LetterId>,
    pub reason: Option<Reason>,
    /// Of the event's type.
    pub kind: Option<GlobMatcher>,
    /// The record's key.
    pub key: Option<Bytes>,
    /// Given up then or later.
    pub since: Option<TimestampMs>,
    /// Given up before then.
    pub until: Option<TimestampMs>,
}

impl Selection {
    /// Is this letter, which lies there, meant?
    pub fn has(&self, id: &LetterId, letter: &DeadLetter) -> bool {
        let kind = letter.event_type.as_deref().unwrap_or_default();
        let given_up = letter.dead_lettered_at;
        self.id.as_ref().is_none_or(|wanted| wanted == id)
            && self.reason.is_none_or(|reason| reason == letter.reason)
            && self.kind.as_ref().is_none_or(|wanted| wanted.is_match(kind))
            && self.key.as_ref().is_none_or(|key| Some(key) == letter.record.key.as_ref())
            && self.since.is_none_or(|since| given_up >= since)
            && self.until.is_none_or(|until| given_up < until)
    }

    /// Does it fit every letter?
    pub fn is_everything(&self) -> bool {
        let Selection { id, reason, kind, key, since, until } = self;
        id.is_none()
            && reason.is_none()
            && kind.is_none()
            && key.is_none()
            && since.is_none()
            && until.is_none()
    }
}

#[cfg(test)]
mod tests {
    use globset::Glob;

    use super::super::record::tests::letter;
    use super::*;

    #[test]
    fn a_letter_must_fit_all_that_is_given() {
        let kind = |glob: &str| Some(Glob::new(glob).unwrap().compile_matcher());
        let key = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        let given_up = letter().dead_lettered_at;
        let id: LetterId = "calendar/0/9".parse().unwrap();
        let none = Selection::default();
        assert!(none.is_everything());
        for (selection, expected) in [
            (none, true),
            (Selection { id: Some(id.clone()), ..Selection::default() }, true),
            (Selection { id: "calendar/0/8".parse().ok(), ..Selection::default() }, false),
            (Selection { reason: Some(Reason::Rejected), ..Selection::default() }, true),
            (Selection { reason: Some(Reason::GaveUp), ..Selection::default() }, false),
            (Selection { kind: kind("policy.*"), ..Selection::default() }, true),
            (Selection { kind: kind("schedule.*"), ..Selection::default() }, false),
            (Selection { key: key("policy-7"), ..Selection::default() }, true),
            (Selection { key: key("policy-8"), ..Selection::default() }, false),
            (Selection { since: Some(given_up), ..Selection::default() }, true),
            (Selection { since: Some(given_up + 1), ..Selection::default() }, false),
            (Selection { until: Some(given_up + 1), ..Selection::default() }, true),
            (Selection { until: Some(given_up), ..Selection::default() }, false),
            (Selection { key: key("policy-7"), reason: Some(Reason::GaveUp), ..Selection::default() }, false),
        ] {
            assert_eq!(selection.has(&id, &letter()), expected, "{selection:?}");
        }
        let keyed = Selection { key: key("policy-7"), ..Selection::default() };
        assert!(!keyed.is_everything());
    }
}
