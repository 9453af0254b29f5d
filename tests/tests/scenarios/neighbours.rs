//! What a hostile plugin costs its neighbour on the same worker, and the host's memory afterwards: nothing.
//!
//! The neighbour is under a steady load, alone and beside each misdeed by turns. In an ordinary run what is asserted is what a
//! busy machine does not change: which events arrive, in which order, which errors are counted, and the memory. The times are
//! printed; on a quiet machine they are asserted by
//! `cargo test --workspace --test scenarios -- --ignored --nocapture on_a_quiet_machine`.

mod stage;

use anyhow::ensure;

use self::stage::{Beside, Figures, Limits, Misdeed, Stage};
use crate::fixture::sorted;

/// What the process may have resident more than before: what its allocators keep.
const MEMORY_SLACK: u64 = 48 << 20;
/// What a neighbour may lose by each misdeed.
const LOSS: f64 = 1.1;

/// Every misdeed of the guest that a sandbox can see, with its fault.
const MISDEEDS: [Misdeed<'static>; 19] = [
    Misdeed { name: "trap", kind: "trap", says: "trapped, as asked", limits: Limits::Tight },
    Misdeed { name: "loop", kind: "cpu-time", says: "(limits.cpu-time)", limits: Limits::Tight },
    Misdeed { name: "recursion", kind: "stack", says: "(runtime.stack)", limits: Limits::Roomy },
    Misdeed { name: "memory", kind: "memory", says: "(limits.memory)", limits: Limits::Tight },
    Misdeed { name: "table", kind: "table-elements", says: "(limits.table-elements)", limits: Limits::Tight },
    Misdeed { name: "handles", kind: "handles", says: "(limits.handles)", limits: Limits::Tight },
    Misdeed { name: "host-calls", kind: "host-calls", says: "(limits.host-calls)", limits: Limits::Roomy },
    Misdeed { name: "settings", kind: "host-calls", says: "(limits.host-calls)", limits: Limits::Roomy },
    Misdeed {
        name: "few-steps",
        kind: "wrong-length",
        says: "0 results for 1 events",
        limits: Limits::Tight,
    },
    Misdeed {
        name: "many-steps",
        kind: "wrong-length",
        says: "2 results for 1 events",
        limits: Limits::Tight,
    },
    Misdeed { name: "huge", kind: "result-size", says: "(limits.result)", limits: Limits::Roomy },
    Misdeed { name: "huge-reason", kind: "result-size", says: "(limits.result)", limits: Limits::Roomy },
    Misdeed {
        name: "large-head",
        kind: "request-head",
        says: "(limits.request-head)",
        limits: Limits::Roomy,
    },
    Misdeed {
        name: "large-body",
        kind: "request-body",
        says: "(limits.request-body)",
        limits: Limits::Roomy,
    },
    Misdeed { name: "random", kind: "inconsistent", says: "two answers", limits: Limits::Tight },
    Misdeed { name: "endless-steps", kind: "steps", says: "(limits.steps)", limits: Limits::Tight },
    Misdeed { name: "many-effects", kind: "effects", says: "(limits.effects)", limits: Limits::Roomy },
    Misdeed { name: "sleep", kind: "trap", says: "a plugin may not sleep", limits: Limits::Tight },
    Misdeed { name: "broken-promise", kind: "nonsense", says: "settles by a request", limits: Limits::Tight },
];

#[test]
fn each_misdeed_costs_its_own_events_and_neither_the_neighbour_nor_the_memory() -> anyhow::Result<()> {
    let mut stage = Stage::start()?;
    let memory = stage.memory()?;
    for misdeed in &MISDEEDS {
        let alone = stage.window(&Beside::Nobody, 60)?;
        let beside = stage.window(&Beside::Misdeed(misdeed), 60)?;
        stage.is_paid_for_by_its_own_events(misdeed)?;
        stage.is_counted_by_its_kind(misdeed)?;
        let after = stage.memory_within(memory + MEMORY_SLACK)?;
        report(misdeed, &[(alone, beside)], memory, after);
    }
    stage.stop()
}

/// What an endpoint does to a good plugin, and what the dead letter says of it.
const TRICKS: [Misdeed<'static>; 6] = [
    Misdeed { name: "drip", kind: "", says: "timed out", limits: Limits::Rogue },
    Misdeed { name: "bomb", kind: "", says: "more than 262144 bytes", limits: Limits::Rogue },
    Misdeed { name: "packed-bomb", kind: "", says: "more than 262144 bytes", limits: Limits::Rogue },
    Misdeed { name: "endless-head", kind: "", says: "got no answer", limits: Limits::Rogue },
    Misdeed { name: "two-lengths", kind: "", says: "got no answer", limits: Limits::Rogue },
    Misdeed { name: "redirect", kind: "", says: "302", limits: Limits::Rogue },
];

#[test]
fn each_trick_of_an_endpoint_costs_its_own_events_and_neither_the_neighbour_nor_the_memory()
-> anyhow::Result<()> {
    let mut stage = Stage::start()?;
    let memory = stage.memory()?;
    for trick in &TRICKS {
        let alone = stage.window(&Beside::Nobody, 60)?;
        let beside = stage.window(&Beside::Misdeed(trick), 60)?;
        stage.is_paid_for_by_its_own_events(trick)?;
        let after = stage.memory_within(memory + MEMORY_SLACK)?;
        report(trick, &[(alone, beside)], memory, after);
    }
    stage.has_no_faults()?;
    stage.stop()
}

/// Other spellings of addresses, and what would make another request of one: what is asked, and what the dead letter says.
/// The endpoint's own port is in the place of `PORT`.
const SPELLINGS: [(&str, &str); 15] = [
    ("to http://2130706434:PORT/", "is not allowed"),
    ("to http://0177.0.0.2:PORT/", "is not allowed"),
    ("to http://0x7f.2:PORT/", "is not allowed"),
    ("to http://[::ffff:127.0.0.1]:PORT/", "is not allowed"),
    ("to http://[::1]:PORT/", "is not allowed"),
    ("to http://127.0.0.1:PORT@127.0.0.2:PORT/", "user name or password in it is refused"),
    ("to http://user:word@127.0.0.1:PORT/", "user name or password in it is refused"),
    ("to //127.0.0.2:PORT/", "write the scheme, or one slash"),
    ("to http://169.254.169.254/latest/meta-data/", "is not allowed"),
    ("to /x HTTP/1.1\r\nhost: elsewhere", "must be percent-encoded"),
    ("to /%2e%2e/admin", "segment is refused"),
    ("to /..\\admin", "must be percent-encoded"),
    ("with host: elsewhere", "the host sets it"),
    ("with content-length: 1", "the host sets it"),
    ("with x: a\r\nhost: elsewhere", "a line break or control character in its value"),
];

#[test]
fn each_trick_of_an_address_costs_its_own_events_and_neither_the_neighbour_nor_the_memory()
-> anyhow::Result<()> {
    let mut stage = Stage::start()?;
    let memory = stage.memory()?;
    for (asked, says) in SPELLINGS {
        let trick = Misdeed { name: &stage.with_port(asked), kind: "", says, limits: Limits::Tight };
        let alone = stage.window(&Beside::Nobody, 60)?;
        let beside = stage.window(&Beside::Misdeed(&trick), 60)?;
        stage.is_paid_for_by_its_own_events(&trick)?;
        let after = stage.memory_within(memory + MEMORY_SLACK)?;
        report(&trick, &[(alone, beside)], memory, after);
    }
    stage.reached_nothing()?;
    stage.has_no_faults()?;
    stage.stop()
}

/// What stands behind a reply is not taken for the next one, so all of these are delivered.
#[test]
fn a_smuggled_reply_costs_nothing() -> anyhow::Result<()> {
    let smuggled = Misdeed { name: "smuggled", kind: "", says: "", limits: Limits::Rogue };
    let mut stage = Stage::start()?;
    stage.window(&Beside::Misdeed(&smuggled), 60)?;
    stage.is_delivered(&smuggled)?;
    stage.stop()
}

/// A guest that says too much, and is a good one else.
const FLOOD: Misdeed<'static> = Misdeed { name: "log-flood", kind: "", says: "", limits: Limits::Roomy };

#[test]
fn a_flood_of_the_log_costs_neither_the_neighbour_nor_the_memory() -> anyhow::Result<()> {
    let mut stage = Stage::start()?;
    let memory = stage.memory()?;
    let alone = stage.window(&Beside::Nobody, 60)?;
    let beside = stage.window(&Beside::Misdeed(&FLOOD), 60)?;
    stage.is_delivered_with_its_lines_dropped(&FLOOD)?;
    let after = stage.memory_within(memory + MEMORY_SLACK)?;
    report(&FLOOD, &[(alone, beside)], memory, after);
    stage.stop()
}

/// Throughput and p99 of the neighbour within a tenth, beside each misdeed of a guest.
#[test]
#[ignore = "it asserts times: for a quiet machine"]
fn on_a_quiet_machine_a_neighbour_loses_less_than_a_tenth() -> anyhow::Result<()> {
    loses_less_than_a_tenth(MISDEEDS.len(), |number, stage| {
        let misdeed = &MISDEEDS[number];
        slowed(stage, misdeed, |stage| {
            stage.is_paid_for_by_its_own_events(misdeed)?;
            stage.is_counted_by_its_kind(misdeed)
        })
    })
}

/// The same beside a flood of the log.
#[test]
#[ignore = "it asserts times: for a quiet machine"]
fn on_a_quiet_machine_a_neighbour_loses_less_than_a_tenth_by_a_flood_of_the_log() -> anyhow::Result<()> {
    loses_less_than_a_tenth(1, |_, stage| {
        slowed(stage, &FLOOD, |stage| stage.is_delivered_with_its_lines_dropped(&FLOOD))
    })
}

/// The same beside each trick of an endpoint and of an address.
#[test]
#[ignore = "it asserts times: for a quiet machine"]
fn on_a_quiet_machine_a_neighbour_loses_less_than_a_tenth_by_tricks() -> anyhow::Result<()> {
    loses_less_than_a_tenth(TRICKS.len(), |number, stage| {
        let trick = &TRICKS[number];
        slowed(stage, trick, |stage| stage.is_paid_for_by_its_own_events(trick))
    })?;
    loses_less_than_a_tenth(SPELLINGS.len(), |number, stage| {
        let (asked, says) = SPELLINGS[number];
        let name = &stage.with_port(asked);
        let trick = Misdeed { name, kind: "", says, limits: Limits::Tight };
        slowed(stage, &trick, |stage| stage.is_paid_for_by_its_own_events(&trick))
    })
}

/// Each of so many on a stage of its own: the embedded broker finds a record by walking over those before it.
fn loses_less_than_a_tenth(
    count: usize,
    slowed: impl Fn(usize, &mut Stage) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for number in 0..count {
        let mut stage = Stage::start()?;
        all.extend(slowed(number, &mut stage)?);
        stage.stop()?;
    }
    ensure!(all.is_empty(), "neighbours lost more than a tenth: {all:#?}");
    Ok(())
}

/// What the neighbour lost beside it, over windows by turns, if that is more than a tenth. `is_borne` says whether the misdeed
/// came to the end that it should.
fn slowed(
    stage: &mut Stage,
    misdeed: &Misdeed<'_>,
    is_borne: impl Fn(&Stage) -> anyhow::Result<()>,
) -> anyhow::Result<Option<String>> {
    let memory = stage.memory()?;
    let mut windows = Vec::new();
    for _ in 0..5 {
        let alone = stage.window(&Beside::Nobody, 300)?;
        windows.push((alone, stage.window(&Beside::Misdeed(misdeed), 300)?));
    }
    is_borne(stage)?;
    let after = stage.memory_within(memory + MEMORY_SLACK)?;
    let (throughput, p99) = report(misdeed, &windows, memory, after);
    let is_slowed = throughput < 1.0 / LOSS || p99 > LOSS;
    Ok(is_slowed.then(|| format!("{}: throughput × {throughput:.2}, p99 × {p99:.2}", misdeed.name)))
}

/// Prints the figures and gives the ratios of throughput, as the median over windows, and of p99, over the events of all
/// windows: of the few of one it would be chance.
#[expect(clippy::print_stderr, reason = "figures, for whoever runs it with --nocapture")]
fn report(misdeed: &Misdeed<'_>, windows: &[(Figures, Figures)], memory: u64, after: u64) -> (f64, f64) {
    let (alone, beside): (Vec<_>, Vec<_>) = windows.iter().map(|(alone, beside)| (alone, beside)).unzip();
    let throughput = median(windows.iter().map(|(alone, beside)| beside.a_second / alone.a_second));
    let (p99_alone, p99_beside) = (p99_ms(&alone), p99_ms(&beside));
    let p99 = p99_beside / p99_alone;
    eprintln!(
        "{:<15} neighbour {:>4.0}/s alone, {:>4.0}/s beside (× {throughput:.2}); p99 {p99_alone:>6.1} ms alone, \
         {p99_beside:>6.1} ms beside (× {p99:.2}); host {:>3} MiB before, {:>3} MiB after",
        misdeed.name.escape_debug().to_string(),
        median(alone.iter().map(|figures| figures.a_second)),
        median(beside.iter().map(|figures| figures.a_second)),
        memory >> 20,
        after >> 20,
    );
    (throughput, p99)
}

fn p99_ms(windows: &[&Figures]) -> f64 {
    let latencies = sorted(windows.iter().flat_map(|figures| figures.latencies.iter().copied()));
    latencies[latencies.len() * 99 / 100].as_secs_f64() * 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
