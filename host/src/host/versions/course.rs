//! One plugin with its versions: what is live, what is on trial, and what follows from what its events show.
//!
//! Decides by [`super::rollout`], tells the workers by the plugin's line, and people by alerts, log and metrics.

use std::sync::Arc;

use tokio::time::Instant;

use super::rollout::{Phase, Rollout, Verdict};
use super::status::{Happened, short};
use super::watch::Found;
use crate::alert::{Alert, AlertKind, AlertSender};
use crate::config;
use crate::plugin::{JOINER, Plugin};
use crate::subscription::stages::served::{Counts, Line, Part, Served, Tally, Trial};
use crate::subscription::stages::shadow::Shadow;
use crate::subscription::unix_ms;
use crate::telemetry::{Label as _, ShadowResult, SwapResult, VersionMetrics};

/// What one plugin has come to.
#[derive(Debug)]
pub(super) struct Course {
    /// The latest that were asked for: what was loaded by others is not tried any more.
    pub(super) wanted: config::Plugin,
    /// Those of what is live or tried.
    pub(super) settings: config::Plugin,
    pub(super) line: Line,
    /// A connector that gathers requests uses it.
    pub(super) is_to_join: bool,
    pub(super) trial: Option<Rollout>,
    pub(super) refused: Option<Happened>,
    pub(super) rolled_back: Option<Happened>,
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

impl Course {
    pub(super) fn new(
        settings: config::Plugin,
        line: Line,
        is_to_join: bool,
        metrics: VersionMetrics,
    ) -> Self {
        metrics.show(&short(&line.borrow().live), None);
        let shown = ShadowCounts::default();
        let wanted = settings.clone();
        Self {
            wanted,
            settings,
            line,
            is_to_join,
            trial: None,
            refused: None,
            rolled_back: None,
            metrics,
            shown,
        }
    }

    /// What is live runs in another room from now on.
    pub(super) fn moved(&mut self, plugin: Arc<Plugin>, settings: config::Plugin) {
        self.settings = settings;
        if self.trial.take().is_some() {
            self.metrics.swaps[SwapResult::Replaced].inc();
        }
        self.serve(Served::only(plugin));
    }

    /// What is on trial is tried anew in another room, where it is this.
    pub(super) fn tried_elsewhere(&mut self, plugin: &Arc<Plugin>) {
        let served = self.line.borrow().clone();
        if served.trial.is_some_and(|trial| trial.plugin.sha256 == plugin.sha256) {
            self.begin(served.live, plugin.clone());
        }
    }

    /// What its alert is over by.
    pub(super) fn end(&self) -> Alert {
        let live = self.line.borrow().live.clone();
        alert(&live, format!("plugin {}: version {} is no longer watched here", live.name, short(&live)))
    }

    /// Nobody follows it any more.
    pub(super) fn gone(&self) {
        self.metrics.hide();
    }

    /// Its file, or its settings, have changed.
    pub(super) fn found(&mut self, found: Found, alerts: &AlertSender) {
        if found.settings != self.wanted {
            return;
        }
        let live = self.line.borrow().live.clone();
        let loaded = found.loaded.map_err(|error| error.to_string());
        let plugin = match loaded.and_then(|plugin| same_kind(&live, plugin, self.is_to_join)) {
            Ok(plugin) => plugin,
            Err(why) => return self.refuse(&live, why, alerts),
        };
        if self.trial.take().is_some() {
            self.metrics.swaps[SwapResult::Replaced].inc();
        }
        self.settings = found.settings;
        if plugin.is_same_as(&live) || (plugin.sha256 == live.sha256 && !found.is_ordered) {
            let sha256 = short(&live);
            tracing::info!(plugin = %live.name, sha256, "a plugin is as its live version again");
            self.serve(Served::only(live.clone()));
            return self.over(&live, alerts);
        }
        self.begin(live, plugin);
    }

    /// Puts a version on trial.
    fn begin(&mut self, live: Arc<Plugin>, plugin: Arc<Plugin>) {
        let rollout = Rollout::new(self.settings.rollout, Instant::now());
        let (phase, tally) = (rollout.phase(), Arc::new(Tally::default()));
        let (sha256, before) = (short(&plugin), short(&live));
        let phase_name = phase.name();
        tracing::info!(plugin = %live.name, sha256, before, phase = phase_name, "a plugin has a new version, which is tried");
        let part = part(phase, &self.settings.rollout);
        let shadow = match phase {
            Phase::Shadow => shadow(&plugin, &tally),
            Phase::Canary | Phase::Watched => None,
        };
        self.trial = Some(rollout);
        self.shown = ShadowCounts::default();
        self.serve(Served { live, trial: Some(Trial { plugin, part, shadow, tally }) });
    }

    /// Decides on what is on trial.
    pub(super) fn look(&mut self, alerts: &AlertSender, now: Instant) {
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
    let shadow = super::shadow::start(plugin.clone(), tally.clone());
    shadow.inspect_err(|error| tracing::error!(%error, "a version shadows nothing: no thread for it")).ok()
}

/// Those who use the live version can use this one: where one of them has a `batch`, it must be able to join.
fn same_kind(live: &Plugin, plugin: Arc<Plugin>, is_to_join: bool) -> Result<Arc<Plugin>, String> {
    let kind = |plugin: &Plugin| if plugin.is_connector() { "connector" } else { "transformer" };
    let (name, is, was) = (&live.name, kind(&plugin), kind(live));
    if live.is_connector() != plugin.is_connector() {
        return Err(format!(
            "plugin {name}: the new version is a {is}, and the one before is a {was}; give it a name of its own"
        ));
    }
    if is_to_join && !plugin.is_joining() {
        return Err(format!(
            "plugin {name}: the new version does not export {JOINER}, and a connector that uses it has a `batch`; \
             build it with a joiner, or leave that `batch` out first"
        ));
    }
    Ok(plugin)
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
