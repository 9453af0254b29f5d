//! A plugin of somebody's own in the demo: it gets every event, and a system of its own that takes whatever is asked.
//!
//! In comes a component with its settings, out go its tables of the configuration and, at the end, what came of it.
//! Nothing but whether all ended is judged here: what is right only its author knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http::Method;
use liaison::rehearsal::file::toml_as_json;

use super::alerts::Alerts;
use super::configuration::TOPIC;
use super::levels::{Levels, level_of};
use super::report::letters;
use super::stage::Stage;
use crate::screen::{Screen, Tone};
use crate::system::{Behaviour, Entry, System};
use crate::wait;

/// Of its plugin, its connector, its transformer and its subscription.
pub(super) const NAME: &str = "own";
/// How long it may take once all others are settled: it may be slow to start.
const SETTLED: Duration = Duration::from_secs(60);
/// How many requests, and how many dead letters, are shown.
const SHOWN: usize = 3;
const TITLE_COLUMNS: usize = 13;

/// What kind of plugin it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Connector,
    Transformer,
}

/// A component of somebody's own.
#[derive(Debug, Clone)]
pub struct Own {
    kind: Kind,
    /// Absolute.
    component: PathBuf,
    /// TOML, as below a table's head.
    settings: String,
}

/// It with its system, running.
#[derive(Debug)]
pub(super) struct Running {
    own: Own,
    system: System,
}

impl Own {
    pub fn new(kind: Kind, component: &Path, settings: &str) -> anyhow::Result<Self> {
        let component =
            component.canonicalize().with_context(|| format!("{} is not there", component.display()))?;
        // Read here, because a mistake would else be told of a file that the demo wrote.
        toml_as_json(settings).map_err(|error| anyhow!("--settings: {error}"))?;
        Ok(Self { kind, component, settings: settings.to_owned() })
    }

    /// Starts its system: what is asked for is there, and what is sent is taken.
    pub(super) fn start(self) -> anyhow::Result<Running> {
        let made = |request: &crate::system::Request<'_>| *request.method == Method::POST;
        let system = System::start(NAME, Behaviour::ok().when(made, Behaviour::status(201)))?;
        Ok(Running { own: self, system })
    }
}

impl Running {
    /// Its part of the configuration.
    pub(super) fn tables(&self) -> String {
        let (component, settings, url) =
            (self.own.component.display(), &self.own.settings, self.system.url());
        let plugin = format!(
            "\n# --- Your own ---------------------------------------------------------------------------------\n\n\
             [plugins.{NAME}]\npath = '{component}'\ninstances = {{ warm = 1000 }}                # JavaScript and Python \
             are slow to start\n"
        );
        let reached = format!("endpoint = \"{url}\"\nallow-networks = [\"127.0.0.1\"]\n");
        let subscription =
            format!("\n[subscriptions.{NAME}]\nconnector = \"{NAME}\"\ntopics = [\"{TOPIC}\"]\n");
        match self.own.kind {
            Kind::Connector => format!(
                "{plugin}\n[connectors.{NAME}]\nplugin = \"{NAME}\"\n{reached}\n[connectors.{NAME}.settings]\n{settings}\n\
                 {subscription}"
            ),
            Kind::Transformer => format!(
                "{plugin}\n[transformers.{NAME}]\nplugin = \"{NAME}\"\n\n[transformers.{NAME}.settings]\n{settings}\n\n\
                 [connectors.{NAME}]\nplugin = \"rest\"\n{reached}settings = {{ path = \"/events/{{id}}\" }}\n\
                 {subscription}transformers = [\"{NAME}\"]\n"
            ),
        }
    }

    pub(super) fn url(&self) -> String {
        self.system.url()
    }

    /// Waits until it has settled so many events, as long as that may take, and shows what came of them. Gives whether
    /// all have ended.
    pub(super) async fn show(
        &self,
        count: usize,
        stage: &Stage,
        screen: &Screen,
        alerts: &Alerts,
    ) -> anyhow::Result<bool> {
        let is_settled =
            || level_of(&stage.telemetry, NAME, NAME).is_ok_and(|levels| levels.settled() >= count);
        // Its system refuses nobody: it says so itself, and of its settings, which no waiting mends.
        let refusal = || alerts.standing("denied", NAME);
        if !is_settled() && refusal().is_none() {
            let text = format!("waiting for your plugin to end the rest, {} s at most", SETTLED.as_secs());
            screen.moment(Tone::Plain, &text);
        }
        let is_over = || is_settled() || refusal().is_some();
        // What is missing then shows in the figures.
        let _ = wait::until_async(SETTLED, "your plugin settles all events", async || is_over()).await;
        let levels = level_of(&stage.telemetry, NAME, NAME)?;
        let Levels { delivered, filtered, dead_lettered, attempts, .. } = levels;
        screen.heading("Your plugin");
        let text = format!(
            "of {count} events {delivered} delivered, {filtered} filtered, {dead_lettered} dead letters, in {attempts} \
             attempts"
        );
        screen.titled(Tone::Plain, NAME, &text, TITLE_COLUMNS);
        let ledger = self.system.ledger();
        ledger.iter().take(SHOWN).for_each(|entry| show_request(screen, entry));
        if ledger.len() > SHOWN {
            let text = format!("and {} more requests", ledger.len() - SHOWN);
            screen.titled(Tone::Plain, "", &text, TITLE_COLUMNS);
        }
        for letter in letters(stage, NAME).await?.letters.iter().take(SHOWN) {
            super::report::show_letter(screen, letter);
        }
        let missing = count.saturating_sub(levels.settled());
        if missing > 0 {
            let why = refusal().unwrap_or_else(|| "not in time; the log says more".to_owned());
            let text = format!(
                "{missing} events have not ended: {why}. Mend the plugin or its --settings, and run this again"
            );
            screen.titled(Tone::Bad, "", &text, TITLE_COLUMNS);
        }
        Ok(missing == 0)
    }
}

fn show_request(screen: &Screen, entry: &Arc<Entry>) {
    let status = entry.status.map_or("nothing".to_owned(), |status| status.to_string());
    let body = String::from_utf8_lossy(&entry.body);
    let text = format!("{} {} answered {status}: {body}", entry.method, entry.path);
    screen.titled(Tone::Plain, "", text.trim_end_matches(": "), TITLE_COLUMNS);
}
