//! Avro's binary encoding (specification 1.12.0) to JSON text, by the schema it was written with.
//!
//! The schema is read by the library; what it says is laid out flat here and the data written out as JSON in one pass,
//! within a depth and a size: what a record's bytes say of lengths and of nesting is never believed beyond that.

use std::collections::HashMap;
use std::fmt::Write as _;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamespaceRef, UuidSchema};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat};

use super::{MAX_DEPTH, Output};

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

#[derive(Debug, Clone, Copy)]
enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
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

    fn record(
        &mut self,
        record: &apache_avro::schema::RecordSchema,
        namespace: NamespaceRef<'_>,
    ) -> Result<usize, String> {
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

/// Bytes that are being read.
struct Reading<'a> {
    types: &'a [Type],
    rest: &'a [u8],
}

impl<'a> Reading<'a> {
    fn value(&mut self, place: usize, depth: usize, output: &mut Output) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        let types = self.types;
        match &types[place] {
            Type::Null => output.text("null"),
            Type::Boolean => match self.take(1)?[0] {
                0 => output.text("false"),
                1 => output.text("true"),
                other => Err(format!("{other} is no boolean")),
            },
            Type::Int => {
                let int = self.int()?;
                output.text(&int.to_string())
            }
            Type::Long => {
                let long = self.long()?;
                output.text(&long.to_string())
            }
            Type::Float => {
                let float = f32::from_le_bytes(self.array()?);
                float_text(float.is_finite().then(|| serde_json::to_string(&float)), f64::from(float), output)
            }
            Type::Double => {
                let double = f64::from_le_bytes(self.array()?);
                float_text(double.is_finite().then(|| serde_json::to_string(&double)), double, output)
            }
            Type::Bytes => {
                let bytes = self.bytes()?;
                output.base64(bytes)
            }
            Type::Text => {
                let text = self.string()?;
                output.string(text)
            }
            Type::Fixed(size) => {
                let bytes = self.take(*size)?;
                output.base64(bytes)
            }
            Type::Array(items) => self.blocks(*items, depth, output, false),
            Type::Map(values) => self.blocks(*values, depth, output, true),
            Type::Union(variants) => {
                let index = self.long()?;
                let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
                let variant = variant.ok_or_else(|| format!("a union has no variant {index}"))?;
                self.value(*variant, depth + 1, output)
            }
            Type::Record(fields) => self.record(fields, depth, output),
            Type::Enum(symbols) => {
                let index = self.int()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                output.text(symbol.ok_or_else(|| format!("an enum has no symbol {index}"))?)
            }
            Type::Decimal { scale, size } => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.bytes()?,
                };
                output.string(&decimal(bytes, *scale)?)
            }
            Type::UuidBytes(size) => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.bytes()?,
                };
                let bytes: [u8; 16] = bytes.try_into().map_err(|_| "a uuid has not 16 bytes".to_owned())?;
                output.string(&uuid(u128::from_be_bytes(bytes)))
            }
            Type::Date => {
                let days = self.int()?;
                let date = NaiveDate::from_epoch_days(days);
                output.string_or_number(date.map(|date| date.format("%Y-%m-%d").to_string()), i64::from(days))
            }
            Type::Time(unit) => {
                let since =
                    if matches!(unit, Unit::Milliseconds) { i64::from(self.int()?) } else { self.long()? };
                output.string_or_number(time(since, *unit), since)
            }
            Type::Timestamp { unit, is_local } => {
                let since = self.long()?;
                output.string_or_number(timestamp(since, *unit, *is_local), since)
            }
            Type::Duration => {
                let [months, days, milliseconds] =
                    [self.array()?, self.array()?, self.array()?].map(u32::from_le_bytes);
                output.text(&format!(r#"{{"months":{months},"days":{days},"milliseconds":{milliseconds}}}"#))
            }
            Type::Same(place) => self.value(*place, depth + 1, output),
            Type::Named(name) => Err(format!("its schema refers to `{name}`, which is nowhere")),
        }
    }

    fn record(
        &mut self,
        fields: &[(String, usize)],
        depth: usize,
        output: &mut Output,
    ) -> Result<(), String> {
        output.text("{")?;
        for (index, (name, place)) in fields.iter().enumerate() {
            output.text(if index > 0 { "," } else { "" })?;
            output.text(name)?;
            output.text(":")?;
            self.value(*place, depth + 1, output).map_err(|error| within(name, error))?;
        }
        output.text("}")
    }

    /// The blocks of an array or of a map.
    fn blocks(&mut self, item: usize, depth: usize, output: &mut Output, is_map: bool) -> Result<(), String> {
        let (open, close) = if is_map { ("{", "}") } else { ("[", "]") };
        output.text(open)?;
        let mut is_first = true;
        loop {
            let count = self.long()?;
            if count == 0 {
                return output.text(close);
            }
            if count < 0 {
                // The size of the block in bytes, for who wants to skip it.
                self.long()?;
            }
            // Each item writes a byte at least, so what this says is bounded by the output.
            for _ in 0..count.unsigned_abs() {
                output.text(if std::mem::take(&mut is_first) { "" } else { "," })?;
                if is_map {
                    let key = self.string()?;
                    output.string(key)?;
                    output.text(":")?;
                }
                self.value(item, depth + 1, output)?;
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("it ends too early")?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number of variable length, in zigzag.
    fn long(&mut self) -> Result<i64, String> {
        let long = super::wire::varint(&mut self.rest)?;
        Ok((long >> 1).cast_signed() ^ -(long & 1).cast_signed())
    }

    fn int(&mut self) -> Result<i32, String> {
        let long = self.long()?;
        i32::try_from(long).map_err(|_| format!("{long} is no int"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| format!("{length} is no length"))?;
        self.take(length)
    }

    fn string(&mut self) -> Result<&'a str, String> {
        str::from_utf8(self.bytes()?).map_err(|error| format!("a string is not UTF-8: {error}"))
    }
}

/// JSON has no number for what is none: the names that protobuf's JSON has for it.
fn float_text(
    text: Option<serde_json::Result<String>>,
    value: f64,
    output: &mut Output,
) -> Result<(), String> {
    match text {
        Some(text) => output.text(&text.map_err(|error| error.to_string())?),
        None if value.is_nan() => output.string("NaN"),
        None => output.string(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

/// Big-endian two's complement as text, which loses nothing.
fn decimal(bytes: &[u8], scale: usize) -> Result<String, String> {
    const MOST_BYTES: usize = 16;
    const MOST_SCALE: usize = 38;
    if bytes.len() > MOST_BYTES || scale > MOST_SCALE {
        return Err(format!("a decimal has more than {MOST_BYTES} bytes, or a scale beyond {MOST_SCALE}"));
    }
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut whole = if is_negative { [0xff; MOST_BYTES] } else { [0; MOST_BYTES] };
    whole[MOST_BYTES - bytes.len()..].copy_from_slice(bytes);
    let digits = i128::from_be_bytes(whole).unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (before, after) = digits.split_at(digits.len() - scale);
    let point = if scale > 0 { "." } else { "" };
    Ok(format!("{}{before}{point}{after}", if is_negative { "-" } else { "" }))
}

fn uuid(value: u128) -> String {
    let digits = format!("{value:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

impl Unit {
    fn per_second(self) -> i64 {
        match self {
            Unit::Milliseconds => 1_000,
            Unit::Microseconds => 1_000_000,
            Unit::Nanoseconds => 1_000_000_000,
        }
    }

    /// Seconds and the nanoseconds of the one that has begun.
    fn split(self, since: i64) -> (i64, u32) {
        let per_second = self.per_second();
        let nanoseconds = since.rem_euclid(per_second) * (1_000_000_000 / per_second);
        (since.div_euclid(per_second), u32::try_from(nanoseconds).unwrap_or_default())
    }
}

fn time(since: i64, unit: Unit) -> Option<String> {
    let (seconds, nanoseconds) = unit.split(since);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds).ok()?, nanoseconds)?;
    Some(time.format("%H:%M:%S%.f").to_string())
}

fn timestamp(since: i64, unit: Unit, is_local: bool) -> Option<String> {
    let (seconds, nanoseconds) = unit.split(since);
    let time = DateTime::from_timestamp(seconds, nanoseconds)?;
    let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Some(if is_local { text.trim_end_matches('Z').to_owned() } else { text })
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where in the datum it went wrong; deep down the outer names are enough.
fn within(name: &str, error: String) -> String {
    const MOST_BYTES: usize = 500;
    if error.len() > MOST_BYTES { error } else { format!("{name}: {error}") }
}

impl Output {
    fn base64(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.string(&STANDARD.encode(bytes))
    }

    fn string_or_number(&mut self, text: Option<String>, number: i64) -> Result<(), String> {
        match text {
            Some(text) => self.string(&text),
            None => {
                let mut text = String::new();
                let _ = write!(text, "{number}");
                self.text(&text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
