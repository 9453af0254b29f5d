//! Are the tables and columns there, may they be read, and can versions be compared?

use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::outcome::Check;
use liaison_sdk::settings::settings;
use liaison_sdk::sql::{Dialect, TableName, version_problem};

use crate::settings::Settings;
use crate::text::{Text, run};

pub(crate) async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let table = &settings.table;
    let mut texts = vec![columns(settings.dialect, &table.name, settings.names())];
    if let Some(lines) = &settings.lines {
        let names = lines.header_key.iter().map(String::as_str);
        let names = names.chain(lines.table.all().map(|column| column.name.as_str()));
        texts.push(columns(settings.dialect, &lines.table.name, names));
    }
    run(http, texts).await?;
    if let Some(version) = &settings.version
        && let Some(problem) = version_problem(http, settings.dialect, &table.name, &version.column).await?
    {
        return Ok(Check::unusable(problem));
    }
    Ok(Check::usable(format!("the columns of `{}` are there", table.name)))
}

/// Asks for nothing of a table but that its columns are there.
fn columns<'a>(dialect: Dialect, table: &TableName, names: impl IntoIterator<Item = &'a str>) -> Text {
    let mut text = Text::new(dialect, "select ");
    text.each(names, ", ", |text, name| {
        text.name(name);
    });
    text.push(" from ").table(table).push(" where 1 = 0");
    text
}
