//! `cargo bench-delivery`: measures what the host delivers, through real Kafka, and prints a table.
//!
//! Exit codes: 0 done, whatever the times; 1 if an event was lost, duplicated or delivered out of order, or nothing could
//! be measured; 64 for bad usage. The measuring is in `liaison_tests::bench`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use liaison_tests::bench::host::compile_plugins;
use liaison_tests::bench::report::{self, Row};
use liaison_tests::bench::run::{Bench, Figures};
use liaison_tests::bench::workload::{Mode, Workload};
use liaison_tests::folder::Folder;
use liaison_tests::kafka::Kafka;

/// As the shipped host has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures how fast, how soon and at what price the host delivers, counted at the external system.
///
/// By default every workload with the shipped connector and with a native one, and `throughput` in all modes.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these modes.
    #[arg(long, value_name = "MODE")]
    mode: Vec<Mode>,
    /// Only these workloads.
    #[arg(long, value_name = "WORKLOAD")]
    workload: Vec<Workload>,
    /// The events of `throughput` (200,000 by default); the other workloads grow and shrink alike.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    events: Option<u32>,
    /// How often each is run, the modes by turns; the median is shown.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Every figure of every run, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The host that is measured: a process of its own.
    #[command(hide = true)]
    Host {
        #[arg(long)]
        config: PathBuf,
        #[arg(long)]
        mode: Mode,
    },
    /// The loop written by hand that it is compared with.
    #[command(hide = true)]
    Handwritten {
        #[arg(long)]
        workload: Workload,
        #[arg(long)]
        bootstrap: String,
        #[arg(long)]
        topic: String,
        #[arg(long)]
        url: String,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody reads it where the stream is closed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let done = match &arguments.command {
        Some(Command::Host { config, mode }) => {
            liaison_tests::bench::host::run(config, *mode).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Handwritten { workload, bootstrap, topic, url }) => {
            liaison_tests::bench::handwritten::run(*workload, bootstrap, topic, url)
                .map(|()| ExitCode::SUCCESS)
        }
        None => measure(&arguments),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "bench-delivery: {error:#}");
        ExitCode::FAILURE
    })
}

fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    say("starting Kafka");
    let kafka = Kafka::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = Folder::new("bench")?;
    let cache = folder.path().join("cache");
    compile_plugins(&cache)?;
    let bench = Bench { kafka: &kafka, runtime: &runtime, cache: &cache };
    let mut rows = Vec::new();
    for workload in workloads(arguments) {
        rows.extend(rows_of(&bench, workload, arguments)?);
    }
    report::set_targets(&mut rows, arguments.events.is_none());
    let mut stdout = io::stdout().lock();
    if arguments.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        writeln!(stdout, "{}\n{}", report::HEAD, report::table(&rows))?;
    }
    if report::any_faults(&rows) {
        say("events were lost, duplicated or out of order: see the table");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn workloads(arguments: &Arguments) -> Vec<Workload> {
    use clap::ValueEnum;
    if arguments.workload.is_empty() {
        return Workload::value_variants().to_vec();
    }
    arguments.workload.clone()
}

/// Runs the modes by turns, every second time the other way round, so that what the machine does meanwhile favours none.
fn rows_of(bench: &Bench<'_>, workload: Workload, arguments: &Arguments) -> anyhow::Result<Vec<Row>> {
    let modes = if arguments.mode.is_empty() { workload.modes() } else { arguments.mode.clone() };
    let load = workload.load(arguments.events.map(|events| events as usize));
    let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); modes.len()];
    for number in 0..arguments.runs {
        let mut order: Vec<usize> = (0..modes.len()).collect();
        if number % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let mode = modes[index];
            let name = format!("bench.{}.{}.{number}", workload.name(), mode.name());
            let figures = bench.run(workload, mode, load, &name)?;
            say(&format!(
                "{}, {}, run {} of {}: {} events in {:.2} s",
                workload.name(),
                mode.name(),
                number + 1,
                arguments.runs,
                figures.events,
                figures.seconds
            ));
            runs[index].push(figures);
        }
    }
    Ok(modes.into_iter().zip(runs).filter_map(|(mode, runs)| Row::of(workload, mode, runs)).collect())
}

/// Progress, for a person who watches.
fn say(text: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = writeln!(stderr, "bench-delivery: {text}");
    }
}
