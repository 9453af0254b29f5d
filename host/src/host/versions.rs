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
mod course;
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

use self::course::Course;
use self::watch::{Order, Watch};
use crate::alert::{Alert, AlertSender};
use crate::config::{self, PluginName};
use crate::plugin::{Plugin, PluginError, Runtime};
use crate::rehearsal::certificate::{self, CertificateError};
use crate::subscription::stages::served::Line;
use crate::telemetry::Telemetry;

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

    /// Watches these plugins from now on, and no others. Returns the alerts that are over by that.
    pub(super) fn follow(&self, loader: Loader, plugins: impl Iterator<Item = Followed>) -> Vec<Alert> {
        let mut over = Vec::new();
        let mut courses = lock(&self.courses);
        let mut before = std::mem::take(&mut *courses);
        let mut watched = BTreeMap::new();
        for followed in plugins {
            let known = before.remove(&followed.name);
            let (course, watch) = self.course(known, &followed, &mut over);
            watched.insert(followed.name.clone(), watch);
            courses.insert(followed.name, course);
        }
        drop(courses);
        for (name, course) in before {
            over.push(course.end());
            course.gone();
            self.telemetry.forget_plugin(&name);
        }
        if self.orders.try_send(Order::Follow(loader, watched)).is_err() {
            tracing::error!(
                "changes of plugins are not noticed: {QUEUE} wait already, or the host has ended"
            );
        }
        over
    }

    /// What the plugin has come to, and what is watched of it: one that is known goes on where it was.
    fn course(&self, known: Option<Course>, followed: &Followed, over: &mut Vec<Alert>) -> (Course, Watch) {
        let Followed { name, settings, line, is_to_join, moving } = followed;
        let settings = settings.clone();
        let mut course = match known {
            Some(known) if known.line.same_channel(line) => known,
            other => {
                if let Some(other) = other {
                    over.push(other.end());
                    other.gone();
                }
                let loaded = Some(line.borrow().live.sha256);
                let metrics = self.telemetry.versions(name);
                let course = Course::new(settings.clone(), line.clone(), *is_to_join, metrics);
                return (course, Watch { settings, loaded });
            }
        };
        course.wanted = settings.clone();
        course.is_to_join = *is_to_join;
        let live = course.line.borrow().live.sha256;
        let loaded = match moving {
            Some(moving) if moving.sha256 == live => {
                over.push(course.end());
                course.moved(moving.clone(), settings.clone());
                Some(live)
            }
            Some(moving) => {
                course.tried_elsewhere(moving);
                None
            }
            None => None,
        };
        (course, Watch { settings, loaded })
    }

    /// Loads a plugin anew by these settings, such as another path, sha256 or limits; as when its file changes it is
    /// checked in the background, tried by `settings.rollout`, and live or rolled back, which alerts and the log tell.
    ///
    /// Returns at once. From now on this file is watched.
    pub fn change(&self, plugin: &PluginName, settings: config::Plugin) -> Result<(), ChangeError> {
        match lock(&self.courses).get_mut(plugin) {
            Some(course) => course.wanted = settings.clone(),
            None => return Err(ChangeError::Unknown(plugin.clone())),
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
                    None => {
                        return tracing::error!("changes of plugins are noticed no more: their thread has ended");
                    }
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
    /// A connector that uses it has a `batch`.
    pub(super) is_to_join: bool,
    /// What its file holds, loaded into another room: takes the place of what is live, or of what is on trial, where that is
    /// the same. What is live and in no file any more stays in the room that it is in.
    pub(super) moving: Option<Arc<Plugin>>,
}

/// Of each plugin what it has come to. Locked for moments only, and never for an event.
type Courses = Arc<Mutex<BTreeMap<PluginName, Course>>>;

fn lock(courses: &Courses) -> MutexGuard<'_, BTreeMap<PluginName, Course>> {
    courses.lock().unwrap_or_else(PoisonError::into_inner)
}
