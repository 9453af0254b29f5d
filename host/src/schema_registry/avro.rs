//! Avro's binary encoding (specification 1.12.0) to JSON text, by the schema it was written with.
//!
//! The schema is read by the library; what it says is laid out flat here and the data written out as JSON in one pass,
//! within a depth and a size: what a record's bytes say of lengths and of nesting is never believed beyond that.

mod logical;
mod reading;

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamespaceRef, RecordSchema, UuidSchema};

use self::logical::Unit;
use self::reading::Reading;
use super::output::Output;

/// A schema, flat: types refer to each other by their place.
#[derive(Debug)]
pub(super) struct Avro {
    types: Vec<Type>,
    root: usize,
}

#[derive(Debug)]
enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    /// Each field's name as JSON.
    Record(Vec<(String, usize)>),
    /// Each symbol as JSON.
    Enum(Vec<String>),
    Fixed(usize),
    Decimal {
        scale: usize,
        size: Option<usize>,
    },
    UuidBytes(Option<usize>),
    Date,
    Time(Unit),
    Timestamp {
        unit: Unit,
        is_local: bool,
    },
    Duration,
    /// The same as another.
    Same(usize),
    /// Not met yet.
    Named(String),
}

impl Avro {
    /// Reads a schema, and those that it refers to.
    pub(super) fn parse(text: &str, references: &[String]) -> Result<Self, String> {
        let parsed = Schema::parse_str_with_list(text, references).map_err(|error| error.to_string())?;
        let (schema, others) = parsed;
        let mut flat = Flat { types: Vec::new(), names: HashMap::new() };
        for other in &others {
            flat.add(other, None)?;
        }
        let root = flat.add(&schema, None)?;
        flat.resolve()?;
        Ok(Self { types: flat.types, root })
    }

    /// Writes the datum as JSON. All of the bytes must be of it.
    pub(super) fn decode(&self, datum: &[u8], output: &mut Output) -> Result<(), String> {
        // Whoever speaks the wire format leaves out the length where the schema is nothing but bytes.
        if let Type::Bytes = self.types[self.root] {
            return output.base64(datum);
        }
        let mut reading = Reading { types: &self.types, rest: datum };
        reading.value(self.root, 0, output)?;
        if reading.rest.is_empty() {
            return Ok(());
        }
        Err(format!("{} bytes are left behind the datum", reading.rest.len()))
    }
}

/// Types that are being laid out.
struct Flat {
    types: Vec<Type>,
    names: HashMap<String, usize>,
}

impl Flat {
    fn put(&mut self, made: Type) -> usize {
        self.types.push(made);
        self.types.len() - 1
    }

    fn name(&mut self, name: String, place: usize) {
        // A schema that is referred to may be met twice, and is the same.
        self.names.entry(name).or_insert(place);
    }

    fn add(&mut self, schema: &Schema, namespace: NamespaceRef<'_>) -> Result<usize, String> {
        let made = match schema {
            Schema::Null => Type::Null,
            Schema::Boolean => Type::Boolean,
            Schema::Int => Type::Int,
            Schema::Long => Type::Long,
            Schema::Float => Type::Float,
            Schema::Double => Type::Double,
            Schema::Bytes => Type::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Type::Text,
            Schema::Date => Type::Date,
            Schema::TimeMillis => Type::Time(Unit::Milliseconds),
            Schema::TimeMicros => Type::Time(Unit::Microseconds),
            Schema::TimestampMillis => Type::Timestamp { unit: Unit::Milliseconds, is_local: false },
            Schema::TimestampMicros => Type::Timestamp { unit: Unit::Microseconds, is_local: false },
            Schema::TimestampNanos => Type::Timestamp { unit: Unit::Nanoseconds, is_local: false },
            Schema::LocalTimestampMillis => Type::Timestamp { unit: Unit::Milliseconds, is_local: true },
            Schema::LocalTimestampMicros => Type::Timestamp { unit: Unit::Microseconds, is_local: true },
            Schema::LocalTimestampNanos => Type::Timestamp { unit: Unit::Nanoseconds, is_local: true },
            Schema::Uuid(UuidSchema::Bytes) => Type::UuidBytes(None),
            Schema::BigDecimal => return Err("it has a `big-decimal`, which is not decoded".to_owned()),
            Schema::Array(array) => Type::Array(self.add(&array.items, namespace)?),
            Schema::Map(map) => Type::Map(self.add(&map.types, namespace)?),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|variant| self.add(variant, namespace));
                Type::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Ref { name } => Type::Named(name.fullname(namespace)),
            Schema::Decimal(decimal) => {
                let size = match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
                };
                let place = self.put(Type::Decimal { scale: decimal.scale, size });
                if let InnerDecimalSchema::Fixed(fixed) = &decimal.inner {
                    self.name(fixed.name.fullname(namespace), place);
                }
                return Ok(place);
            }
            Schema::Record(record) => return self.record(record, namespace),
            Schema::Enum(symbols) => {
                let place =
                    self.put(Type::Enum(symbols.symbols.iter().map(|symbol| quoted(symbol)).collect()));
                self.name(symbols.name.fullname(namespace), place);
                return Ok(place);
            }
            Schema::Fixed(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) | Schema::Duration(fixed) => {
                let made = match schema {
                    Schema::Uuid(_) => Type::UuidBytes(Some(fixed.size)),
                    Schema::Duration(_) => Type::Duration,
                    _ => Type::Fixed(fixed.size),
                };
                let place = self.put(made);
                self.name(fixed.name.fullname(namespace), place);
                return Ok(place);
            }
        };
        Ok(self.put(made))
    }

    fn record(&mut self, record: &RecordSchema, namespace: NamespaceRef<'_>) -> Result<usize, String> {
        // Its place is known first: it may hold itself.
        let place = self.put(Type::Null);
        self.name(record.name.fullname(namespace), place);
        let within = record.name.namespace().or(namespace);
        let field = |flat: &mut Self, name: &str, schema: &Schema| {
            Ok::<_, String>((quoted(name), flat.add(schema, within)?))
        };
        let mut fields = Vec::with_capacity(record.fields.len());
        for one in &record.fields {
            fields.push(field(self, &one.name, &one.schema)?);
        }
        self.types[place] = Type::Record(fields);
        Ok(place)
    }

    /// Every name leads to its type.
    fn resolve(&mut self) -> Result<(), String> {
        for place in 0..self.types.len() {
            if let Type::Named(name) = &self.types[place] {
                let target = self
                    .names
                    .get(name)
                    .copied()
                    .ok_or_else(|| format!("it refers to `{name}`, which is nowhere"))?;
                self.types[place] = Type::Same(target);
            }
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
