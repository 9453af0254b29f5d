//! What the same connector costs in each language, without Kafka and without a network: the guest in its sandbox.
//!
//! An event is one whole attempt: two lookups at once, then the write that settles it, so two calls of the plugin. Each language is measured
//! in processes of its own: one that compiles into an empty cache, and one that finds it compiled, as a host does at every
//! start but the first.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use comfy_table::{CellAlignment, Table, presets};
use http::HeaderMap;
use liaison::config::Instances;
use liaison::contract::{Effect, HttpResponse, Outcome, Reply};
use liaison::event::Event;
use liaison::plugin::measure::Subject;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::usage;
use crate::folder::Folder;
use crate::host::plugin;
use crate::languages::Language;

/// What is said above the table.
pub const HEAD: &str = "\
An event is one attempt of two calls and three requests. Times are processor time, but for the cold start, which is the least of five on the clock: a
compiled component is loaded and answers its first event. Warm: one instance for all; fresh: a new one for each call. Memory: what the process grew by, one
warm instance included.";

/// As many deliveries as a host puts into one call by default.
const BATCH: usize = 64;
/// Each cost is the mean over as many events as take this much processor time.
const ENOUGH: Duration = Duration::from_secs(2);
/// So many deliveries are measured together.
const BETWEEN_LOOKS: usize = 20;
/// How often a cold start is tried.
const COLD_STARTS: usize = 5;
/// Fewer calls than any measurement makes would end an instance amid it.
const FOR_EVER: u32 = u32::MAX;

/// What one language costs. Times are in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    pub component_bytes: u64,
    pub compile_us: f64,
    pub cold_start_us: f64,
    pub warm_alone_us: f64,
    pub warm_in_batches_us: f64,
    pub fresh_alone_us: f64,
    pub fresh_in_batches_us: f64,
    pub memory_bytes: u64,
}

/// Measures one language, in processes that are this program again: `PROGRAM part LANGUAGE PART CACHE`.
pub fn measure(program: &Path, language: Language) -> anyhow::Result<Figures> {
    let cache = Folder::new("plugin-cache")?;
    let part = |part: &str| -> anyhow::Result<Value> {
        let mut command = Command::new(program);
        command.args(["part", language.name(), part]).arg(cache.path().join("aot"));
        let output = command.output()?;
        ensure!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let compiled = part("compile")?;
    let mut figures: Map<String, Value> = serde_json::from_value(part("run")?)?;
    figures.insert("compile_us".into(), compiled);
    figures.insert("component_bytes".into(), fs::metadata(plugin(language.plugin())?)?.len().into());
    Ok(serde_json::from_value(figures.into())?)
}

/// One part of a measurement: what it found, as JSON.
pub fn part(language: Language, part: &str, cache: &Path) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match part {
        "compile" => {
            let before = usage::cpu_time(std::process::id())?;
            load(language, FOR_EVER, cache)?;
            Ok(json!(micros(usage::cpu_time(std::process::id())? - before)))
        }
        // All in one task: the calls of a plugin belong to one.
        "run" => runtime.block_on(costs(language, cache)),
        other => anyhow::bail!("there is no part {other}"),
    }
}

async fn costs(language: Language, cache: &Path) -> anyhow::Result<Value> {
    let before = usage::peak_memory(std::process::id())?;
    let (mut cold_start, warm) = cold_start(language, cache).await?;
    let warm_alone = cost(&warm, 1).await?;
    let warm_in_batches = cost(&warm, BATCH).await?;
    let memory = usage::peak_memory(std::process::id())? - before;
    drop(warm);
    for _ in 1..COLD_STARTS {
        cold_start = cold_start.min(self::cold_start(language, cache).await?.0);
    }
    let fresh = load(language, 1, cache)?;
    Ok(json!({
        "cold_start_us": micros(cold_start),
        "warm_alone_us": warm_alone,
        "warm_in_batches_us": warm_in_batches,
        "fresh_alone_us": cost(&fresh, 1).await?,
        "fresh_in_batches_us": cost(&fresh, BATCH).await?,
        "memory_bytes": memory,
    }))
}

/// How long it takes until the first event is answered, and what has answered it.
async fn cold_start(language: Language, cache: &Path) -> anyhow::Result<(Duration, Subject)> {
    let begun = Instant::now();
    let subject = load(language, FOR_EVER, cache)?;
    deliver(&subject, 1).await?;
    Ok((begun.elapsed(), subject))
}

fn load(language: Language, calls: u32, cache: &Path) -> anyhow::Result<Subject> {
    let settings = Map::from_iter([("calendar".to_owned(), Value::from("staff"))]);
    Ok(Subject::load(&plugin(language.plugin())?, &settings, Instances::Warm { calls }, cache)?)
}

/// Microseconds of processor time an event, so many at once.
async fn cost(subject: &Subject, at_once: usize) -> anyhow::Result<f64> {
    deliver(subject, at_once).await?;
    let before = usage::cpu_time(std::process::id())?;
    let mut events = 0_u32;
    loop {
        // Looking at the processor time takes some itself.
        for _ in 0..BETWEEN_LOOKS {
            deliver(subject, at_once).await?;
            events += u32::try_from(at_once)?;
        }
        let used = usage::cpu_time(std::process::id())? - before;
        if used >= ENOUGH {
            return Ok(micros(used / events));
        }
    }
}

async fn deliver(subject: &Subject, at_once: usize) -> anyhow::Result<()> {
    let outcomes = subject.deliver(&event()?, at_once, answer).await?;
    let are_delivered = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Delivered(_)));
    ensure!(are_delivered && outcomes.len() == at_once, "it came to {outcomes:?}");
    Ok(())
}

/// An event of 1 KB.
fn event() -> anyhow::Result<Event> {
    let data = json!({
        "title": "Fire drill",
        "room": "blue hall",
        "seats": 20,
        "updated": "2026-05-01T12:00:00Z",
        "notes": "x".repeat(900),
    });
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/bench", "type": "session.updated", "subject": "s-1", "data": data,
    });
    Event::from_text(&event.to_string()).context("the event can be read")
}

/// A calendar that knows the room and the session.
fn answer(effect: &Effect) -> Reply {
    let is_room = matches!(effect, Effect::Http(request) if request.url.starts_with("/rooms/"));
    let body = if is_room { r#"{"name":"Blue Hall","seats":30}"# } else { "" };
    Reply::from(HttpResponse { status: 200, headers: HeaderMap::new(), body: body.into(), kept: None })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The table, in Markdown.
pub fn table(rows: &[(Language, Figures)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "language",
        "component",
        "compile",
        "cold start",
        "warm: alone",
        "in batches",
        "fresh: alone",
        "in batches",
        "memory",
    ]);
    for (language, figures) in rows {
        table.add_row([
            language.title().to_owned(),
            megabytes(figures.component_bytes),
            time(figures.compile_us),
            time(figures.cold_start_us),
            time(figures.warm_alone_us),
            time(figures.warm_in_batches_us),
            time(figures.fresh_alone_us),
            time(figures.fresh_in_batches_us),
            megabytes(figures.memory_bytes),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn megabytes(bytes: u64) -> String {
    // A table needs no more digits than these.
    let kilobytes = u32::try_from(bytes / 1000).unwrap_or(u32::MAX);
    format!("{:.1} MB", f64::from(kilobytes) / 1000.0)
}

fn time(micros: f64) -> String {
    match micros {
        ..1e3 => format!("{micros:.0} µs"),
        ..1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_a_row_a_language_with_units() {
        let figures = Figures {
            component_bytes: 251_225,
            compile_us: 1_540_000.0,
            cold_start_us: 2_345.0,
            warm_alone_us: 87.4,
            warm_in_batches_us: 40.0,
            fresh_alone_us: 99.0,
            fresh_in_batches_us: 41.0,
            memory_bytes: 18_691_367,
        };
        let table = table(&[(Language::Rust, figures)]);
        let row = table.lines().last().unwrap().split('|').map(str::trim).collect::<Vec<_>>();
        let expected =
            ["", "Rust", "0.3 MB", "1.5 s", "2.3 ms", "87 µs", "40 µs", "99 µs", "41 µs", "18.7 MB", ""];
        assert_eq!(row, expected);
    }
}
