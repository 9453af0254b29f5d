//! Other versions of plugins while the host runs: found, checked, tried, and live or rolled back.
//!
//! ```text
//! file changes ─▶ watch: compile, check ─▶ trial: shadow ─▶ canary ─▶ watched ─▶ live
//!                   (a thread behind)        └─────────┴─────────┴─▶ rolled back, with an alert
//!                       └─▶ refused, with an alert
//! ```
//!
//! One task decides here, by what the workers count; they look at its decision between turns, so that what is in flight
//! ends on the version that began it. While a version is on trial the one before has the last word: an event that fails
//! on the new one is delivered by the old one in the same turn. A version that was refused or rolled back is not tried
//! again until its file changes. When the host starts, what is in the file is live: there is nothing to go back to.

mod behind;
mod rollout;
mod shadow;
mod status;
mod watch;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use self::rollout::{Phase, Rollout, Verdict};
use self::status::{Happened, short};
use self::watch::{Found, Order, Watch};
use crate::alert::{Alert, AlertKind, AlertSender};
use crate::config::{self, PluginName};
use crate::plugin::{Plugin, PluginError, Runtime};
use crate::rehearsal::certificate::{self, CertificateError};
use crate::subscription::stages::served::{Counts, Line, Part, Served, Tally, Trial};
use crate::subscription::stages::shadow::Shadow;
use crate::subscription::unix_ms;
use crate::telemetry::{Label as _, ShadowResult, SwapResult, Telemetry, VersionMetrics};

/// How often what is on trial is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Changes that wait for the thread, and what it found.
const QUEUE: usize = 256;

/// Loads and checks plugins, at the start and later.
#[derive(Debug, Clone)]
pub(super) struct Loader {
    pub(super) runtime: Arc<Runtime>,
    pub(super) settings: config::Runtime,
}

/// Why a version is not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Loader {
    /// Blocks while it compiles what it has not seen before: seconds for a large plugin.
    pub(super) fn load(&self, name: &PluginName, settings: &config::Plugin) -> Result<Plugin, LoadError> {
        let component = self.runtime.fetch(name, settings)?;
        certificate::required(name, settings, &self.settings, &component.provenance.sha256)?;
        Ok(self.runtime.compile(name, settings, component)?)
    }
}

/// The versions of all plugins of a host, for those who ask and those who change. Clones share them.
#[derive(Debug, Clone)]
pub struct PluginVersions {
    orders: SyncSender<Order>,
    /// Until it runs.
    queue: Arc<Mutex<Option<Receiver<Order>>>>,
    courses: Courses,
    telemetry: Telemetry,
}

/// Why a plugin cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("no plugin {0} runs here")]
    Unknown(PluginName),
    #[error("{QUEUE} changes of plugins wait already")]
    TooMany,
    #[error("the host does not run any more")]
    NotRunning,
}

impl PluginVersions {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let (orders, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(Some(queue)));
        Self { orders, queue, courses: Courses::default(), telemetry: telemetry.clone() }
    }

    /// Watches these plugins from now on, and no others.
    pub(super) fn follow(&self, loader: Loader, plugins: impl Iterator<Item = Followed>) {
        let mut courses = lock(&self.courses);
        let mut before = std::mem::take(&mut *courses);
        let mut watched = BTreeMap::new();
        for followed in plugins {
            let known = before.remove(&followed.name);
            let (course, watch) = self.course(known, &followed);
            watched.insert(followed.name.clone(), watch);
            courses.insert(followed.name, course);
        }
        drop(courses);
        for (name, course) in before {
            course.metrics.hide();
            self.telemetry.forget_plugin(&name);
        }
        if self.orders.try_send(Order::Follow(loader, watched)).is_err() {
            tracing::error!(
                "changes of plugins are not noticed: {QUEUE} wait already, or the host has ended"
            );
        }
    }

    /// What the plugin has come to, and what is watched of it: one that is known goes on where it was.
    fn course(&self, known: Option<Course>, followed: &Followed) -> (Course, Watch) {
        let Followed { name, settings, line, moving } = followed;
        let settings = settings.clone();
        let mut course = match known {
            Some(known) if known.line.same_channel(line) => known,
            other => {
                other.inspect(|other| other.metrics.hide());
                let loaded = Some(line.borrow().live.sha256);
                let course = Course::new(settings.clone(), line.clone(), self.telemetry.versions(name));
                return (course, Watch { settings, loaded });
            }
        };
        let live = course.line.borrow().live.sha256;
        let loaded = moving.as_ref().filter(|moving| moving.sha256 == live).map(|moving| {
            course.moved(moving.clone(), settings.clone());
            live
        });
        (course, Watch { settings, loaded })
    }

    /// Loads a plugin anew by these settings, such as another path, sha256 or limits; as when its file changes it is
    /// checked in the background, tried by `settings.rollout`, and live or rolled back, which alerts and the log tell.
    ///
    /// Returns at once. From now on this file is watched.
    pub fn change(&self, plugin: &PluginName, settings: config::Plugin) -> Result<(), ChangeError> {
        if !lock(&self.courses).contains_key(plugin) {
            return Err(ChangeError::Unknown(plugin.clone()));
        }
        let order = Order::Change(plugin.clone(), Box::new(settings));
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => ChangeError::TooMany,
            TrySendError::Disconnected(_) => ChangeError::NotRunning,
        })
    }

    /// For an operator: of each plugin what is live, what is on trial and how that goes, and what went wrong last.
    pub fn status(&self) -> Value {
        status::json(&lock(&self.courses))
    }

    /// Watches and decides for as long as it is polled. To be run once.
    pub(super) async fn run(self, alerts: AlertSender) {
        let (sender, mut found) = mpsc::channel(QUEUE);
        let Some(queue) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if let Err(error) = watch::start(queue, sender) {
            return tracing::error!(%error, "changes of plugins are not noticed: no thread for them");
        }
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_trying = lock(&self.courses).values().any(|course| course.trial.is_some());
            tokio::select! {
                found = found.recv() => match found {
                    Some(found) => {
                        if let Some(course) = lock(&self.courses).get_mut(&found.plugin) {
                            course.found(found, &alerts);
                        }
                    }
                    None => return,
                },
                _ = looks.tick(), if is_trying => {
                    lock(&self.courses).values_mut().for_each(|course| course.look(&alerts, Instant::now()));
                }
            }
        }
    }
}

/// A plugin that is to be watched.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) name: PluginName,
    /// Where they are other ones than before, it is tried with them.
    pub(super) settings: config::Plugin,
    pub(super) line: Line,
    /// What its file holds, loaded into another room: takes the place of what is live where it is the same, and else is
    /// tried.
    pub(super) moving: Option<Arc<Plugin>>,
}

/// Of each plugin what it has come to. Locked for moments only, and never for an event.
type Courses = Arc<Mutex<BTreeMap<PluginName, Course>>>;

/// What one plugin has come to.
#[derive(Debug)]
struct Course {
    settings: config::Plugin,
    line: Line,
    trial: Option<Rollout>,
    refused: Option<Happened>,
    rolled_back: Option<Happened>,
    metrics: VersionMetrics,
    shown: ShadowCounts,
}

/// What the metrics know of the shadow of the version on trial.
#[derive(Debug, Default)]
struct ShadowCounts([u64; ShadowResult::ALL.len()]);

impl ShadowCounts {
    fn show(&mut self, tally: &Tally, metrics: &VersionMetrics) {
        for (result, shown) in ShadowResult::ALL.iter().zip(&mut self.0) {
            let now = tally.shadow_count(*result);
            metrics.shadowed[*result].inc_by(now - *shown);
            *shown = now;
        }
    }
}

fn lock(courses: &Courses) -> MutexGuard<'_, BTreeMap<PluginName, Course>> {
    courses.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Course {
    /// What is live runs in another room from now on.
    fn moved(&mut self, plugin: Arc<Plugin>, settings: config::Plugin) {
        self.settings = settings;
        self.trial = None;
        self.serve(Served::only(plugin));
    }

    fn new(settings: config::Plugin, line: Line, metrics: VersionMetrics) -> Self {
        metrics.show(&short(&line.borrow().live), None);
        Self {
            settings,
            line,
            trial: None,
            refused: None,
            rolled_back: None,
            metrics,
            shown: ShadowCounts::default(),
        }
    }

    /// Its file, or its settings, have changed.
    fn found(&mut self, found: Found, alerts: &AlertSender) {
        let live = self.line.borrow().live.clone();
        let plugin =
            match found.loaded.map_err(|error| error.to_string()).and_then(|plugin| same_kind(&live, plugin))
            {
                Ok(plugin) => plugin,
                Err(why) => return self.refuse(&live, why, alerts),
            };
        if self.trial.take().is_some() {
            self.metrics.swaps[SwapResult::Replaced].inc();
        }
        self.settings = found.settings;
        if plugin.is_same_as(&live) || (plugin.sha256 == live.sha256 && !found.is_ordered) {
            tracing::info!(plugin = %live.name, sha256 = short(&live), "a plugin is as its live version again");
            self.serve(Served::only(live.clone()));
            return self.over(&live, alerts);
        }
        let rollout = Rollout::new(self.settings.rollout, Instant::now());
        let (part, tally) = (part(rollout.phase(), &self.settings.rollout), Arc::new(Tally::default()));
        let shadow = match rollout.phase() {
            Phase::Shadow => shadow(&plugin, &tally),
            Phase::Canary | Phase::Watched => None,
        };
        tracing::info!(
            plugin = %live.name, sha256 = short(&plugin), before = short(&live), phase = rollout.phase().name(),
            "a plugin has a new version, which is tried"
        );
        self.trial = Some(rollout);
        self.shown = ShadowCounts::default();
        self.serve(Served { live, trial: Some(Trial { plugin, part, shadow, tally }) });
    }

    /// Decides on what is on trial.
    fn look(&mut self, alerts: &AlertSender, now: Instant) {
        let served = self.line.borrow().clone();
        let (Some(rollout), Some(mut trial)) = (&mut self.trial, served.trial) else { return };
        let (name, sha256) = (trial.plugin.name.clone(), short(&trial.plugin));
        self.shown.show(&trial.tally, &self.metrics);
        match rollout.look(trial.tally.counts(), now) {
            Verdict::Stay => {}
            Verdict::Enter(phase) => {
                tracing::info!(plugin = %name, sha256, phase = phase.name(), "a new version goes on");
                trial.part = part(phase, &self.settings.rollout);
                trial.shadow = None;
                self.serve(Served { live: served.live, trial: Some(trial) });
            }
            Verdict::Accept => {
                tracing::info!(plugin = %name, sha256, before = short(&served.live), "a new version is live");
                self.trial = None;
                self.metrics.swaps[SwapResult::Accepted].inc();
                self.over(&trial.plugin, alerts);
                self.serve(Served::only(trial.plugin));
            }
            Verdict::RollBack(counts) => self.roll_back(served.live, &trial, counts, alerts),
        }
    }

    fn roll_back(&mut self, live: Arc<Plugin>, trial: &Trial, counts: Counts, alerts: &AlertSender) {
        let Counts { judged, failed } = counts;
        let first = trial.tally.first_failure().unwrap_or_default();
        let why = format!(
            "{failed} of {judged} events failed that the version before delivers; the first: {first}"
        );
        let message = format!(
            "plugin {}: version {} is rolled back to {}: {why}; mend it and replace {}, which is not tried again until \
             it changes",
            live.name,
            short(&trial.plugin),
            short(&live),
            self.settings.source,
        );
        self.trial = None;
        self.metrics.swaps[SwapResult::RolledBack].inc();
        self.rolled_back = Some(Happened { sha256: Some(trial.plugin.sha256), at_ms: unix_ms(), why });
        alerts.raise(alert(&live, message));
        self.serve(Served::only(live));
    }

    fn refuse(&mut self, live: &Plugin, why: String, alerts: &AlertSender) {
        let message = format!("{why}; version {} goes on", short(live));
        self.metrics.swaps[SwapResult::Refused].inc();
        self.refused = Some(Happened { sha256: None, at_ms: unix_ms(), why });
        alerts.raise(alert(live, message));
    }

    fn over(&self, live: &Plugin, alerts: &AlertSender) {
        alerts.over(alert(live, format!("plugin {}: version {} is live", live.name, short(live))));
    }

    fn serve(&self, served: Served) {
        self.metrics
            .show(&short(&served.live), served.trial.as_ref().map(|trial| short(&trial.plugin)).as_deref());
        self.line.send_replace(served);
    }
}

/// What a version of this phase is given.
fn part(phase: Phase, settings: &config::Rollout) -> Part {
    match (phase, settings.canary) {
        (Phase::Canary, Some(share)) => Part::share(share),
        (Phase::Canary, None) | (Phase::Watched, _) => Part::All,
        (Phase::Shadow, _) => Part::Keys(0),
    }
}

/// Without a thread it shadows nothing, and goes on when its time is over.
fn shadow(plugin: &Arc<Plugin>, tally: &Arc<Tally>) -> Option<Shadow> {
    let shadow = shadow::start(plugin.clone(), tally.clone());
    shadow.inspect_err(|error| tracing::error!(%error, "a version shadows nothing: no thread for it")).ok()
}

/// Those who use the live version can use this one.
fn same_kind(live: &Plugin, plugin: Arc<Plugin>) -> Result<Arc<Plugin>, String> {
    let kind = |plugin: &Plugin| if plugin.is_connector() { "connector" } else { "transformer" };
    if live.is_connector() == plugin.is_connector() {
        return Ok(plugin);
    }
    let (name, is, was) = (&live.name, kind(&plugin), kind(live));
    Err(format!(
        "plugin {name}: the new version is a {is}, and the one before is a {was}; give it a name of its own"
    ))
}

fn alert(plugin: &Plugin, message: String) -> Alert {
    Alert {
        kind: AlertKind::PluginVersion,
        subscription: None,
        connector: None,
        about: Some(plugin.name.as_str().to_owned()),
        message,
        event_id: None,
        at_ms: unix_ms(),
    }
}
