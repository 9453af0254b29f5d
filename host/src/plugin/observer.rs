//! Sees what each call of a plugin takes and logs, for those who try a plugin out. A host that delivers has no observer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// More lines are not kept.
const MAX_LINES: usize = 10_000;

/// Clones share what they see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observer(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    seen: Observed,
    /// The present call is the second of two that are compared: it is not counted, and its lines are heard already.
    is_repeat: bool,
}

/// What calls took, and what they logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    pub calls: u64,
    /// Of all calls together.
    pub cpu_time: Duration,
    pub longest_call: Duration,
    /// The most that memories and tables of one instance took.
    pub memory_bytes: usize,
    pub lines: Vec<LogLine>,
}

/// A line of the log, standard output among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub level: &'static str,
    pub context: String,
    pub text: String,
}

impl Observer {
    /// What was seen since this was asked last.
    pub(crate) fn take(&self) -> Observed {
        self.with(|state| std::mem::take(&mut state.seen))
    }

    pub(super) fn repeats(&self, is_repeat: bool) {
        self.with(|state| state.is_repeat = is_repeat);
    }

    pub(super) fn called(&self, cpu_time: Duration, memory_bytes: usize) {
        self.with(|State { seen, is_repeat }| {
            seen.memory_bytes = seen.memory_bytes.max(memory_bytes);
            if !*is_repeat {
                seen.calls += 1;
                seen.cpu_time += cpu_time;
                seen.longest_call = seen.longest_call.max(cpu_time);
            }
        });
    }

    pub(super) fn logged(&self, level: &'static str, context: &str, text: &str) {
        self.with(|State { seen, is_repeat }| {
            if !*is_repeat && seen.lines.len() < MAX_LINES {
                seen.lines.push(LogLine { level, context: context.to_owned(), text: text.to_owned() });
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The CPU time of this thread: guests run on the thread that calls them.
pub(super) struct CpuTime(Duration);

impl CpuTime {
    pub(super) fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let part = |value: i64| u64::try_from(value).unwrap_or_default();
        Self(Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec)))
    }

    pub(super) fn elapsed(&self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_made_twice_is_seen_once() {
        let observer = Observer::default();
        let ms = Duration::from_millis;
        for (cpu_time, memory_bytes) in [(ms(3), 10), (ms(5), 30)] {
            observer.logged("info", "c", "said");
            observer.called(cpu_time, memory_bytes);
            observer.repeats(true);
            observer.logged("info", "c", "said");
            observer.called(ms(50), memory_bytes * 2);
            observer.repeats(false);
        }
        let seen = observer.take();
        assert_eq!((seen.calls, seen.cpu_time, seen.longest_call), (2, ms(8), ms(5)));
        assert_eq!((seen.memory_bytes, seen.lines.len()), (60, 2));
        assert_eq!(observer.take(), Observed::default());
    }

    #[test]
    fn work_takes_time_and_waiting_takes_none() {
        let begun = CpuTime::now();
        let mut sum = 0_u64;
        while begun.elapsed() < Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
    }
}
