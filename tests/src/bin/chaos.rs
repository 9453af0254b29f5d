//! `cargo chaos`: breaks everything that can break, by a seed, and proves that the promises were kept.
//!
//! Exit codes: 0 every promise was kept; 1 one was broken, or the run could not be made; 64 for bad usage; 130 after
//! Ctrl-C. The work is in `liaison_tests::chaos`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use liaison_tests::chaos::{self, Outcome, Plan};
use liaison_tests::folder::Folder;

const USAGE: u8 = 64;
/// As a shell gives it: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// Real Kafka of three nodes, hosts as processes and two external systems meet faults of 22 kinds; then every promise
/// is checked: nothing lost, order by key, no commit too early, and for each fault no more duplicates than it may cost.
///
/// A run that breaks a promise keeps its evidence in a folder that it names.
#[derive(Debug, Parser)]
#[command(name = "chaos", bin_name = "cargo chaos --")]
struct Arguments {
    /// What happens to whom; any number where none is given
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long the faults are spread over
    #[arg(long, value_name = "M", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// How many faults; 22 are one of each kind
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    faults: u32,
    /// How many events, half for each of two subscriptions
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    events: u32,
    /// How many hosts share the work, beside the one that joins and leaves
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=4))]
    hosts: u32,
}

/// What main waits for.
enum Word {
    Ended(anyhow::Result<Outcome>),
    Interrupted,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody reads it where the stream is closed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let plan = Plan {
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
        duration: Duration::from_secs(60 * arguments.minutes),
        faults: arguments.faults as usize,
        events: arguments.events as usize,
        hosts: arguments.hosts as usize,
    };
    match run(plan) {
        Ok(Word::Ended(Ok(outcome))) => show(&outcome),
        Ok(Word::Ended(Err(error))) | Err(error) => {
            say(&format!("seed {}: {error:#}", plan.seed));
            ExitCode::FAILURE
        }
        Ok(Word::Interrupted) => ExitCode::from(INTERRUPTED),
    }
}

/// The run has a thread of its own. After Ctrl-C this one comes back without it: the process ends, every process that
/// it started ends with it, and the folder, which is held here, is removed.
fn run(plan: Plan) -> anyhow::Result<Word> {
    let folder = Folder::new("chaos")?;
    let (sender, words) = mpsc::sync_channel(2);
    let path = folder.path().to_owned();
    let ended = sender.clone();
    let _ = thread::Builder::new().name("chaos".to_owned()).spawn(move || {
        let began = Instant::now();
        let result = chaos::run(&plan, &path, &|text| {
            say(&format!("{:>4.0} s  {text}", began.elapsed().as_secs_f64()));
        });
        // Nobody waits for it after Ctrl-C.
        let _ = ended.send(Word::Ended(result));
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = sender.send(Word::Interrupted);
        }
    });
    Ok(words.recv()?)
}

fn show(outcome: &Outcome) -> ExitCode {
    // Where stdout is closed nobody reads it; the exit code says the same.
    let _ = writeln!(io::stdout(), "{}", outcome.report);
    match &outcome.evidence {
        None => ExitCode::SUCCESS,
        Some(folder) => {
            say(&format!("the evidence is in {}", folder.display()));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "chaos: {text}");
}
