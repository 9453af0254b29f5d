//! Keeps the document of each event, with its metadata, in a repository that speaks WebDAV or the API of S3.
//!
//! ```text
//! event ─▶ wanted, document ─▶ look at what is there ─▶ judge ─┬─▶ fetch ─▶ write ─▶ verify ─▶ describe
//!                                                              └─▶ already there, or the host decides
//! ```
//!
//! In come a delivery and the connector's settings. A document that an event only refers to is fetched and sent on by the
//! host, and never comes in here. What is newer, or was changed by someone else, is not written over: the host says who
//! wins.
//!
//! - `settings`, `template`: what is set, and text with fields of the event
//! - `wanted`, `document`, `media`: what an event wants
//! - `held`: what is there
//! - `judge`: what follows from what is there
//! - `store`, `remove`: the requests of one attempt, in order
//! - `repository`, `webdav`, `s3`: what a request looks like, and what its answer means

mod document;
mod held;
mod judge;
mod media;
mod remove;
mod repository;
mod s3;
mod settings;
mod stop;
mod store;
mod template;
mod wanted;
mod webdav;

use liaison_sdk::prelude::*;
use serde_json::Value;

use crate::repository::Repository;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::template::Source;

liaison_sdk::connector!(deliver, check);

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Stop> {
    let settings = settings::<Settings>()?;
    let data = delivery.data().map(|_| delivery.json::<Value>()).transpose()?;
    let source = Source { event: &delivery.event, data, version: &settings.version };
    let repository = Repository::new(http, &settings);
    match source.data {
        Some(_) => store::store(&repository, &source, delivery).await,
        None => remove::remove(&repository, &source, delivery).await,
    }
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    Repository::new(http, &settings).check().await
}

#[cfg(test)]
mod tests;
