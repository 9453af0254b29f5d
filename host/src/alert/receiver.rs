//! Those who are told beside the log, each by a task of its own.
//!
//! In come notices, out go tries, several at a time, until each is taken or given up: the outbox says when. One that
//! does not answer keeps nobody else waiting, and of its own notices only those of the same cause.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::causes::{Cause, Notice};
use super::email::{MailError, Mailer};
use super::outbox::{Outbox, ROOM, Try};
use super::webhook::{PostError, Poster};
use super::{AlertError, config};
use crate::telemetry::{AlertMetrics, AlertReceiver};

/// Tries of one receiver at the same time.
const TRIES: usize = 8;

/// Someone who is told.
pub(super) enum Receiver {
    Webhook(Poster),
    /// One address.
    Email(Mailer),
}

/// Why one try failed.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error(transparent)]
    Post(#[from] PostError),
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl Receiver {
    /// All that the configuration names.
    pub(super) fn all(settings: &config::Alerts) -> Result<Vec<Receiver>, AlertError> {
        let mut receivers = Vec::new();
        if let Some(webhook) = &settings.webhook {
            receivers.push(Receiver::Webhook(Poster::new(webhook)?));
        }
        if let Some(email) = &settings.email {
            receivers.extend(Mailer::all(email)?.into_iter().map(Receiver::Email));
        }
        Ok(receivers)
    }

    pub(super) fn kind(&self) -> AlertReceiver {
        match self {
            Receiver::Webhook(_) => AlertReceiver::Webhook,
            Receiver::Email(_) => AlertReceiver::Email,
        }
    }

    fn address(&self) -> String {
        match self {
            Receiver::Webhook(poster) => poster.url().to_string(),
            Receiver::Email(mailer) => mailer.address(),
        }
    }

    async fn tell(&self, notice: &Notice) -> Result<(), TellError> {
        match self {
            Receiver::Webhook(poster) => Ok(poster.post(notice).await?),
            Receiver::Email(mailer) => Ok(mailer.send(notice).await?),
        }
    }
}

impl TellError {
    fn may_pass(&self) -> bool {
        match self {
            TellError::Post(error) => error.may_pass(),
            TellError::Mail(error) => error.may_pass(),
        }
    }
}

/// Tells one receiver everything that comes, and ends when nothing comes any more and nothing is left.
pub(super) async fn run(receiver: Receiver, mut notices: mpsc::Receiver<Arc<Notice>>, metrics: AlertMetrics) {
    let kind = receiver.kind();
    let mut outbox: Outbox<Cause, Arc<Notice>> = Outbox::new();
    let mut tries = FuturesUnordered::new();
    let mut is_open = true;
    let mut trouble = None;
    while is_open || !outbox.is_empty() {
        while tries.len() < TRIES
            && let Some((cause, notice)) = outbox.start(Instant::now())
        {
            let receiver = &receiver;
            tries.push(async move { (cause, receiver.tell(&notice).await, notice) });
        }
        let next_start = outbox.next_start().filter(|_| tries.len() < TRIES);
        tokio::select! {
            notice = notices.recv(), if is_open => match notice {
                Some(notice) => {
                    if !outbox.push(notice.alert.cause(), notice.clone(), Instant::now()) {
                        dropped(kind, &notice, &metrics);
                    }
                }
                None => is_open = false,
            },
            Some((cause, told, notice)) = tries.next() => {
                let how = match &told {
                    Ok(()) => Try::Taken,
                    Err(error) if error.may_pass() => Try::Failed,
                    Err(_) => Try::Refused,
                };
                let is_given_up = outbox.ended(&cause, how, Instant::now(), fastrand::f64());
                let before = std::mem::replace(&mut trouble, told.as_ref().err().map(ToString::to_string));
                let is_news = trouble.is_some() && trouble != before;
                account(&receiver, &notice, told, is_given_up, is_news, &metrics);
            }
            () = tokio::time::sleep_until(next_start.unwrap_or_else(Instant::now)), if next_start.is_some() => {}
        }
    }
}

/// Counts a try, and logs one that failed: loudly when it was the last, or the receiver has not failed like this just
/// before.
fn account(
    receiver: &Receiver,
    notice: &Notice,
    told: Result<(), TellError>,
    is_given_up: bool,
    is_news: bool,
    metrics: &AlertMetrics,
) {
    let (kind, alert, state) = (receiver.kind(), notice.alert.kind.name(), notice.state.name());
    match told {
        Ok(()) => {
            metrics.told[kind].inc();
        }
        Err(error) if is_given_up => {
            metrics.failed[kind].inc();
            let to = receiver.address();
            tracing::error!(failed = alert, state, to, %error, "an alert could not be told: it is only logged");
        }
        Err(error) if is_news => {
            let to = receiver.address();
            tracing::warn!(failed = alert, state, to, %error, "an alert could not be told yet: it is tried again");
        }
        Err(error) => {
            let to = receiver.address();
            tracing::debug!(failed = alert, state, to, %error, "an alert could not be told yet");
        }
    }
}

/// There is no room for a notice.
pub(super) fn dropped(kind: AlertReceiver, notice: &Notice, metrics: &AlertMetrics) {
    metrics.failed[kind].inc();
    let (failed, state) = (notice.alert.kind.name(), notice.state.name());
    tracing::error!(
        failed,
        state,
        ?kind,
        room = ROOM,
        "too many alerts wait for a receiver: one is only logged"
    );
}
