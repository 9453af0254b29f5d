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
//! - `settings`, `path`: what is set, and where a document is kept
//! - `wanted`, `document`, `media`: what an event wants
//! - `held`, `said`: what is there, and what someone else may have changed of it
//! - `judge`: what follows from what is there
//! - `store`, `remove`: the requests of one attempt, in order
//! - `repository`, `webdav`, `s3`: what a request looks like, and what its answer means

mod document;
mod held;
mod judge;
mod media;
mod path;
mod remove;
mod repository;
mod s3;
mod said;
mod settings;
mod stop;
mod store;
mod wanted;
mod webdav;

use liaison_sdk::prelude::*;
use liaison_sdk::template::Source;

use crate::repository::Repository;
use crate::settings::Settings;
use crate::stop::Stop;

liaison_sdk::connector!(deliver, check);

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Stop> {
    let settings = settings::<Settings>()?;
    let source = Source::new(delivery);
    let repository = Repository::new(http, &settings);
    match delivery.data() {
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
