//! Which events a subscription wants: by type, then by a CEL expression over `event`.
//!
//! An event comes in, a verdict goes out. An expression that cannot be evaluated is neither yes nor no: the event
//! becomes a dead letter, for to drop it would lose it silently.

mod variable;

use std::fmt;
use std::sync::Arc;

use cel::{Context, Env, ExecutionError, ParseErrors, Program, Value};
use globset::GlobSet;

use crate::event::{Event, Origin};
use variable::EventVariable;

/// A subscription's types and expression, ready to be asked.
#[derive(Clone)]
pub struct Filter {
    /// `None` wants every type.
    types: Option<GlobSet>,
    expression: Option<Arc<Expression>>,
}

struct Expression {
    program: Program,
    environment: Arc<Env>,
}

/// Whether an event is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Wanted,
    /// And by which of the two: `type` or `filter`.
    Unwanted(&'static str),
    /// The expression could not tell, and why.
    Failed(String),
}

/// Why an expression is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("the filter `{expression}` is not a CEL expression: {reason}")]
    Syntax { expression: String, reason: ParseErrors },
    #[error("the filter `{expression}` uses `{name}`, which does not exist: the only variable is `event`")]
    Unknown { expression: String, name: String },
}

impl Filter {
    /// An empty set of types wants every type.
    pub fn new(types: GlobSet, expression: Option<&str>) -> Result<Filter, FilterError> {
        let types = (!types.is_empty() && !is_everything(&types)).then_some(types);
        let expression = expression.map(Expression::compile).transpose()?.map(Arc::new);
        Ok(Filter { types, expression })
    }

    pub fn verdict(&self, event: &Event) -> Verdict {
        if self.types.as_ref().is_some_and(|types| !types.is_match(&event.kind)) {
            return Verdict::Unwanted("type");
        }
        match self.expression.as_ref().map(|expression| expression.evaluate(event)) {
            None | Some(Ok(Value::Bool(true))) => Verdict::Wanted,
            Some(Ok(Value::Bool(false))) => Verdict::Unwanted("filter"),
            Some(Ok(other)) => Verdict::Failed(format!(
                "the filter gave a value of type {} and not true or false: compare it with something",
                other.type_of()
            )),
            Some(Err(error)) => Verdict::Failed(explain(&error)),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.expression.as_ref().map(|expression| &expression.program);
        formatter.debug_struct("Filter").field("types", &self.types).field("program", &program).finish()
    }
}

impl Expression {
    fn compile(text: &str) -> Result<Expression, FilterError> {
        let environment = Arc::new(Env::stdlib());
        let program = environment
            .compile(text)
            .map_err(|reason| FilterError::Syntax { expression: text.to_owned(), reason })?;
        let expression = Expression { program, environment };
        // A slip of the pen would turn every event into a dead letter: a trial finds it at start.
        match expression.evaluate(&trial_event()) {
            Err(ExecutionError::UndeclaredReference(name)) => {
                Err(FilterError::Unknown { expression: text.to_owned(), name: name.to_string() })
            }
            Ok(_) | Err(_) => Ok(expression),
        }
    }

    fn evaluate(&self, event: &Event) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&self.environment));
        context.add_variable_as_val("event", Box::new(EventVariable::new(event)));
        self.program.execute(&context)
    }
}

/// Whether the globs match whatever there is, as `*` does: then they need not be asked.
fn is_everything(types: &GlobSet) -> bool {
    // What leaves anything out leaves out the empty name, a name of one character, or a long one.
    let single = (b' '..=b'~').map(|character| char::from(character).to_string());
    types.is_match("")
        && single.into_iter().all(|name| types.is_match(&name) && types.is_match(name.repeat(64)))
}

fn explain(error: &ExecutionError) -> String {
    let ExecutionError::NoSuchKey(name) = error else {
        return format!("the filter failed: {error}");
    };
    format!(
        "the filter failed: the event has no `{name}`; where it may be missing, test it first, as in \
         `has(event.data.x) && event.data.x == 1`"
    )
}

fn trial_event() -> Event {
    Event {
        id: "1".to_owned(),
        source: "/trial".to_owned(),
        kind: "trial".to_owned(),
        subject: None,
        time: None,
        key: None,
        content_type: None,
        data: None,
        attributes: Vec::new(),
        origin: Origin { topic: "trial".into(), partition: 0, offset: 0 },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use globset::{Glob, GlobSetBuilder};

    use super::*;

    fn globs(patterns: &[&str]) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(Glob::new(pattern).unwrap());
        }
        set.build().unwrap()
    }

    fn filter(expression: &str) -> Filter {
        Filter::new(GlobSet::empty(), Some(expression)).unwrap()
    }

    fn event() -> Event {
        let data = br#"{"amount":7,"big":18446744073709551615,"rate":1.5,"tags":["a","b"],"who":{"name":"Ada"},"none":null,"ok":true}"#;
        Event {
            kind: "policy.updated".to_owned(),
            subject: Some("doc/1".to_owned()),
            time: Some(1_795_341_600_000),
            key: Some(Bytes::from_static(b"k1")),
            content_type: Some("application/json".to_owned()),
            data: Some(Bytes::from_static(data)),
            attributes: vec![
                ("region".to_owned(), "north".to_owned()),
                ("x-team".to_owned(), "hr".to_owned()),
                ("region".to_owned(), "south".to_owned()),
            ],
            ..trial_event()
        }
    }

    #[test]
    fn types_are_matched_by_glob() {
        for (patterns, wanted) in [
            (["policy.*"].as_slice(), true),
            (&["schedule.*", "*.updated"], true),
            (&["policy.updated"], true),
            (&["policy"], false),
            (&["schedule.*"], false),
            (&["*"], true),
            (&[], true),
        ] {
            let filter = Filter::new(globs(patterns), None).unwrap();
            let expected = if wanted { Verdict::Wanted } else { Verdict::Unwanted("type") };
            assert_eq!(filter.verdict(&event()), expected, "{patterns:?}");
        }
    }

    #[test]
    fn only_what_matches_everything_is_not_asked() {
        for (patterns, expected) in [
            (["*"].as_slice(), true),
            (&["**"], true),
            (&["a", "*"], true),
            (&["?*"], false),
            (&["*.*"], false),
            (&["[!a]*"], false),
            (&["{,[!a]*}"], false),
            (&["{,?}"], false),
            (&["policy*"], false),
        ] {
            assert_eq!(is_everything(&globs(patterns)), expected, "{patterns:?}");
        }
    }

    #[test]
    fn expressions_see_the_whole_event() {
        for expression in [
            r#"event.id == "1" && event.source == "/trial" && event.type == "policy.updated""#,
            r#"event.type.startsWith("policy.") && event["subject"] == "doc/1""#,
            r#"event.time == timestamp("2026-11-22T10:00:00Z")"#,
            r#"event.time > timestamp("2026-11-22T10:00:00+01:00")"#,
            r#"event.key == "k1""#,
            r#"event.attributes.region == "north" && event.attributes["x-team"] == "hr""#,
            r#"!has(event.attributes.nothing) && size(event.attributes) == 2"#,
            "event.data.amount + 1 == 8 && event.data.amount < 7.5",
            "event.data.big > 9223372036854775807",
            "event.data.rate == 1.5 && event.data.ok && event.data.none == null",
            r#""a" in event.data.tags && event.data.tags[1] == "b" && size(event.data.tags) == 2"#,
            r#"event.data.tags.exists(tag, tag.matches("^b$"))"#,
            r#"event.data.who.name == "Ada" && event.data.who == {"name": "Ada"}"#,
            "!has(event.data.missing) && has(event.data.who.name) && has(event.data)",
            r#"event.data.all(name, size(name) > 0)"#,
        ] {
            assert_eq!(filter(expression).verdict(&event()), Verdict::Wanted, "{expression}");
        }
        assert_eq!(filter("event.data.amount == 8").verdict(&event()), Verdict::Unwanted("filter"));
    }

    #[test]
    fn what_an_event_does_not_have_is_absent_and_can_be_tested() {
        let bare = trial_event();
        for name in ["subject", "time", "key", "data"] {
            let absent = filter(&format!("!has(event.{name})"));
            assert_eq!(absent.verdict(&bare), Verdict::Wanted, "{name}");
            assert_eq!(absent.verdict(&event()), Verdict::Unwanted("filter"), "{name}");
        }
        let binary = Event {
            content_type: Some("application/octet-stream".to_owned()),
            key: Some(Bytes::from_static(b"\xff")),
            data: Some(Bytes::from_static(b"{}")),
            ..trial_event()
        };
        assert_eq!(filter("!has(event.data) && !has(event.key)").verdict(&binary), Verdict::Wanted);
    }

    #[test]
    fn data_is_read_only_where_the_expression_needs_it() {
        let broken = Event { data: Some(Bytes::from_static(b"{broken")), ..event() };
        assert_eq!(
            filter(r#"event.type == "x" && event.data.a == 1"#).verdict(&broken),
            Verdict::Unwanted("filter")
        );
        let Verdict::Failed(reason) = filter("event.data.a == 1").verdict(&broken) else { panic!() };
        assert!(reason.starts_with("the filter failed: "), "{reason}");
        assert!(reason.contains("the event's data is not JSON: "), "{reason}");
    }

    #[test]
    fn an_expression_that_cannot_tell_fails_and_says_what_to_do() {
        for (expression, expected) in [
            ("event.data.missing == 1", "the event has no `missing`; where it may be missing, test it first"),
            ("event.data.amount", "gave a value of type int and not true or false"),
            (r#"event.data.amount == 7 && event.id"#, "the filter failed: "),
            (r#"event.data.amount > "7""#, "the filter failed: "),
            ("event.data.amount / 0 == 1", "the filter failed: "),
            ("event == event && event.nothing", "the event has no `nothing`"),
            ("event.data.tags[9] == 1", "the filter failed: "),
        ] {
            let Verdict::Failed(reason) = filter(expression).verdict(&event()) else {
                panic!("{expression}")
            };
            assert!(reason.contains(expected), "{expression}: {reason}");
        }
    }

    #[test]
    fn a_wrong_expression_is_refused_at_start() {
        for (expression, expected) in [
            ("event.type ==", "the filter `event.type ==` is not a CEL expression: "),
            ("evnt.type == \"x\"", "uses `evnt`, which does not exist: the only variable is `event`"),
            ("lower(event.type) == \"x\"", "uses `lower`, which does not exist"),
        ] {
            let error = Filter::new(GlobSet::empty(), Some(expression)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_filter_can_be_shared_between_threads() {
        fn is_shared<T: Clone + Send + Sync>() {}
        is_shared::<Filter>();
    }
}
