//! A connector of which there are as many versions as one likes: whoever writes another word into the mark in its file
//! has another one, without building it.
//!
//! | word begins with | does |
//! |---|---|
//! | `trap` | panics on every event |
//! | `reject` | rejects every event |
//! | `loop` | computes for ever |
//! | `snag` | computes for ever on events whose id begins with `snag`, and is like any other on the rest |
//! | `late` | asks, and panics when it is answered |
//! | `detour` | puts the event to `/detour/{id}` |
//! | `steps` | puts it to `/open/{id}`, and then as any other |
//! | `tangle` | panics where it is to join |
//! | `snare` | panics where it is to join an event whose id begins with `snare` |
//!
//! Any other puts the event to `/events/{id}`. An event of the type `many` is put to `/many/{id}`, and several of them together
//! to `/many`. Each says its word in the header `x-version`.

use std::hint::black_box;

use liaison_sdk::joint::{Body, Effect, HttpRequest, Joint, everyone};
use liaison_sdk::prelude::*;

liaison_sdk::joining_connector!(deliver, liaison_sdk::raw::no_check, join, everyone);

/// What a test looks for in the file: a beginning, and the word, filled up with `-`.
static MARK: [u8; 32] = *b"liaison-guest-mark:v1-----------";

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Ending, Failure> {
    let word = word();
    let id = encode_segment(&delivery.event.id);
    let put =
        |folder: &str| http.put(format!("/{folder}/{id}")).header("x-version", word.as_str()).event_data();
    if delivery.event.type_ == "many" {
        let put = http.put(format!("/many/{id}")).header("x-version", word.as_str());
        return Ok(put.body(format!("{id}\n")).settle().into());
    }
    let outcome = match word.trim_end_matches(|character: char| character.is_ascii_digit()) {
        "trap" => panic!("trapped, as it is marked"),
        "reject" => Outcome::rejected("rejected, as it is marked"),
        "loop" => spin(),
        "snag" if id.starts_with("snag") => spin(),
        "late" => {
            put("events").send().await?;
            panic!("trapped, as it is marked")
        }
        "steps" => {
            put("open").send().await?;
            Outcome::from_response(&put("events").send().await?)
        }
        "detour" => Outcome::from_response(&put("detour").send().await?),
        _ => Outcome::from_response(&put("events").send().await?),
    };
    Ok(outcome.into())
}

/// One request with the lines of all that is put to `/many/`.
fn join(effects: Vec<Effect>) -> Vec<Joint> {
    assert!(!word().starts_with("tangle"), "trapped, as it is marked");
    let (mut lines, mut members, mut one) = (Vec::new(), Vec::new(), None);
    for (number, effect) in (0..).zip(effects) {
        if let Effect::Http(HttpRequest { body: Body::Bytes(line), .. }) = &effect {
            assert!(!word().starts_with("snare") || !line.starts_with(b"snare"), "trapped, as it is marked");
            lines.extend_from_slice(line);
            members.push(number);
            one = Some(effect);
        }
    }
    let Some(Effect::Http(one)) = one else { return Vec::new() };
    let effect = Effect::Http(HttpRequest { url: "/many".to_owned(), body: Body::Bytes(lines), ..one });
    let memo = members.len().to_string().into_bytes();
    vec![Joint { effect, members, memo }]
}

/// What the mark says in this file.
fn word() -> String {
    // Not known before it runs: the file may say something else than this source.
    let mark = black_box(&MARK);
    String::from_utf8_lossy(&mark[19..]).trim_end_matches('-').to_owned()
}

fn spin() -> Outcome {
    let mut count = 0_u64;
    while black_box(count) < u64::MAX {
        count = count.wrapping_add(1) & 0xffff;
    }
    Outcome::delivered()
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{endpoint, event, reply};

    use super::*;

    #[test]
    fn it_says_which_version_it_is() {
        let run = endpoint().expect("PUT /events/1", reply(204)).deliver(deliver, event("t").id("1"));
        assert_eq!(run.outcome, Outcome::delivered());
        assert_eq!(run.requests[0].header("x-version"), Some("v1"));
    }
}
