//! What a step asks for, held against what one may ask.
//!
//! Pure: a step and the limits in, its effects or its outcome out, or the limit that it breaks. What an effect means, and
//! whether it is allowed, the gateway says.

use crate::config;
use crate::contract::{Body, Effect, Fault, Outcome, SqlValue, Step};

/// What one attempt may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) steps: u32,
    pub(super) effects: usize,
    pub(super) request_head_bytes: usize,
    pub(super) request_body_bytes: usize,
    /// Call again for what a step settles by, too, and compare.
    pub(crate) call_twice: bool,
}

impl Limits {
    pub(crate) fn of(limits: &config::Limits, call_twice: bool) -> Self {
        Self {
            steps: limits.steps,
            effects: limits.effects,
            request_head_bytes: limits.request_head_bytes,
            request_body_bytes: limits.request_body_bytes,
            call_twice,
        }
    }
}

/// What a step wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Its reply may end the attempt, where it `settles`.
    Effects {
        effects: Vec<Effect>,
        settles: bool,
    },
    Nothing(Outcome),
}

/// The step, if it keeps to the limits.
pub(super) fn asks(step: Step, limits: &Limits) -> Result<Asks, Fault> {
    let (effects, settles) = match step {
        Step::Perform(effects) if effects.is_empty() => {
            return Err(Fault::Nonsense("a step that performs nothing".into()));
        }
        Step::Perform(effects) => (effects, false),
        Step::SettleBy(effect) => (vec![effect], true),
        Step::Settle(outcome) => return Ok(Asks::Nothing(outcome)),
    };
    if effects.len() > limits.effects {
        return Err(Fault::Effects { count: effects.len(), limit: limits.effects });
    }
    for effect in &effects {
        let Size { head: bytes, body } = size(effect);
        if bytes > limits.request_head_bytes {
            return Err(Fault::RequestHead { bytes, limit: limits.request_head_bytes });
        }
        if body > limits.request_body_bytes {
            return Err(Fault::RequestBody { bytes: body, limit: limits.request_body_bytes });
        }
    }
    Ok(Asks::Effects { effects, settles })
}

/// Of what the connector has written of one effect itself, in bytes.
pub(crate) struct Size {
    pub(super) head: usize,
    pub(crate) body: usize,
}

pub(crate) fn size(effect: &Effect) -> Size {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    };
    match effect {
        Effect::Http(request) => Size {
            head: request.method.len() + request.url.len() + pairs(&request.headers),
            body: match &request.body {
                Body::Bytes(bytes) => bytes.len(),
                Body::None | Body::EventData | Body::OfReply { .. } => 0,
            },
        },
        Effect::Grpc(request) => {
            Size { head: request.method.len() + pairs(&request.metadata), body: request.message.len() }
        }
        Effect::Sql(request) => {
            let statements = request.statements.iter();
            let parameters = statements.clone().flat_map(|statement| &statement.parameters);
            Size {
                head: statements.map(|statement| statement.sql.len()).sum(),
                body: parameters.map(SqlValue::content_bytes).sum(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{GrpcRequest, HttpRequest, SqlRequest, SqlStatement};

    fn limits() -> Limits {
        let limits = config::Limits {
            effects: 2,
            request_head_bytes: 12,
            request_body_bytes: 4,
            ..config::Limits::default()
        };
        Limits::of(&limits, false)
    }

    fn http(url: &str, headers: &[(&str, &str)], body: Body) -> Effect {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (method, url) = ("PUT".into(), url.into());
        Effect::from(HttpRequest { method, url, headers, body, timeout: None, keep_body: false })
    }

    fn grpc(method: &str, message: &'static str) -> Effect {
        let (method, metadata) = (method.into(), vec![("a".into(), "b".into())]);
        Effect::from(GrpcRequest { method, metadata, message: message.into(), timeout: None })
    }

    fn sql(text: &str, value: &str) -> Effect {
        let parameters = vec![SqlValue::Null, SqlValue::Text(value.into())];
        let statements = vec![SqlStatement { sql: text.into(), parameters }];
        Effect::Sql(SqlRequest { statements, timeout: None })
    }

    #[test]
    fn what_breaks_a_limit_is_a_fault_that_names_it() {
        let fits = || http("/12345", &[("a", "bc")], Body::Bytes("1234".into()));
        let head = |bytes| Fault::RequestHead { bytes, limit: 12 };
        let body = |bytes| Fault::RequestBody { bytes, limit: 4 };
        for (effects, broken) in [
            (vec![fits()], None),
            (vec![fits(), http("/", &[], Body::EventData)], None),
            (vec![grpc("/1234567/9", "1234")], None),
            (vec![fits(), fits(), fits()], Some(Fault::Effects { count: 3, limit: 2 })),
            (vec![fits(), http("/123456", &[("a", "bc")], Body::None)], Some(head(13))),
            (vec![http("/", &[("a", "b"), ("c", "1234567")], Body::None)], Some(head(14))),
            (vec![grpc("/123456/890", "")], Some(head(13))),
            (vec![http("/", &[], Body::Bytes("12345".into()))], Some(body(5))),
            (vec![grpc("/", "12345")], Some(body(5))),
            (vec![sql("values (?)12", "1234")], None),
            (vec![sql("values (?)123", "")], Some(head(13))),
            (vec![sql("select ?", "12345")], Some(body(5))),
            (vec![], Some(Fault::Nonsense("a step that performs nothing".into()))),
        ] {
            let asked = asks(Step::Perform(effects.clone()), &limits());
            match broken {
                Some(fault) => assert_eq!(asked, Err(fault)),
                None => assert_eq!(asked, Ok(Asks::Effects { effects, settles: false })),
            }
        }
        let large = http("/", &[], Body::Bytes("12345".into()));
        assert_eq!(asks(Step::SettleBy(large), &limits()), Err(body(5)));
        let settles = Asks::Effects { effects: vec![fits()], settles: true };
        assert_eq!(asks(Step::SettleBy(fits()), &limits()), Ok(settles));
    }
}
