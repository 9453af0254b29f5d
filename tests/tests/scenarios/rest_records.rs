//! The plugin `rest` with every pattern of writing that it knows, against a real store of records: Kinto, which has ETags,
//! conditions and both kinds of patches.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::Context as _;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tasks::python;
use liaison_tests::folder::Folder;
use liaison_tests::kinto::{self, Kinto};
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::system::{Behaviour, Entry};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::fixture::{Config, DEAD_LETTERS, Fixture, LIMIT, QUICK, TOPIC, letters, with_header};

/// A host whose events become records of a Kinto. The host goes first.
struct Records {
    host: LocalHost,
    kinto: Kinto,
    broker: Embedded,
    _folder: Folder,
}

impl Records {
    fn start(settings: &str, policy: &str) -> anyhow::Result<Self> {
        let kinto = Kinto::start()?;
        let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
        let folder = Folder::new("rest-records")?;
        let password = folder.write("password", kinto::PASSWORD)?;
        let connector = &format!(
            "credential = {{ basic = {{ username = '{}', password = {{ file = '{}' }} }} }}\n\
             settings = {{ wrap = \"/data\", {settings} }}",
            kinto::USER,
            password.display(),
        );
        let subscription = &format!("conflict = {{ policy = \"{policy}\" }}");
        let config = Config { connector, subscription, tables: QUICK, ..Config::default() };
        let host = LocalHost::start(&config.text(broker.bootstrap(), &kinto.url())?)?;
        Ok(Self { host, kinto, broker, _folder: folder })
    }

    fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    fn settled(&self, kind: &str, count: f64) -> anyhow::Result<()> {
        let labels = [("kind", kind)];
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &labels, |found| found >= count)
    }

    /// All there are of this number.
    fn numbered(&self, number: &str) -> anyhow::Result<Vec<Value>> {
        let records = self.kinto.records()?.into_iter();
        Ok(records.filter(|record| record["number"] == number).collect())
    }

    /// Its version in the store, however it was written.
    fn etag(&self, number: &str) -> anyhow::Result<Value> {
        let answered = self.kinto.ask("GET", &format!("?number={number}"), &[], None)?;
        Ok(answered.body["data"][0]["last_modified"].clone())
    }

    fn stop_without_dead_letters(self) -> anyhow::Result<()> {
        self.host.stop()?;
        let found = letters(&self.broker)?;
        assert!(found.is_empty(), "{found:?}");
        Ok(())
    }
}

/// The record that an event makes.
fn policy(number: &str, version: u32, title: &str) -> Value {
    json!({ "number": number, "title": title, "updatedAt": format!("2026-05-01T12:00:{version:02}Z") })
}

/// An event with these data; the same id is the same event.
fn event(id: &str, number: &str, data: &Value) -> Outgoing {
    // One key for all, so that they come one after the other.
    with_header(cloudevent(TOPIC, "policy.updated", id, "k", data), "ce_subject", number)
}

fn removed(number: &str) -> Outgoing {
    Outgoing { value: None, ..event(&format!("{number}-removed"), number, &json!({})) }
}

/// How records get to the store.
struct Pattern {
    settings: &'static str,
    /// The event says under which identifier a record is created; else the store gives it one.
    names_records: bool,
}

impl Pattern {
    fn updated(&self, number: &str, version: u32, title: &str) -> Outgoing {
        let mut data = policy(number, version, title);
        if self.names_records {
            data["id"] = json!(number);
        }
        event(&format!("{number}-{version}"), number, &data)
    }
}

/// Whatever the pattern, the store ends with what the newest event says.
fn live_through_everything(test: &str, pattern: &Pattern) -> anyhow::Result<()> {
    if is_quick() {
        say_skipped(test, "needs Kinto");
        return Ok(());
    }
    let mut records = Records::start(pattern.settings, "newest-wins")?;
    are_written_once(&records, pattern)?;
    stay_when_they_are_newer(&records, pattern)?;
    records.refuse_bad_data_alone(pattern)?;
    records.outlive_an_outage(pattern)?;
    records.host.stop()
}

/// Created, changed and deleted; and the same event five times, which is one.
fn are_written_once(records: &Records, pattern: &Pattern) -> anyhow::Result<()> {
    let updated = |number, version, title| pattern.updated(number, version, title);
    records.produce([updated("gone", 1, "A"), updated("gone", 2, "B"), removed("gone"), removed("gone")])?;
    records.produce([updated("kept", 1, "A"), updated("kept", 2, "B")])?;
    records.settled("delivered", 6.0)?;
    assert_eq!(records.numbered("gone")?, [json!(null); 0]);
    assert_eq!(records.numbered("kept")?, [policy("kept", 2, "B")]);
    let written = records.etag("kept")?;
    records.produce((0..4).map(|_| updated("kept", 2, "B")))?;
    // Found to be there by the plugin, or by the host's policy.
    records.ended(10.0)?;
    assert_eq!(records.numbered("kept")?, [policy("kept", 2, "B")]);
    assert_eq!(records.etag("kept")?, written, "it was written again");
    Ok(())
}

/// An older event after a newer one; then what another agency wrote, newer and older than the event.
fn stay_when_they_are_newer(records: &Records, pattern: &Pattern) -> anyhow::Result<()> {
    let before = records.host.metrics().sum("liaison_events_settled_total", &[("kind", "superseded")]);
    records.produce([pattern.updated("kept", 1, "A")])?;
    records.settled("superseded", before + 1.0)?;
    assert_eq!(records.numbered("kept")?, [policy("kept", 2, "B")]);
    records.kinto.write("theirs", &policy("theirs", 50, "theirs"))?;
    records.kinto.write("older", &policy("older", 1, "theirs"))?;
    records.produce([pattern.updated("theirs", 40, "ours"), pattern.updated("older", 40, "ours")])?;
    records.settled("superseded", before + 2.0)?;
    records.ended(13.0)?;
    assert_eq!(records.numbered("theirs")?, [policy("theirs", 50, "theirs")]);
    assert_eq!(records.numbered("older")?, [policy("older", 40, "ours")]);
    Ok(())
}

impl Records {
    /// What the store refuses for good is one dead letter; the others go on.
    fn refuse_bad_data_alone(&self, pattern: &Pattern) -> anyhow::Result<()> {
        let mut bad = policy("bad", 1, "A");
        bad["id"] = json!("no identifier!");
        self.produce([event("bad", "bad", &bad), pattern.updated("good", 1, "A")])?;
        self.ended(15.0)?;
        assert_eq!(self.numbered("bad")?, [json!(null); 0]);
        assert_eq!(self.numbered("good")?, [policy("good", 1, "A")]);
        let found = letters(&self.broker)?;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].event_id()?, found[0].reason()?), ("bad", "rejected"));
        assert!(found[0].message()?.contains("answered 400 Bad Request: "), "{}", found[0].message()?);
        Ok(())
    }

    /// The store is killed, and started again empty: what comes meanwhile waits, and spends no attempts.
    fn outlive_an_outage(&mut self, pattern: &Pattern) -> anyhow::Result<()> {
        self.kinto.kill()?;
        self.produce((0..20).map(|number| pattern.updated(&format!("n-{number:02}"), 1, "A")))?;
        let retries = [("outcome", "retry")];
        self.host.wait_for_metric(LIMIT, "liaison_attempts_total", &retries, |found| found >= 1.0)?;
        self.kinto.start_again()?;
        self.ended(35.0)?;
        assert_eq!(self.kinto.records()?.len(), 20);
        for number in 0..20 {
            let number = format!("n-{number:02}");
            assert_eq!(self.numbered(&number)?, [policy(&number, 1, "A")]);
        }
        assert_eq!(letters(&self.broker)?.len(), 1, "the outage made none");
        Ok(())
    }

    fn ended(&self, count: f64) -> anyhow::Result<()> {
        let is_there = |found: f64| found >= count;
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], is_there)
    }
}

#[test]
fn records_are_kept_by_one_conditional_request() -> anyhow::Result<()> {
    let settings =
        r#"path = "/records/{subject}", headers = { If-None-Match = "*" }, conflict-current = "lookup""#;
    let pattern = Pattern { settings, names_records: true };
    live_through_everything("records_are_kept_by_one_conditional_request", &pattern)
}

#[test]
fn records_are_posted_and_patched_where_they_are_there() -> anyhow::Result<()> {
    let settings = r#"upsert = "post-then-patch", path = "/records/{subject}", create-path = "/records", create-headers = { If-None-Match = "*" }"#;
    let pattern = Pattern { settings, names_records: true };
    live_through_everything("records_are_posted_and_patched_where_they_are_there", &pattern)
}

#[test]
fn records_are_looked_up_by_their_path() -> anyhow::Result<()> {
    let settings = r#"upsert = "lookup-first", path = "/records/{subject}""#;
    let pattern = Pattern { settings, names_records: true };
    live_through_everything("records_are_looked_up_by_their_path", &pattern)
}

#[test]
fn records_are_looked_up_by_a_query_and_named_by_the_store() -> anyhow::Result<()> {
    let settings = r#"upsert = "lookup-first", path = "/records/{found/id}", create-path = "/records", lookup = { path = "/records?number={subject}", results = "/data" }"#;
    let pattern = Pattern { settings, names_records: false };
    live_through_everything("records_are_looked_up_by_a_query_and_named_by_the_store", &pattern)
}

#[test]
fn records_are_changed_by_json_patches() -> anyhow::Result<()> {
    let settings = r#"upsert = "lookup-first", path = "/records/{subject}", body = "json-patch""#;
    let pattern = Pattern { settings, names_records: true };
    live_through_everything("records_are_changed_by_json_patches", &pattern)
}

#[test]
fn records_are_changed_by_merge_patches() -> anyhow::Result<()> {
    let settings = r#"upsert = "lookup-first", path = "/records/{subject}", body = "merge-patch""#;
    let pattern = Pattern { settings, names_records: true };
    live_through_everything("records_are_changed_by_merge_patches", &pattern)
}

/// What the host's policy makes of a record that another agency has changed; and what of it stays.
#[test]
fn what_another_agency_has_changed_is_the_policys_affair() -> anyhow::Result<()> {
    let test = "what_another_agency_has_changed_is_the_policys_affair";
    if is_quick() {
        say_skipped(test, "needs Kinto");
        return Ok(());
    }
    let theirs =
        json!({ "number": "p", "title": "theirs", "updatedAt": "2026-05-01T12:00:50Z", "room": "blue" });
    let ours = policy("p", 40, "ours");
    let mixed =
        json!({ "number": "p", "title": "ours", "updatedAt": "2026-05-01T12:00:40Z", "room": "blue" });
    let lookup = r#"upsert = "lookup-first", path = "/records/{subject}""#;
    let patch = &format!("{lookup}, body = \"merge-patch\"");
    let trimmed = &format!("{lookup}, body = \"json-patch\", patch-keeps = [\"/id\", \"/last_modified\"]");
    for (policy, settings, kind, expected) in [
        ("source-wins", lookup, "delivered", &ours),
        ("source-wins", patch, "delivered", &mixed),
        ("source-wins", trimmed, "delivered", &ours),
        ("target-wins", lookup, "superseded", &theirs),
        ("manual", lookup, "dead-lettered", &theirs),
    ] {
        let records = Records::start(settings, policy)?;
        records.kinto.write("p", &theirs)?;
        records.produce([event("e", "p", &ours)])?;
        records.settled(kind, 1.0)?;
        assert_eq!(records.kinto.record("p")?.as_ref(), Some(expected), "{policy}: {settings}");
        match kind {
            "dead-lettered" => {
                let found = letters(&records.broker)?;
                let expected = "a person decides by policy: /records/p: what is held is newer than the event";
                assert_eq!(found[0].message()?, expected);
                records.host.stop()?;
            }
            _ => records.stop_without_dead_letters()?,
        }
    }
    Ok(())
}

/// A tombstone of an event that happened before what is held, and an event that says no version: who wins is the policy's
/// affair, and nothing is lost before it has decided.
#[test]
fn what_is_late_or_says_no_version_changes_nothing_by_itself() -> anyhow::Result<()> {
    let test = "what_is_late_or_says_no_version_changes_nothing_by_itself";
    if is_quick() {
        say_skipped(test, "needs Kinto");
        return Ok(());
    }
    let theirs = policy("p", 50, "theirs");
    let unversioned = json!({ "number": "p", "title": "ours", "updatedAt": null });
    let late = || with_header(removed("p"), "ce_time", "2026-05-01T12:00:49.999Z");
    let timely = || with_header(removed("p"), "ce_time", "2026-05-01T12:00:50Z");
    let lookup = r#"upsert = "lookup-first", path = "/records/{subject}""#;
    for (policy, event, kind, expected) in [
        ("target-wins", late(), "superseded", Some(&theirs)),
        ("source-wins", late(), "delivered", None),
        ("target-wins", timely(), "delivered", None),
        ("target-wins", event("e", "p", &unversioned), "superseded", Some(&theirs)),
        ("source-wins", event("e", "p", &unversioned), "delivered", Some(&unversioned)),
    ] {
        let records = Records::start(lookup, policy)?;
        records.kinto.write("p", &theirs)?;
        records.produce([event])?;
        records.settled(kind, 1.0)?;
        assert_eq!(records.kinto.record("p")?.as_ref(), expected, "{policy}");
        records.stop_without_dead_letters()?;
    }
    Ok(())
}

#[test]
fn a_query_that_finds_several_changes_none() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_query_that_finds_several_changes_none", "needs Kinto");
        return Ok(());
    }
    let settings = r#"upsert = "lookup-first", path = "/records/{found/id}", create-path = "/records", lookup = { path = "/records?title={/title}", results = "/data" }"#;
    let records = Records::start(settings, "newest-wins")?;
    for number in ["one", "two"] {
        records.kinto.write(number, &policy(number, 1, "A"))?;
    }
    records.produce([event("e", "p", &policy("three", 2, "A"))])?;
    records.settled("dead-lettered", 1.0)?;
    let found = letters(&records.broker)?;
    let expected = "GET /records answered 200 OK with 2 records: a lookup must find one at most";
    assert!(found[0].message()?.starts_with(expected), "{}", found[0].message()?);
    assert_eq!(records.kinto.records()?, [policy("one", 1, "A"), policy("two", 1, "A")]);
    records.host.stop()
}

/// What a form holds, as the library WebOb reads it, which Kinto is made with: each field with its values, and each file with
/// its name, type and bytes.
const READ_FORM: &str = r#"
import base64, json, sys
from io import BytesIO
from webob import Request

body = sys.stdin.buffer.read()
environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": sys.argv[1], "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
read = {}
for name, value in Request(environ).POST.items():
    is_file = hasattr(value, "file")
    text = [value.filename, value.type, base64.b64encode(value.file.read()).decode()] if is_file else value
    read.setdefault(name, []).append(text)
print(json.dumps(read))
"#;

fn read_form(entry: &Entry) -> anyhow::Result<Value> {
    let home = python::prepare(&python::KINTO)?;
    let mut python = python::python(&home);
    python.args(["-c", READ_FORM, entry.headers["content-type"].to_str()?]);
    let mut reader = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    reader.stdin.take().context("its input")?.write_all(&entry.body)?;
    let output = reader.wait_with_output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn forms_are_read_by_a_library_as_they_were_meant() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("forms_are_read_by_a_library_as_they_were_meant", "needs WebOb");
        return Ok(());
    }
    let title = "Überstunden & \"mehr\" = 100 %\r\n--liaison-part-5f0c9e27b81d-0.";
    let data = json!({ "title": title, "rank": 3, "tags": ["a", "b"], "gone": null, "pdf": "JVBERi0A/w==" });
    let read = |settings: &str| -> anyhow::Result<Value> {
        let settings = &format!("settings = {{ method = \"POST\", path = \"/forms\", {settings} }}");
        let config = Config { connector: settings, tables: QUICK, ..Config::default() };
        let fixture = Fixture::start(&config, Behaviour::status(201))?;
        fixture.produce([event("e", "p", &data)])?;
        fixture.settled("delivered", 1)?;
        let form = read_form(&fixture.system.ledger()[0])?;
        fixture.stop_without_dead_letters()?;
        Ok(form)
    };
    let members = json!({ "title": [title], "rank": ["3"], "tags": ["a", "b"], "pdf": ["JVBERi0A/w=="] });
    assert_eq!(read("body = \"form\"")?, members);
    assert_eq!(read("body = \"multipart\"")?, members);
    let files = r#"body = "multipart", fields = { title = "{/title}", about = "{subject}" }, files = [{ name = "document", file-name = "{subject}.pdf", content-type = "application/pdf", content = "/pdf" }]"#;
    let expected = json!({ "title": [title], "about": ["p"], "document": [["p.pdf", "application/pdf", "JVBERi0A/w=="]] });
    assert_eq!(read(files)?, expected);
    Ok(())
}
