//! `liaison plugin run`: one event through a plugin, step by step.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use liaison::config::{self, ConnectorName, Egress, Sla};
use liaison::dead_letter::header::hex_text;
use liaison::dead_letter::report::printable;
use liaison::event::Event;
use liaison::rehearsal::case::Case;
use liaison::rehearsal::report::{run_json, run_text};
use liaison::rehearsal::{self, RunEnd, Subject, Surroundings, file};

use crate::cli::Common;
use crate::cli::configuration::Configuration;
use crate::cli::failure::{Exit, Failure};
use crate::cli::input::Input;
use crate::cli::output;

#[derive(Debug, Args)]
#[command(after_help = "\
A connector needs somebody to ask: --endpoint or --connector for a real system, which is really
written to, through the host's gateway with its grants; --case for a simulated one, with no network
and virtual time. A transformer needs the event alone. Exit code 1 if the plugin fails, or asks for
what a case does not answer; any outcome is an answer.")]
pub(in crate::cli) struct Run {
    /// The component
    file: PathBuf,
    /// The event: a CloudEvent or JSON with a "type"; - reads stdin
    #[arg(long, value_name = "FILE", required_unless_present = "case")]
    event: Option<Input>,
    /// The plugin's settings in TOML: a file, or text: 'path = "/{id}"'
    #[arg(long, value_name = "TOML", conflicts_with_all = ["connector", "case"])]
    settings: Option<String>,
    /// A connector of the configuration, with all that it has there
    #[arg(long, value_name = "NAME", conflicts_with = "case")]
    connector: Option<String>,
    /// The address of a real system
    #[arg(long, value_name = "URL", conflicts_with = "case", value_parser = address)]
    endpoint: Option<url::Url>,
    /// A network that may be reached though it is not public
    #[arg(long, value_name = "NETWORK", requires = "endpoint")]
    allow_network: Vec<String>,
    /// A case file: its settings, its replies and its event
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// Which case, where the file has several
    #[arg(long, value_name = "NAME", requires = "case")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, options: &Run) -> Result<(), Failure> {
    let (subject, event, run) = rehearse(common, options)?;
    if options.json {
        let mut json = run_json(&run);
        json["plugin_sha256"] = hex_text(&subject.sha256()).into();
        json["event"] = json!({"id": event.id, "source": event.source, "type": event.kind});
        output::json(&json)?;
    } else {
        let plugin = format!("{}, sha256 {}", options.file.display(), &hex_text(&subject.sha256())[..12]);
        let what = format!("event {} of type {} from {}", event.id, event.kind, event.source);
        output::text(&format!("{plugin}\n{}\n\n{}", printable(&what), run_text(&run)))?;
    }
    match run.end {
        RunEnd::Outcome(_) | RunEnd::Transformed(_) => Ok(()),
        RunEnd::Fault(_) | RunEnd::Unscripted(_) => Err(Failure::Printed(Exit::Failed)),
    }
}

fn rehearse(common: &Common, options: &Run) -> Result<(Subject, Event, rehearsal::Run), Failure> {
    let given = options.event.as_ref().map(event).transpose()?;
    if let Some(path) = &options.case {
        let subject = super::load(&config::Plugin::new(&options.file))?;
        let mut case = case(path, options.name.as_deref())?;
        if let Some(event) = given {
            case.event = event;
        }
        let run = subject.rehearse(&case)?;
        return Ok((subject, case.event, run));
    }
    let event = given.ok_or_else(|| Failure::Usage("give --event".to_owned()))?;
    let (plugin, surroundings) = surroundings(common, options)?;
    let subject = super::load(&plugin)?;
    let run = match (subject.is_connector(), surroundings) {
        (true, Around::System(surroundings)) => subject.deliver(event.clone(), *surroundings)?,
        (false, Around::Nothing(settings)) => subject.transform(event.clone(), settings)?,
        (true, Around::Nothing(_)) => {
            let text = "a connector needs somebody to ask: give --endpoint, --connector or --case";
            return Err(Failure::Usage(text.to_owned()));
        }
        (false, Around::System(_)) => {
            let text = "it is a transformer, which asks nobody: give --event and --settings alone";
            return Err(Failure::Usage(text.to_owned()));
        }
    };
    Ok((subject, event, run))
}

/// What a plugin is tried out with.
enum Around {
    System(Box<Surroundings>),
    /// Settings alone.
    Nothing(Map<String, Value>),
}

fn surroundings(common: &Common, options: &Run) -> Result<(config::Plugin, Around), Failure> {
    let plugin = config::Plugin::new(&options.file);
    let attempt_timeout = Sla::default().attempt_timeout;
    let (plugin, settings, egress) = match &options.connector {
        Some(name) => of_connector(common, options, name)?,
        None => {
            let settings = options.settings.as_deref().map(settings).transpose()?.unwrap_or_default();
            let Some(endpoint) = &options.endpoint else { return Ok((plugin, Around::Nothing(settings))) };
            (plugin, settings, Egress::new(endpoint.clone()))
        }
    };
    let egress = reach(egress, options)?;
    let surroundings = Surroundings { settings, egress, attempt_timeout };
    Ok((plugin, Around::System(Box::new(surroundings))))
}

type OfConnector = (config::Plugin, Map<String, Value>, Egress);

fn of_connector(common: &Common, options: &Run, name: &str) -> Result<OfConnector, Failure> {
    let config = Configuration::read(common)?.config;
    let connector = config.connectors.get(&ConnectorName::new(name)).ok_or_else(|| {
        let names: Vec<_> = config.connectors.keys().map(ConnectorName::as_str).collect();
        Failure::Usage(format!("the configuration has no connector `{name}`, but {}", names.join(", ")))
    })?;
    let mut plugin = config::Plugin::new(&options.file);
    if let Some(configured) = config.plugins.get(&connector.plugin) {
        plugin.limits = configured.limits;
    }
    Ok((plugin, connector.settings.clone(), connector.egress.clone()))
}

/// With another endpoint and further networks, where they are given.
fn reach(mut egress: Egress, options: &Run) -> Result<Egress, Failure> {
    if let Some(endpoint) = &options.endpoint {
        egress.endpoint = endpoint.clone();
        egress.database = config::Database::of(endpoint);
    }
    for text in &options.allow_network {
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse::<IpNet>().ok().or_else(alone).ok_or_else(|| {
            Failure::Usage(format!("`{text}` is no network: write such as 10.1.0.0/16 or 127.0.0.1"))
        })?;
        egress.allow_networks.push(network);
    }
    Ok(egress)
}

fn event(input: &Input) -> Result<Event, Failure> {
    Event::from_text(&input.text()?)
        .map_err(|error| Failure::Usage(format!("{input} holds no event: {error}")))
}

fn case(path: &Path, name: Option<&str>) -> Result<Case, Failure> {
    let mut cases = file::cases(&[path.to_owned()])?;
    let names: Vec<_> = cases.iter().map(|(_, case)| format!("'{}'", printable(&case.name))).collect();
    if let Some(name) = name {
        cases.retain(|(_, case)| case.name == name);
    }
    if cases.len() == 1 {
        return Ok(cases.swap_remove(0).1);
    }
    let what = if cases.is_empty() { "no such case: it has" } else { "several cases: choose one by --name," };
    Err(Failure::Usage(format!("{} has {what} {}", path.display(), names.join(", "))))
}

fn address(text: &str) -> Result<url::Url, String> {
    let hint = || format!("write it with its scheme, such as http://{text}");
    // `127.0.0.1:8080` is none, and `localhost:8080` one of a scheme that nobody knows.
    match url::Url::parse(text) {
        Ok(url) if url.has_host() || text.contains("://") => Ok(url),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => Err(hint()),
        Err(error) => Err(error.to_string()),
    }
}

/// A file of settings, or their text.
fn settings(given: &str) -> Result<Map<String, Value>, Failure> {
    let path = Path::new(given);
    let text = match path.is_file() {
        true => Input::File(path.to_owned()).text()?,
        false => given.to_owned(),
    };
    match file::toml_as_json(&text).map_err(|error| Failure::Usage(format!("--settings: {error}")))? {
        Value::Object(settings) => Ok(settings),
        other => Err(Failure::Usage(format!("--settings: {other} is no table"))),
    }
}
