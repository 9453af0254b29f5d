//! The variable `event` of a filter: an [`Event`] as CEL sees it.
//!
//! It borrows the event and makes a field when it is asked for, so an expression over the type costs no more for an
//! event of a megabyte; the data is parsed once, and only if an expression looks at it.

use std::collections::HashMap;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp, CelUInt,
    MAP_TYPE, Type,
};
use cel::common::value::{CowVal, Val};
use chrono::{DateTime, Datelike as _};
use serde_json::Value;

use crate::event::Event;

/// The data as CEL values; `None` where it is no JSON and does not say that it is.
type Data = Result<Option<Box<dyn Val>>, ExecutionError>;

#[derive(Debug)]
pub(super) struct EventVariable<'e> {
    event: &'e Event,
    data: OnceLock<Data>,
}

impl<'e> EventVariable<'e> {
    pub(super) fn new(event: &'e Event) -> EventVariable<'e> {
        EventVariable { event, data: OnceLock::new() }
    }

    /// `None` where the event does not have it.
    fn field<'b, 'v>(&'b self, name: &str) -> Result<Option<CowVal<'b, 'v>>, ExecutionError>
    where
        Self: 'v,
    {
        let event = self.event;
        let text = |value: &'e str| CowVal::owned(CelString::from(value));
        Ok(match name {
            "id" => Some(text(&event.id)),
            "source" => Some(text(&event.source)),
            "type" => Some(text(&event.kind)),
            "subject" => event.subject.as_deref().map(text),
            "key" => event.key.as_deref().and_then(|key| str::from_utf8(key).ok()).map(text),
            "time" => event.time.and_then(timestamp).map(CowVal::owned),
            "attributes" => Some(CowVal::owned(attributes(event))),
            "data" => match self.data.get_or_init(|| data(event)) {
                Ok(data) => data.as_deref().map(CowVal::Borrowed),
                Err(error) => return Err(error.clone()),
            },
            _ => None,
        })
    }
}

impl Val for EventVariable<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        const { &MAP_TYPE }
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn into_indexer<'v>(self: Box<Self>) -> Option<Box<dyn Indexer + 'v>>
    where
        Self: 'v,
    {
        Some(self)
    }

    /// There is one event: it equals itself.
    fn equals(&self, other: &dyn Val) -> bool {
        std::ptr::addr_eq(self, other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(EventVariable::new(self.event))
    }
}

impl Indexer for EventVariable<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(name) = key.downcast_ref::<CelString<'_>>() else {
            let got = key.get_type().name().to_owned();
            return Err(ExecutionError::UnexpectedType { got, want: "string".to_owned() });
        };
        self.field(name.inner())?.ok_or_else(|| ExecutionError::no_such_key(name.inner()))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

/// `None` beyond the year 9999, where CEL's timestamps end.
fn timestamp(time_ms: u64) -> Option<CelTimestamp> {
    let time = DateTime::from_timestamp_millis(i64::try_from(time_ms).ok()?)?;
    (time.year() <= 9999).then(|| time.fixed_offset().into())
}

/// Of attributes that came twice, the first.
fn attributes(event: &Event) -> CelMap<'_> {
    let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::with_capacity(event.attributes.len());
    for (name, value) in event.attributes.iter().rev() {
        map.insert(name.as_str().into(), Box::new(CelString::from(value.as_str())));
    }
    map.into()
}

fn data(event: &Event) -> Data {
    if !event.has_json_data() {
        return Ok(None);
    }
    event
        .data_json()
        .map(|json| Some(value(json)))
        .map_err(|error| ExecutionError::function_error("event.data", error))
}

/// JSON's nesting is bounded by its parser.
fn value(json: Value) -> Box<dyn Val> {
    match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text)),
        Value::Array(items) => Box::new(CelList::from(items.into_iter().map(value).collect::<Vec<_>>())),
        Value::Object(members) => {
            let members: HashMap<CelMapKey<'static>, Box<dyn Val>> =
                members.into_iter().map(|(name, member)| (name.into(), value(member))).collect();
            Box::new(CelMap::from(members))
        }
    }
}
