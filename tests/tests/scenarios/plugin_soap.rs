//! The plugin `soap` against a server that nobody here wrote, read back by a client that nobody here wrote either.

use liaison_tests::folder::Folder;
use liaison_tests::soap::SoapServer;
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::fixture::LIMIT;
use crate::procedures::{NEWEST, SOURCE, Script, Stage, changed, gone};

const CALLS: &str = r#"
    write = { operation = "PutRecord", fields = { record = "{data}", overRevision = "{etag}" } }
    delete = { operation = "DeleteRecord", fields = { id = "{key}" } }
    etag = "/revision"
    external-id = "/id"
    faults = { ResourceNotFound = "missing", Stale = "conflict" }
"#;
const LOOKUP: &str = r#"
    lookup.operation = "GetRecord"
    lookup.fields = { id = "{key}" }
"#;

/// Without a WSDL: bodies as they are sent, for the same service.
const TEMPLATES: &str = r#"
    external-id = "/id"
    etag = "/revision"
    faults = { ResourceNotFound = "missing", Stale = "conflict" }
    lookup.action = "GetRecord"
    lookup.body = "<GetRecord xmlns='urn:agency:compliance'><id>{key}</id></GetRecord>"
    delete.action = "DeleteRecord"
    delete.body = "<DeleteRecord xmlns='urn:agency:compliance'><id>{key}</id></DeleteRecord>"
    write.action = "PutRecord"
    write.body = """
      <c:PutRecord xmlns:c='urn:agency:compliance'><c:record><c:id>{key}</c:id><c:title>{/title}</c:title>
      <c:updatedAt>{/updatedAt}</c:updatedAt></c:record></c:PutRecord>"""
"#;

fn server(test: &str, login: Option<(&str, &str)>) -> anyhow::Result<Option<SoapServer>> {
    if is_quick() {
        say_skipped(test, "needs spyne");
        return Ok(None);
    }
    SoapServer::start(login).map(Some)
}

/// A connector that knows the service by the WSDL that it gives.
fn by_wsdl(server: &SoapServer, version: &str, more: &str, settings: &str) -> anyhow::Result<String> {
    let file = server.wsdl(version)?;
    let file = file.display();
    Ok(format!(
        "{more}\nsettings-files.wsdl.path = '{file}'\n[connectors.calendar.settings]\n{CALLS}\n{settings}"
    ))
}

fn start(server: &SoapServer, version: &str, connector: &str, subscription: &str) -> anyhow::Result<Stage> {
    Stage::start(&Script { plugin: "soap", connector, subscription }, &server.url(version))
}

fn record(id: &str, title: &str, at: u32) -> Value {
    json!({ "updatedAt": at, "id": id, "title": title, "seats": 12, "tags": ["a & b", "ü"], "unknown": { "to": "the service" },
            "note": { "text": "<em>", "author": "me" } })
}

/// What the service says that it holds: title, time and revision.
fn held(server: &SoapServer, id: &str) -> anyhow::Result<Option<(String, u64, u64)>> {
    let found = server.call("11", "GetRecord", &json!({ "id": id }))?;
    if found["fault"].is_string() {
        return Ok(None);
    }
    let number = |name: &str| found[name].as_u64().unwrap_or_default();
    Ok(Some((
        found["title"].as_str().unwrap_or_default().to_owned(),
        number("updatedAt"),
        number("revision"),
    )))
}

fn is(title: &str, at: u64, revision: u64) -> Option<(String, u64, u64)> {
    Some((title.to_owned(), at, revision))
}

#[test]
fn soap_creates_changes_and_deletes_and_repeats_nothing() -> anyhow::Result<()> {
    let test = "soap_creates_changes_and_deletes_and_repeats_nothing";
    let Some(server) = server(test, None)? else { return Ok(()) };
    let ways = [
        ("11", by_wsdl(&server, "11", "", LOOKUP)?),
        ("12", by_wsdl(&server, "12", "", LOOKUP)?),
        ("11", format!("[connectors.calendar.settings]\nsoap = \"1.1\"\n{TEMPLATES}")),
        ("12", format!("[connectors.calendar.settings]\nsoap = \"1.2\"\n{TEMPLATES}")),
    ];
    for (number, (version, connector)) in ways.iter().enumerate() {
        let id = &format!("r-{number}");
        let stage = start(&server, version, connector, NEWEST)?;
        stage.produce([changed("a-1", id, &record(id, "A & <B>", 1))])?;
        stage.settled("delivered", 1)?;
        let found = server.call(version, "GetRecord", &json!({ "id": id }))?;
        let mut expected = json!({ "id": id, "title": "A & <B>", "seats": null, "tags": [], "note": null, "updatedAt": 1,
                                   "revision": 1 });
        if connector.contains("settings-files") {
            expected["seats"] = json!(12);
            expected["tags"] = json!(["a & b", "ü"]);
            expected["note"] = json!({ "author": "me", "text": "<em>" });
        }
        assert_eq!(found, expected, "{version}, {number}");

        stage.produce([changed("a-2", id, &record(id, "B", 2))])?;
        stage.settled("delivered", 2)?;
        assert_eq!(held(&server, id)?, is("B", 2, 2));
        // The same event five times, and an older one after it.
        stage.produce((0..5).map(|_| changed("a-3", id, &record(id, "C", 3))))?;
        stage.settled("delivered", 7)?;
        assert_eq!(held(&server, id)?, is("C", 3, 3));
        stage.produce([changed("a-2", id, &record(id, "B", 2))])?;
        stage.settled("superseded", 1)?;
        assert_eq!(held(&server, id)?, is("C", 3, 3));

        stage.produce((0..2).map(|_| gone("a-4", id)))?;
        stage.settled("delivered", 9)?;
        assert_eq!(held(&server, id)?, None);
        let spoken = format!("call {}.{}", &version[..1], &version[1..]);
        let deletes =
            server.calls().iter().filter(|line| line.contains(&format!("DeleteRecord {id} "))).count();
        assert!(server.calls().iter().any(|line| line.starts_with(&spoken)), "{spoken}");
        assert_eq!(deletes, 1, "what is gone already is not deleted");
        stage.stop_without_dead_letters()?;
    }
    Ok(())
}

#[test]
fn soap_leaves_what_somebody_else_made_newer_unless_the_source_wins() -> anyhow::Result<()> {
    let test = "soap_leaves_what_somebody_else_made_newer_unless_the_source_wins";
    let Some(server) = server(test, None)? else { return Ok(()) };
    for id in ["a", "b", "c"] {
        let record = json!({ "record": { "id": id, "title": "theirs", "updatedAt": 5 } });
        assert_eq!(server.call("11", "PutRecord", &record)?["revision"], 1);
    }
    // Looked at before, or only after the service refused what is not newer.
    for (id, version, when) in [("a", "11", "before"), ("b", "12", "conflict")] {
        let connector = by_wsdl(&server, version, "", &format!("{LOOKUP}\nlookup.when = \"{when}\""))?;
        let stage = start(&server, version, &connector, NEWEST)?;
        stage.produce([changed("older", id, &record(id, "ours", 4))])?;
        stage.settled("superseded", 1)?;
        assert_eq!(held(&server, id)?, is("theirs", 5, 1), "{when}");
        stage.produce([changed("newer", id, &record(id, "ours", 6))])?;
        stage.settled("delivered", 1)?;
        assert_eq!(held(&server, id)?, is("ours", 6, 2), "{when}");
        stage.stop_without_dead_letters()?;
    }
    let stage = start(&server, "11", &by_wsdl(&server, "11", "", LOOKUP)?, SOURCE)?;
    stage.produce([changed("older", "c", &record("c", "ours", 4))])?;
    stage.settled("delivered", 1)?;
    assert_eq!(held(&server, "c")?, is("ours", 4, 2));
    assert_eq!((stage.attempts("conflict"), stage.attempts("delivered")), (1.0, 1.0));
    stage.stop_without_dead_letters()
}

#[test]
fn soap_overwrites_the_same_version_only_where_the_source_wins() -> anyhow::Result<()> {
    let test = "soap_overwrites_the_same_version_only_where_the_source_wins";
    let Some(server) = server(test, None)? else { return Ok(()) };
    let theirs = json!({ "record": { "id": "a", "title": "theirs", "updatedAt": 5 } });
    assert_eq!(server.call("11", "PutRecord", &theirs)?["revision"], 1);
    for (subscription, kind, expected) in
        [(NEWEST, "superseded", is("theirs", 5, 1)), (SOURCE, "delivered", is("ours", 5, 2))]
    {
        let stage = start(&server, "11", &by_wsdl(&server, "11", "", LOOKUP)?, subscription)?;
        stage.produce([changed("same", "a", &record("a", "ours", 5))])?;
        stage.settled(kind, 1)?;
        assert_eq!(held(&server, "a")?, expected);
        assert_eq!(stage.attempts("conflict"), 1.0);
        stage.stop_without_dead_letters()?;
    }
    // Now it holds what the event says.
    let stage = start(&server, "11", &by_wsdl(&server, "11", "", LOOKUP)?, SOURCE)?;
    stage.produce([changed("same", "a", &record("a", "ours", 5))])?;
    stage.settled("delivered", 1)?;
    assert_eq!((held(&server, "a")?, stage.attempts("skipped")), (is("ours", 5, 2), 1.0));
    stage.stop_without_dead_letters()
}

#[test]
fn a_soap_server_that_is_away_costs_no_event() -> anyhow::Result<()> {
    let Some(mut server) = server("a_soap_server_that_is_away_costs_no_event", None)? else { return Ok(()) };
    let stage = start(&server, "11", &by_wsdl(&server, "11", "", LOOKUP)?, NEWEST)?;
    stage.produce([changed("k0-1", "k0", &record("k0", "A", 1))])?;
    stage.settled("delivered", 1)?;
    server.kill()?;
    let events = (2..6).flat_map(|at| (0..5).map(move |key| (format!("k{key}"), at)));
    stage.produce(events.map(|(key, at)| changed(&format!("{key}-{at}"), &key, &record(&key, "B", at))))?;
    stage
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "retry")], |found| found >= 1.0)?;
    server.start_again()?;
    stage.settled("delivered", 21)?;
    for key in 0..5 {
        let revision = if key == 0 { 5 } else { 4 };
        assert_eq!(held(&server, &format!("k{key}"))?, is("B", 5, revision));
    }
    stage.stop_without_dead_letters()
}

#[test]
fn soap_tells_bad_data_from_a_service_in_trouble() -> anyhow::Result<()> {
    let Some(server) = server("soap_tells_bad_data_from_a_service_in_trouble", None)? else { return Ok(()) };
    let stage = start(&server, "11", &by_wsdl(&server, "11", "", LOOKUP)?, NEWEST)?;
    let mut untitled = record("untitled", "A", 1);
    untitled.as_object_mut().expect("a record").remove("title");
    stage.produce([
        changed("wrong", "wrong", &record("wrong", "wrong", 1)),
        changed("empty", "empty", &record("empty", "", 1)),
        changed("untitled", "untitled", &untitled),
        // A fault of the server at the first call of it.
        changed("broken", "broken", &record("broken", "broken", 1)),
        changed("good", "good", &record("good", "A", 1)),
    ])?;
    stage.settled("dead-lettered", 3)?;
    stage.settled("delivered", 2)?;
    assert_eq!(held(&server, "good")?, is("A", 1, 1));
    assert_eq!(held(&server, "broken")?, is("broken", 1, 1));
    assert_eq!(stage.attempts("retry"), 1.0);
    let reasons = stage.reasons()?;
    let expected = [
        ("empty", "SOAP PutRecord was answered with the fault Client.SchemaValidationError: "),
        ("untitled", "the event does not fit the operation, at `PutRecord/record`: it has no `title`"),
        (
            "wrong",
            "SOAP PutRecord was answered with the fault Client.InvalidTitle: record wrong has the title <wrong>",
        ),
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((id, reason), (expected_id, part)) in reasons.iter().zip(expected) {
        assert!(id == expected_id && reason.contains(part), "{id}: {reason}");
    }
    stage.stop()?;

    // A fault that only its detail tells from others, in both versions of SOAP.
    for version in ["11", "12"] {
        let own = CALLS.replace("Stale =", "\"{urn:agency:compliance}Quota\" = \"rejected\", Stale =");
        let connector = by_wsdl(&server, version, "", LOOKUP)?.replace(CALLS, &own);
        let stage = start(&server, version, &connector, NEWEST)?;
        stage.produce([changed("full", "full", &record("full", "full", 1))])?;
        stage.settled("dead-lettered", 1)?;
        let [(_, reason)] = &stage.reasons()?[..] else { anyhow::bail!("not one dead letter") };
        assert!(reason.ends_with(": record full is one too many"), "{version}: {reason}");
        assert_eq!((stage.attempts("rejected"), stage.attempts("retry")), (1.0, 0.0), "{version}");
        stage.stop()?;
    }

    // A proxy that has lost its service answers in HTML.
    let stage = start(&server, "lost", &by_wsdl(&server, "11", "", LOOKUP)?, NEWEST)?;
    stage.produce([changed("lost", "lost", &record("lost", "A", 1))])?;
    stage
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "retry")], |found| found >= 1.0)?;
    stage.stop_without_dead_letters()
}

#[test]
fn the_host_proves_a_user_by_ws_security_and_no_plugin_sees_how() -> anyhow::Result<()> {
    let test = "the_host_proves_a_user_by_ws_security_and_no_plugin_sees_how";
    let Some(mut server) = server(test, Some(("agency", "first-77&<b>")))? else { return Ok(()) };
    let folder = Folder::new("ws-security")?;
    let password = folder.write("password", "first-77&<b>")?;
    for (version, kind) in [("11", "text"), ("12", "digest")] {
        std::fs::write(&password, "first-77&<b>")?;
        server.restart_with("agency", "first-77&<b>")?;
        let more = format!(
            "credential.ws-security = {{ username = \"agency\", password = {{ file = '{}' }}, password-type = \"{kind}\" }}",
            password.display()
        );
        let connector = by_wsdl(&server, version, &more, LOOKUP)?;
        let stage = start(&server, version, &connector, NEWEST)?;
        stage.produce(
            (0..3).map(|number| changed(&format!("{number}"), kind, &record(kind, "A", number + 1))),
        )?;
        stage.settled("delivered", 3)?;
        assert_eq!(held(&server, kind)?, is("A", 3, 3));
        let proof = format!("agency, by {kind}");
        let calls = server.calls();
        let own: Vec<_> = calls.iter().filter(|line| line.contains("PutRecord")).collect();
        assert!(own.len() == 3 && own.iter().all(|line| line.ends_with(&proof)), "{calls:?}");

        // The password is another one: refused, read again, and let in, without an attempt or a restart of the host.
        server.restart_with("agency", "second-91ce")?;
        std::fs::write(&password, "second-91ce")?;
        stage.produce([changed("4", kind, &record(kind, "B", 4))])?;
        stage.settled("delivered", 4)?;
        assert_eq!(held(&server, kind)?, is("B", 4, 4));
        assert_eq!((stage.attempts("delivered"), stage.attempts("denied")), (4.0, 0.0));

        // Wrong for good: the connector is held back and loses nothing, and the service's echo of it stays nowhere.
        std::fs::write(&password, "third-wrong-3f")?;
        stage.produce([changed("5", kind, &record(kind, "C", 5))])?;
        stage.host.wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "denied")], |found| {
            found >= 1.0
        })?;
        std::fs::write(&password, "second-91ce")?;
        stage.settled("delivered", 5)?;
        assert_eq!(held(&server, kind)?, is("C", 5, 5));
        // What is refused for good is written down: with nothing of it.
        stage.produce([changed("6", kind, &record(kind, "wrong", 6))])?;
        stage.settled("dead-lettered", 1)?;
        let written = stage.written()?;
        assert!(
            !["77&", "91ce", "wrong-3f", "Security"].iter().any(|part| written.contains(part)),
            "{written}"
        );
        stage.stop()?;
    }
    Ok(())
}
