//! A scientist moves an experiment: the public timetable changes, and the data warehouse has the newest and the history.

use serde_json::{Value, json};

use super::Told;
use super::ground::event;
use super::holding::holds;
use super::systems::{Cast, Role};
use crate::screen::{Screen, Tone};

const TYPES: &str = "[\"schedule.*\"]";
const SCHEMA: &str = "create table experiments (id text primary key, title text, starts_at timestamptz, hall text, \
                      updated_at timestamptz not null, deleted boolean not null); \
                      create table history (delivery text primary key, topic text, \"partition\" integer, \
                      \"offset\" bigint, id text, source text, type text, subject text, time timestamptz, key text, \
                      deleted boolean, data jsonb)";

pub(super) fn tell(screen: &Screen) -> anyhow::Result<Told> {
    let mut cast = Cast::new()?;
    let timetable = Role {
        name: "timetable",
        types: TYPES,
        subscription: "",
        settings: "{ path = \"/records/{key}\", wrap = \"/data\", upsert = \"lookup-first\" }",
    };
    let timetable = cast.records(screen, &timetable)?;
    let mirror = Role {
        name: "warehouse",
        types: TYPES,
        subscription: "",
        settings: "{ table = \"experiments\", key = { id = \"{key}\" }, history = \"history\", \
                   columns = { title = \"/title\", starts_at = \"/start\", hall = \"/hall\" } }",
    };
    let warehouse = cast.postgres(screen, "warehouse", &mirror, SCHEMA)?;
    let ground = cast.open()?;

    let settled = |count: u32| -> anyhow::Result<()> {
        for (name, is_there) in [("timetable", timetable.is_some()), ("warehouse", warehouse.is_some())] {
            if is_there {
                ground.settled(name, "delivered", count)?;
            }
        }
        Ok(())
    };
    screen.moment(Tone::Plain, "two experiments are planned");
    let wind = planned("Wind tunnel", "2026-06-01T08:00:00Z", "A", 1);
    ground.emit([
        event("schedule.created", "1", "wind", &wind),
        event("schedule.created", "2", "laser", &planned("Laser", "2026-06-01T08:00:00Z", "B", 1)),
    ])?;
    settled(2)?;
    screen.moment(Tone::Plain, "the laser is moved to another day and hall");
    let moved = planned("Laser", "2026-06-03T13:30:00Z", "C", 2);
    ground.emit([event("schedule.updated", "3", "laser", &moved)])?;
    settled(3)?;

    if let Some(timetable) = &timetable {
        let held = [timetable.record("wind")?, timetable.record("laser")?];
        holds(
            screen,
            "timetable",
            "both experiments, the laser where it is now",
            &held,
            &[Some(wind), Some(moved)],
        )?;
    }
    if let Some(warehouse) = &warehouse {
        let newest = "select id, starts_at at time zone 'utc', hall from experiments order by id";
        let expected = "laser|2026-06-03 13:30:00|C\nwind|2026-06-01 08:00:00|A";
        let held = warehouse.psql(newest)?;
        holds(screen, "warehouse", "a row for each, as they are now", &held.as_str(), &expected)?;
        let held = warehouse.psql("select key, count(*) from history group by key order by key")?;
        holds(screen, "warehouse", "all three changes in the history", &held.as_str(), &"laser|2\nwind|1")?;
    }
    ground.close()?;
    Ok(Told { left_out: cast.left_out })
}

fn planned(title: &str, start: &str, hall: &str, version: u32) -> Value {
    json!({ "title": title, "start": start, "hall": hall, "updatedAt": format!("2026-05-{version:02}T09:00:00Z") })
}
