//! A transformer of which there are as many versions as one likes: whoever writes another word into the mark in its file
//! has another one, without building it.
//!
//! One whose word begins with `trap` panics on every event, any other gives each event its word as type.

use std::hint::black_box;

use liaison_sdk::prelude::*;

liaison_sdk::transformer!(transform);

/// What a test looks for in the file: a beginning, and the word, filled up with `-`.
static MARK: [u8; 32] = *b"liaison-guest-mark:v1-----------";

fn transform(event: Event) -> Result<Transformed, Failure> {
    let mark = black_box(&MARK);
    let word = String::from_utf8_lossy(&mark[19..]);
    assert!(!word.starts_with("trap"), "trapped, as it is marked");
    Ok(Transformed::emit(event.reshaped().kind(word.trim_end_matches('-'))))
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::event;

    use super::*;

    #[test]
    fn an_event_is_of_the_type_that_the_mark_says() {
        let Ok(Transformed::Emit(events)) = transform(event("t").into()) else { panic!("it emits") };
        assert_eq!(events[0].type_, "v1");
    }
}
