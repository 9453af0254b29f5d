//! A field officer and a portal change the same appointment at the same time. Three policies, three ends: the newer change
//! wins; each side keeps its own fields; a person sees both and chooses.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Told;
use super::ground::{Ground, event};
use super::holding::holds;
use super::systems::{Cast, Role};
use crate::kinto::Kinto;
use crate::screen::{Screen, Tone};

const SETTINGS: &str = "{ path = \"/records/{key}\", wrap = \"/data\", upsert = \"lookup-first\" }";
const OWNERS: &str = "{ \"/date\" = \"source\", \"/officer\" = \"source\", \"/updatedAt\" = \"source\", \
                      \"/room\" = \"target\" }";

/// Each of the three is a subscription of its own to appointments of its own.
const CASES: [(&str, &str); 3] = [
    ("newest", "{ policy = \"newest-wins\" }"),
    ("merged", "{ policy = \"merge\", owners = OWNERS }"),
    ("manual", "{ policy = \"manual\" }"),
];

pub(super) fn tell(screen: &Screen) -> anyhow::Result<Told> {
    let mut cast = Cast::new()?;
    let mut portals = Vec::new();
    for (name, policy) in CASES {
        let types = format!("[\"{name}.changed\"]");
        let subscription = format!("conflict = {}", policy.replace("OWNERS", OWNERS));
        let role = Role { name, types: &types, subscription: &subscription, settings: SETTINGS };
        portals.push(cast.records(screen, &role)?);
    }
    let [Some(newest), Some(merged), Some(manual)] = portals.as_slice() else {
        return Ok(Told { left_out: cast.left_out });
    };
    let ground = cast.open()?;
    the_newer_wins(screen, &ground, newest)?;
    each_keeps_its_own(screen, &ground, merged)?;
    a_person_chooses(screen, &ground, manual)?;
    ground.close()?;
    Ok(Told { left_out: cast.left_out })
}

fn the_newer_wins(screen: &Screen, ground: &Ground, portal: &Kinto) -> anyhow::Result<()> {
    screen.moment(
        Tone::Plain,
        "newest-wins: the portal's change of 12:00 meets the officer's of 11:59 and of 12:01",
    );
    let portals = json!({ "date": "2026-05-02", "updatedAt": "2026-05-01T12:00:00Z" });
    let officers = |at: &str| json!({ "date": "2026-05-09", "updatedAt": at });
    let (older, newer) = (officers("2026-05-01T11:59:00Z"), officers("2026-05-01T12:01:00Z"));
    for appointment in ["visit-1", "visit-2"] {
        portal.write(appointment, &portals)?;
    }
    ground.emit([
        event("newest.changed", "1", "visit-1", &older),
        event("newest.changed", "2", "visit-2", &newer),
    ])?;
    ground.settled("newest", "superseded", 1)?;
    ground.settled("newest", "delivered", 1)?;
    let held = [portal.record("visit-1")?, portal.record("visit-2")?];
    holds(screen, "newest", "the newer of the two, whoever wrote it", &held, &[Some(portals), Some(newer)])
}

fn each_keeps_its_own(screen: &Screen, ground: &Ground, portal: &Kinto) -> anyhow::Result<()> {
    screen.moment(Tone::Plain, "merge: the date is the officer's, the room the portal's");
    let portals =
        json!({ "date": "2026-05-02", "officer": "Ada", "room": "B7", "updatedAt": "2026-05-01T12:00:00Z" });
    portal.write("visit", &portals)?;
    let officers =
        json!({ "date": "2026-05-09", "officer": "Ben", "room": "A1", "updatedAt": "2026-05-01T11:59:59Z" });
    ground.emit([event("merged.changed", "1", "visit", &officers)])?;
    ground.settled("merged", "delivered", 1)?;
    let both =
        json!({ "date": "2026-05-09", "officer": "Ben", "room": "B7", "updatedAt": "2026-05-01T11:59:59Z" });
    holds(screen, "merged", "the officer's date, in the portal's room", &portal.record("visit")?, &Some(both))
}

fn a_person_chooses(screen: &Screen, ground: &Ground, portal: &Kinto) -> anyhow::Result<()> {
    screen.moment(Tone::Plain, "manual: both wait for a person");
    let portals = json!({ "date": "2026-05-02", "updatedAt": "2026-05-01T12:00:00Z" });
    let officers = json!({ "date": "2026-05-09", "updatedAt": "2026-05-01T11:59:59Z" });
    let visits = ["visit-1", "visit-2", "visit-3"];
    for (number, visit) in visits.into_iter().enumerate() {
        portal.write(visit, &portals)?;
        ground.emit([event("manual.changed", visit, visit, &officers)])?;
        ground.settled("manual", "dead-lettered", u32::try_from(number + 1)?)?;
    }
    let shown = ground.command(&["dead-letters", "show", "manual/0/0"], 0)?;
    for line in shown.lines().skip_while(|line| !line.contains("external system holds")).take(6) {
        screen.show(format!("    {line}"));
    }
    let mine = json!({ "date": "2026-05-05", "updatedAt": "2026-05-01T15:00:00Z" });
    ground.write("mine.json", &mine.to_string())?;
    for (letter, take) in [("manual/0/0", "source"), ("manual/0/1", "target"), ("manual/0/2", "mine.json")] {
        screen.moment(Tone::Plain, &format!("liaison dead-letters resolve {letter} --take {take}"));
        ground.command(&["dead-letters", "resolve", letter, "--take", take], 0)?;
    }
    let held: Vec<Option<Value>> =
        visits.iter().map(|visit| portal.record(visit)).collect::<Result<_, _>>().context("records")?;
    let expected = vec![Some(officers), Some(portals), Some(mine)];
    holds(screen, "manual", "the officer's, the portal's, and what the person wrote", &held, &expected)
}
