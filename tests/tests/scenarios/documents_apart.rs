//! What is asked of one kind of repository alone, and documents that an event only refers to.

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use liaison::kafka::embedded::Embedded;
use liaison_tests::folder::Folder;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::s3::S3;
use liaison_tests::system::{Answer, Behaviour, System};
use liaison_tests::webdav::WebDav;
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::command::Program;
use crate::documents::{Repository, Stage, USUAL, Wants, config, policy, reference, sha256};
use crate::fixture::{DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, letters};
use crate::kept_bodies::peak_bytes;

const PATH: &str = "/policies/p-1.pdf";
const FIRST: &str = "2020-05-01T12:00:00Z";

#[test]
fn a_document_that_is_being_edited_is_waited_for() -> anyhow::Result<()> {
    let test = "a_document_that_is_being_edited_is_waited_for";
    let Some(stage) = Stage::<WebDav>::start(test, Wants { tables: PATIENT, ..USUAL })? else {
        return Ok(());
    };
    stage.produce([policy("1", "p-1", FIRST, "Leave", "%PDF-1.7 first")])?;
    stage.settled("delivered", 1.0)?;
    let lock = stage.repository.lock(PATH)?;
    stage.produce([policy("2", "p-1", "2020-05-02T12:00:00Z", "Leave", "%PDF-1.7 second")])?;
    stage.repository.wait_for_answer(&format!("PROPPATCH {PATH} 423"), LIMIT)?;
    assert_eq!(stage.repository.content(PATH)?.as_deref(), Some(&b"%PDF-1.7 first"[..]));
    stage.repository.unlock(PATH, &lock)?;
    stage.settled("delivered", 2.0)?;
    stage.holds(PATH, "%PDF-1.7 second", "Leave", "2020-05-02T12:00:00Z")?;
    stage.stop_without_dead_letters()
}

#[test]
fn what_an_attempt_left_half_written_is_written_anew() -> anyhow::Result<()> {
    let Some(stage) = Stage::<WebDav>::start("what_an_attempt_left_half_written_is_written_anew", USUAL)?
    else {
        return Ok(());
    };
    // As an attempt leaves it that ends within its first write, within a later one, before that and behind it.
    let server = &stage.repository;
    let others = ["/policies/p-2.pdf", "/policies/p-3.pdf", "/policies/p-4.pdf"];
    let first = |key: &str| policy(key, key, FIRST, "Old", "%PDF-1.7 first");
    stage.produce([first("p-2"), first("p-3"), first("p-4"), first("p-5")])?;
    stage.settled("delivered", 4.0)?;
    server.put(PATH, b"")?;
    let theirs = "/policies/p-5.pdf";
    let mark = format!("{} 15 2020-05-02T12:00:00Z", sha256(b"%PDF-1.7 second"));
    for path in others.into_iter().chain([theirs]) {
        server.set_property(path, "urn:liaison:delivery", "pending", &mark)?;
    }
    server.put(others[0], b"%PDF-1.7 sec")?;
    server.put(others[2], b"%PDF-1.7 second")?;
    // What someone else writes over a mark is theirs.
    server.put(theirs, b"%PDF-1.7 theirs!")?;
    let second =
        |key: &str| policy(&format!("{key}b"), key, "2020-05-02T12:00:00Z", "Leave", "%PDF-1.7 second");
    stage.produce([second("p-1"), second("p-2"), second("p-3"), second("p-4"), second("p-5")])?;
    stage.settled("delivered", 8.0)?;
    stage.settled("superseded", 1.0)?;
    assert_eq!(stage.repository.content(theirs)?.as_deref(), Some(&b"%PDF-1.7 theirs!"[..]));
    // Nothing of the content had to be written where it had arrived: as often as above, and once before.
    assert_eq!(stage.repository.writes(others[2]), 2);
    for path in others.into_iter().chain([PATH]) {
        stage.holds(path, "%PDF-1.7 second", "Leave", "2020-05-02T12:00:00Z")?;
        assert_eq!(stage.repository.record(path, "pending")?, None, "{path}");
    }
    stage.stop_without_dead_letters()
}

#[test]
fn a_source_that_refuses_or_sends_a_page_holds_up_its_own_events_alone() -> anyhow::Result<()> {
    let test = "a_source_that_refuses_or_sends_a_page_holds_up_its_own_events_alone";
    let source = System::start(
        "source",
        Behaviour::from_fn(|request| match request.path {
            "/refused" => Answer::status(401),
            "/forbidden" => Answer::status(403),
            "/busy" => Answer::status(429).with_header(RETRY_AFTER, HeaderValue::from_static("0")),
            "/page" => Answer::status(200)
                .with_header(CONTENT_TYPE, HeaderValue::from_static("text/html"))
                .with_body("<!doctype html><title>Please log in</title>"),
            "/json" => Answer::status(200).with_body("{\"error\":\"log in\"}"),
            _ => Answer::status(200).with_body("%PDF-1.7 first"),
        }),
    )?;
    let connector = format!("allow = [\"{}\"]", source.url());
    let tables = "[sla.default]\ninitial-interval = \"20ms\"\nmax-interval = \"20ms\"\nmax-attempts = 2";
    let document = r#"{ url = "/document/url" }"#;
    let wants = Wants { connector: &connector, tables, document, ..USUAL };
    let Some(stage) = Stage::<WebDav>::start(test, wants)? else { return Ok(()) };
    let bad = ["refused", "forbidden", "busy", "page", "json"];
    let of = |name: &str| reference(name, name, FIRST, &format!("{}/{name}", source.url()), "");
    stage.produce(bad.into_iter().chain(["good"]).map(of))?;
    // Attempts count where others are delivered meanwhile: else it is the repository that is down, and everyone waits.
    let mut others = 0;
    wait::until(LIMIT, "five dead letters", || {
        let metrics = stage.host.metrics();
        let settled = |kind| metrics.sum("liaison_events_settled_total", &[("kind", kind)]);
        if settled("delivered") > f64::from(others) && stage.produce([of(&format!("other-{others}"))]).is_ok()
        {
            others += 1;
        }
        settled("dead-lettered") >= 5.0
    })?;
    stage.settled("dead-lettered", 5.0)?;
    stage.settled("delivered", 1.0)?;
    stage.holds("/policies/good.pdf", "%PDF-1.7 first", "good", FIRST)?;
    let letters = stage.letters()?;
    let letters = by_event(&letters)?;
    let origin = source.url();
    for (name, expected) in [
        ("refused", format!("the document could not be fetched: GET {origin}/refused answered 401")),
        ("forbidden", format!("the document could not be fetched: GET {origin}/forbidden answered 403")),
        ("busy", format!("the document could not be fetched: GET {origin}/busy answered 429")),
        ("page", format!("GET {origin}/page answered 200 OK: it is text/html and no application/pdf")),
        ("json", format!("GET {origin}/json answered 200 OK: it is no application/pdf: it begins with \"{{")),
    ] {
        let message = letters[name].message()?;
        assert!(message.contains(&expected), "{name}: {message}");
        assert_eq!(stage.repository.content(&format!("/policies/{name}.pdf"))?, None);
    }
    assert_eq!((stage.attempts("denied"), stage.attempts("throttled")), (0.0, 0.0));
    stage.host.stop()
}

/// As many attempts as somebody's editing may take.
const PATIENT: &str =
    "[sla.default]\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"\nmax-attempts = 1000";

#[test]
fn an_object_is_signed_typed_and_described_in_every_script() -> anyhow::Result<()> {
    let test = "an_object_is_signed_typed_and_described_in_every_script";
    let wants = Wants { settings: "headers = { content-disposition = \"inline\" }", ..USUAL };
    let Some(stage) = Stage::<S3>::start(test, wants)? else { return Ok(()) };
    stage.produce([policy("1", "p-1", FIRST, "休暇 – Überstunden", "%PDF-1.7 first")])?;
    stage.settled("delivered", 1.0)?;
    let object = stage.repository.object(PATH.trim_start_matches('/'))?.expect("it was delivered");
    assert_eq!(object.header("content-type"), Some("application/pdf"));
    assert_eq!(object.header("content-disposition"), Some("inline"));
    // What the host signed: this server keeps it.
    assert_eq!(object.header("x-amz-content-sha256"), Some(sha256(b"%PDF-1.7 first").as_str()));
    assert_eq!(object.metadata("agency"), Some("=?UTF-8?B?QsO8cm8gZsO8ciBUZXN0cw==?="));
    assert_eq!(object.metadata("title"), Some("=?UTF-8?B?5LyR5pqHIOKAkyDDnGJlcnN0dW5kZW4=?="));
    // Read again as it was meant, it is the same: nothing is written twice.
    stage.produce([policy("1", "p-1", FIRST, "休暇 – Überstunden", "%PDF-1.7 first")])?;
    stage.settled("delivered", 2.0)?;
    assert_eq!(stage.repository.writes(PATH), 1);
    stage.stop_without_dead_letters()
}

#[test]
fn a_check_tells_whether_the_repository_is_there() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_check_tells_whether_the_repository_is_there", "needs a real repository of documents");
        return Ok(());
    }
    let folder = Folder::new("documents-check")?;
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let check = |config: &str| Program::new(config)?.run("check --live");
    let (webdav, s3) = (WebDav::start()?, S3::start("archive")?);
    let of_webdav = config(&webdav, &folder, &broker, USUAL)?;
    let of_s3 = config(&s3, &folder, &broker, USUAL)?;
    for (config, code, part) in [
        (of_webdav.clone(), 0, "207"),
        (
            of_webdav.replace(&webdav.url(), &format!("{}/nowhere", webdav.url())),
            1,
            "there is no folder of WebDAV",
        ),
        (of_s3.clone(), 0, "200"),
        (of_s3.replace("/archive", "/nowhere"), 1, "there is no such bucket"),
    ] {
        let checked = check(&config)?;
        assert_eq!(checked.code, Some(code), "{checked:?}");
        assert!(checked.out.contains(part), "{part}: {checked:?}");
    }
    Ok(())
}

#[test]
fn the_example_is_a_whole_configuration() -> anyhow::Result<()> {
    let example = include_str!("../../../plugins/documents/example.toml");
    let component = plugin("documents")?;
    let program = Program::new(
        &example
            .replace("../../target/wasm32-wasip2/plugin/documents.wasm", &component.display().to_string()),
    )?;
    let mut command = program.command("check")?;
    for name in ["WEBDAV_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env(name, "a-secret");
    }
    let output = command.output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    Ok(())
}

#[test]
fn a_document_of_40_mb_goes_to_webdav_past_the_hosts_memory() -> anyhow::Result<()> {
    large::<WebDav>("a_document_of_40_mb_goes_to_webdav_past_the_hosts_memory")
}

#[test]
fn a_document_of_40_mb_goes_to_s3_past_the_hosts_memory() -> anyhow::Result<()> {
    large::<S3>("a_document_of_40_mb_goes_to_s3_past_the_hosts_memory")
}

const DOCUMENT_BYTES: usize = 40_000_000;
/// What it may add to the host's memory, which differs by 10 MiB from one start to another; it is handled five times.
const MEMORY_BYTES: u64 = 32 << 20;

fn large<R: Repository>(test: &str) -> anyhow::Result<()> {
    if is_quick() {
        say_skipped(test, "needs a real repository of documents");
        return Ok(());
    }
    let document: Vec<u8> =
        (0..DOCUMENT_BYTES / 4).flat_map(|number| (number as u32).to_le_bytes()).collect();
    let (document, checksum) = (Bytes::from(document.clone()), sha256(&document));
    let served = document.clone();
    let archive = System::start(
        "archive",
        Behaviour::from_fn(move |request| {
            let small = Bytes::from_static(b"small");
            Answer::status(200).with_body(if request.path == "/small" { small } else { served.clone() })
        }),
    )?;
    let (repository, folder) = (R::start()?, Folder::new("documents-large")?);
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let admin = port::free()?;
    let connector = format!("allow = [\"{}\"]", archive.url());
    let tables = format!("{QUICK}\nattempt-timeout = \"60s\"");
    let wants = Wants { connector: &connector, tables: &tables, ..USUAL };
    let text = config(&repository, &folder, &broker, wants)?;
    let text = text.replace("address = false", &format!("address = \"{admin}\""));
    let start = || -> anyhow::Result<HostProcess> {
        let mut host = HostProcess::start(&text, admin, &[])?;
        host.wait_ready(LIMIT)?;
        Ok(host)
    };
    let ask = |id: &str, sha256: &str| {
        let event = reference(id, id, FIRST, &format!("{}/{id}", archive.url()), sha256);
        liaison_tests::produce::produce(broker.bootstrap(), vec![event])
    };
    let delivered = |host: &HostProcess, path: &str| {
        let is_there = || repository.record(path, "sha256").is_ok_and(|record| record.is_some());
        wait::until(2 * LIMIT, path, is_there)?;
        peak_bytes(host.id())
    };

    // What it takes anyway, once the plugin is compiled.
    drop(start()?);
    let mut host = start()?;
    ask("small", &sha256(b"small"))?;
    let usual = delivered(&host, "/policies/small.pdf")?;
    assert!(host.terminate(LIMIT)?.success());
    let mut host = start()?;
    ask("large", &checksum)?;
    let peak = delivered(&host, "/policies/large.pdf")?;
    let more = peak.saturating_sub(usual);
    assert!(more < MEMORY_BYTES, "{} KiB more than the usual {} KiB", more >> 10, usual >> 10);
    assert!(repository.content("/policies/large.pdf")?.is_some_and(|content| content == document));
    assert_eq!(repository.record("/policies/large.pdf", "sha256")?.as_deref(), Some(checksum.as_str()));

    // What is not what the event says is not stored.
    ask("wrong", &sha256(b"small"))?;
    wait::until(2 * LIMIT, "the dead letter", || letters(&broker).is_ok_and(|letters| letters.len() == 1))?;
    assert!(host.terminate(LIMIT)?.success());
    let message = letters(&broker)?[0].message()?.to_owned();
    assert!(message.contains("/wrong answered 200 OK: its sha256 is "), "{message}");
    assert_eq!(repository.content("/policies/wrong.pdf")?, None);
    Ok(())
}
