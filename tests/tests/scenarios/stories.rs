//! The stories that `cargo demo -- --story all` tells: each must be told whole, with nobody left out.

use anyhow::ensure;
use liaison_tests::screen::Screen;
use liaison_tests::stories::Story;
use liaison_tests::{is_quick, say_skipped};

fn is_told(story: Story) -> anyhow::Result<()> {
    if is_quick() {
        say_skipped(story.name(), "needs real systems");
        return Ok(());
    }
    let told = story.tell(&Screen::silent())?;
    ensure!(told.left_out.is_empty(), "left out: {:?}", told.left_out);
    Ok(())
}

#[test]
fn a_policy_reaches_five_systems_of_five_kinds() -> anyhow::Result<()> {
    is_told(Story::Policy)
}

#[test]
fn an_experiment_that_is_moved_reaches_timetable_and_warehouse() -> anyhow::Result<()> {
    is_told(Story::Experiment)
}

#[test]
fn an_appointment_that_two_change_ends_as_each_policy_says() -> anyhow::Result<()> {
    is_told(Story::Appointment)
}

#[test]
fn a_hard_day_loses_nothing_and_leaves_an_empty_tray() -> anyhow::Result<()> {
    is_told(Story::HardDay)
}
