//! The idempotency key: what an external system recognises a repetition by.
//!
//! A pure function of the event and the subscription, so that it is the same on every attempt, after a restart and
//! after a redrive. Nothing else may enter it: no clock, no offset of a commit, no random number.

use sha2::{Digest, Sha256};

use super::Event;
use crate::config::SubscriptionName;

/// Bytes of the hash that are kept: 128 bits, so that two events never share a key by chance.
const KEY_BYTES: usize = 16;

impl Event {
    /// 32 hexadecimal digits. `part` is the position among the events that a transformer made of this one; `None`
    /// where it was delivered as it came.
    pub fn idempotency_key(&self, subscription: &SubscriptionName, part: Option<u32>) -> String {
        let part = part.map(u32::to_be_bytes);
        let mut hash = Sha256::new();
        for field in [
            self.source.as_bytes(),
            self.id.as_bytes(),
            subscription.as_str().as_bytes(),
            part.as_ref().map_or(&[], |part| part.as_slice()),
        ] {
            // The length in front keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hexadecimal(&hash.finalize()[..KEY_BYTES])
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::event::Origin;

    fn event(source: &str, id: &str) -> Event {
        Event {
            id: id.to_owned(),
            source: source.to_owned(),
            kind: "policy.updated".to_owned(),
            subject: None,
            time: None,
            key: None,
            content_type: None,
            data: None,
            attributes: Vec::new(),
            origin: Origin { topic: "policies".into(), partition: 0, offset: 0 },
        }
    }

    /// External systems remember keys: this value must never change.
    #[test]
    fn the_key_is_stable() {
        let key = event("/hr/policies", "7").idempotency_key(&SubscriptionName::new("calendar"), None);
        assert_eq!(key, "8483f279221c1da6e4de8a6926af8de1");
    }

    #[test]
    fn the_key_differs_by_each_field_and_by_where_one_ends() {
        let keys: HashSet<String> = [
            ("a", "b", "c", None),
            ("x", "b", "c", None),
            ("a", "x", "c", None),
            ("a", "b", "x", None),
            ("a", "b", "c", Some(0)),
            ("a", "b", "c", Some(1)),
            ("ab", "", "c", None),
            ("", "ab", "c", None),
            ("a", "bc", "", None),
        ]
        .into_iter()
        .map(|(source, id, subscription, part)| {
            event(source, id).idempotency_key(&SubscriptionName::new(subscription), part)
        })
        .collect();
        assert_eq!(keys.len(), 9);
    }

    #[test]
    fn the_key_ignores_what_may_change_between_attempts() {
        let subscription = SubscriptionName::new("calendar");
        let first = event("s", "1");
        let mut again = event("s", "1");
        again.origin.offset = 99;
        again.attributes.push(("liaison.redrive".to_owned(), "2".to_owned()));
        assert_eq!(first.idempotency_key(&subscription, None), again.idempotency_key(&subscription, None));
    }
}
