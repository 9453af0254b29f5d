//! What a guest says: `wasi:logging` and standard output, as log lines with a limit, and its last words for a fault.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::Label;
use super::bindings::connector::wasi::logging::logging::Level;
use crate::config::Limits;
use crate::telemetry::{Label as _, LogLimit};

/// A longer line is cut.
const MAX_LINE_BYTES: usize = 1024;
/// Lines of standard output kept for the text of a fault: the first, and the last.
const LAST_WORDS: usize = 4;

/// The log of one instance. Counts lines and bytes a call.
#[derive(Debug)]
pub(super) struct Output {
    label: Arc<Label>,
    room: Room,
    a_call: Room,
    counted: Counted,
    partial: Vec<u8>,
    /// The first line of this call: where a trace has the error itself, and its callers behind it.
    first_words: Option<String>,
    last_words: VecDeque<String>,
    /// A line between the two is not kept.
    is_cut: bool,
}

/// What may be logged.
#[derive(Debug, Clone, Copy)]
struct Room {
    lines: u32,
    bytes: usize,
    /// Of all calls in this second.
    lines_this_second: u32,
}

/// What came of lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) logged: u32,
    /// By the position of the limit that each was over.
    pub(super) dropped: [u64; LogLimit::ALL.len()],
}

impl Room {
    /// Takes a line of so many bytes; or says which limit it is over.
    fn take(&mut self, bytes: usize) -> Result<(), LogLimit> {
        if self.lines == 0 {
            return Err(LogLimit::Lines);
        }
        if self.lines_this_second == 0 {
            return Err(LogLimit::Rate);
        }
        let Some(bytes) = self.bytes.checked_sub(bytes) else {
            return Err(LogLimit::Bytes);
        };
        let (lines, lines_this_second) = (self.lines - 1, self.lines_this_second - 1);
        *self = Self { lines, bytes, lines_this_second };
        Ok(())
    }
}

impl Output {
    pub(super) fn new(label: Arc<Label>, limits: &Limits) -> Self {
        let (lines, bytes) = (limits.log_lines, limits.log_bytes);
        let a_call = Room { lines, bytes, lines_this_second: limits.log_rate };
        let (partial, first_words, last_words) = (Vec::new(), None, VecDeque::new());
        let counted = Counted::default();
        Self { label, room: a_call, a_call, counted, partial, first_words, last_words, is_cut: false }
    }

    /// A new call begins, in a second in which all may still log so many lines.
    pub(super) fn refill(&mut self, lines_this_second: u32) {
        self.room = Room { lines_this_second, ..self.a_call };
        self.forget();
    }

    /// What came of the lines since this was asked last.
    pub(super) fn take_counted(&mut self) -> Counted {
        std::mem::take(&mut self.counted)
    }

    /// The first and the last lines of this call's standard output, where a panic's text is.
    pub(super) fn last_words(&mut self) -> Option<String> {
        self.end_line();
        let cut = self.is_cut.then(|| "…".to_owned());
        let words: Vec<_> =
            self.first_words.take().into_iter().chain(cut).chain(self.last_words.drain(..)).collect();
        self.forget();
        (!words.is_empty()).then(|| words.join(" / "))
    }

    fn forget(&mut self) {
        (self.first_words, self.is_cut) = (None, false);
        self.last_words.clear();
    }

    pub(super) fn log(&mut self, level: Level, context: &str, message: &str) {
        let (context, message) = (cut(context), cut(message));
        if let Err(limit) = self.room.take(context.len() + message.len()) {
            self.counted.dropped[limit.position()] += 1;
            return;
        }
        self.counted.logged += 1;
        let (plugin, user) = (self.label.plugin.as_str(), self.label.user.as_str());
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
        if self.first_words.is_none() {
            self.first_words = Some(line);
            return;
        }
        if self.last_words.len() == LAST_WORDS - 1 {
            self.last_words.pop_front();
            self.is_cut = true;
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

    fn output(limits: &Limits) -> Output {
        Output::new(Arc::new(Label { plugin: "p".into(), user: "u".into(), observer: None }), limits)
    }

    fn dropped(output: &mut Output) -> Vec<(LogLimit, u64)> {
        let counted = output.take_counted();
        LogLimit::ALL.iter().copied().zip(counted.dropped).filter(|(_, lines)| *lines > 0).collect()
    }

    #[test]
    fn keeps_the_first_and_the_last_lines_of_standard_output() {
        let mut output = output(&Limits::default());
        output.write(b"one\ntwo\nthree\nfo");
        output.write(b"ur\nfive\nsix");
        assert_eq!(output.last_words().as_deref(), Some("one / … / four / five / six"));
        assert_eq!(output.last_words(), None);
        output.write(b"one\ntwo\nthree\nfour");
        assert_eq!(output.last_words().as_deref(), Some("one / two / three / four"));
    }

    #[test]
    fn what_an_earlier_call_said_is_not_the_word_of_this_one() {
        let mut output = output(&Limits::default());
        output.write(b"of the first\ncall\n");
        output.refill(1_000);
        output.write(b"oh no");
        assert_eq!(output.last_words().as_deref(), Some("oh no"));
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_a_line_without_end_is_cut() {
        let mut output = output(&Limits { log_lines: 2, ..Limits::default() });
        for _ in 0..5 {
            output.write(b"x\n");
        }
        assert_eq!(output.counted.logged, 2);
        assert_eq!(dropped(&mut output), [(LogLimit::Lines, 3)]);
        assert_eq!(output.take_counted(), Counted::default());
        output.write(&[b'y'; 100_000]);
        assert!(output.partial.len() <= MAX_LINE_BYTES);
        output.refill(1_000);
        output.write(b"\n");
        assert_eq!(dropped(&mut output), []);
    }

    #[test]
    fn bytes_and_lines_a_second_have_limits_of_their_own() {
        let mut output = output(&Limits { log_bytes: 20, ..Limits::default() });
        for text in ["123456", "123456", "123456789", "1234"] {
            output.log(Level::Info, "context", text);
        }
        // With what stands before each: 13 of 20 bytes, and no more fit.
        assert_eq!(dropped(&mut output), [(LogLimit::Bytes, 3)]);
        output.refill(1);
        (0..3).for_each(|_| output.log(Level::Info, "", "1"));
        assert_eq!(output.counted.logged, 1);
        assert_eq!(dropped(&mut output), [(LogLimit::Rate, 2)]);
    }
}
