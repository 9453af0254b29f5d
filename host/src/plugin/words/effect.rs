//! The same for effects: what a connector asks for, and what it is given again to be joined.

use std::time::Duration;

use bumpalo::Bump;

use super::{pairs, sql, wit_effects as wit};
use crate::contract::{Body, Effect, GrpcRequest, HttpRequest};

pub(super) fn lift(effect: wit::EffectResult) -> Effect {
    match effect {
        wit::EffectResult::Http(request) => Effect::from(HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                wit::BodyResult::None => Body::None,
                wit::BodyResult::Bytes(bytes) => Body::Bytes(bytes.into()),
                wit::BodyResult::EventData => Body::EventData,
                wit::BodyResult::OfReply((round, position)) => {
                    Body::OfReply { round: round as usize, position: position as usize }
                }
            },
            timeout: request.timeout.map(Duration::from_millis),
            keep_body: request.keep_body,
        }),
        wit::EffectResult::Grpc(request) => Effect::from(GrpcRequest {
            method: request.method,
            metadata: request.metadata,
            message: request.message.into(),
            timeout: request.timeout.map(Duration::from_millis),
        }),
        wit::EffectResult::Sql(request) => Effect::Sql(sql::lift_request(request)),
    }
}

pub(in crate::plugin) fn lower<'a>(effect: &'a Effect, arena: &'a Bump) -> wit::EffectParam<'a> {
    match effect {
        Effect::Http(request) => wit::EffectParam::Http(wit::HttpRequestParam {
            method: &request.method,
            url: &request.url,
            headers: pairs(&request.headers, arena),
            body: match &request.body {
                Body::None => wit::BodyParam::None,
                Body::Bytes(bytes) => wit::BodyParam::Bytes(bytes),
                Body::EventData => wit::BodyParam::EventData,
                Body::OfReply { round, position } => {
                    wit::BodyParam::OfReply((index(*round), index(*position)))
                }
            },
            timeout: request.timeout.map(milliseconds),
            keep_body: request.keep_body,
        }),
        Effect::Grpc(request) => wit::EffectParam::Grpc(wit::GrpcRequestParam {
            method: &request.method,
            metadata: pairs(&request.metadata, arena),
            message: &request.message,
            timeout: request.timeout.map(milliseconds),
        }),
        Effect::Sql(request) => wit::EffectParam::Sql(sql::lower_request(request, arena)),
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Real, SqlRequest, SqlStatement, SqlValue};

    fn http(body: Body) -> Effect {
        Effect::from(HttpRequest {
            method: "PUT".to_owned(),
            url: "/x".to_owned(),
            headers: vec![("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())],
            body,
            timeout: Some(Duration::from_millis(7)),
            keep_body: true,
        })
    }

    #[test]
    fn what_is_joined_is_given_as_it_was_asked() {
        let arena = Bump::new();
        for body in
            [Body::None, Body::Bytes("data".into()), Body::EventData, Body::OfReply { round: 1, position: 2 }]
        {
            let effect = http(body.clone());
            let wit::EffectParam::Http(request) = lower(&effect, &arena) else { panic!("{effect:?}") };
            assert_eq!((request.method, request.url), ("PUT", "/x"));
            assert_eq!(request.headers, [("a", "b"), ("c", "d")]);
            assert_eq!((request.timeout, request.keep_body), (Some(7), true));
            match (body, request.body) {
                (Body::None, wit::BodyParam::None) | (Body::EventData, wit::BodyParam::EventData) => {}
                (Body::Bytes(bytes), wit::BodyParam::Bytes(found)) => assert_eq!(bytes, found),
                (Body::OfReply { .. }, wit::BodyParam::OfReply(found)) => assert_eq!(found, (1, 2)),
                (body, found) => panic!("{body:?} became {found:?}"),
            }
        }
        let metadata = vec![("m".to_owned(), "v".to_owned())];
        let grpc = GrpcRequest { method: "/s/M".to_owned(), metadata, message: "x".into(), timeout: None };
        let effect = Effect::from(grpc);
        let wit::EffectParam::Grpc(request) = lower(&effect, &arena) else { panic!("{effect:?}") };
        assert_eq!((request.method, request.metadata), ("/s/M", &[("m", "v")][..]));
        assert_eq!((request.message, request.timeout), (&b"x"[..], None));
    }

    #[test]
    fn each_value_of_a_statement_is_given_as_it_was_bound() {
        let parameters = vec![
            SqlValue::Null,
            SqlValue::Boolean(true),
            SqlValue::Integer(-1),
            SqlValue::Real(Real(0.5)),
            SqlValue::Text("t".to_owned()),
            SqlValue::Bytes("b".into()),
            SqlValue::Timestamp(3),
            SqlValue::Json("{}".to_owned()),
            SqlValue::Texts(vec![Some("t".to_owned()), None]),
        ];
        let statements = vec![SqlStatement { sql: "select 1".to_owned(), parameters }];
        let effect = Effect::Sql(SqlRequest { statements, timeout: Some(Duration::from_millis(7)) });
        let arena = Bump::new();
        let wit::EffectParam::Sql(request) = lower(&effect, &arena) else { panic!("{effect:?}") };
        assert_eq!((request.statements[0].sql, request.timeout), ("select 1", Some(7)));
        let found: Vec<_> =
            request.statements[0].parameters.iter().map(|value| format!("{value:?}")).collect();
        let expected = ["Null", "Boolean(true)", "Integer(-1)", "Real(0.5)", "Text(\"t\")", "Bytes([98])"];
        assert_eq!(
            found[..6].iter().map(|text| text.rsplit("::").next().unwrap()).collect::<Vec<_>>(),
            expected
        );
        assert!(found[6].ends_with("Timestamp(3)") && found[7].ends_with("Json(\"{}\")"), "{found:?}");
        assert!(found[8].ends_with("Texts([Some(\"t\"), None])"), "{found:?}");
    }
}
