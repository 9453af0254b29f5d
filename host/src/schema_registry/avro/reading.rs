//! A datum that is read: each type's bytes to JSON, and what is no datum told.

use super::Type;
use super::logical::{Unit, date, decimal, float_text, time, timestamp, uuid};
use crate::schema_registry::output::{MAX_DEPTH, Output, too_deep};
use crate::schema_registry::wire;

/// Bytes that are being read.
pub(super) struct Reading<'a> {
    pub(super) types: &'a [Type],
    pub(super) rest: &'a [u8],
}

impl<'a> Reading<'a> {
    /// `depth` is the JSON's: unions and names lead to a value without being one.
    pub(super) fn value(&mut self, place: usize, depth: usize, output: &mut Output) -> Result<(), String> {
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
            Type::Array(items) => self.blocks(*items, deeper(depth)?, output, false),
            Type::Map(values) => self.blocks(*values, deeper(depth)?, output, true),
            Type::Union(variants) => {
                let index = self.long()?;
                let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
                let variant = variant.ok_or_else(|| format!("a union has no variant {index}"))?;
                self.value(*variant, depth, output)
            }
            Type::Record(fields) => self.record(fields, deeper(depth)?, output),
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
                output.string_or_number(date(days), i64::from(days))
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
            Type::Same(place) => self.value(*place, depth, output),
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
            self.value(*place, depth, output).map_err(|error| within(name, error))?;
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
                self.value(item, depth, output)?;
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
        let long = wire::varint(&mut self.rest)?;
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

fn deeper(depth: usize) -> Result<usize, String> {
    if depth == MAX_DEPTH { Err(too_deep()) } else { Ok(depth + 1) }
}

/// Where in the datum it went wrong; deep down the outer names are enough.
fn within(name: &str, error: String) -> String {
    const MOST_BYTES: usize = 500;
    if error.len() > MOST_BYTES { error } else { format!("{name}: {error}") }
}
