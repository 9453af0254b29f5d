//! What a host does once, without running: deliver one event now, ask every connector and Kafka whether they are usable.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::{Host, HostError, Summary, SyncEnd, workers};
use crate::config::{self, Brokers, ConnectorName, SubscriptionName};
use crate::dead_letter::recording::strike_reason;
use crate::event::Event;
use crate::kafka::topics::Topics;
use crate::subscription::filter::{Filter, Verdict};
use crate::subscription::stages::{Stages, StagesPlan};
use crate::subscription::unix_ms;

impl Host {
    /// Delivers one event now to every connector that is subscribed to it, with one attempt each, and says how it ended.
    /// Nothing is read from Kafka or written to it.
    pub async fn sync_event(&self, event: &Event) -> Result<Summary, HostError> {
        let mut plans = Vec::new();
        for (name, subscription) in &self.setup.config.subscriptions {
            plans.push((self.setup.stages_plan(name)?, subscription.clone()));
        }
        workers::on_a_worker(move |event| sync_all(plans, event), event.clone()).await
    }

    /// Asks every connector's `check` whether its external system is usable: how that was seen, or why not.
    pub async fn check_connectors(
        &self,
    ) -> Result<BTreeMap<ConnectorName, Result<String, String>>, HostError> {
        let mut plans = BTreeMap::new();
        for (name, subscription) in &self.setup.config.subscriptions {
            plans.entry(subscription.connector.clone()).or_insert(self.setup.stages_plan(name)?);
        }
        workers::on_a_worker(check_all, plans).await
    }

    /// Asks Kafka for the topics of each subscription: what was seen of them, or what is wrong.
    pub async fn check_topics(
        &self,
    ) -> Result<BTreeMap<SubscriptionName, Result<String, String>>, HostError> {
        let Brokers::At(brokers) = &self.setup.config.kafka.brokers else { return Ok(BTreeMap::new()) };
        let topics = Topics::new(&self.setup.config.kafka, &brokers.join(","))?;
        let names: BTreeSet<_> = topics.names().await?.into_iter().collect();
        let mut answers = BTreeMap::new();
        for (name, subscription) in &self.setup.config.subscriptions {
            answers.insert(name.clone(), check_topics_of(subscription, &names, &topics).await);
        }
        Ok(answers)
    }

    /// Asks Kafka whether it is there, within `kafka.start-timeout`.
    pub async fn check_kafka(&self) -> Result<(), HostError> {
        let Brokers::At(brokers) = &self.setup.config.kafka.brokers else { return Ok(()) };
        let topics = Topics::new(&self.setup.config.kafka, &brokers.join(","))?;
        Ok(topics.wait_for_brokers(self.setup.config.kafka.start_timeout).await?)
    }

    /// Asks the schema registry whether it is there, and for us: its address, or what is wrong. `None` without one.
    pub async fn check_schema_registry(&self) -> Option<Result<String, String>> {
        let answer = self.setup.registry.probe().await?;
        Some(answer.map(|url| url.to_string()))
    }
}

async fn check_topics_of(
    subscription: &config::Subscription,
    names: &BTreeSet<String>,
    topics: &Topics,
) -> Result<String, String> {
    let missing = |wanted: Vec<String>| wanted.into_iter().filter(|topic| !names.contains(topic));
    let unread: Vec<_> = missing(subscription.topics.clone()).collect();
    if !unread.is_empty() {
        return Err(format!("no topic {}; create it, or mend `topics`", unread.join(", ")));
    }
    if let Some(journal) = subscription.journal.as_ref().filter(|journal| names.contains(*journal)) {
        // Whether this client may ask is another question.
        if let Ok(Some(policy)) = topics.config_of(journal, "cleanup.policy").await
            && !policy.contains("compact")
        {
            let text = "Kafka would forget what was done; set it to compact";
            return Err(format!("the journal {journal} has cleanup.policy={policy}: {text}"));
        }
    }
    let unmade: Vec<_> = missing(subscription.own_topics().collect()).collect();
    Ok(match unmade.is_empty() {
        true => "all topics are there".to_owned(),
        false => format!("missing, and made at the start: {}", unmade.join(", ")),
    })
}

async fn sync_all(
    plans: Vec<(StagesPlan, config::Subscription)>,
    event: Event,
) -> Result<Summary, HostError> {
    let mut summary = Summary::new();
    let mut runs = Vec::new();
    for (plan, settings) in plans {
        let filter = Filter::new(settings.types.set().clone(), settings.filter.as_deref());
        let filter = filter.map_err(|source| HostError::Subscription {
            subscription: plan.subscription.clone(),
            source: Box::new(source.into()),
        })?;
        match filter.verdict(&event) {
            Verdict::Wanted => {}
            Verdict::Unwanted(_) => continue,
            Verdict::Failed(why) => {
                worst(&mut summary, &plan.connector_name, SyncEnd::Failed(why));
                continue;
            }
        }
        let (stages, mask) = (Stages::alone(&plan)?, plan.mask.clone());
        let (event, sla) = (event.clone(), *settings.sla.of(&event.kind));
        runs.push(async move {
            let mut end = stages.drive(stages.deliver_now(event, &sla, unix_ms())).await;
            // A reply may have echoed a secret.
            if let SyncEnd::Skipped(why) | SyncEnd::Failed(why) = &mut end {
                strike_reason(why, &mask);
            }
            (plan.connector_name, end)
        });
    }
    for (connector, end) in join_all(runs).await {
        worst(&mut summary, &connector, end);
    }
    Ok(summary)
}

/// Of several subscriptions of one connector the worst end is told.
fn worst(summary: &mut Summary, connector: &ConnectorName, end: SyncEnd) {
    let known = summary.entry(connector.clone()).or_insert_with(|| end.clone());
    let is_better = matches!((&*known, &end), (SyncEnd::Delivered | SyncEnd::Skipped(_), SyncEnd::Failed(_)));
    if is_better || matches!((&*known, &end), (SyncEnd::Skipped(_), SyncEnd::Delivered)) {
        *known = end;
    }
}

async fn check_all(
    plans: BTreeMap<ConnectorName, StagesPlan>,
) -> Result<BTreeMap<ConnectorName, Result<String, String>>, HostError> {
    let mut checks = Vec::new();
    for (name, plan) in plans {
        let (stages, mask) = (Stages::alone(&plan)?, plan.mask.clone());
        checks.push(async move {
            let mut result = stages.drive(stages.check(unix_ms())).await;
            let (Ok(said) | Err(said)) = &mut result;
            strike_reason(said, &mask);
            (name, result)
        });
    }
    Ok(join_all(checks).await.into_iter().collect())
}
