//! `liaison plugin test`: all cases of a plugin, and in what each differs.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use liaison::config;
use liaison::dead_letter::header::hex_text;
use liaison::dead_letter::report::printable;
use liaison::rehearsal::case::Case;
use liaison::rehearsal::compare::{Difference, differences};
use liaison::rehearsal::report::{differences_text, run_json, run_text};
use liaison::rehearsal::{Run, file};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, count};

#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is asked of any network and time is virtual, so the same cases give the same answer. Each
call of the plugin is made twice and compared. How a case is written stands in plugins/README.md.
Exit code 1 if any case differs.")]
pub(in crate::cli) struct Test {
    /// The component
    file: PathBuf,
    /// Case files, and folders of them
    #[arg(default_value = "cases")]
    cases: Vec<PathBuf>,
    /// Run only cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Show every step of every case
    #[arg(long)]
    steps: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A case, its file, and what came of it.
struct Done {
    path: PathBuf,
    case: Case,
    run: Run,
    differences: Vec<Difference>,
}

pub(super) fn test(options: &Test) -> Result<(), Failure> {
    super::are_there(&options.file, &options.cases)?;
    let mut cases = file::cases(&options.cases)?;
    if let Some(text) = &options.only {
        cases.retain(|(_, case)| case.name.contains(text.as_str()));
    }
    if cases.is_empty() {
        let text = match &options.only {
            Some(text) => format!("no case has `{text}` in its name; leave out --only to see all names"),
            None => "there is no case in what was named".to_owned(),
        };
        return Err(Failure::Usage(text));
    }
    let subject = super::load(&config::Plugin::new(&options.file))?;
    let mut all = Vec::with_capacity(cases.len());
    for (path, case) in cases {
        let run = subject.rehearse(&case)?;
        let differences = differences(&case, &run);
        let done = Done { path, case, run, differences };
        if !options.json {
            output::text(&text(&done, options.steps))?;
        }
        all.push(done);
    }
    let failed = all.iter().filter(|done| !done.differences.is_empty()).count();
    if options.json {
        output::json(&json!({
            "plugin_sha256": hex_text(&subject.sha256()),
            "passed": all.len() - failed,
            "failed": failed,
            "cases": all.iter().map(json).collect::<Vec<_>>(),
        }))?;
    } else {
        output::text(&format!(
            "{}: {} passed, {failed} failed\n",
            count(all.len(), "case"),
            all.len() - failed
        ))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Printed(Exit::Failed)),
    }
}

fn text(done: &Done, with_steps: bool) -> String {
    let name = printable(&done.case.name).replace('\n', " ");
    let steps = match with_steps {
        true => run_text(&done.run).lines().map(|line| format!("    {line}\n")).collect(),
        false => String::new(),
    };
    match done.differences.is_empty() {
        true => format!("ok      {name}\n{steps}"),
        false => {
            let differences = differences_text(&done.differences);
            format!("FAILED  {name} ({})\n{differences}{steps}", done.path.display())
        }
    }
}

fn json(done: &Done) -> Value {
    json!({
        "name": done.case.name,
        "file": done.path.display().to_string(),
        "is_passed": done.differences.is_empty(),
        "differences": done.differences,
        "run": run_json(&done.run),
    })
}
