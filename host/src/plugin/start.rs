//! One instance of a plugin, made and thrown away before the plugin is taken. Only there are the types of its functions
//! compared with the contract's, and only there does what it does at its start show.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::Map;

use super::interface::Exporter;
use super::pool::{Pool, Turns, World};
use super::{Connectors, Joins, Kind, Plugin, PluginError, Transformers};
use crate::telemetry::Telemetry;

/// Who the plugin is to its log.
const USER: &str = "start";

impl Plugin {
    /// Starts one instance within the plugin's limits; what its memories and tables take, in bytes.
    ///
    /// # Errors
    ///
    /// [`PluginError::Start`] where its functions are not those of the contract, or it traps or uses up its limits.
    pub(super) fn start(&self) -> Result<usize, PluginError> {
        match &self.kind {
            Kind::Connector(connector, joiner) => {
                if let Some(joiner) = joiner {
                    self.started_bytes::<Joins>(joiner.clone())?;
                }
                self.started_bytes::<Connectors>(connector.clone())
            }
            Kind::Transformer(transformer) => self.started_bytes::<Transformers>(transformer.clone()),
        }
    }

    fn started_bytes<W: World>(&self, exporter: Exporter<W::Exports>) -> Result<usize, PluginError> {
        let plan = self.plan::<W>(exporter, USER, &Map::new(), Telemetry::new().plugin(&self.name));
        let pool = Pool::new(plan, Turns::InSlices);
        let instance = to_its_end(pool.start());
        let refused = |reason: String| PluginError::Start { plugin: self.name.clone(), reason };
        Ok(instance.map_err(|fault| refused(fault.to_string()))?.store.data().memory_bytes())
    }
}

/// A guest waits for nothing: it is pending only to let others run, which are not there.
fn to_its_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
