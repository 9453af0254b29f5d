//! `liaison plugin inspect`: a component, looked at from outside.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use liaison::config::{self, Config, KeyName, PluginName, Runtime, Signers, SigningKey, Source};
use liaison::dead_letter::header::hex_text;
use liaison::dead_letter::report::printable;
use liaison::host::{self, HostError, Inspection, Needs};

use crate::cli::Common;
use crate::cli::configuration::Configuration;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, bytes_text, count};
use crate::cli::provenance::{signature_json, signature_text};

#[derive(Debug, Args)]
#[command(after_help = "\
Whether the host would load it is judged as at its start, within the default limits or, with
--plugin, within those of the configuration. What the component says of its makers is shown as it
stands there. Exit code 1 if the host would refuse it, 64 if it is not there, or signed by none of
the keys.")]
pub(in crate::cli) struct Inspect {
    /// The component: a file, oci://HOST/REPOSITORY@sha256:… or oci-layout:FOLDER@sha256:…
    #[arg(required_unless_present = "plugin")]
    source: Option<String>,
    /// A public key that must have signed it; one of them, if several are given
    #[arg(long, value_name = "FILE", conflicts_with = "plugin")]
    key: Vec<PathBuf>,
    /// A plugin of the configuration, with its source, its pin and its signers
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    plugin: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(common: &Common, options: &Inspect) -> Result<(), Failure> {
    let (name, settings, runtime) = subject(common, options)?;
    let inspection = host::inspect(&name, &settings, &runtime).map_err(HostError::from)?;
    if options.json {
        output::json(&json(&inspection))?;
    } else {
        output::text(&format!("{}\n{}", inspection.provenance.source, text(&inspection)))?;
    }
    match inspection.refusal {
        Some(_) => Err(Failure::Printed(Exit::Failed)),
        None => Ok(()),
    }
}

/// What is looked at, as the host would be told of it.
fn subject(common: &Common, options: &Inspect) -> Result<(PluginName, config::Plugin, Runtime), Failure> {
    if let Some(name) = &options.plugin {
        let Config { mut plugins, runtime, .. } = Configuration::read_without_secrets(common)?.config;
        let name = PluginName::new(name);
        let settings = plugins.remove(&name);
        let settings =
            settings.ok_or_else(|| Failure::Usage(format!("the configuration has no plugin `{name}`")))?;
        return Ok((name, settings, runtime));
    }
    let source = Source::parse(options.source.as_deref().unwrap_or_default());
    let source = source.map_err(|error| Failure::Usage(error.to_string()))?;
    let key = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        SigningKey { name: KeyName::new(&name), file: file.clone() }
    };
    let keys: Vec<_> = options.key.iter().map(key).collect();
    let signers = Signers { is_required: !keys.is_empty(), keys };
    let name = PluginName::new(&source.stem());
    Ok((name, config::Plugin { signers, ..config::Plugin::from_source(source) }, Runtime::default()))
}

fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<9} {}", printable(&value));
    };
    line("sha256", hex_text(&inspection.provenance.sha256));
    if let Some(signature) = signature_text(&inspection.provenance.signature) {
        line("signature", signature);
    }
    line("size", bytes_text(inspection.bytes));
    if let Some(compiled) = &inspection.compiled {
        let size = bytes_text(compiled.bytes as u64);
        line("compiled", format!("{size} of machine code, in {:.2} s", compiled.time.as_secs_f64()));
    }
    if let Some(world) = inspection.world {
        line("world", format!("{world} of liaison:plugin@0.1.0"));
    }
    for producer in &inspection.producers {
        line(
            &producer.field.replace("processed-by", "made by"),
            format!("{} {}", producer.name, producer.version),
        );
    }
    if let Some(needs) = &inspection.needs {
        line("needs", needs_text(needs));
    }
    if let Some(bytes) = inspection.started_bytes {
        line("started", format!("{} of memory (limits.memory)", bytes_text(bytes as u64)));
    }
    let width = inspection.imports.iter().map(|import| import.name.chars().count()).max().unwrap_or_default();
    for import in &inspection.imports {
        let linked = import.linked.unwrap_or("NOT LINKED: no plugin may have it");
        line("imports", format!("{:<width$}  {linked}", import.name));
    }
    for export in &inspection.exports {
        line("exports", export.clone());
    }
    match &inspection.refusal {
        None => text.push_str("the host loads it\n"),
        Some(why) => drop(writeln!(text, "the host refuses it: {}", printable(why))),
    }
    text
}

fn needs_text(needs: &Needs) -> String {
    let memories = match needs.memories {
        1 => "1 memory".to_owned(),
        memories => format!("{memories} memories, the largest"),
    };
    let tables = count(needs.tables as usize, "table");
    let instances = count(needs.instances as usize, "core instance");
    format!(
        "{memories} of {} at its beginning, {tables} of at most {} elements, {instances}",
        bytes_text(needs.memory_bytes),
        needs.table_elements
    )
}

fn json(inspection: &Inspection) -> Value {
    let imports =
        inspection.imports.iter().map(|import| json!({"name": import.name, "linked": import.linked}));
    let needs = inspection.needs.map(|needs| {
        json!({
            "memories": needs.memories,
            "memory_bytes": needs.memory_bytes,
            "tables": needs.tables,
            "table_elements": needs.table_elements,
            "instances": needs.instances,
        })
    });
    json!({
        "source": inspection.provenance.source.to_string(),
        "sha256": hex_text(&inspection.provenance.sha256),
        "signature": signature_json(&inspection.provenance.signature),
        "bytes": inspection.bytes,
        "contract": "liaison:plugin@0.1.0",
        "world": inspection.world,
        "imports": imports.collect::<Vec<_>>(),
        "exports": inspection.exports,
        "producers": inspection.producers,
        "compile_ms": inspection.compiled.map(|compiled| compiled.time.as_millis()),
        "machine_code_bytes": inspection.compiled.map(|compiled| compiled.bytes),
        "needs": needs,
        "started_bytes": inspection.started_bytes,
        "is_loaded": inspection.refusal.is_none(),
        "refusal": inspection.refusal,
    })
}
