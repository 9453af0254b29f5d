//! Keeps rows of a database as events say: one row an event, or a header with its lines.
//!
//! In come a delivery and the connector's settings, out go SQL transactions and what their answers mean. Values are bound,
//! names come from the settings alone and are quoted. Which of two versions wins is decided by the statement itself, or by
//! the host where the row is not older.

mod current;
mod lines;
mod refusal;
mod row;
mod settings;
mod single;
mod source;
mod text;
mod time;
mod value;

use liaison_sdk::prelude::*;

use crate::row::Row;
use crate::settings::Settings;
use crate::source::{Document, Record};

liaison_sdk::connector!(deliver, check);

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
    let document = Document::parse(data)?;
    let record = Record { event: &delivery.event, document: Some(&document), line_number: 0 };
    let row = Row::of(settings, &record)?;
    let resolution = delivery.resolution.as_ref();
    match &settings.lines {
        None => single::write(http, &row, resolution).await,
        Some(lines) => lines::write(http, lines, &row, &record, resolution).await,
    }
}

async fn delete(settings: &Settings, delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let record = Record { event: &delivery.event, document: None, line_number: 0 };
    let row = Row::deleted(settings, &record)?;
    single::delete(http, &row, delivery.resolution.as_ref()).await
}

/// Are the tables and columns there, and may they be read?
async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let table = &settings.table;
    let names = table.all().map(|column| column.name.as_str()).chain(settings.deleted_column.as_deref());
    let mut texts = vec![row::probe(settings.dialect, &table.name, names)];
    if let Some(lines) = &settings.lines {
        let names = lines.header_key.iter().map(String::as_str);
        let names = names.chain(lines.table.all().map(|column| column.name.as_str()));
        texts.push(row::probe(settings.dialect, &lines.table.name, names));
    }
    text::run(http, texts).await?;
    Ok(Check::usable(format!("the columns of `{}` are there", table.name.join("."))))
}

#[cfg(test)]
mod tests;
