//! What a guest says: `wasi:logging` and standard output, as log lines with a limit, and its last words for a fault.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::Label;
use super::bindings::connector::wasi::logging::logging::Level;

/// A longer line is cut.
const MAX_LINE_BYTES: usize = 1024;
/// Lines of standard output kept for the text of a fault.
const LAST_WORDS: usize = 4;

/// The log of one instance. Counts lines a call.
#[derive(Debug)]
pub(super) struct Output {
    label: Arc<Label>,
    lines_left: u32,
    lines_a_call: u32,
    dropped: u64,
    partial: Vec<u8>,
    last_words: VecDeque<String>,
}

impl Output {
    pub(super) fn new(label: Arc<Label>, lines_a_call: u32) -> Self {
        let (partial, last_words) = (Vec::new(), VecDeque::new());
        Self { label, lines_left: lines_a_call, lines_a_call, dropped: 0, partial, last_words }
    }

    /// A new call begins.
    pub(super) fn refill(&mut self) {
        self.lines_left = self.lines_a_call;
    }

    /// Lines that were over the limit since this was asked last.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// The last lines of standard output, where a panic's text is.
    pub(super) fn last_words(&mut self) -> Option<String> {
        self.end_line();
        (!self.last_words.is_empty()).then(|| Vec::from(std::mem::take(&mut self.last_words)).join(" / "))
    }

    pub(super) fn log(&mut self, level: Level, context: &str, message: &str) {
        if self.lines_left == 0 {
            self.dropped += 1;
            return;
        }
        self.lines_left -= 1;
        let (plugin, user) = (self.label.plugin.as_str(), self.label.user.as_str());
        let message = cut(message);
        if let Some(observer) = &self.label.observer {
            observer.logged(name(level), context, message);
        }
        match level {
            Level::Trace => tracing::trace!(plugin, user, context, "{message}"),
            Level::Debug => tracing::debug!(plugin, user, context, "{message}"),
            Level::Info => tracing::info!(plugin, user, context, "{message}"),
            Level::Warn => tracing::warn!(plugin, user, context, "{message}"),
            Level::Error | Level::Critical => tracing::error!(plugin, user, context, "{message}"),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE_BYTES.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        self.partial.clear();
        if line.is_empty() {
            return;
        }
        self.log(Level::Debug, "output", &line);
        if self.last_words.len() == LAST_WORDS {
            self.last_words.pop_front();
        }
        self.last_words.push_back(line);
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_LINE_BYTES)]
}

/// Standard output and standard error of a guest. Our own, because the stock one grows with empty writes (GHSA-5m8g).
#[derive(Clone)]
pub(super) struct Stream(pub(super) Arc<Mutex<Output>>);

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(lines: u32) -> Output {
        Output::new(Arc::new(Label { plugin: "p".into(), user: "u".into(), observer: None }), lines)
    }

    #[test]
    fn keeps_the_last_lines_of_standard_output() {
        let mut output = output(100);
        output.write(b"one\ntwo\nthree\nfo");
        output.write(b"ur\nfive");
        assert_eq!(output.last_words().as_deref(), Some("two / three / four / five"));
        assert_eq!(output.last_words(), None);
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_a_line_without_end_is_cut() {
        let mut output = output(2);
        for _ in 0..5 {
            output.write(b"x\n");
        }
        assert_eq!((output.take_dropped(), output.take_dropped()), (3, 0));
        output.write(&[b'y'; 100_000]);
        assert!(output.partial.len() <= MAX_LINE_BYTES);
        output.refill();
        output.write(b"\n");
        assert_eq!(output.take_dropped(), 0);
    }
}
