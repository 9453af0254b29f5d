//! `liaison import`: the older JSON files of connectors and SLAs as a configuration, with a report of what became of each
//! member.
//!
//! Files in, a TOML text and a report out. No secret is copied: each becomes the name of an environment variable, and the
//! report says which value belongs there. `older` reads the files, `connectors` and `sla` map them, `text` writes.

mod connectors;
mod endpoint;
mod older;
mod report;
mod secrets;
mod sla;
mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use self::connectors::Defaults;
use self::older::Older;
use self::report::Report;
use super::failure::{Exit, Failure};
use super::input::Input;
use super::output;

#[derive(Debug, Args)]
#[command(after_help = "\
The report is on stderr: what was mapped and to what, what to look at, where each secret goes,
and what has no place. Exit code 1 if anything had none; the rest is written all the same.")]
pub(super) struct Import {
    /// The connectors: one JSON object, a member each; - reads stdin
    #[arg(value_name = "CONNECTORS")]
    connectors: Input,
    /// The SLAs: one JSON object, a member for each event type
    #[arg(value_name = "SLA")]
    sla: Option<Input>,
    /// Write the configuration to this file [default: stdout]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over the file if it is there
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// The brokers: host:port, separated by commas
    #[arg(long, value_name = "BROKERS", value_delimiter = ',', default_value = "127.0.0.1:9092")]
    brokers: Vec<String>,
    /// The topic where a connector names none; may be repeated
    #[arg(long = "topic", value_name = "TOPIC", default_value = "events")]
    topics: Vec<String>,
    /// The folder of the plugins, as it is to be written
    #[arg(long, value_name = "FOLDER", default_value = "plugins")]
    plugins: String,
    /// Print the report as JSON on stdout, and the configuration in it
    #[arg(long)]
    json: bool,
}

pub(super) fn import(options: &Import) -> Result<(), Failure> {
    if options.connectors == Input::Stdin && options.sla == Some(Input::Stdin) {
        return Err(Failure::Usage("stdin can be read once; give a file for one of the two".to_owned()));
    }
    let connectors = Older::read(&options.connectors)?;
    let sla = options.sla.as_ref().map(Older::read).transpose()?;
    let mut report = Report::default();
    let configuration = configuration(&connectors, sla.as_ref(), options, &mut report)?;
    if let Some(path) = &options.output {
        write(path, &configuration, options.overwrite)?;
    }
    if options.json {
        let mut answer = report.json();
        answer["output"] = json!(options.output);
        answer["configuration"] = if options.output.is_some() { json!(null) } else { json!(configuration) };
        output::json(&answer)?;
    } else {
        // Nobody is left to be told when stderr is closed.
        drop(std::io::stderr().write_all(report.text().as_bytes()));
        if options.output.is_none() {
            output::text(&configuration)?;
        }
    }
    if report.has_unmapped() { Err(Failure::Printed(Exit::Failed)) } else { Ok(()) }
}

fn configuration(
    connectors: &Older,
    sla: Option<&Older>,
    options: &Import,
    report: &mut Report,
) -> Result<String, Failure> {
    let defaults = Defaults { topics: &options.topics };
    let mapped = connectors::map(connectors, &defaults, report);
    if mapped.is_empty() {
        let mut lines: Vec<_> = report.unmapped().collect();
        lines.push(format!("error: {} holds no connector that can be mapped", connectors.name));
        return Err(Failure::Lines(lines));
    }
    let sla = sla.map(|older| sla::map(older, report)).unwrap_or_default();
    Ok(text::configuration(&mapped, &sla, &options.brokers, &options.plugins))
}

/// As a whole or not at all; over a file that is there only when told to.
fn write(path: &Path, configuration: &str, overwrite: bool) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::Failed(format!("{} cannot be written: {error}", path.display()));
    if overwrite {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        std::fs::write(&new, configuration).map_err(failed)?;
        return std::fs::rename(&new, path).map_err(failed);
    }
    let opened = std::fs::File::options().write(true).create_new(true).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "{} is there already, and is left as it was; give another --output, or --overwrite",
            path.display()
        )),
        _ => failed(error),
    })?;
    file.write_all(configuration.as_bytes()).map_err(failed)
}
