//! What several deliveries ask for as few requests: rows of one list, lines of one file.

use liaison_sdk::joint::{
    Body, Effect, HttpRequest, Joint, Reply, SqlRequest, SqlResponse, SqlResult, SqlStatement, everyone,
};
use liaison_sdk::sql::SqlValue;
use liaison_sdk::text::is_same;

use crate::array;
use crate::files;

/// What tells a transaction's memo from a file's, which is a number alone.
const ROWS: &str = "rows ";

/// Requests that can be one.
#[derive(Debug)]
enum Group<'a> {
    /// Of the same statements, each with one array a column.
    Rows(Vec<&'a str>),
    /// Into the same folder.
    Lines(&'a str),
}

pub(crate) fn join(effects: Vec<Effect>) -> Vec<Joint> {
    // There are as few groups as there are statements and partitions: mostly one, whose text is not copied.
    let mut groups: Vec<(Group<'_>, Vec<u32>)> = Vec::new();
    for (number, effect) in (0..).zip(&effects) {
        let Some(group) = group(effect) else { continue };
        match groups.iter_mut().find(|(known, _)| known.is_same(&group)) {
            Some((_, members)) => members.push(number),
            None => groups.push((group, vec![number])),
        }
    }
    let several = groups.into_iter().filter(|(_, members)| members.len() > 1);
    several.filter_map(|(group, members)| joint(&group, members, &effects)).collect()
}

impl Group<'_> {
    fn is_same(&self, other: &Group<'_>) -> bool {
        match (self, other) {
            (Group::Rows(texts), Group::Rows(others)) => {
                texts.len() == others.len()
                    && texts.iter().zip(others).all(|(one, other)| is_same(one, other))
            }
            (Group::Lines(folder), Group::Lines(other)) => folder == other,
            (Group::Rows(_), Group::Lines(_)) | (Group::Lines(_), Group::Rows(_)) => false,
        }
    }
}

fn group(effect: &Effect) -> Option<Group<'_>> {
    match effect {
        Effect::Sql(request) => {
            let texts = request.statements.iter().map(|statement| statement.sql.as_str());
            request.statements.iter().all(has_rows).then(|| Group::Rows(texts.collect()))
        }
        Effect::Http(request) => {
            let (folder, _) = files::parse(&request.url)?;
            lines(request).map(|_| Group::Lines(folder))
        }
        Effect::Grpc(_) => None,
    }
}

/// Are its parameters arrays, and nothing else?
fn has_rows(statement: &SqlStatement) -> bool {
    let parameters = &statement.parameters;
    !parameters.is_empty() && parameters.iter().all(|parameter| array::elements(parameter).is_some())
}

fn lines(request: &HttpRequest) -> Option<&[u8]> {
    match &request.body {
        Body::Bytes(lines) if request.method == "PUT" => Some(lines),
        _ => None,
    }
}

fn joint<'a>(group: &Group<'_>, members: Vec<u32>, effects: &'a [Effect]) -> Option<Joint> {
    let own = members.iter().filter_map(|number| effects.get(*number as usize));
    match group {
        Group::Rows(texts) => {
            let requests: Vec<&'a SqlRequest> = own.filter_map(sql).collect();
            let statements = texts.iter().enumerate().map(|(number, text)| {
                let own: Vec<&'a SqlStatement> =
                    requests.iter().filter_map(|request| request.statements.get(number)).collect();
                let columns = own.first().map_or(0, |statement| statement.parameters.len());
                let array = |column: usize| {
                    let of_column =
                        |statement: &&'a SqlStatement| array::elements(statement.parameters.get(column)?);
                    array::joined(&own.iter().filter_map(of_column).collect::<Vec<_>>())
                };
                SqlStatement { sql: (*text).to_owned(), parameters: (0..columns).map(array).collect() }
            });
            let effect = Effect::Sql(SqlRequest { statements: statements.collect(), timeout: None });
            let memo = format!("{ROWS}{}", members.len()).into_bytes();
            Some(Joint { effect, members, memo })
        }
        Group::Lines(folder) => {
            let requests: Vec<&HttpRequest> = own.filter_map(http).collect();
            let offset = |request: &&HttpRequest| files::parse(&request.url).map(|(_, offset)| offset);
            let mut lines: Vec<_> =
                requests.iter().filter_map(|request| Some((offset(request)?, lines(request)?))).collect();
            lines.sort_unstable();
            // The same event twice is the same line.
            lines.dedup();
            let (first, last) = (lines.first()?.0, lines.last()?.0);
            let content = lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().concat();
            let url = format!("{folder}/{}", files::name(first, last, &content));
            let one: HttpRequest = (*requests.first()?).clone();
            let effect = Effect::Http(HttpRequest { url, body: Body::Bytes(content), ..one });
            let memo = members.len().to_string().into_bytes();
            Some(Joint { effect, members, memo })
        }
    }
}

fn sql(effect: &Effect) -> Option<&SqlRequest> {
    match effect {
        Effect::Sql(request) => Some(request),
        Effect::Http(_) | Effect::Grpc(_) => None,
    }
}

fn http(effect: &Effect) -> Option<&HttpRequest> {
    match effect {
        Effect::Http(request) => Some(request),
        Effect::Sql(_) | Effect::Grpc(_) => None,
    }
}

/// A merge says in a row of its answer which member was not written; all else is the same for everyone.
pub(crate) fn split(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    let count = std::str::from_utf8(&memo).ok().and_then(|memo| memo.strip_prefix(ROWS)?.parse().ok());
    match (count, reply) {
        (Some(count), Reply::Sql(SqlResponse::Done(results))) => split_rows(count, results),
        (_, reply) => everyone(memo, reply),
    }
}

fn split_rows(count: usize, results: Vec<SqlResult>) -> Vec<Reply> {
    // Whoever has no row was written: one row of its own.
    let written = |_: &SqlResult| SqlResult { affected: 1, columns: Vec::new(), rows: Vec::new() };
    let written: Vec<SqlResult> = results.iter().map(written).collect();
    let mut replies = vec![written; count];
    for (number, result) in results.into_iter().enumerate() {
        if result.columns.first().is_none_or(|column| column != "member") {
            continue;
        }
        for mut row in result.rows {
            let member = match row.first_mut() {
                Some(SqlValue::Integer(member)) => std::mem::take(member),
                _ => continue,
            };
            let reply = usize::try_from(member).ok().and_then(|member| replies.get_mut(member));
            if let Some(own) = reply.and_then(|reply| reply.get_mut(number)) {
                let (columns, rows) = (result.columns.clone(), vec![row]);
                *own = SqlResult { affected: 0, columns, rows };
            }
        }
    }
    replies.into_iter().map(|results| Reply::Sql(SqlResponse::Done(results))).collect()
}
