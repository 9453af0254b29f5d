//! Keeps events in a warehouse, many at a time: merged into a table of PostgreSQL by key and version, in an append-only
//! history, or as files of lines in S3.
//!
//! In come a delivery and the connector's settings, out goes one request that does by itself what the delivery needs. A
//! host with a `batch` has several of them made one (`joint`); nothing here depends on that.

mod files;
mod joint;
mod line;
mod settings;
mod statement;
mod table;
mod text;

use liaison_sdk::prelude::*;

use crate::settings::{Into, Settings};

liaison_sdk::joining_connector!(deliver, check, joint::join, joint::split);

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Ending, Failure> {
    let settings = settings::<Settings>()?;
    match &settings.into {
        Into::Tables(tables) => Ok(table::deliver(tables, delivery, http).await?.into()),
        Into::Files(files) => Ok(files::deliver(files, delivery, http)?.into()),
    }
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    match &settings.into {
        Into::Tables(tables) => table::check(tables, http).await,
        Into::Files(files) => files::check(files, http).await,
    }
}

#[cfg(test)]
mod tests;
