//! `liaison plugin certify`: the conformance kit, its report for a reviewer and its certificate for a host.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use liaison::config;
use liaison::dead_letter::header::hex_text;
use liaison::dead_letter::report::printable;
use liaison::rehearsal::certificate::Certificate;
use liaison::rehearsal::certify::{Certification, Finding, Tried};
use liaison::rehearsal::file;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, bytes_text, count};

#[derive(Debug, Args)]
#[command(after_help = "\
The cases give it events and settings that the plugin accepts, and the replies of a system that is
well; each is run again with a reply, the event, the order or the host's luck changed. Nothing is
asked of any network, and time is virtual. The certificate is bound to the component and this host;
it is not signed: it says only that somebody ran the trials. Exit code 1 if the plugin fails any.")]
pub(in crate::cli) struct Certify {
    /// The component
    file: PathBuf,
    /// Case files, and folders of them
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = "cases")]
    cases: Vec<PathBuf>,
    /// Write the certificate to this file; one of a plugin that failed says so
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Print the certificate, as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn certify(options: &Certify) -> Result<(), Failure> {
    super::are_there(&options.file, &options.cases)?;
    let cases: Vec<_> = file::cases(&options.cases)?.into_iter().map(|(_, case)| case).collect();
    let subject = super::load(&config::Plugin::new(&options.file))?;
    let certification = subject.certify(&cases)?;
    let certificate = Certificate::of(&certification);
    if let Some(path) = &options.certificate {
        let json = serde_json::to_string_pretty(&certificate);
        let json = json.map_err(|error| Failure::Failed(format!("the certificate is no JSON: {error}")))?;
        fs::write(path, json + "\n")
            .map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", path.display())))?;
    }
    if options.json {
        output::json(&certificate)?;
    } else {
        output::text(&format!("{}\n{}", options.file.display(), text(&certification)))?;
    }
    match certification.is_passed() {
        true => Ok(()),
        false => Err(Failure::Printed(Exit::Failed)),
    }
}

fn text(certification: &Certification) -> String {
    let Certification { cases, good_cases, cost, .. } = certification;
    let mut text = String::new();
    let kind = if certification.is_connector { "connector" } else { "transformer" };
    let _ = writeln!(text, "{kind}, sha256 {}", hex_text(&certification.sha256));
    let _ = writeln!(
        text,
        "{}, of which {good_cases} end well and are tried; {}\n",
        count(*cases, "case"),
        count(cost.runs as usize, "run")
    );
    certification.trials.iter().for_each(|tried| text.push_str(&trial_text(tried)));
    let _ = writeln!(
        text,
        "\nlongest call {:.2} ms of CPU time of {:.0} ms, most memory {} of {}",
        cost.longest_call.as_secs_f64() * 1_000.0,
        cost.cpu_limit.as_secs_f64() * 1_000.0,
        bytes_text(cost.memory_bytes as u64),
        bytes_text(cost.memory_limit as u64)
    );
    for (trial, endings) in &certification.accepted {
        let names: Vec<_> = endings.iter().map(|ending| ending.name()).collect();
        let _ = writeln!(text, "the cases accept for {trial}: {}", names.join(", "));
    }
    let failed = certification.trials.iter().filter(|tried| tried.failed > 0).count();
    let verdict = match (certification.is_passed(), failed) {
        (true, _) => "passed".to_owned(),
        (false, 0) => "FAILED: no case ends well, so there was nothing to try".to_owned(),
        (false, failed) => format!("FAILED: {}", count(failed, "trial")),
    };
    let _ = writeln!(text, "{verdict}");
    text
}

fn trial_text(tried: &Tried) -> String {
    let state = match (tried.runs, tried.failed) {
        (0, _) => "-",
        (_, 0) => "ok",
        _ => "FAILED",
    };
    let mut text = format!("{state:<6}  {:<18}  {:>4}  {}\n", tried.name, tried.runs, tried.about);
    for Finding { rule, case, at, text: found } in &tried.findings {
        let at = at.as_ref().map(|at| format!(", {at}")).unwrap_or_default();
        let rule = serde_json::to_value(rule).ok();
        let rule = rule.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        let line = printable(&format!("{rule}: {case}{at}: {found}")).replace('\n', "\\n");
        let _ = writeln!(text, "          {line}");
    }
    if tried.omitted > 0 {
        let _ = writeln!(text, "          and {}", count(tried.omitted, "more finding"));
    }
    text
}
