//! An appointment that two have changed, and a person who decides: sees both sides and takes one of three ways, over the
//! version that was seen and no other.

use anyhow::Context as _;
use liaison::kafka::producer::Outgoing;
use liaison_tests::etags::Documents;
use liaison_tests::folder::Folder;
use liaison_tests::host::plugin;
use serde_json::{Value, json};

use crate::appointments::{CONNECTOR, Office, changed, path};
use crate::command::Program;
use crate::fixture::{Config, Fixture};

const MANUAL: &str = r#"{ policy = "manual" }"#;

/// The portal's side.
fn portals() -> Value {
    json!({"date": "2026-05-02", "room": "B7"})
}

/// The officer's side.
fn officers() -> Value {
    json!({"date": "2026-06-01", "room": "A1"})
}

/// An office in which these appointments wait for a person as letters 0, 1 and so on, and the program beside it.
fn waiting(appointments: &[&str], documents: Documents) -> anyhow::Result<(Office, Program)> {
    let office = Office::open(MANUAL, documents)?;
    for (done, appointment) in (1..).zip(appointments) {
        office.documents.write(&path(appointment), portals());
        office.fixture.produce([changed(appointment, appointment, &officers())])?;
        office.fixture.dead_letters(done)?;
    }
    let subscription = format!("conflict = {MANUAL}");
    let config = Config { subscription: &subscription, connector: CONNECTOR, ..Config::default() };
    let config = config.text(office.fixture.broker.bootstrap(), &office.fixture.system.url())?;
    Ok((office, Program::new(&config)?))
}

/// State and note of each letter.
fn states(program: &Program) -> anyhow::Result<Vec<(String, String)>> {
    let listed = program.ask("dead-letters list --all", 0)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let letters = listed["dead_letters"].as_array().context("a list")?;
    Ok(letters.iter().map(|letter| (text(&letter["state"]), text(&letter["note"]))).collect())
}

#[test]
fn a_person_sees_both_sides_and_takes_one_of_three_ways() -> anyhow::Result<()> {
    let (office, program) = waiting(&["source", "target", "file"], Documents::default())?;
    let shown = program.ask("dead-letters show calendar/0/0", 0)?;
    let conflict = &shown["conflict"];
    assert_eq!(conflict["policy"], "manual", "{shown:#}");
    assert_eq!(conflict["held"]["data"]["content"], portals(), "{shown:#}");
    assert_eq!(shown["record"]["value"]["content"], officers(), "{shown:#}");
    assert_eq!(conflict["event"]["is_record_value"], true, "{shown:#}");
    assert_eq!(conflict["held_version"].as_str(), office.documents.etag(&path("source")).as_deref());
    let text = program.run("dead-letters show calendar/0/0")?.out;
    for line in [
        "what the external system holds",
        "  \"room\": \"B7\"",
        "  \"room\": \"A1\"",
        "  liaison dead-letters resolve --take source calendar/0/0",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line:?} is not a line of:\n{text}");
    }

    let dry = program.ask("dead-letters resolve --all --take source --dry-run", 0)?;
    assert_eq!(dry["dead_letters"].as_array().map(Vec::len), Some(3), "{dry:#}");
    let before = office.fixture.system.count();
    let taken = program.ask("dead-letters resolve calendar/0/0 --take source", 0)?;
    assert_eq!(taken["calendar"]["delivered"], 1, "{taken:#}");
    let left = program.ask("dead-letters resolve calendar/0/1 --take target", 0)?;
    assert_eq!(left["calendar"]["superseded"], 1, "{left:#}");
    let mine = json!({"date": "2026-06-01", "room": "B7"});
    program.folder().write("mine.json", &mine.to_string())?;
    let written = program.ask("dead-letters resolve calendar/0/2 --take mine.json", 0)?;
    assert_eq!(written["calendar"]["delivered"], 1, "{written:#}");

    let held = ["source", "target", "file"].map(|appointment| office.held(appointment));
    assert_eq!(held, [Some(officers()), Some(portals()), Some(mine)]);
    let ledger = office.fixture.system.ledger();
    assert_eq!(ledger.len(), before + 2, "one write each, and none for the target");
    assert!(ledger[before..].iter().all(|entry| entry.headers.contains_key("if-match")), "{ledger:?}");
    assert_eq!(ledger[0].idempotency_key, ledger[before].idempotency_key);
    let states = states(&program)?;
    let (names, notes): (Vec<_>, Vec<_>) =
        states.iter().map(|(state, note)| (state.as_str(), note.as_str())).unzip();
    assert_eq!(names, ["redriven", "superseded", "redriven"]);
    assert_eq!(notes[0], "resolved: a person took the event");
    assert_eq!(notes[1], "resolved: a person took what the external system holds");
    assert!(notes[2].starts_with("resolved: a person wrote a document of 33 bytes, sha256 "), "{}", notes[2]);
    office.fixture.host.stop()
}

#[test]
fn what_changed_after_a_person_looked_is_not_overwritten() -> anyhow::Result<()> {
    let (office, program) = waiting(&["a", "b"], Documents::default())?;
    let later = json!({"date": "2026-05-02", "room": "C9"});
    let etag = office.documents.write(&path("a"), later.clone());
    office.documents.write(&path("b"), later.clone());
    program.folder().write("mine.json", "{\"room\":\"D1\"}")?;
    let shown = program.ask("dead-letters show calendar/0/0", 0)?;
    let sha256 = shown["conflict"]["event"]["sha256"].as_str().context("its digest")?;
    for (id, take) in [("calendar/0/0", "source"), ("calendar/0/1", "mine.json")] {
        let ended = program.run(&format!("dead-letters resolve {id} --take {take} --json"))?;
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        let report: Value = serde_json::from_str(&ended.out)?;
        assert_eq!(report["calendar"]["failed"], 1, "{report:#}");
        let decided = ended.log.lines().find(|line| line.contains("a conflict was decided"));
        let decided = decided.with_context(|| format!("{ended:#?}"))?;
        for part in [
            "policy=\"manual\"",
            "decision=\"manual\"",
            &format!("event_sha256=\"{sha256}\""),
            "current_sha256=\"",
        ] {
            assert!(decided.contains(part), "{part} is not in {decided}");
        }
    }
    assert_eq!([office.held("a"), office.held("b")], [Some(later.clone()), Some(later.clone())]);
    // It waits anew, with what is held now. Marks stand between the letters.
    let listed = program.ask("dead-letters list", 0)?;
    let letters = listed["dead_letters"].as_array().context("a list")?;
    assert_eq!(letters.len(), 2, "{listed:#}");
    let first = letters.iter().find(|letter| letter["event_id"] == "a").context("the first")?;
    assert_eq!(first["redrives"], 1);
    let message = first["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("the external system has changed since a person decided: PUT "), "{message}");
    let id = first["id"].as_str().context("its id")?;
    let shown = program.ask(&format!("dead-letters show {id}"), 0)?;
    assert_eq!(shown["conflict"]["held"]["data"]["content"], later, "{shown:#}");
    assert_eq!(shown["conflict"]["held_version"], etag, "{shown:#}");
    let report = program.ask(&format!("dead-letters resolve {id} --take source"), 0)?;
    assert_eq!(report["calendar"]["delivered"], 1, "{report:#}");
    assert_eq!(office.held("a"), Some(officers()));
    office.fixture.host.stop()
}

#[test]
fn many_conflicts_are_decided_at_once_and_a_later_event_is_not_undone() -> anyhow::Result<()> {
    let (office, program) = waiting(&["a", "b", "c"], Documents::default())?;
    // A later change of `c`, which the office takes: the officer's is overtaken.
    office.documents.write(&path("c"), officers());
    office.fixture.produce([changed("later", "c", &officers())])?;
    office.fixture.settled("superseded", 1)?;
    let report = program.ask("dead-letters resolve --all --take source", 0)?;
    let count = |name: &str| report["calendar"][name].clone();
    assert_eq!((count("delivered"), count("superseded")), (json!(2), json!(1)), "{report:#}");
    assert_eq!([office.held("a"), office.held("b")], [Some(officers()), Some(officers())]);
    let again = program.ask("dead-letters resolve --all --take source", 0)?;
    assert_eq!(again["calendar"]["delivered"], 0, "{again:#}");
    office.fixture.host.stop()
}

#[test]
fn one_that_cannot_be_decided_is_named_and_holds_up_its_key_alone() -> anyhow::Result<()> {
    let (office, program) = waiting(&["a"], Documents::unversioned())?;
    office.documents.name_versions();
    let later = json!({"date": "2026-07-01", "room": "A1"});
    office.fixture.produce([changed("a-later", "a", &later)])?;
    office.fixture.dead_letters(2)?;
    office.documents.write(&path("b"), portals());
    office.fixture.produce([changed("b", "b", &officers())])?;
    office.fixture.dead_letters(3)?;
    let ended = program.run("dead-letters resolve --all --take source --json")?;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report: Value = serde_json::from_str(&ended.out)?;
    let report = &report["calendar"];
    let counts = ["delivered", "left", "failed", "superseded"].map(|name| report[name].clone());
    assert_eq!(counts, [1, 1, 0, 0].map(Value::from), "{report:#}");
    let refused = report["refused"].as_array().context("a list")?;
    assert_eq!((refused.len(), &refused[0]["id"]), (1, &json!("calendar/0/0")), "{report:#}");
    let why = refused[0]["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("the connector named no version of what the external system held"), "{why}");
    assert_eq!(report["stopped"], Value::Null);
    assert_eq!([office.held("a"), office.held("b")], [Some(portals()), Some(officers())]);
    let text = program.run("dead-letters resolve --all --take source")?;
    assert_eq!(text.code, Some(1), "{text:#?}");
    assert!(text.out.contains("1 left, 1 not resolved\n"), "{text:#?}");
    assert!(
        text.out.contains("calendar/0/0 cannot be resolved: the connector named no version"),
        "{text:#?}"
    );
    let forced = program.ask("dead-letters resolve --all --take source --force", 1)?;
    assert_eq!(forced["calendar"]["refused"], json!([]), "{forced:#}");
    office.fixture.host.stop()
}

#[test]
fn no_secret_that_is_held_is_shown_or_written_back_in_part() -> anyhow::Result<()> {
    const SECRET: &str = "s3cr3t-t0ken-4711";
    let folder = Folder::new("held-secret")?;
    let file = folder.write("token", SECRET)?;
    let connector = format!("{CONNECTOR}\ncredential = {{ bearer = {{ file = '{}' }} }}", file.display());
    let subscription = r#"conflict = { policy = "merge", default-owner = "source" }"#;
    let config = Config { subscription, connector: &connector, ..Config::default() };
    let documents = Documents::default();
    let fixture = Fixture::start(&config, documents.behaviour())?;
    let held = json!({"date": "2026-05-02", "webhook": format!("https://portal.example/?token={SECRET}")});
    documents.write(&path("a"), held.clone());
    fixture.produce([changed("a", "a", &officers())])?;
    let letters = fixture.dead_letters(1)?;
    let message = letters[0].message()?;
    assert!(
        message.starts_with("cannot merge: the external system holds a secret of the connector"),
        "{message}"
    );
    let sides = letters[0].header("liaison.conflict")?;
    assert!(sides.contains("token=[secret]") && !sides.contains(SECRET), "{sides}");
    assert_eq!(documents.read(&path("a")), Some(held));
    fixture.host.stop()
}

#[test]
fn of_an_event_in_parts_the_one_in_conflict_is_decided_and_the_rest_delivered() -> anyhow::Result<()> {
    let component = plugin("reshape")?;
    let tables = format!(
        "[plugins.reshape]\npath = \"{}\"\n[transformers.split]\nplugin = \"reshape\"\nsettings = {{ jq = \".items[] | \
         {{name: .}}\", type = \"item\" }}\n",
        component.display()
    );
    let subscription = format!("conflict = {MANUAL}\ntransformers = [\"split\"]");
    let connector = r#"settings = { path = "/items/{/name}", headers = { If-None-Match = "*" } }"#;
    let config = Config { subscription: &subscription, connector, tables: &tables, ..Config::default() };
    let documents = Documents::default();
    let fixture = Fixture::start(&config, documents.behaviour())?;
    let theirs = json!({"name": "theirs"});
    for (done, name) in [(1, "b"), (2, "e")] {
        documents.write(&format!("/items/{name}"), theirs.clone());
        let items = if name == "b" { json!(["a", "b", "c"]) } else { json!(["d", "e", "f"]) };
        fixture.produce([changed(name, name, &json!({ "items": items }))])?;
        fixture.dead_letters(done)?;
    }
    let program = Program::new(&config.text(fixture.broker.bootstrap(), &fixture.system.url())?)?;
    let shown = program.ask("dead-letters show calendar/0/0", 0)?;
    assert_eq!(shown["part"], 1, "{shown:#}");
    assert_eq!(shown["conflict"]["event"]["data"]["content"], json!({"name": "b"}), "{shown:#}");
    assert_eq!(["c", "f"].map(|name| documents.read(&format!("/items/{name}"))), [None, None]);
    let target = program.ask("dead-letters resolve calendar/0/0 --take target", 0)?;
    assert_eq!(target["calendar"]["superseded"], 1, "{target:#}");
    let source = program.ask("dead-letters resolve calendar/0/1 --take source", 0)?;
    assert_eq!(source["calendar"]["delivered"], 1, "{source:#}");
    let held = ["a", "b", "c", "d", "e", "f"].map(|name| documents.read(&format!("/items/{name}")));
    let item = |name: &str| Some(json!({ "name": name }));
    assert_eq!(held, [item("a"), Some(theirs), item("c"), item("d"), item("e"), item("f")]);
    fixture.host.stop()
}

#[test]
fn what_cannot_be_resolved_is_refused_with_its_reason() -> anyhow::Result<()> {
    let (office, program) = waiting(&["a"], Documents::unversioned())?;
    // No JSON: rejected by the office, and no conflict.
    let wrong = Outgoing { value: Some("no json".into()), ..changed("wrong", "new", &json!({})) };
    office.fixture.produce([wrong])?;
    office.fixture.dead_letters(2)?;
    program.folder().write("text.txt", "no json")?;
    let before = office.fixture.system.count();
    for (words, code, said) in [
        ("resolve calendar/0/0", 64, "--take"),
        ("resolve --take source", 64, "name one by its ID, give a filter"),
        ("resolve --all --take text.txt", 64, "a file is written for one dead letter"),
        ("resolve calendar/0/0 --take none.json", 64, "none.json cannot be read"),
        ("resolve calendar/0/7 --take target", 1, "there is no dead letter calendar/0/7"),
        (
            "resolve calendar/0/1 --take source",
            1,
            "calendar/0/1 was given up as rejected, not for a conflict",
        ),
        ("resolve calendar/0/1 --take target --dry-run", 1, "not for a conflict"),
        (
            "resolve calendar/0/0 --take source",
            1,
            "the connector named no version of what the external system held",
        ),
        (
            "resolve calendar/0/0 --take text.txt --force",
            1,
            "what the event holds is JSON, and the document is none",
        ),
    ] {
        let ended = program.run(&format!("dead-letters {words}"))?;
        assert_eq!(ended.code, Some(code), "{words}: {ended:#?}");
        assert!(ended.log.contains(said) || ended.out.contains(said), "{words}: {ended:#?}");
    }
    assert_eq!(office.fixture.system.count(), before, "nothing was sent");
    assert_eq!(office.held("a"), Some(portals()));

    let forced = program.ask("dead-letters resolve calendar/0/0 --take source --force", 0)?;
    assert_eq!(forced["calendar"]["delivered"], 1, "{forced:#}");
    assert_eq!(office.held("a"), Some(officers()));
    let ended = program.run("dead-letters resolve calendar/0/0 --take target")?;
    assert!(ended.log.contains("calendar/0/0 does not wait: it is redriven already"), "{ended:#?}");
    assert_eq!(ended.code, Some(1));
    office.fixture.host.stop()
}
