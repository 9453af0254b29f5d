//! Four stories of agencies whose systems follow a core platform, told with real servers that nobody here wrote.
//!
//! ```text
//!  a story's events ─▶ embedded broker ─▶ the liaison binary ─┬─▶ documents   wsgidav, by WebDAV
//!                                                             ├─▶ calendar    Radicale, by CalDAV
//!                                                             ├─▶ portal      Kinto, by HTTP
//!                                                             ├─▶ compliance  MariaDB
//!                                                             └─▶ records, warehouse  PostgreSQL
//! ```
//!
//! In comes which story, out come lines on the screen, and success only if every system holds in the end what the story
//! says: each is read back by its own client, and nothing is taken from the host's word. A system that cannot be started
//! on this machine is left out, with its part of the story, and is named.

mod appointment;
mod experiment;
mod ground;
mod hard_day;
mod holding;
mod policy;
mod systems;

use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use crate::screen::{Screen, Tone};

/// One story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// A policy is updated, and five systems follow.
    Policy,
    /// An experiment is moved: the public timetable and the data warehouse follow.
    Experiment,
    /// A field officer and a portal change the same appointment at the same time.
    Appointment,
    /// A calendar that is down, a duplicate, a portal that has gone, and a record that is wrong for good.
    HardDay,
}

/// How a story ended that went as it should.
#[derive(Debug, Default)]
pub struct Told {
    /// Systems that could not be started here, each with the reason.
    pub left_out: Vec<String>,
}

impl Story {
    pub const ALL: [Story; 4] = [Story::Policy, Story::Experiment, Story::Appointment, Story::HardDay];

    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Story::Policy => "policy",
            Story::Experiment => "experiment",
            Story::Appointment => "appointment",
            Story::HardDay => "hard-day",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Story::Policy => "A policy is updated",
            Story::Experiment => "A scientist moves an experiment",
            Story::Appointment => "A field officer and a portal change the same appointment",
            Story::HardDay => "A hard day: one system is down, two refuse, and one event is wrong",
        }
    }

    /// Tells it. An error is a story that did not go as it should.
    pub fn tell(self, screen: &Screen) -> anyhow::Result<Told> {
        match self {
            Story::Policy => policy::tell(screen),
            Story::Experiment => experiment::tell(screen),
            Story::Appointment => appointment::tell(screen),
            Story::HardDay => hard_day::tell(screen),
        }
    }
}

impl FromStr for Story {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Story::ALL.into_iter().find(|story| story.name() == name).ok_or_else(|| {
            format!(
                "`{name}` is no story: `all`, {}",
                Story::ALL.map(|story| format!("`{}`", story.name())).join(", ")
            )
        })
    }
}

/// Tells these stories one after another, and says at the end how each went.
pub fn run(stories: &[Story]) -> ExitCode {
    let screen = Screen::of_stdout();
    screen.show("liaison: stories with real servers on this machine; Ctrl-C ends them all\n");
    let mut code = ExitCode::SUCCESS;
    let mut ends = Vec::new();
    for story in stories {
        screen.heading(story.title());
        let begun = Instant::now();
        let end = story.tell(&screen);
        let took = begun.elapsed().as_secs_f64();
        let (tone, text) = match &end {
            Ok(told) if told.left_out.is_empty() => (Tone::Good, format!("as it should be, in {took:.0} s")),
            Ok(told) => (Tone::Alert, format!("as it should be, without: {}", told.left_out.join("; "))),
            Err(error) => {
                code = ExitCode::FAILURE;
                (Tone::Bad, format!("{error:#}"))
            }
        };
        screen.moment(tone, &text);
        ends.push((story.name(), tone, text));
    }
    screen.heading("The stories");
    for (name, tone, text) in ends {
        screen.titled(tone, name, &text, 13);
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_known_by_its_name() {
        for story in Story::ALL {
            assert_eq!(story.name().parse(), Ok(story));
        }
        assert_eq!(
            "fairy-tale".parse::<Story>(),
            Err("`fairy-tale` is no story: `all`, `policy`, `experiment`, `appointment`, `hard-day`"
                .to_owned())
        );
    }
}
