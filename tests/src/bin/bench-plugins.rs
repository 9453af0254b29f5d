//! `cargo bench-plugins`: measures what the same connector costs in each language, and prints the table of
//! `plugins/README.md`.
//!
//! Exit codes: 0 done, whatever the times; 1 if nothing could be measured; 64 for bad usage. The measuring is in
//! `liaison_tests::bench::plugins`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use liaison_tests::bench::plugins;
use liaison_tests::languages::Language;

/// As the shipped host has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures what the same connector costs in each language that has an SDK.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these languages.
    #[arg(long, value_name = "LANGUAGE", value_parser = ["rust", "python", "js"])]
    language: Vec<String>,
    /// Every figure, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One part of a measurement: a process of its own.
    #[command(hide = true)]
    Part { language: String, part: String, cache: PathBuf },
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
    match run(&arguments) {
        Ok(text) => {
            let written = writeln!(io::stdout(), "{text}");
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench-plugins: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<String> {
    if let Some(Command::Part { language, part, cache }) = &arguments.command {
        let language = Language::named(language).context("no such language")?;
        return Ok(plugins::part(language, part, cache)?.to_string());
    }
    let program = std::env::current_exe()?;
    let mut rows = Vec::new();
    for language in Language::ALL {
        let is_wanted = |name: &String| Language::named(name) == Some(language);
        if arguments.language.is_empty() || arguments.language.iter().any(is_wanted) {
            // Nobody waits for it where stderr is closed.
            let _ = writeln!(io::stderr(), "measuring {}: about 15 seconds", language.title());
            rows.push((language, plugins::measure(&program, language)?));
        }
    }
    if arguments.json {
        let rows: serde_json::Map<_, _> = rows
            .iter()
            .map(|(language, figures)| Ok((language.name().to_owned(), serde_json::to_value(figures)?)))
            .collect::<anyhow::Result<_>>()?;
        return Ok(serde_json::to_string_pretty(&rows)?);
    }
    Ok(format!("{}\n\n{}", plugins::HEAD, plugins::table(&rows)))
}
