//! What a process prints, as lines that can be waited for. Only the latest are kept.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

const KEPT: usize = 10_000;

/// The lines of both output streams, in the order they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// Lines that were read and not kept.
    forgotten: usize,
    /// Streams that may still give lines.
    open: usize,
}

impl Lines {
    /// Reads the child's stdout and stderr, each on a thread that ends with its stream.
    pub(super) fn of(name: &str, child: &mut Child) -> anyhow::Result<Self> {
        let lines = Self::default();
        lines.0.lock().open = 2;
        let stdout = child.stdout.take().with_context(|| format!("{name} has no stdout"))?;
        let stderr = child.stderr.take().with_context(|| format!("{name} has no stderr"))?;
        lines.read(stdout);
        lines.read(stderr);
        Ok(lines)
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().lines.iter().cloned().collect()
    }

    /// Waits for a line that contains `text`, among those already read too.
    pub(super) fn wait_for(&self, text: &str, limit: Duration) -> anyhow::Result<String> {
        let end = Instant::now() + limit;
        let mut seen = 0;
        let mut state = self.0.lock();
        loop {
            let unseen = seen.max(state.forgotten) - state.forgotten;
            if let Some(line) = state.lines.range(unseen..).find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            seen = state.forgotten + state.lines.len();
            if state.open == 0 {
                bail!("its output has ended");
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("not within {limit:?}");
            }
            state = self.0.changed.wait_timeout(state, left).expect("no holder panics").0;
        }
    }

    /// Waits until both streams have ended.
    pub(super) fn wait_for_end(&self, limit: Duration) -> anyhow::Result<()> {
        let state = self.0.lock();
        let is_open = |state: &mut State| state.open > 0;
        let (state, _) = self.0.changed.wait_timeout_while(state, limit, is_open).expect("no holder panics");
        if state.open > 0 {
            bail!("its output has not ended within {limit:?}");
        }
        Ok(())
    }

    fn read(&self, stream: impl Read + Send + 'static) {
        let shared = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                shared.push(String::from_utf8_lossy(&line).into_owned());
            }
            shared.lock().open -= 1;
            shared.changed.notify_all();
        });
    }
}

impl Shared {
    fn push(&self, line: String) {
        let mut state = self.lock();
        if state.lines.len() == KEPT {
            state.lines.pop_front();
            state.forgotten += 1;
        }
        state.lines.push_back(line);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_lines_are_kept_and_late_ones_are_still_found() {
        let lines = Lines::default();
        lines.0.lock().open = 1;
        for number in 0..KEPT + 5 {
            lines.0.push(format!("line {number}."));
        }
        let all = lines.all();
        assert_eq!(all.len(), KEPT);
        assert_eq!(all[0], "line 5.");
        let last = format!("line {}.", KEPT + 4);
        assert_eq!(lines.wait_for(&last, Duration::ZERO).unwrap(), last);
        assert!(lines.wait_for("line 4.", Duration::ZERO).is_err());
    }
}
