//! Rehearsals: a plugin tried out in the real sandbox, before any event depends on it.
//!
//! ```text
//! case ─▶ delivery ─▶ attempt (the real one) ─▶ plugin (the real sandbox)
//!                        │ effects ─▶ gateway's checks ─▶ script of the case, or the real endpoint
//!                        └▶ run ─▶ differences to what the case expects
//! ```
//!
//! In come a component and cases, out goes what happened. Against a script time is virtual and nothing leaves the
//! process, so the same case gives the same run. [`case`] and [`mod@file`] read cases, `simulated` answers by them, `run`
//! makes an attempt, [`compare`] tells what differs, [`report`] shows it. [`certify`] changes one thing of a case at a
//! time and judges what the plugin does; what it found is a [`certificate`], which a host can require.

pub mod case;
pub mod certificate;
pub mod certify;
pub mod compare;
pub mod file;
pub mod report;
mod run;
mod simulated;

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::run::{Exchange, Run, RunEnd};
pub use crate::plugin::{LogLine, Observed};

use self::case::Case;
use self::run::{Cut, Stage, Way, delivery, transform};
use self::simulated::Script;
use crate::config::mask::Mask;
use crate::config::{self, Egress, PluginName};
use crate::delivery::ask::Limits;
use crate::egress::{EgressError, Gateway};
use crate::event::Event;
use crate::plugin::{Observer, Plugin, PluginError, PoolSize, Runtime};
use crate::telemetry::{PluginMetrics, Telemetry};

/// Instances of the one plugin that is tried out.
const INSTANCES: u32 = 4;
/// Who the plugin is to its log.
const USER: &str = "rehearsal";

/// Why nothing was tried out.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the case `{case}` accepts endings of `{trial}`, which is no trial")]
    NoTrial { case: String, trial: String },
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A component that can be tried out.
#[derive(Debug)]
pub struct Subject {
    plugin: Arc<Plugin>,
    observer: Observer,
    spool_folder: PathBuf,
}

/// What a connector is tried out with beside an event.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub settings: Map<String, Value>,
    pub egress: Egress,
    pub attempt_timeout: Duration,
}

impl Subject {
    /// Loads and checks a component as a host would, within these limits. Every call is made twice and compared.
    pub fn load(settings: &config::Plugin) -> Result<Self, RehearsalError> {
        let size = PoolSize::new(INSTANCES, [&settings.limits]);
        let runtime = config::Runtime { call_twice: true, ..config::Runtime::default() };
        let plugin =
            Runtime::new(&runtime, size)?.load(&PluginName::new(&settings.source.stem()), settings)?;
        let observer = Observer::default();
        let plugin = Arc::new(plugin.observed(observer.clone()));
        Ok(Self { plugin, observer, spool_folder: runtime.spool_folder() })
    }

    pub fn is_connector(&self) -> bool {
        self.plugin.is_connector()
    }

    /// Of the component file.
    pub fn sha256(&self) -> [u8; 32] {
        self.plugin.sha256
    }

    /// Runs a case against its script.
    pub fn rehearse(&self, case: &Case) -> Result<Run, RehearsalError> {
        let case = case.clone();
        if !self.is_connector() {
            return self.transform(case.event, case.settings);
        }
        let surroundings = Surroundings::of_case(&case);
        self.on_a_thread(Clock::Virtual, async move |subject| {
            let stage = subject.stage(&surroundings)?;
            let gateway = Gateway::unconnected(&surroundings.egress, &subject.spool_folder)?;
            let script = RefCell::new(Script::new(&case.requests));
            let max_reply_bytes = surroundings.egress.max_reply_bytes;
            let way = Way::Scripted { gateway: &gateway, answers: &script, max_reply_bytes };
            Ok(stage.run(delivery(&case), Cut::default(), &way).await.0)
        })
    }

    /// Delivers an event once, for real. Nothing that a reply echoes of the connector's secrets is left in what comes
    /// back.
    pub fn deliver(&self, event: Event, surroundings: Surroundings) -> Result<Run, RehearsalError> {
        self.on_a_thread(Clock::Real, async move |subject| {
            let stage = subject.stage(&surroundings)?;
            let mask = Mask::default();
            let gateway = Gateway::new(&surroundings.egress, mask.clone(), &subject.spool_folder)?;
            let case = Case { delivery: case::DeliverySettings::now(), ..Case::of_event(event, Map::new()) };
            let (mut run, _) = stage.run(delivery(&case), Cut::default(), &Way::Real(&gateway)).await;
            run.strike(&mask);
            Ok(run)
        })
    }

    /// What a transformer makes of an event.
    pub fn transform(&self, event: Event, settings: Map<String, Value>) -> Result<Run, RehearsalError> {
        self.on_a_thread(Clock::Virtual, async move |subject| {
            let calls = subject.plugin.transformer(USER, &settings, subject.metrics())?;
            Ok(transform(&calls, &subject.observer, event).await)
        })
    }

    fn stage(&self, surroundings: &Surroundings) -> Result<Stage, PluginError> {
        self.stage_of(&self.plugin, surroundings)
    }

    fn stage_of(&self, plugin: &Plugin, surroundings: &Surroundings) -> Result<Stage, PluginError> {
        Ok(Stage {
            calls: plugin.connector(USER, &surroundings.settings, self.metrics())?,
            limits: Limits::of(plugin.limits(), plugin.is_called_twice()),
            observer: self.observer.clone(),
            attempt_timeout: surroundings.attempt_timeout,
        })
    }

    fn metrics(&self) -> PluginMetrics {
        Telemetry::new().plugin(&self.plugin.name)
    }

    /// Runs a future that stays on one thread, and waits for it.
    ///
    /// # Panics
    /// When the work does: its panic is carried over.
    fn on_a_thread<T: Send>(
        &self,
        clock: Clock,
        work: impl AsyncFnOnce(&Self) -> Result<T, RehearsalError> + Send,
    ) -> Result<T, RehearsalError> {
        let run = move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().start_paused(clock == Clock::Virtual).build()?;
            tokio::task::LocalSet::new().block_on(&runtime, work(self))
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, run)?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Real,
    /// It stands still while anything is done, and leaps while all wait.
    Virtual,
}

impl Surroundings {
    /// Of a simulated endpoint: what a host would be configured with.
    fn of_case(case: &Case) -> Self {
        let mut egress = Egress { allow: case.allow.clone(), ..Egress::new(case.endpoint.clone()) };
        if let Some(database) = &mut egress.database {
            database.tables.clone_from(&case.tables);
        }
        Self {
            settings: case.settings.clone(),
            egress,
            attempt_timeout: config::Sla::default().attempt_timeout,
        }
    }
}
