//! Every decoder of what somebody else may have written, against what nobody would write.
//!
//! Good input is changed at random, again and again, and each decoder must answer without a panic, within its bounds,
//! and so that what it took reads back as the same. This needs nothing but stable Rust; it looks for no new paths
//! through the code as a fuzzer that is guided by coverage does. With the unit tests it runs for a moment;
//! `cargo fuzz-decoders --seconds N` is for longer, and says how a failure is had again.

mod decoders;
mod mutation;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use self::mutation::mutate;
use crate::event::Record;

/// How long each decoder is tried with the other unit tests.
const MOMENT: Duration = Duration::from_millis(500);
const SECONDS: &str = "LIAISON_FUZZ_SECONDS";
const SEED: &str = "LIAISON_FUZZ_SEED";

/// Tries one decoder for its time. What reads one value alone is given the record's.
#[expect(clippy::print_stderr, reason = "a test that fails says on what")]
pub(crate) fn fuzz(name: &str, seeds: &[Record], decode: impl Fn(&Record)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let time = number(SECONDS).map_or(MOMENT, Duration::from_secs);
    let first = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    seeds.iter().for_each(&decode);
    let began = Instant::now();
    // With a seed that is given there is nothing to look for after its own input.
    let inputs = if number(SEED).is_some() { 1 } else { u64::MAX };
    for seed in (0..inputs).map(|index| first.wrapping_add(index)) {
        let input = mutate(&mut fastrand::Rng::with_seed(seed), seeds);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| decode(&input))) {
            let again = format!("{SEED}={seed} cargo fuzz-decoders");
            eprintln!("{name} fails on {input:?}\nto have it again: {again}");
            resume_unwind(panic);
        }
        if began.elapsed() >= time {
            return;
        }
    }
}
