//! What a person sees of the demo and of the stories: lines, and on a terminal one bar a subscription below them.
//!
//! In come texts, out they go to stdout: in colour and with moving bars on a terminal, else plain, without a control
//! character, and with a line of progress now and then. No line is wider than 100 columns unless a single word is.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

const COLUMNS: usize = 100;
/// How often plain output says how far it is.
const PLAIN_PROGRESS: Duration = Duration::from_secs(1);
/// Where the text of a line begins that tells a moment.
const MOMENT_COLUMNS: usize = 10;

/// Where they speak. Clones share it.
#[derive(Debug, Clone)]
pub struct Screen {
    is_terminal: bool,
    is_silent: bool,
    /// While there are bars that lines must go above.
    bars: Arc<Mutex<Option<MultiProgress>>>,
    is_coloured: bool,
    begun: Instant,
    said_progress: Arc<Mutex<Instant>>,
}

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Heading,
    Good,
    Bad,
    Alert,
}

/// One bar for each subscription. Gone when dropped.
#[derive(Debug)]
pub struct Bars {
    screen: Screen,
    bars: Vec<(&'static str, ProgressBar)>,
}

impl Screen {
    /// Stdout as it is.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal() && set("TERM").is_none_or(|term| term != "dumb");
        let begun = Instant::now();
        Self {
            is_terminal,
            is_silent: false,
            bars: Arc::default(),
            is_coloured: is_terminal && set("NO_COLOR").is_none(),
            begun,
            said_progress: Arc::new(Mutex::new(begun)),
        }
    }

    /// Nowhere: for who wants the deeds without the words.
    pub fn silent() -> Self {
        Self { is_terminal: false, is_silent: true, is_coloured: false, ..Self::of_stdout() }
    }

    /// A text as it is, which may have several lines.
    pub fn show(&self, text: impl Display) {
        if self.is_silent {
            return;
        }
        let print = || {
            // Nobody reads it where stdout is closed.
            let _ = writeln!(std::io::stdout(), "{text}");
        };
        match &*self.bars.lock().expect("no holder panics") {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    /// An empty line and a heading.
    pub fn heading(&self, text: &str) {
        self.show(format!("\n{}", self.painted(Tone::Heading, text)));
    }

    /// Something that happens now.
    pub fn moment(&self, tone: Tone, text: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.titled(tone, &format!("{seconds:6.1} s"), text, MOMENT_COLUMNS);
    }

    /// A text beside its title, the text's later lines below its first.
    pub fn titled(&self, tone: Tone, title: &str, text: &str, title_columns: usize) {
        let mut title = format!("{title:<title_columns$}");
        for line in wrapped(text, COLUMNS - title_columns) {
            self.show(format!("{title}{}", self.painted(tone, &line)));
            title = " ".repeat(title_columns);
        }
    }

    fn painted(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Alert => "33",
            Tone::Plain => return text.to_owned(),
        };
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Bars for these, each from 0 to `total`.
    pub fn bars(&self, names: &[&'static str], total: usize) -> Bars {
        let style =
            ProgressStyle::with_template("  {prefix:<12}{bar:28.cyan/dim} {pos:>4} of {len}  {wide_msg}")
                .expect("the template is well formed")
                .progress_chars("━━─");
        let target =
            if self.is_terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let bar = |name: &&'static str| {
            let bar = ProgressBar::new(total as u64).with_style(style.clone()).with_prefix(*name);
            (*name, all.add(bar))
        };
        let bars = names.iter().map(bar).collect();
        *self.bars.lock().expect("no holder panics") = self.is_terminal.then_some(all);
        Bars { screen: self.clone(), bars }
    }
}

impl Bars {
    /// How far each is, in their order, and what there is to say of it.
    pub fn set(&self, levels: &[(usize, &'static str)]) {
        if !self.screen.is_terminal {
            return self.say(levels);
        }
        for ((_, bar), (position, remark)) in self.bars.iter().zip(levels) {
            bar.set_position(*position as u64);
            bar.set_message(*remark);
        }
    }

    fn say(&self, levels: &[(usize, &'static str)]) {
        let mut said = self.screen.said_progress.lock().expect("no holder panics");
        if said.elapsed() < PLAIN_PROGRESS {
            return;
        }
        *said = Instant::now();
        let level = |((name, _), (position, remark)): (&(&str, _), &(usize, &str))| match *remark {
            "" => format!("{name} {position}"),
            remark => format!("{name} {position} ({remark})"),
        };
        let levels: Vec<String> = self.bars.iter().zip(levels).map(level).collect();
        self.screen.moment(Tone::Plain, &format!("settled: {}", levels.join(", ")));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(bars) = self.screen.bars.lock().expect("no holder panics").take() {
            // A terminal that is gone needs no clearing.
            let _ = bars.clear();
        }
    }
}

/// A variable of the environment that is not empty.
fn set(variable: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(variable).filter(|value| !value.is_empty())
}

/// The text in lines of at most so many characters, broken between words.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words() {
        for (text, expected) in [
            ("", &[""][..]),
            ("one two", &["one two"]),
            ("one two three", &["one two", "three"]),
            ("a-very-long-word b", &["a-very-long-word", "b"]),
            ("äöü äöü x", &["äöü äöü", "x"]),
        ] {
            assert_eq!(wrapped(text, 7), expected);
        }
    }
}
