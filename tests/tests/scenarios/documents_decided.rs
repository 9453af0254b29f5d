//! Documents that two have changed: each side keeps its own fields, or a person decides, over what was seen and nothing
//! else. Asserted by what the WebDAV server holds in the end.

use anyhow::Context as _;
use liaison_tests::webdav::WebDav;
use serde_json::Value;

use crate::documents::{Repository, Stage, USUAL, Wants, policy, removal, sha256};

const PATH: &str = "/policies/p-1.pdf";
const FIRST: &str = "2020-05-01T12:00:00Z";
const SECOND: &str = "2020-05-02T12:00:00Z";

const THIRD: &str = "2020-05-03T12:00:00Z";

/// The title is whoever's edits the repository; the document is the source's.
const MERGE: &str = r#"{ policy = "merge", owners = { "/title" = "target" }, default-owner = "source" }"#;
const MANUAL: &str = r#"{ policy = "manual" }"#;

/// Someone else writes another document there, and gives it another title.
fn edit(stage: &Stage<WebDav>, path: &str, content: &str, title: &str) -> anyhow::Result<()> {
    stage.repository.put(path, content.as_bytes())?;
    stage.repository.set_property(path, "urn:liaison:document", "title", title)
}

fn content(stage: &Stage<WebDav>, path: &str) -> anyhow::Result<String> {
    let content = stage.repository.content(path)?.context("it is there")?;
    Ok(String::from_utf8(content)?)
}

#[test]
fn a_merge_writes_the_document_and_keeps_the_title_that_someone_gave_it() -> anyhow::Result<()> {
    let test = "a_merge_writes_the_document_and_keeps_the_title_that_someone_gave_it";
    let Some(stage) = Stage::<WebDav>::start(test, Wants { conflict: MERGE, ..USUAL })? else {
        return Ok(());
    };
    stage.produce([policy("1", "p-1", FIRST, "Leave", "%PDF-1.7 first")])?;
    stage.settled("delivered", 1.0)?;
    edit(&stage, PATH, "%PDF-1.7 other", "Leave of absence")?;
    let second = || policy("2", "p-1", SECOND, "Leave", "%PDF-1.7 second");
    stage.produce([second()])?;
    stage.settled("delivered", 2.0)?;
    stage.holds(PATH, "%PDF-1.7 second", "Leave of absence", SECOND)?;
    assert_eq!(stage.repository.metadata(PATH, "agency")?.as_deref(), Some("Büro für Tests"));

    // The same again merges into the same: nothing is written.
    let writes = stage.repository.writes(PATH);
    stage.produce((0..4).map(|_| second()))?;
    stage.settled("delivered", 6.0)?;
    stage.holds(PATH, "%PDF-1.7 second", "Leave of absence", SECOND)?;
    assert_eq!(stage.repository.writes(PATH), writes);

    // It stays with the next version, and so does a title that alone was changed.
    stage.produce([policy("3", "p-1", THIRD, "Leave", "%PDF-1.7 third")])?;
    stage.settled("delivered", 7.0)?;
    stage.holds(PATH, "%PDF-1.7 third", "Leave of absence", THIRD)?;
    stage.produce([policy("4", "p-2", FIRST, "Pay", "%PDF-1.7 first")])?;
    stage.settled("delivered", 8.0)?;
    let other = "/policies/p-2.pdf";
    stage.repository.set_property(other, "urn:liaison:document", "title", "Salary")?;
    for (done, id, version, content) in
        [(9.0, "5", SECOND, "%PDF-1.7 second"), (10.0, "6", THIRD, "%PDF-1.7 third")]
    {
        stage.produce([policy(id, "p-2", version, "Pay", content)])?;
        stage.settled("delivered", done)?;
        stage.holds(other, content, "Salary", version)?;
    }
    stage.stop_without_dead_letters()
}

#[test]
fn a_person_decides_about_a_document_over_what_was_seen_and_nothing_else() -> anyhow::Result<()> {
    let test = "a_person_decides_about_a_document_over_what_was_seen_and_nothing_else";
    let Some(stage) = Stage::<WebDav>::start(test, Wants { conflict: MANUAL, ..USUAL })? else {
        return Ok(());
    };
    for (done, key) in [(1.0, "p-1"), (2.0, "p-2"), (3.0, "p-3")] {
        stage.produce([policy(&format!("{key}a"), key, FIRST, "Leave", "%PDF-1.7 first")])?;
        stage.settled("delivered", done)?;
        edit(&stage, &format!("/policies/{key}.pdf"), "%PDF-1.7 other", "Theirs")?;
        stage.produce([policy(&format!("{key}b"), key, SECOND, "Ours", "%PDF-1.7 second")])?;
        stage.settled("dead-lettered", done)?;
    }
    let program = stage.program()?;
    let shown = program.ask("dead-letters show calendar/0/0", 0)?;
    let held = &shown["conflict"]["held"]["data"]["content"];
    assert_eq!(held["title"], "Theirs", "{shown:#}");
    assert_eq!(held["document"]["sha256"], sha256(b"%PDF-1.7 other"), "{shown:#}");

    let taken = program.ask("dead-letters resolve calendar/0/0 --take source", 0)?;
    assert_eq!(taken["calendar"]["delivered"], 1, "{taken:#}");
    stage.holds(PATH, "%PDF-1.7 second", "Ours", SECOND)?;
    let left = program.ask("dead-letters resolve calendar/0/1 --take target", 0)?;
    assert_eq!(left["calendar"]["superseded"], 1, "{left:#}");
    assert_eq!(content(&stage, "/policies/p-2.pdf")?, "%PDF-1.7 other");

    // Only its title changes after a person has looked, which no ETag tells.
    let third = "/policies/p-3.pdf";
    stage.repository.set_property(third, "urn:liaison:document", "title", "Theirs again")?;
    let ended = program.run("dead-letters resolve calendar/0/2 --take source --json")?;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report: Value = serde_json::from_str(&ended.out)?;
    assert_eq!(report["calendar"]["failed"], 1, "{report:#}");
    assert_eq!(content(&stage, third)?, "%PDF-1.7 other");
    assert_eq!(stage.repository.metadata(third, "title")?.as_deref(), Some("Theirs again"));
    stage.host.stop()
}

#[test]
fn a_removal_that_a_person_decides_takes_only_what_was_seen() -> anyhow::Result<()> {
    let test = "a_removal_that_a_person_decides_takes_only_what_was_seen";
    let Some(stage) = Stage::<WebDav>::start(test, Wants { conflict: MANUAL, ..USUAL })? else {
        return Ok(());
    };
    for (done, key) in [(1.0, "p-1"), (2.0, "p-2")] {
        stage.produce([policy(&format!("{key}a"), key, FIRST, "Leave", "%PDF-1.7 first")])?;
        stage.settled("delivered", done)?;
        stage.repository.put(&format!("/policies/{key}.pdf"), b"%PDF-1.7 other")?;
        stage.produce([removal(&format!("{key}b"), key)])?;
        stage.settled("dead-lettered", done)?;
    }
    let program = stage.program()?;
    stage.repository.put("/policies/p-2.pdf", b"%PDF-1.7 third")?;
    let taken = program.ask("dead-letters resolve calendar/0/0 --take source", 0)?;
    assert_eq!(taken["calendar"]["delivered"], 1, "{taken:#}");
    assert_eq!(stage.repository.content(PATH)?, None);
    let ended = program.run("dead-letters resolve calendar/0/1 --take source --json")?;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(content(&stage, "/policies/p-2.pdf")?, "%PDF-1.7 third", "it was changed since");
    stage.host.stop()
}
