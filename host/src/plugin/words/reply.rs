//! The same for replies: what a connector is given, and what it makes of the reply to several of its requests.

use bumpalo::Bump;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{pairs, sql, wit_effects as wit};
use crate::contract::{Failure, GrpcResponse, HttpResponse, Reply, SqlResponse};

pub(in crate::plugin) fn lower<'a>(reply: &'a Reply, arena: &'a Bump) -> wit::ReplyParam<'a> {
    match reply {
        Reply::Http(response) => wit::ReplyParam::Http(wit::HttpResponseParam {
            status: response.status,
            headers: header_pairs(&response.headers, arena),
            body: match &response.kept {
                None => wit::ResponseBodyParam::Bytes(&response.body),
                Some(kept) => wit::ResponseBodyParam::Kept(wit::KeptBodyParam {
                    length: kept.length,
                    sha256: &kept.sha256,
                }),
            },
        }),
        Reply::Grpc(response) => wit::ReplyParam::Grpc(wit::GrpcResponseParam {
            status: response.status,
            status_message: &response.status_message,
            metadata: pairs(&response.metadata, arena),
            message: response.message.as_deref(),
        }),
        Reply::Sql(response) => wit::ReplyParam::Sql(sql::lower_response(response, arena)),
        Reply::Failed(failure) => wit::ReplyParam::Failed(lower_failure(failure)),
    }
}

/// Values that are not text are left out.
fn header_pairs<'a>(headers: &'a HeaderMap, arena: &'a Bump) -> &'a [(&'a str, &'a str)] {
    let text = |(name, value): (&'a HeaderName, &'a HeaderValue)| Some((name.as_str(), value.to_str().ok()?));
    let pairs: Vec<_> = headers.iter().filter_map(text).collect();
    arena.alloc_slice_copy(&pairs)
}

fn lower_failure(failure: &Failure) -> wit::FailureParam<'_> {
    match failure {
        Failure::NotAllowed(what) => wit::FailureParam::NotAllowed(what),
        Failure::Invalid(what) => wit::FailureParam::Invalid(what),
        Failure::Connection(what) => wit::FailureParam::Connection(what),
        Failure::TimedOut => wit::FailureParam::TimedOut,
        Failure::TooLarge(limit) => wit::FailureParam::TooLarge(*limit),
        Failure::Unsupported(what) => wit::FailureParam::Unsupported(what),
        Failure::Other(what) => wit::FailureParam::Other(what),
    }
}

/// A reply that a plugin has made of another one; `None` where it could be none of a request that was done.
pub(in crate::plugin) fn lift(reply: wit::ReplyResult) -> Option<Reply> {
    match reply {
        wit::ReplyResult::Http(response) => {
            let wit::ResponseBodyResult::Bytes(body) = response.body else { return None };
            let mut headers = HeaderMap::with_capacity(response.headers.len());
            for (name, value) in response.headers {
                let name = HeaderName::try_from(name).ok()?;
                headers.append(name, HeaderValue::try_from(value).ok()?);
            }
            let (status, body) = (response.status, body.into());
            Some(Reply::from(HttpResponse { status, headers, body, kept: None }))
        }
        wit::ReplyResult::Grpc(response) => Some(Reply::from(GrpcResponse {
            status: response.status,
            status_message: response.status_message,
            metadata: response.metadata,
            message: response.message.map(Into::into),
        })),
        wit::ReplyResult::Sql(wit::SqlResponseResult::Done(results)) => {
            Some(Reply::Sql(SqlResponse::Done(results.into_iter().map(sql::lift_result).collect())))
        }
        wit::ReplyResult::Sql(wit::SqlResponseResult::Error(_)) | wit::ReplyResult::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{SqlResult, SqlValue};

    #[test]
    fn a_reply_is_given_as_it_came() {
        let arena = Bump::new();
        let mut headers = HeaderMap::new();
        headers.append("etag", HeaderValue::from_static("\"1\""));
        headers.append("x-no-text", HeaderValue::from_bytes(b"\xff").unwrap());
        let reply = Reply::from(HttpResponse { status: 201, headers, body: "x".into(), kept: None });
        let wit::ReplyParam::Http(found) = lower(&reply, &arena) else { panic!("{reply:?}") };
        assert_eq!((found.status, found.headers), (201, &[("etag", "\"1\"")][..]));
        assert!(matches!(found.body, wit::ResponseBodyParam::Bytes(b"x")), "{found:?}");
        let rows =
            vec![vec![SqlValue::Integer(1), SqlValue::Null], vec![SqlValue::Integer(2), SqlValue::Null]];
        let result = SqlResult { affected: 2, columns: vec!["a".to_owned(), "b".to_owned()], rows };
        let reply = Reply::Sql(SqlResponse::Done(vec![result]));
        let wit::ReplyParam::Sql(wit::SqlResponseParam::Done(found)) = lower(&reply, &arena) else {
            panic!("{reply:?}")
        };
        assert_eq!((found[0].affected, found[0].columns), (2, &["a", "b"][..]));
        assert!(matches!(found[0].rows[1], [wit::SqlValueParam::Integer(2), wit::SqlValueParam::Null]));
    }

    #[test]
    fn what_is_split_is_lifted_where_something_was_done() {
        let text = |text: &str| text.to_owned();
        let http = |name: &str, body| {
            let headers = vec![(name.to_owned(), text("v"))];
            lift(wit::ReplyResult::Http(wit::HttpResponseResult { status: 200, headers, body }))
        };
        let bytes = || wit::ResponseBodyResult::Bytes(b"x".to_vec());
        let Some(Reply::Http(found)) = http("etag", bytes()) else { panic!("it is a reply") };
        assert_eq!((found.status, &found.body[..]), (200, &b"x"[..]));
        assert_eq!(found.headers["etag"], "v");
        assert_eq!(http("a b", bytes()), None);
        let kept = wit::KeptBodyResult { length: 1, sha256: vec![0; 32] };
        assert_eq!(http("etag", wit::ResponseBodyResult::Kept(kept)), None);
        let grpc = wit::GrpcResponseResult {
            status: 0,
            status_message: text("s"),
            metadata: vec![(text("m"), text("v"))],
            message: Some(b"x".to_vec()),
        };
        let expected = GrpcResponse {
            status: 0,
            status_message: text("s"),
            metadata: vec![(text("m"), text("v"))],
            message: Some("x".into()),
        };
        assert_eq!(lift(wit::ReplyResult::Grpc(grpc)), Some(Reply::from(expected)));
        let rows = vec![vec![wit::SqlValueResult::Integer(1)]];
        let result = wit::SqlResultResult { affected: 2, columns: vec![text("a")], rows };
        let expected =
            SqlResult { affected: 2, columns: vec![text("a")], rows: vec![vec![SqlValue::Integer(1)]] };
        let done = wit::ReplyResult::Sql(wit::SqlResponseResult::Done(vec![result]));
        assert_eq!(lift(done), Some(Reply::Sql(SqlResponse::Done(vec![expected]))));
        assert_eq!(lift(wit::ReplyResult::Failed(wit::FailureResult::TimedOut)), None);
    }
}
