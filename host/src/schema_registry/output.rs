//! JSON that is being written: so much and so deep, and no further.

use std::io;

use bytes::Bytes;
use serde_json::ser::{CompactFormatter, Formatter};

/// What one record may become.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// How deep its data may be nested.
pub(super) const MAX_DEPTH: usize = 64;

/// JSON that is being written, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Output(Vec<u8>);

/// JSON as a library writes it, up to a depth: what is nested may cost the library a copy and a part of the stack each.
#[derive(Debug, Default)]
pub(super) struct Nested(usize);

impl Output {
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(format!("it is more than {} MiB as JSON", MAX_BYTES >> 20));
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), String> {
        self.raw(text.as_bytes())
    }

    /// With quotes, and what must be escaped.
    pub(super) fn string(&mut self, text: &str) -> Result<(), String> {
        serde_json::to_writer(self, text).map_err(|error| error.to_string())
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.raw(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Nested {
    fn enter(&mut self) -> io::Result<()> {
        self.0 += 1;
        if self.0 > MAX_DEPTH { Err(io::Error::other(too_deep())) } else { Ok(()) }
    }
}

impl Formatter for Nested {
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0 -= 1;
        CompactFormatter.end_object(writer)
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0 -= 1;
        CompactFormatter.end_array(writer)
    }
}

pub(super) fn too_deep() -> String {
    format!("it is nested deeper than {MAX_DEPTH}")
}
