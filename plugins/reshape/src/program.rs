//! A compiled jq expression.

use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, ValT, Vars, compile};
use jaq_json::{Map, Val, read};
use liaison_sdk::transform::Event;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The longest message that an expression may give for an error, in bytes: it may be a whole event.
const MAX_MESSAGE_BYTES: usize = 500;

/// A jq expression over an event's data, with `$event` for the rest of the event.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Program {
    filter: Filter<JustLut<Val>>,
    uses_event: bool,
}

impl Program {
    /// All that the expression yields, as JSON texts; or why it cannot.
    pub(crate) fn run(&self, data: &[u8], event: &Event, limit: usize) -> Result<Vec<Vec<u8>>, String> {
        let input =
            read::parse_single(data).map_err(|error| format!("the event's data is not JSON: {error}"))?;
        let variable = if self.uses_event { variable(event) } else { Val::Null };
        let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new([variable]));
        let mut outputs = Vec::new();
        for output in self.filter.id.run((context, input)) {
            let value = output.map_err(|exception| match exception.get_err() {
                Ok(error) => format!("the jq expression: {}", cut(message(error.into_val()))),
                Err(_) => "the jq expression halts, which is not for a transformer".to_owned(),
            })?;
            if outputs.len() == limit {
                return Err(format!("the jq expression yields more than {limit} events of one"));
            }
            outputs.push(json(&value)?);
        }
        Ok(outputs)
    }
}

impl TryFrom<String> for Program {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let file = File { code: code.as_str(), path: () };
        let modules = Loader::new(definitions).load(&arena, file).map_err(|errors| load_error(&errors))?;
        let compiler = Compiler::default().with_funs(functions).with_global_vars(["$event"]);
        let filter = compiler.compile(modules).map_err(|errors| compile_error(&errors))?;
        Ok(Self { filter, uses_event: code.contains("$event") })
    }
}

/// The first mistake in the text of an expression.
fn load_error(errors: &load::Errors<&str, ()>) -> String {
    let found = |rest: &str| {
        if rest.is_empty() { "at its end".to_owned() } else { format!("at `{}`", cut(rest.to_owned())) }
    };
    let first = errors.first().and_then(|(_, error)| match error {
        load::Error::Io(errors) => {
            errors.first().map(|(path, error)| format!("cannot load `{path}`: {error}"))
        }
        load::Error::Lex(errors) => {
            errors.first().map(|(expected, rest)| format!("expected {} {}", expected.as_str(), found(rest)))
        }
        load::Error::Parse(errors) => {
            errors.first().map(|(expected, rest)| format!("expected {} {}", expected.as_str(), found(rest)))
        }
    });
    first.unwrap_or_else(|| "is not a jq expression".to_owned())
}

/// The first name in an expression that means nothing.
fn compile_error(errors: &compile::Errors<&str, ()>) -> String {
    let first = errors.first().and_then(|(_, errors)| errors.first());
    first.map_or_else(
        || "cannot be compiled".to_owned(),
        |(name, kind)| format!("`{name}` is no known {}", kind.as_str()),
    )
}

/// The event without its data, as `$event`.
fn variable(event: &Event) -> Val {
    let text = |text: &str| Val::utf8_str(text.as_bytes().to_vec());
    let optional = |value: Option<&str>| value.map_or(Val::Null, text);
    let key = event.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    // By way of its digits, because an integer of WebAssembly's size is too small for it.
    let time = event.time.and_then(|time| Val::from_num(&time.to_string()).ok());
    let attributes: Map = event.attributes.iter().map(|(name, value)| (text(name), text(value))).collect();
    Val::obj(Map::from_iter([
        (text("id"), text(&event.id)),
        (text("source"), text(&event.source)),
        (text("type"), text(&event.type_)),
        (text("subject"), optional(event.subject.as_deref())),
        (text("time"), time.unwrap_or(Val::Null)),
        (text("key"), optional(key)),
        (text("attributes"), Val::obj(attributes)),
    ]))
}

/// A value as JSON. The language's values are more than JSON has, such as maps whose keys are no text.
fn json(value: &Val) -> Result<Vec<u8>, String> {
    let text = value.to_string();
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text.into_bytes()),
        Err(error) => Err(format!("the jq expression yields something that is not JSON: {error}")),
    }
}

/// What `error` was given: its text, or JSON.
fn message(value: Val) -> String {
    match value {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        other => other.to_string(),
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        text.push('…');
    }
    text
}
