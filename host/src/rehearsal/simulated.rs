//! An endpoint that follows the script of a case: what it answers to which request. Pure but for its memory of what it
//! was asked.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::case::{Scripted, ScriptedAnswer, ScriptedReply};
use crate::contract::{
    Content, Failure, GrpcResponse, HttpResponse, Kept, Reply, SqlError, SqlErrorKind, SqlRequest,
    SqlResponse,
};
use crate::delivery::attempt::Place;

/// The script, and what of it was used.
#[derive(Debug)]
pub(super) struct Script<'a> {
    requests: &'a [Scripted],
    is_used: Vec<bool>,
}

impl<'a> Script<'a> {
    pub(super) fn new(requests: &'a [Scripted]) -> Self {
        Self { requests, is_used: vec![false; requests.len()] }
    }

    /// The reply to this call: to the one that is expected in this place, else to the first of its kind that was not
    /// asked yet. `None` if the script has none.
    pub(super) fn answer(&mut self, place: Place, method: &str, url: &str) -> Option<&'a ScriptedReply> {
        let is_free = |index: &usize| !self.is_used[*index];
        let fits = |index: &usize| self.requests[*index].is_call(method, url);
        let of_round = |index: &usize| self.requests[*index].round as usize == place.round + 1;
        let all = || 0..self.requests.len();
        let in_place = all().filter(of_round).nth(place.position).filter(fits).filter(is_free);
        let index = in_place.or_else(|| all().filter(fits).find(is_free))?;
        self.is_used[index] = true;
        Some(&self.requests[index].reply)
    }
}

impl Scripted {
    pub(super) fn is_call(&self, method: &str, url: &str) -> bool {
        self.method == method && self.url == url
    }
}

impl ScriptedReply {
    /// As the gateway gives it to the guest: too large is no answer, and a body may stay with the host.
    pub(super) fn reply(&self, keep_body: bool, max_reply_bytes: u64) -> Reply {
        let (status, headers, body) = match &self.answer {
            ScriptedAnswer::Failed(failure) => return Reply::Failed(failure.clone()),
            ScriptedAnswer::Grpc(response) => return grpc(response, max_reply_bytes),
            ScriptedAnswer::Sql(response) => return Reply::Sql(response.clone()),
            ScriptedAnswer::Http { status, headers, body } => (*status, headers, body.clone()),
        };
        if body.len() as u64 > max_reply_bytes {
            return Reply::Failed(Failure::TooLarge(max_reply_bytes));
        }
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            match pair {
                Some((name, value)) => drop(map.append(name, value)),
                None => {
                    return Reply::Failed(Failure::Connection(format!(
                        "the reply's header {name:?} is none"
                    )));
                }
            }
        }
        let (body, kept) = match keep_body {
            false => (body, None),
            true => {
                let (length, sha256) = (body.len() as u64, Sha256::digest(&body).into());
                (Bytes::new(), Some(Kept { length, sha256, content: Content::Memory(body) }))
            }
        };
        Reply::from(HttpResponse { status, headers: map, body, kept })
    }
}

impl ScriptedReply {
    /// As the gateway gives it to the guest: one result a statement, and no more rows than are let through.
    pub(super) fn sql_reply(&self, request: &SqlRequest, max_rows: usize, max_reply_bytes: u64) -> Reply {
        let mut results = match &self.answer {
            ScriptedAnswer::Failed(failure) => return Reply::Failed(failure.clone()),
            ScriptedAnswer::Sql(SqlResponse::Done(results)) => results.clone(),
            ScriptedAnswer::Sql(error @ SqlResponse::Error(_)) => return Reply::Sql(error.clone()),
            ScriptedAnswer::Http { .. } | ScriptedAnswer::Grpc(_) => {
                return Reply::Failed(Failure::Other("the script has no answer of a database".to_owned()));
            }
        };
        results.resize_with(request.statements.len(), Default::default);
        if let Some(number) = results.iter().position(|result| result.rows.len() > max_rows) {
            return Reply::Sql(SqlResponse::Error(SqlError {
                kind: SqlErrorKind::TooManyRows,
                statement: u32::try_from(number).ok(),
                code: String::new(),
                message: format!("it gives more than {max_rows} rows (database.max-rows); limit it"),
                constraint: None,
            }));
        }
        let response = SqlResponse::Done(results);
        match response.bytes() as u64 > max_reply_bytes {
            true => Reply::Failed(Failure::TooLarge(max_reply_bytes)),
            false => Reply::Sql(response),
        }
    }
}

fn grpc(response: &GrpcResponse, max_reply_bytes: u64) -> Reply {
    match &response.message {
        Some(message) if message.len() as u64 > max_reply_bytes => {
            Reply::Failed(Failure::TooLarge(max_reply_bytes))
        }
        Some(_) | None => response.clone().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::contract::{SqlResult, SqlStatement, SqlValue};

    fn scripted(round: u32, method: &str, url: &str, status: u16) -> Scripted {
        let answer = ScriptedAnswer::Http { status, headers: vec![], body: "four".into() };
        Scripted {
            method: method.to_owned(),
            url: url.to_owned(),
            round,
            is_optional: false,
            headers: BTreeMap::new(),
            body: None,
            parameters: None,
            reply: ScriptedReply { answer, after: Duration::ZERO },
        }
    }

    fn status(reply: Option<&ScriptedReply>) -> Option<u16> {
        match reply?.reply(false, 100) {
            Reply::Http(response) => Some(response.status),
            Reply::Grpc(_) | Reply::Sql(_) | Reply::Failed(_) => None,
        }
    }

    #[test]
    fn a_call_is_answered_in_its_place_else_wherever_it_stands_and_once() {
        let requests = [
            scripted(1, "GET", "/a", 201),
            scripted(1, "GET", "/a", 202),
            scripted(2, "PUT", "/b", 203),
            scripted(3, "PUT", "/b", 204),
        ];
        let mut script = Script::new(&requests);
        let mut ask =
            |round, position, method, url| status(script.answer(Place { round, position }, method, url));
        assert_eq!(ask(0, 1, "GET", "/a"), Some(202));
        assert_eq!(ask(0, 0, "PUT", "/a"), None);
        assert_eq!(ask(2, 0, "PUT", "/b"), Some(204));
        assert_eq!(ask(7, 7, "PUT", "/b"), Some(203));
        assert_eq!(ask(2, 0, "PUT", "/b"), None);
        assert_eq!(ask(0, 1, "GET", "/a"), Some(201));
    }

    #[test]
    fn a_database_answers_each_statement_and_no_more_than_is_let_through() {
        let statement = || SqlStatement { sql: "select 1".to_owned(), parameters: Vec::new() };
        let request = SqlRequest { statements: vec![statement(), statement()], timeout: None };
        let row = || vec![SqlValue::Text("four".to_owned())];
        let result = SqlResult { affected: 0, columns: vec!["a".to_owned()], rows: vec![row(), row()] };
        let answer = ScriptedAnswer::Sql(SqlResponse::Done(vec![result]));
        let reply = ScriptedReply { answer, after: Duration::ZERO };
        let Reply::Sql(SqlResponse::Done(results)) = reply.sql_reply(&request, 2, 1_000) else {
            panic!("it fits")
        };
        assert_eq!((results.len(), &results[1]), (2, &SqlResult::default()));
        assert!(matches!(reply.sql_reply(&request, 2, 10), Reply::Failed(Failure::TooLarge(10))));
        let Reply::Sql(SqlResponse::Error(error)) = reply.sql_reply(&request, 1, 1_000) else {
            panic!("too many")
        };
        assert_eq!((error.kind, error.statement), (SqlErrorKind::TooManyRows, Some(0)));
    }

    #[test]
    fn a_reply_is_given_as_the_gateway_gives_it() {
        let reply = scripted(1, "GET", "/a", 200).reply;
        assert!(matches!(reply.reply(false, 3), Reply::Failed(Failure::TooLarge(3))));
        let Reply::Http(kept) = reply.reply(true, 4) else { panic!("it fits") };
        let told = kept.kept.map(|kept| (kept.length, kept.sha256));
        assert_eq!((told, kept.body), (Some((4, Sha256::digest("four").into())), Bytes::new()));
    }
}
