//! Another configuration for a host that runs, made ready as a whole before anything stops for it.
//!
//! In come what runs, which is only read, and a configuration; out comes all that it needs, or why nothing comes of it.

use std::sync::Arc;

use super::HostError;
use super::changes::{self, Changes, Waits};
use super::plans::Ground;
use super::reload::ReloadError;
use super::setup::{Setup, SetupError};
use super::workers::{self, Planned};
use crate::alert::Receivers;
use crate::config::secret::Watched;
use crate::config::{Config, Places, SubscriptionName};
use crate::intake::Rules;

/// Of a key that is another.
const FIXED: &str = "cannot change while the host runs; put back what stood there, or restart the host";

/// Another configuration, with all that it needs.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) setup: Setup,
    pub(super) changes: Changes,
    /// Each with those that must have ended before.
    pub(super) starts: Vec<(Planned, Waits)>,
    pub(super) receivers: Receivers,
    pub(super) token: Option<Watched>,
    pub(super) rules: Rules,
}

/// Makes it ready.
pub(super) async fn prepare(
    old: Arc<Setup>,
    ground: Ground,
    config: Config,
    places: Places,
) -> Result<Box<Next>, ReloadError> {
    let fixed = changes::fixed(&old.config, &config);
    if !fixed.is_empty() {
        let fixed: Vec<_> = fixed.into_iter().map(|key| (key, FIXED.to_owned())).collect();
        return Err(places.mistakes(&fixed).into());
    }
    // Compiling a plugin blocks for seconds; a shutdown does not wait for that thread.
    let load = |(old, config): (Arc<Setup>, Config)| async move { old.next(config) };
    let setup = workers::on_a_worker(load, (old.clone(), config)).await;
    let setup = setup.map_err(|error| located(error, &places))?;
    let changes = Changes::between(old.version(), setup.version());
    let receivers = Receivers::new(&setup.config.alerts).map_err(HostError::from)?;
    let (token, rules) = (setup.token()?, setup.rules()?);
    setup.prepare_routes(&ground.bootstrap).await?;
    let delays = setup.prepare_topics(changes.started(), &ground.bootstrap).await?;
    let plans = setup.plans(changes.started(), &ground, &delays)?;
    let waits = |name: &SubscriptionName| changes.waits_for(name, &old.config, &setup.config);
    let starts = plans.into_iter().map(|(name, plan)| {
        let waits = waits(&name);
        ((name, plan), waits)
    });
    let starts = starts.collect();
    Ok(Box::new(Next { setup, changes, starts, receivers, token, rules }))
}

/// With its place, if it is a table of the configuration that is to be mended.
fn located(SetupError { table, source }: SetupError, places: &Places) -> ReloadError {
    match &table {
        Some([section, name]) if source.is_configuration() => {
            places.mistakes(&[([section, name], source.to_string())]).into()
        }
        Some(_) | None => source.into(),
    }
}
