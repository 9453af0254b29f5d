//! Keeps rows of a database as events say: one row an event, or a header with its lines.
//!
//! In come a delivery and the connector's settings, out go SQL transactions and what their answers mean. Values are bound,
//! names come from the settings alone and are quoted. Which of two versions wins is decided by the statement itself, or by
//! the host where the row is not older.

mod check;
mod current;
mod joint;
mod lines;
mod refusal;
mod row;
mod settings;
mod single;
mod statements;
mod text;

use liaison_sdk::column::{Document, Record};
use liaison_sdk::prelude::*;

use crate::row::Row;
use crate::settings::Settings;

liaison_sdk::joining_connector!(deliver, check::check, joint::join, joint::split);

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let settings = settings::<Settings>()?;
    let ended = match delivery.data() {
        Some(data) => write(&settings, delivery, http, data).await,
        None => delete(&settings, delivery, http).await,
    };
    Ok(ended.unwrap_or_else(|failure| refusal::outcome(&settings, failure)))
}

async fn write(
    settings: &Settings,
    delivery: &Delivery,
    http: &Http,
    data: &[u8],
) -> Result<Outcome, Failure> {
    let document = Document::read(data)?;
    let record = Record::new(&delivery.event, Some(&document));
    let row = Row::of(settings, &record)?;
    match &settings.lines {
        None => single::write(http, &row, delivery).await,
        Some(lines) => lines::write(http, lines, &row, &record, delivery).await,
    }
}

async fn delete(settings: &Settings, delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let record = Record::new(&delivery.event, None);
    let row = Row::deleted(settings, &record)?;
    single::delete(http, &row, delivery).await
}

#[cfg(test)]
mod tests;
