//! What a connector's plugin costs in the sandbox: the same engine, limits and instances as a running host, without Kafka
//! and without a network. Whoever measures says what the external system answers, and holds the watch.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::join_all;
use serde_json::{Map, Value};

use super::{Calls, Connectors, PluginError, PoolSize, Runtime};
use crate::config::{self, Instances, PluginName};
use crate::contract::{Delivery, Effect, Fault, Outcome, Reply, Step};
use crate::event::Event;
use crate::telemetry::Telemetry;

/// When every attempt begins: 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

/// A connector's plugin that was loaded as a host does at its start.
pub struct Subject {
    calls: Calls<Connectors>,
    /// It owns the memory of all instances.
    _runtime: Runtime,
}

impl Subject {
    /// Reads, checks and compiles the component, or takes what an earlier call has left in the folder `cache`.
    pub fn load(
        component: &Path,
        settings: &Map<String, Value>,
        instances: Instances,
        cache: &Path,
    ) -> Result<Self, PluginError> {
        let host =
            config::Runtime { cache: cache.to_owned(), call_twice: false, ..config::Runtime::default() };
        let plugin = config::Plugin { instances, ..config::Plugin::new(component) };
        let size = PoolSize::new(host.instances, [&plugin.limits]);
        let runtime = Runtime::new(&host, size)?;
        let name = PluginName::new("subject");
        let metrics = Telemetry::new().plugin(&name);
        let calls = runtime.load(&name, &plugin)?.connector("subject", settings, metrics)?;
        Ok(Self { calls, _runtime: runtime })
    }

    /// Delivers the event so many times at once, each attempt to its end, and gives the outcomes.
    pub async fn deliver(
        &self,
        event: &Event,
        count: usize,
        answer: impl Fn(&Effect) -> Reply,
    ) -> Result<Vec<Outcome>, Fault> {
        let event = Arc::new(event.clone());
        let attempts = join_all((0..count).map(|_| self.attempt(&event, &answer)));
        let mut attempts = pin!(attempts);
        let outcomes = poll_fn(|context| {
            loop {
                if let Poll::Ready(outcomes) = attempts.as_mut().poll(context) {
                    return Poll::Ready(outcomes);
                }
                if self.calls.poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
        });
        outcomes.await.into_iter().collect()
    }

    async fn attempt(&self, event: &Arc<Event>, answer: impl Fn(&Effect) -> Reply) -> Result<Outcome, Fault> {
        let mut delivery = Box::new(Delivery {
            event: event.clone(),
            attempt: 1,
            now: NOW_MS,
            seed: 1,
            deadline: None,
            idempotency_key: "measured".into(),
            resolution: None,
            rounds: Vec::new(),
        });
        loop {
            let (given_back, step) = self.calls.call(delivery, false).await;
            delivery = given_back;
            match step? {
                Step::Perform(effects) => delivery.rounds.push(effects.iter().map(&answer).collect()),
                Step::SettleBy(effect) => {
                    let reply = answer(&effect);
                    if let Some(outcome) = Outcome::delivered_by(&reply) {
                        return Ok(outcome);
                    }
                    delivery.rounds.push(vec![reply]);
                }
                Step::Settle(outcome) => return Ok(outcome),
            }
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Subject").field("calls", &self.calls).finish_non_exhaustive()
    }
}
