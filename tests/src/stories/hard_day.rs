//! A hard day: the calendar is down, the database refuses a duplicate, the portal takes no more, and one record is wrong for
//! good. Each event ends where it should, those are told who have to know, and the tray is cleared.
//!
//! The calendar is down for seconds here, not for an hour. Nothing would be otherwise in an hour: what waits, waits in Kafka.

use anyhow::ensure;
use serde_json::{Value, json};

use super::Told;
use super::ground::{Ground, LIMIT, TOPIC, event};
use super::holding::holds;
use super::systems::{Cast, Role};
use crate::caldav::CalDavServer;
use crate::folder::Folder;
use crate::host::plugin;
use crate::postgres::Postgres;
use crate::receiver::Receiver;
use crate::screen::{Screen, Tone};
use crate::system::{Behaviour, System};

const SCHEMA: &str = "create table officers (id text primary key, name text not null, badge text, \
                      updated_at timestamptz, constraint one_badge unique (badge)); \
                      insert into officers values ('ada', 'Ada', 'B-7', '2026-01-01')";
/// Standard Webhooks' own form: `whsec_` and base64.
const KEY: &str = "whsec_c3RvcmllcyBvZiBhZ2VuY2llcw==";

pub(super) fn tell(screen: &Screen) -> anyhow::Result<Told> {
    let mut cast = Cast::new()?;
    let desk = Receiver::start()?;
    cast.add(&desk.tables("")?);
    let role = |name, types, settings| Role { name, types, subscription: "", settings };
    let calendar = cast.calendar(screen, &role("calendar", "[\"schedule.*\"]", "{ }"))?;
    let officers = "{ dialect = \"postgres\", table = \"officers\", key = [\"id\"], version-column = \"updated_at\", \
                    columns = { id = \"key\", name = \"/name\", badge = \"/badge\", \
                    updated_at = { from = \"/updatedAt\", type = \"timestamp\" } } }";
    let role = role("officers", "[\"officer.*\"]", officers);
    let database = cast.postgres(screen, "database", &role, SCHEMA)?;
    let portal = System::start("portal", Behaviour::ok())?;
    let keys = Folder::new("story-keys")?;
    cast.add(&webhook(&portal, &keys)?);
    cast.subscribe("portal");
    let ground = cast.open()?;

    if let Some(calendar) = calendar {
        a_calendar_is_down(screen, &ground, &desk, calendar)?;
    }
    if let Some(database) = database {
        a_duplicate_and_a_wrong_record(screen, &ground, &desk, &database)?;
    }
    a_portal_has_gone(screen, &ground, &desk, &portal)?;
    ground.close()?;
    Ok(Told { left_out: cast.left_out })
}

/// A receiver of webhooks, which no server of somebody else's stands for: what it answers is the story.
fn webhook(portal: &System, keys: &Folder) -> anyhow::Result<String> {
    let key = keys.write("portal", KEY)?;
    Ok(format!(
        "[plugins.webhook]\npath = '{}'\n\
         [connectors.portal]\nplugin = \"webhook\"\nendpoint = \"{}/hooks\"\nallow-networks = [\"127.0.0.0/8\"]\n\
         credential = {{ standard-webhooks = {{ secret = {{ file = '{}' }} }} }}\n\
         [subscriptions.portal]\nconnector = \"portal\"\ntopics = [\"{}\"]\ntypes = [\"notice.*\"]\n",
        plugin("webhook")?.display(),
        portal.url(),
        key.display(),
        TOPIC,
    ))
}

fn a_calendar_is_down(
    screen: &Screen,
    ground: &Ground,
    desk: &Receiver,
    mut calendar: CalDavServer,
) -> anyhow::Result<()> {
    screen.moment(Tone::Plain, "the calendar goes down, and ten appointments change");
    calendar.stop()?;
    let appointment = |number: u32| {
        let data = json!({
            "title": format!("Visit {number}"), "start": format!("2026-05-{number:02}T09:00:00Z"), "duration": "PT1H",
            "updatedAt": "2026-04-01T10:00:00Z",
        });
        event("schedule.updated", &format!("c-{number}"), &format!("visit-{number}"), &data)
    };
    ground.emit((1..=10).map(appointment))?;
    desk.wait_for_state("breaker-opened", "raised")?;
    told(screen, "that the calendar is down");
    calendar.start_again()?;
    screen.moment(Tone::Plain, "the calendar is back");
    ground.settled("calendar", "delivered", 10)?;
    desk.wait_for_state("breaker-opened", "recovered")?;
    told(screen, "that it is over");
    holds(screen, "calendar", "all ten appointments", &calendar.events()?.len(), &10)?;
    let letters = ground
        .metric("liaison_events_settled_total", &[("subscription", "calendar"), ("kind", "dead-lettered")]);
    ensure!(letters == 0.0, "{letters} events were given up because the calendar was down");
    Ok(())
}

fn a_duplicate_and_a_wrong_record(
    screen: &Screen,
    ground: &Ground,
    desk: &Receiver,
    database: &Postgres,
) -> anyhow::Result<()> {
    screen.moment(
        Tone::Plain,
        "three officers come: one with Ada's badge, one without a name, one as it should be",
    );
    let officer = |id: &str, name: Option<&str>, badge: &str| {
        let data = json!({ "name": name, "badge": badge, "updatedAt": "2026-04-01T10:00:00Z" });
        event("officer.joined", id, id, &data)
    };
    ground.emit([
        officer("ben", Some("Ben"), "B-7"),
        officer("cid", None, "B-8"),
        officer("dan", Some("Dan"), "B-9"),
    ])?;
    ground.settled("officers", "dead-lettered", 2)?;
    ground.settled("officers", "delivered", 1)?;
    desk.wait_for_state("dead-letter", "raised")?;
    told(screen, "of each letter in the tray");
    let waiting = letters(ground)?;
    for (event, letter, message) in &waiting {
        screen.titled(Tone::Alert, &format!("  {letter}"), &format!("{event}: {message}"), 17);
    }
    let of = |wanted: &str| waiting.iter().find(|(event, _, _)| event == wanted).cloned().unwrap_or_default();
    let (ben, cid) = (of("ben"), of("cid"));
    ensure!(ben.2.contains("one_badge"), "a duplicate names its constraint: {waiting:?}");
    ensure!(cid.2.contains("name"), "a wrong record names its column: {waiting:?}");

    screen.moment(
        Tone::Plain,
        "Ada hands her badge in; Ben's letter is sent again, and Cid's is given up for good",
    );
    database.psql("update officers set badge = null where id = 'ada'")?;
    ground.command(&["dead-letters", "redrive", &ben.1], 0)?;
    ground.command(&["dead-letters", "discard", &cid.1, "--reason", "left before the first day"], 0)?;
    let held = database.psql("select id, badge from officers order by id")?;
    holds(screen, "officers", "Ada, Ben and Dan", &held.as_str(), &"ada|\nben|B-7\ndan|B-9")?;
    let left = letters(ground)?;
    ensure!(left.is_empty(), "the tray is not empty: {left:?}");
    screen.titled(Tone::Good, "  officers", "an empty tray", 17);
    Ok(())
}

fn a_portal_has_gone(
    screen: &Screen,
    ground: &Ground,
    desk: &Receiver,
    portal: &System,
) -> anyhow::Result<()> {
    screen.moment(Tone::Plain, "the portal answers 410: it takes no more");
    portal.behave(Behaviour::status(410));
    let notice = |number: u32| {
        event(
            "notice.published",
            &format!("n-{number}"),
            &format!("notice-{number}"),
            &json!({ "text": "Bring a helmet." }),
        )
    };
    ground.emit((1..=5).map(notice))?;
    desk.wait_for_state("denied", "raised")?;
    told(screen, "that the portal has gone; its notices wait");
    portal.behave(Behaviour::ok());
    screen.moment(Tone::Plain, "the portal is open again");
    portal.wait_until("all notices", LIMIT, |ledger| {
        ledger.iter().filter(|entry| entry.is_accepted() && !entry.body.is_empty()).count() >= 5
    })?;
    ground.settled("portal", "delivered", 5)?;
    screen.titled(Tone::Good, "  portal", "all five notices", 17);
    Ok(())
}

/// Event, letter and message of what waits in the tray.
fn letters(ground: &Ground) -> anyhow::Result<Vec<(String, String, String)>> {
    let listed = ground.ask(&["dead-letters", "list"], 0)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |letter: &Value| (text(&letter["event_id"]), text(&letter["id"]), text(&letter["message"]));
    Ok(listed["dead_letters"].as_array().into_iter().flatten().map(of).collect())
}

fn told(screen: &Screen, what: &str) {
    screen.titled(Tone::Alert, "  duty desk", &format!("is told {what}"), 17);
}
