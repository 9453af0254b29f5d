//! A field officer and a portal change the same appointment: the newer wins, or each keeps its own fields, whatever comes
//! between a decision and its write. Asserted by what the external system holds in the end.

use liaison::kafka::producer::Outgoing;
use liaison_tests::etags::Documents;
use liaison_tests::produce::cloudevent;
use serde_json::{Value, json};

use crate::fixture::{Config, Fixture, TOPIC};

/// Creates, and is told where something is.
pub(crate) const CONNECTOR: &str =
    r#"settings = { path = "/appointments/{subject}", headers = { If-None-Match = "*" } }"#;
const MERGE: &str = r#"{ policy = "merge", owners = { "/date" = "source", "/officer" = "source", "/revision" = "source", "/place" = "source", "/place/room" = "target" }, version = "/revision" }"#;

pub(crate) struct Office {
    pub(crate) fixture: Fixture,
    pub(crate) documents: Documents,
}

impl Office {
    pub(crate) fn open(policy: &str, documents: Documents) -> anyhow::Result<Self> {
        let subscription = format!("conflict = {policy}");
        let config = Config { subscription: &subscription, connector: CONNECTOR, ..Config::default() };
        Ok(Self { fixture: Fixture::start(&config, documents.behaviour())?, documents })
    }

    /// How often a conflict was decided like this.
    pub(crate) fn decided(&self, policy: &str, decision: &str) -> f64 {
        self.fixture.metric("liaison_conflicts_total", &[("policy", policy), ("decision", decision)])
    }

    pub(crate) fn held(&self, appointment: &str) -> Option<Value> {
        self.documents.read(&path(appointment))
    }

    fn etag(&self, appointment: &str) -> Option<String> {
        self.documents.etag(&path(appointment))
    }
}

pub(crate) fn path(appointment: &str) -> String {
    format!("/appointments/{appointment}")
}

/// What the field officer sends of an appointment.
pub(crate) fn changed(id: &str, appointment: &str, data: &Value) -> Outgoing {
    let mut event = cloudevent(TOPIC, "appointment.changed", id, appointment, data);
    event.headers.push(("ce_subject".into(), Some(appointment.to_owned().into())));
    event
}

#[test]
fn of_two_changes_of_an_appointment_the_newer_stays() -> anyhow::Result<()> {
    let office = Office::open(r#"{ policy = "newest-wins" }"#, Documents::default())?;
    let portals = json!({"date": "2026-05-02", "updatedAt": "2026-05-01T12:00:00Z"});
    office.documents.write(&path("older"), portals.clone());
    office.documents.write(&path("newer"), portals.clone());
    let officers = |at: &str| json!({"date": "2026-05-09", "updatedAt": at});
    office.fixture.produce([
        changed("1", "older", &officers("2026-05-01T13:59:59+02:00")),
        changed("2", "newer", &officers("2026-05-01T12:00:00.001Z")),
        changed("3", "created", &officers("2026-05-01T12:00:00Z")),
    ])?;
    office.fixture.settled("delivered", 2)?;
    office.fixture.settled("superseded", 1)?;
    assert_eq!(office.held("older"), Some(portals));
    assert_eq!(office.held("newer"), Some(officers("2026-05-01T12:00:00.001Z")));
    assert_eq!(office.held("created"), Some(officers("2026-05-01T12:00:00Z")));

    // The same event again, and the older one after it, change nothing.
    let etag = office.etag("newer");
    for id in ["again-1", "again-2", "again-3", "again-4", "again-5"] {
        office.fixture.produce([changed(id, "newer", &officers("2026-05-01T12:00:00.001Z"))])?;
    }
    office.fixture.produce([changed("late", "newer", &officers("2026-05-01T11:00:00Z"))])?;
    office.fixture.settled("superseded", 7)?;
    assert_eq!(office.etag("newer"), etag);
    let decided = ["overwrite", "superseded", "already-there", "manual", "endless"]
        .map(|decision| office.decided("newest-wins", decision));
    assert_eq!(decided, [1.0, 2.0, 5.0, 0.0, 0.0]);
    office.fixture.stop_without_dead_letters()
}

#[test]
fn of_two_changes_of_an_appointment_each_side_keeps_its_own_fields() -> anyhow::Result<()> {
    let office = Office::open(MERGE, Documents::default())?;
    let created = json!({"date": "2026-05-02", "officer": "Ada", "revision": 1, "place": {"city": "Trier", "room": "A1"}});
    office.fixture.produce([changed("1", "a", &created)])?;
    office.fixture.settled("delivered", 1)?;
    // The portal books another room, and notes something of its own.
    let mut portals = created;
    portals["place"]["room"] = json!("B7");
    portals["notes"] = json!({"language": "fr", "fee": 12_345_678_901_234_567_890_u64});
    office.documents.write(&path("a"), portals);
    // The officer, who has not seen that, moves it and gives it away.
    let moved = json!({"date": "2026-06-01", "officer": null, "revision": 2, "place": {"city": "Metz", "room": "A1"}});
    office.fixture.produce([changed("2", "a", &moved)])?;
    office.fixture.settled("delivered", 2)?;
    let both = json!({"date": "2026-06-01", "revision": 2, "place": {"city": "Metz", "room": "B7"},
        "notes": {"language": "fr", "fee": 12_345_678_901_234_567_890_u64}});
    assert_eq!(office.held("a"), Some(both.clone()));

    let etag = office.etag("a");
    for id in ["again-1", "again-2", "again-3", "again-4", "again-5"] {
        office.fixture.produce([changed(id, "a", &moved)])?;
    }
    let late = json!({"date": "2026-05-02", "officer": "Ada", "revision": 1, "place": {"city": "Trier"}});
    office.fixture.produce([changed("late", "a", &late)])?;
    office.fixture.settled("superseded", 6)?;
    assert_eq!((office.etag("a"), office.held("a")), (etag, Some(both)));
    let decided =
        ["merged", "already-there", "superseded", "manual"].map(|decision| office.decided("merge", decision));
    assert_eq!(decided, [1.0, 5.0, 1.0, 0.0]);
    office.fixture.stop_without_dead_letters()
}

#[test]
fn a_change_between_decision_and_write_is_decided_anew() -> anyhow::Result<()> {
    let office = Office::open(MERGE, Documents::default())?;
    office.documents.write(&path("a"), json!({"date": "2026-05-02", "revision": 1, "seats": 0}));
    office.documents.meddle(2, |held| held["seats"] = json!(held["seats"].as_u64().unwrap_or_default() + 1));
    office.fixture.produce([changed(
        "2",
        "a",
        &json!({"date": "2026-06-01", "revision": 2, "seats": 99}),
    )])?;
    office.fixture.settled("delivered", 1)?;
    // Both changes of the portal are there, and the officer's date.
    assert_eq!(office.held("a"), Some(json!({"date": "2026-06-01", "revision": 2, "seats": 2})));
    let named: Vec<_> = office.fixture.system.ledger().iter().map(|entry| entry.status).collect();
    assert_eq!(named, [Some(412), Some(412), Some(412), Some(200)]);
    assert_eq!(office.decided("merge", "merged"), 3.0);
    office.fixture.stop_without_dead_letters()
}

#[test]
fn an_appointment_that_changes_at_every_try_ends_with_a_person() -> anyhow::Result<()> {
    for (policy, name) in [
        (r#"{ policy = "source-wins" }"#, "source-wins"),
        (r#"{ policy = "newest-wins", version = "/revision" }"#, "newest-wins"),
        (MERGE, "merge"),
    ] {
        let office = Office::open(policy, Documents::default())?;
        office.documents.write(&path("a"), json!({"date": "2026-05-02", "revision": 1, "seats": 0}));
        office.documents.meddle(u32::MAX, |held| {
            held["seats"] = json!(held["seats"].as_u64().unwrap_or_default() + 1);
        });
        office.fixture.produce([changed("2", "a", &json!({"date": "2026-06-01", "revision": 2}))])?;
        let letters = office.fixture.dead_letters(1)?;
        assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("2", "conflict"), "{name}");
        let message = letters[0].message()?;
        assert!(message.starts_with("the external system changed at each of 5 tries: "), "{message}");
        // The first, and five with a resolution.
        assert_eq!(office.fixture.system.count(), 6, "{name}");
        assert_eq!(office.decided(name, "endless"), 1.0, "{name}");
        let sides: Value = serde_json::from_str(letters[0].header("liaison.conflict")?)?;
        assert_eq!(sides["policy"], name, "{sides:#}");
        let seats: Value =
            serde_json::from_str(sides["held"]["content"]["data"].as_str().unwrap_or_default())?;
        assert_eq!(seats["seats"], 5, "what was held at the last try: {sides:#}");
        office.fixture.host.stop()?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_merged_waits_for_a_person_and_changes_nothing() -> anyhow::Result<()> {
    let office = Office::open(MERGE, Documents::default())?;
    let held = json!({"date": "2026-05-02", "place": {"room": "B7"}});
    for appointment in ["value", "list"] {
        office.documents.write(&path(appointment), held.clone());
    }
    let (value, list) = (json!({"revision": 2, "place": "Metz"}), json!([{"date": "2026-06-01"}]));
    let unmerged = [changed("value", "value", &value), changed("list", "list", &list)];
    office.fixture.produce(unmerged.map(|event| Outgoing { partition: Some(0), ..event }))?;
    let letters = office.fixture.dead_letters(2)?;
    let messages: Vec<_> = letters.iter().filter_map(|letter| letter.message().ok()).collect();
    assert_eq!(
        messages,
        [
            "cannot merge: at `/place` one of the two has an object and the other has none, and each owns a part of it",
            "cannot merge: the event is no JSON object",
        ]
    );
    assert_eq!(
        ["value", "list"].map(|appointment| office.held(appointment)),
        [Some(held.clone()), Some(held)]
    );
    office.fixture.host.stop()
}
