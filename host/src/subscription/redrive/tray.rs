//! The dead letters of one subscription, as who works on them has them: the topic held alone, and what is in it.

use std::time::Duration;

use super::RedriveError;
use crate::config::{self, SubscriptionName};
use crate::dead_letter::listing::{Waiting, waiting};
use crate::dead_letter::selection::Selection;
use crate::dead_letter::store::{Store, StoreError};
use crate::kafka::hold::{Hold, hold};
use crate::kafka::topics::Topics;

/// For reading the topic once.
const READ: Duration = Duration::from_secs(600);

/// The dead letters of one subscription, as who works on them needs them.
#[derive(Debug, Clone)]
pub(crate) struct Tray {
    pub(crate) kafka: config::Kafka,
    pub(crate) bootstrap: String,
    pub(crate) name: SubscriptionName,
    pub(crate) subscription: config::Subscription,
}

impl Tray {
    /// Holds the topic alone; `None` if there is no such topic.
    pub(crate) async fn hold(&self) -> Result<Option<Hold>, RedriveError> {
        let topic = &self.subscription.dead_letter_topic;
        let topics = Topics::new(&self.kafka, &self.bootstrap)?;
        let Some(partitions) = topics.partitions_of(topic).await? else { return Ok(None) };
        let group = format!("{}.redrive", self.subscription.group);
        let partitions = usize::try_from(partitions).unwrap_or_default();
        Ok(Some(hold(&self.kafka, &self.bootstrap, &group, topic, partitions).await?))
    }

    /// Works on the store on a thread that may block.
    pub(crate) async fn in_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(Store<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RedriveError> {
        let tray = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            work(Store {
                settings: &tray.kafka,
                bootstrap: &tray.bootstrap,
                subscription: &tray.name,
                topic: &tray.subscription.dead_letter_topic,
                limit: READ,
            })
        });
        Ok(task.await.map_err(|_| RedriveError::Stopped)??)
    }

    /// What waits of the selection; with `force` what was overtaken too.
    pub(crate) async fn waiting(&self, selection: &Selection, force: bool) -> Result<Waiting, RedriveError> {
        let selection = selection.clone();
        self.in_store(move |store| waiting(&store, &selection, force)).await
    }
}
