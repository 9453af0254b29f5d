//! Dead letters counted by cause: many letters, few causes.
//!
//! A cause is a reason and what was said, without what differs from event to event.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{States, left_out, printable, seconds_text, shown, table};
use crate::contract::TimestampMs;
use crate::dead_letter::listing::{Listing, Summary};

/// Letters of one cause.
struct Cause<'a> {
    count: usize,
    first_at: TimestampMs,
    last_at: TimestampMs,
    /// The last of them.
    example: &'a Summary,
}

/// Subscription, reason and what was said.
type Name = (String, &'static str, String);

/// A table of the causes, the most frequent first.
pub fn causes_text(listing: &Listing, states: States<'_>) -> String {
    let causes = causes(listing, states);
    let mut text = String::new();
    if causes.is_empty() {
        text.push_str("no dead letters\n");
    } else {
        let mut table = table(&["count", "reason", "what was said", "last", "such as"]);
        for ((_, reason, said), cause) in &causes {
            let (count, last) = (cause.count.to_string(), seconds_text(cause.last_at));
            table.add_row(vec![
                count,
                (*reason).to_owned(),
                printable(said),
                last,
                cause.example.id.to_string(),
            ]);
        }
        let _ = writeln!(text, "{}", table.trim_fmt());
    }
    let counted = causes.iter().map(|(_, cause)| cause.count).sum();
    text + &left_out(listing, counted)
}

/// The same as JSON.
pub fn causes_json(listing: &Listing, states: States<'_>) -> Value {
    let cause = |((subscription, reason, said), cause): &(Name, Cause<'_>)| {
        json!({
            "subscription": subscription,
            "reason": reason,
            "said": said,
            "count": cause.count,
            "first_at": super::time_text(cause.first_at),
            "last_at": super::time_text(cause.last_at),
            "example": cause.example.id.to_string(),
        })
    };
    json!({"causes": causes(listing, states).iter().map(cause).collect::<Vec<_>>(), "omitted": listing.omitted})
}

fn causes<'a>(listing: &'a Listing, states: States<'a>) -> Vec<(Name, Cause<'a>)> {
    let mut causes: BTreeMap<Name, Cause<'a>> = BTreeMap::new();
    for letter in shown(listing, states) {
        let at = letter.dead_lettered_at;
        let name = (letter.id.subscription.to_string(), letter.reason.name(), said(letter));
        let new = Cause { count: 0, first_at: at, last_at: at, example: letter };
        let cause = causes.entry(name).or_insert(new);
        cause.count += 1;
        cause.first_at = cause.first_at.min(at);
        if at >= cause.last_at {
            (cause.last_at, cause.example) = (at, letter);
        }
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.count));
    causes
}

/// The message without the event's own id and key, paths, and numbers longer than a status.
fn said(letter: &Summary) -> String {
    const SAID_BYTES: usize = 160;
    // A short one may well be a part of any word.
    const PART_BYTES: usize = 4;
    let key = letter.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    let own = [letter.event_id.as_deref(), key];
    let is_in = |own: &str, word: &str| own == word || (own.len() >= PART_BYTES && word.contains(own));
    let is_own = |word: &str| own.into_iter().flatten().any(|own| is_in(own, word));
    let differs = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let letters = word.chars().filter(|character| character.is_alphabetic()).count();
        is_own(word) || word.contains('/') || digits > 3 || (digits > 0 && letters > 0)
    };
    let words = letter.message.split_whitespace().map(|word| if differs(word) { "…" } else { word });
    let said: Vec<&str> = words.collect();
    crate::dead_letter::attempts::cut(&said.join(" "), SAID_BYTES).to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::super::listing::tests::summary;
    use super::super::super::mark::{Mark, Resolution};
    use super::*;

    fn said_of(message: &str, id: &str, at: TimestampMs) -> Summary {
        Summary {
            message: message.to_owned(),
            event_id: Some(id.to_owned()),
            key: Some(Bytes::from_static(b"unit")),
            dead_lettered_at: at,
            ..summary()
        }
    }

    #[test]
    fn what_differs_from_event_to_event_is_left_out_of_a_cause() {
        for (message, expected) in [
            (
                "PUT /events/e-1 answered 400 Bad Request: no such room",
                "PUT … answered 400 Bad Request: no such room",
            ),
            ("the event abc has no `title`", "the event … has no `title`"),
            ("6 attempts failed; the last: timed out", "6 attempts failed; the last: timed out"),
            ("trace 123456 of unit-7 at x9", "trace … of … at …"),
        ] {
            assert_eq!(said(&said_of(message, "abc", 0)), expected);
        }
    }

    #[test]
    fn letters_are_counted_by_cause_the_most_frequent_first() {
        let done = Mark { offset: 0, resolution: Resolution::Redriven, at: 0, note: None };
        let letters = vec![
            said_of("timed out", "a", 5),
            said_of("PUT /a answered 400", "a", 10),
            said_of("PUT /b answered 400", "b", 30),
            said_of("PUT /c answered 400", "c", 20),
            Summary { mark: Some(done), ..said_of("timed out", "d", 50) },
        ];
        let listing = Listing { letters, ..Listing::default() };
        let json = causes_json(&listing, &[None]);
        let brief = |index: usize| {
            let cause = &json["causes"][index];
            (
                cause["said"].clone(),
                cause["count"].clone(),
                cause["first_at"].clone(),
                cause["last_at"].clone(),
            )
        };
        let at = |ms| json!(super::super::time_text(ms));
        assert_eq!(brief(0), (json!("PUT … answered 400"), json!(3), at(10), at(30)));
        assert_eq!(brief(1), (json!("timed out"), json!(1), at(5), at(5)));
        let text = causes_text(&listing, &[None]);
        assert!(text.contains("PUT … answered 400"), "{text}");
        assert!(text.ends_with("1 in other states and not shown (--all shows them)\n"), "{text}");
        assert_eq!(causes_text(&Listing::default(), &[None]), "no dead letters\n");
    }
}
