//! The same connector in each language that has an SDK: whatever happens, each asks for the same and says the same.
//!
//! One table of cases for all. A case is one event, delivered by the real host to a calendar that behaves as the case
//! says; it names what each attempt came to, all requests with their headers and bodies, and how the event ended. The
//! host of these tests calls every plugin twice with the same arguments, and warm instances serve many cases.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use http::header::{ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Method};
use liaison::event::Event;
use liaison::host::{Host, SyncEnd};
use liaison::kafka::producer::Outgoing;
use liaison_tests::languages::Language;
use liaison_tests::produce::cloudevent;
use liaison_tests::system::{Answer, Behaviour, Entry, Request, RetryAfter};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::fixture::{Config, Fixture, LIMIT, TOPIC, letters, with_header};

const SETTINGS: &str =
    "settings = { calendar = \"staff\" }\nbreaker = { failures = 64, probe-interval = \"50ms\" }";
const POLICY: &str = r#"conflict = { policy = "newest-wins", version = "/updated" }"#;
const SLA: &str = "[sla.default]\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"";

/// When the event says that its session was changed, and what an older and a newer one say.
const UPDATED: &str = "2026-05-01T12:00:00Z";
const OLDER: &str = r#"{"updated":"2026-05-01T11:00:00Z"}"#;
const NEWER: &str = r#"{"updated":"2026-05-01T13:00:00Z"}"#;

/// One event and what becomes of it.
struct Case {
    /// Also what the session is called.
    name: &'static str,
    event: Outgoing,
    calendar: Behaviour,
    /// What the attempts came to, in order.
    attempts: &'static [&'static str],
    /// As the metric of settled events calls it.
    end: &'static str,
    /// What the dead letter's message begins with.
    message: &'static str,
    /// All requests: see [`line`].
    requests: Vec<String>,
}

impl Case {
    /// A session that is created, in a calendar where nothing is unusual.
    fn new(name: &'static str) -> Self {
        Self {
            name,
            event: event(name, &session()),
            calendar: calendar(),
            attempts: &["delivered"],
            end: "delivered",
            message: "",
            requests: [lookups(name), vec![create(name)]].concat(),
        }
    }

    /// An event that becomes a dead letter after these requests.
    fn rejected(name: &'static str, message: &'static str, requests: Vec<String>) -> Self {
        Self { attempts: &["rejected"], end: "dead-lettered", message, requests, ..Self::new(name) }
    }

    fn with_data(self, data: &Value) -> Self {
        Self { event: event(self.name, data), ..self }
    }

    fn in_calendar(self, calendar: Behaviour) -> Self {
        Self { calendar, ..self }
    }

    fn attempts(self, attempts: &'static [&'static str]) -> Self {
        Self { attempts, ..self }
    }

    fn asks(self, requests: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self { requests: requests.into_iter().flatten().collect(), ..self }
    }

    fn ends(self, end: &'static str) -> Self {
        Self { end, ..self }
    }
}

fn session() -> Value {
    json!({ "title": "Fire drill", "room": "blue hall", "seats": 20, "updated": UPDATED, "unknown": [1] })
}

fn event(session: &str, data: &Value) -> Outgoing {
    with_header(cloudevent(TOPIC, "session.updated", session, session, data), "ce_subject", session)
}

/// Knows every room and no session, and takes what is written.
fn calendar() -> Behaviour {
    Behaviour::from_fn(|request| match *request.method {
        Method::GET if is_room(request) => {
            Answer::status(200).with_body(r#"{"name":"Blue Hall","seats":30}"#)
        }
        Method::GET if request.path == "/health" => Answer::status(200),
        Method::GET => Answer::status(404),
        Method::POST => Answer::status(201).with_header(LOCATION, HeaderValue::from_static("/sessions/7")),
        Method::DELETE => Answer::status(204),
        _ => Answer::status(200),
    })
}

/// The same, with a session that is there in version 3.
fn holding() -> Behaviour {
    let held = Answer::status(200).with_header(ETAG, HeaderValue::from_static("\"3\""));
    let is_session =
        |request: &Request<'_>| request.method == Method::GET && request.path.contains("/sessions/");
    calendar().when(is_session, Behaviour::from_fn(move |_| held.clone()))
}

fn is_room(request: &Request<'_>) -> bool {
    request.path.starts_with("/rooms/")
}

fn is_write(request: &Request<'_>) -> bool {
    matches!(*request.method, Method::POST | Method::PUT | Method::DELETE)
}

/// This answer to the first request that the predicate holds for.
fn once(
    calendar: Behaviour,
    predicate: fn(&Request<'_>) -> bool,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> Behaviour {
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let first = move |request: &Request<'_>| {
        predicate(request) && is_first.swap(false, std::sync::atomic::Ordering::Relaxed)
    };
    calendar.when(first, Behaviour::from_fn(move |_| answer()))
}

fn held_version(body: &'static str) -> Answer {
    Answer::status(412).with_header(ETAG, HeaderValue::from_static("\"4\"")).with_body(body)
}

/// What a request looks like in the table: method, path, the headers that the plugin gave, and the body.
fn line(entry: &Entry) -> String {
    let given = [HeaderName::from_static("if-match"), http::header::CONTENT_TYPE];
    let headers = given.iter().filter_map(|name| {
        let value = entry.headers.get(name)?.to_str().ok()?;
        Some(format!(" {name}: {value}"))
    });
    let body = String::from_utf8_lossy(&entry.body);
    format!("{} {}{} {body}", entry.method, entry.path, headers.collect::<String>()).trim_end().to_owned()
}

fn lookups(session: &str) -> Vec<String> {
    vec![format!("GET /calendars/staff/sessions/{session}"), "GET /rooms/blue%20hall".to_owned()]
}

fn body(session: &str, title: &str) -> String {
    let title = Value::from(title);
    format!(r#"{{"id":"{session}","title":{title},"room":"Blue Hall","seats":20,"updated":"{UPDATED}"}}"#)
}

fn create(session: &str) -> String {
    let body = body(session, "Fire drill");
    format!("POST /calendars/staff/sessions content-type: application/json {body}")
}

fn update(session: &str, version: &str) -> String {
    let body = body(session, "Fire drill");
    format!(
        "PUT /calendars/staff/sessions/{session} if-match: \"{version}\" content-type: application/json {body}"
    )
}

fn delete(session: &str) -> String {
    format!("DELETE /calendars/staff/sessions/{session}")
}

/// What goes through at the first attempt, and what never will.
fn plain_cases() -> Vec<Case> {
    let room = |status| calendar().when(is_room, Behaviour::status(status));
    let mut tombstone = Case::new("tombstone").asks([vec![delete("tombstone")]]);
    tombstone.event.value = None;
    let mut gone = Case::new("gone").asks([vec![delete("gone")]]).attempts(&["skipped"]);
    gone.event.value = None;
    gone.calendar = calendar().when(is_write, Behaviour::status(410));
    let mut no_json = Case::rejected("no-json", "the event's data: ", vec![]);
    no_json.event.value = Some("{\"title\":".into());
    let mut nameless =
        Case::rejected("nameless", "the event has no subject, which is to be the session", vec![]);
    nameless.event.headers.retain(|(name, _)| name != "ce_subject");
    let mut seats = session();
    seats["seats"] = json!("many");
    let mut none = session();
    none.as_object_mut().expect("a session is an object").remove("room");
    let mut large = session();
    large["seats"] = json!(31);
    vec![
        Case::new("created"),
        Case::new("updated").in_calendar(holding()).asks([lookups("updated"), vec![update("updated", "3")]]),
        tombstone,
        gone,
        Case::rejected("no-room", "there is no room blue hall", lookups("no-room")).in_calendar(room(404)),
        Case::rejected("too-large", "Blue Hall has 30 seats, not 31", lookups("too-large")).with_data(&large),
        Case::rejected("bad-seats", "the event's data: seats: ", vec![]).with_data(&seats),
        Case::rejected("roomless", "the event's data: ", vec![]).with_data(&none),
        no_json,
        nameless,
        Case::rejected(
            "refused",
            "POST /calendars/staff/sessions answered 422 Unprocessable Content: no such day",
            [lookups("refused"), vec![create("refused")]].concat(),
        )
        .in_calendar(once(calendar(), is_write, || Answer::status(422).with_body("no\nsuch  day"))),
    ]
}

/// What is tried again, waits or is decided by the host.
fn troubled_cases() -> Vec<Case> {
    let again = |name: &'static str| {
        Case::new(name).attempts(&["retry", "delivered"]).asks([
            lookups(name),
            vec![create(name)],
            lookups(name),
            vec![create(name)],
        ])
    };
    let throttled = |name| Case { attempts: &["throttled", "delivered"], ..again(name) };
    let seconds =
        || Answer::status(429).with_header(http::header::RETRY_AFTER, RetryAfter::Seconds(1).into());
    let date = || {
        let at = RetryAfter::At(SystemTime::now() + Duration::from_secs(2));
        Answer::status(429).with_header(http::header::RETRY_AFTER, at.into())
    };
    let denied = || Answer::status(401);
    let conflict = |name: &'static str| {
        Case::new(name).attempts(&["conflict", "delivered"]).asks([
            lookups(name),
            vec![update(name, "3")],
            lookups(name),
            vec![update(name, "4")],
        ])
    };
    vec![
        again("failing").in_calendar(once(calendar(), is_write, || Answer::status(500))),
        again("broken").in_calendar(once(calendar(), is_write, Answer::broken)),
        again("babbling")
            .in_calendar(once(calendar(), is_room, || Answer::status(200).with_body("<html>")))
            .asks([lookups("babbling"), lookups("babbling"), vec![create("babbling")]]),
        throttled("busy").in_calendar(once(calendar(), is_write, seconds)),
        throttled("busy-until").in_calendar(once(calendar(), is_write, date)),
        Case { attempts: &["denied", "delivered"], ..again("denied") }
            .in_calendar(once(calendar(), is_write, denied))
            .asks([
                lookups("denied"),
                vec![create("denied"), "GET /health".to_owned()],
                lookups("denied"),
                vec![create("denied")],
            ]),
        conflict("conflict").in_calendar(once(holding(), is_write, || held_version(OLDER))),
        Case { end: "superseded", attempts: &["conflict"], ..conflict("superseded") }
            .in_calendar(once(holding(), is_write, || held_version(NEWER)))
            .asks([lookups("superseded"), vec![update("superseded", "3")]]),
        Case { attempts: &["conflict"], ..Case::new("taken") }.ends("superseded").in_calendar(once(
            calendar(),
            is_write,
            || Answer::status(409).with_body(NEWER),
        )),
    ]
}

/// Text that is easily spoilt, and much of it.
fn text_cases() -> Vec<Case> {
    let title = "Übung „Feuer“ 🔥\n\u{1}\"\\/\u{2028}";
    let mut foreign = session();
    foreign["title"] = json!(title);
    foreign["room"] = json!("Säle/1 (+)'*!~");
    let subject = "fremd-é";
    let mut spoilt = Case::new("spoilt");
    spoilt.event = event(subject, &foreign);
    spoilt.requests = vec![
        "GET /calendars/staff/sessions/fremd-%C3%A9".to_owned(),
        "GET /rooms/S%C3%A4le%2F1%20%28%2B%29%27%2A%21~".to_owned(),
        format!("POST /calendars/staff/sessions content-type: application/json {}", body(subject, title)),
    ];
    let title = "é".repeat(480_000);
    let mut long = session();
    long["title"] = json!(title);
    let post =
        format!("POST /calendars/staff/sessions content-type: application/json {}", body("long", &title));
    vec![spoilt, Case::new("long").with_data(&long).asks([lookups("long"), vec![post]])]
}

/// A host with the component of this language as its connector.
fn start(language: Language) -> anyhow::Result<Fixture> {
    let config = Config {
        plugin: language.plugin(),
        plugin_settings: language.plugin_settings(),
        connector: SETTINGS,
        subscription: POLICY,
        tables: SLA,
        ..Config::default()
    };
    let fixture = Fixture::start(&config, calendar())?;
    // The check of a connector that starts is of no delivery.
    fixture.system.wait_for(1, LIMIT)?;
    drop(fixture.system.take_ledger());
    Ok(fixture)
}

fn run(language: Language) -> anyhow::Result<()> {
    let fixture = start(language)?;
    let cases: Vec<_> = plain_cases().into_iter().chain(troubled_cases()).chain(text_cases()).collect();
    for case in &cases {
        run_case(&fixture, case).with_context(|| format!("{language:?}, case {}", case.name))?;
    }
    fixture.host.stop()
}

const ATTEMPTS: [&str; 7] = ["delivered", "skipped", "retry", "throttled", "denied", "conflict", "rejected"];

fn run_case(fixture: &Fixture, case: &Case) -> anyhow::Result<()> {
    let attempts = || ATTEMPTS.map(|outcome| fixture.attempts(outcome));
    let (before, dead) = (attempts(), letters(&fixture.broker)?.len());
    let settled = fixture.metric("liaison_events_settled_total", &[]);
    let ended = fixture.metric("liaison_events_settled_total", &[("kind", case.end)]);
    drop(fixture.system.take_ledger());
    fixture.system.behave(case.calendar.clone());
    fixture.produce([case.event.clone()])?;
    let is_more = |found| found > settled;
    fixture.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], is_more)?;

    let requests = rounds_in_order(&fixture.system.take_ledger());
    ensure!(requests == case.requests, "it asked for\n{}\nand not\n{}", cut(&requests), cut(&case.requests));
    let counted = ATTEMPTS.iter().zip(attempts()).zip(before);
    let counted: Vec<_> = counted.map(|((outcome, after), before)| (*outcome, after - before)).collect();
    let expected = ATTEMPTS.map(|outcome| {
        let count = case.attempts.iter().filter(|attempt| **attempt == outcome).count();
        (outcome, f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
    });
    ensure!(counted == expected, "its attempts came to {counted:?}");
    let now_ended = fixture.metric("liaison_events_settled_total", &[("kind", case.end)]);
    ensure!(now_ended > ended, "it did not end as {}", case.end);
    let letters = letters(&fixture.broker)?;
    match letters.get(dead..) {
        Some([letter]) if case.end == "dead-lettered" => {
            let message = letter.message()?;
            ensure!(message.starts_with(case.message), "the letter says {message}");
        }
        Some([]) if case.end != "dead-lettered" => {}
        more => anyhow::bail!("dead letters: {more:?}"),
    }
    Ok(())
}

/// All requests as lines; the two lookups of one round arrive in either order.
fn rounds_in_order(ledger: &[Arc<Entry>]) -> Vec<String> {
    let mut lines: Vec<_> = ledger.iter().map(|entry| line(entry)).collect();
    let is_lookup = |line: &String| line.starts_with("GET /rooms/") || line.starts_with("GET /calendars/");
    let mut from = 0;
    while from < lines.len() {
        let end = lines.len().min(from + 2);
        let is_round = lines[from..end].iter().all(is_lookup);
        if is_round {
            lines[from..end].sort();
        }
        from += if is_round { 2 } else { 1 };
    }
    lines
}

/// For a person: a request may have a megabyte.
fn cut(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| line.chars().take(300).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

/// The languages that are built now.
fn languages(test: &str) -> Vec<Language> {
    let is_there = |language: &Language| *language == Language::Rust || !is_quick();
    let languages: Vec<_> = Language::ALL.into_iter().filter(is_there).collect();
    if languages.len() < Language::ALL.len() {
        say_skipped(test, "the SDKs in other languages are left out with `--quick`");
    }
    languages
}

#[test]
fn the_same_connector_in_each_language_asks_and_says_the_same() -> anyhow::Result<()> {
    let languages = languages("the_same_connector_in_each_language_asks_and_says_the_same");
    let suite = |language| std::thread::spawn(move || run(language));
    let suites: Vec<_> = languages.into_iter().map(suite).collect();
    for suite in suites {
        suite.join().expect("a suite fails by its result")?;
    }
    Ok(())
}

#[test]
fn what_a_plugin_joins_is_sent_together() -> anyhow::Result<()> {
    // Each lookup is answered a second after it came: one after the other, they would be as far apart.
    const LATENCY: Duration = Duration::from_secs(1);
    for language in languages("what_a_plugin_joins_is_sent_together") {
        let fixture = start(language)?;
        fixture.system.behave(calendar().with_latency(LATENCY));
        fixture.produce([event("together", &session())])?;
        fixture.settled("delivered", 1)?;
        let received: Vec<_> = fixture.system.ledger().iter().map(|entry| entry.received).collect();
        assert_eq!(received.len(), 3);
        assert!(received[1] - received[0] < LATENCY, "{language:?}: one waited for the other");
        assert!(received[2] - received[1] >= LATENCY, "{language:?}: it did not wait for both");
        fixture.stop_without_dead_letters()?;
    }
    Ok(())
}

#[test]
fn deliveries_that_share_a_call_do_not_mix() -> anyhow::Result<()> {
    for language in languages("deliveries_that_share_a_call_do_not_mix") {
        let fixture = start(language)?;
        fixture.system.behave(holding());
        let names: Vec<_> = (0..200).map(|number| format!("s-{number:03}")).collect();
        fixture.produce(names.iter().map(|name| event(name, &session())))?;
        fixture.settled("delivered", names.len())?;
        let ledger = fixture.system.ledger();
        let mut written: Vec<_> =
            ledger.iter().filter(|entry| entry.method == Method::PUT).map(|entry| line(entry)).collect();
        written.sort();
        let expected: Vec<_> = names.iter().map(|name| update(name, "3")).collect();
        assert_eq!(written, expected, "{language:?}");
        assert_eq!(ledger.len(), names.len() * 3, "{language:?}");
        fixture.stop_without_dead_letters()?;
    }
    Ok(())
}

#[test]
fn a_mistake_in_the_settings_is_told_by_its_key_and_a_check_asks_for_the_systems_health() -> anyhow::Result<()>
{
    let test = "a_mistake_in_the_settings_is_told_by_its_key_and_a_check_asks_for_the_systems_health";
    for language in languages(test) {
        let config = Config {
            plugin: language.plugin(),
            plugin_settings: language.plugin_settings(),
            connector: "settings = { calender = \"staff\" }",
            ..Config::default()
        };
        let system = liaison_tests::system::System::start("calendar", calendar())?;
        let config = config.text("127.0.0.1:9", &system.url())?;
        let host = Host::from_config(liaison::config::Config::from_toml(&config, Path::new("/"))?.config)?;
        let event = Event::from_text(
            r#"{"specversion":"1.0","id":"1","source":"/tests","type":"t","subject":"s","data":{}}"#,
        )?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ends: Vec<_> = runtime.block_on(host.sync_event(&event))?.into_values().collect();
        let [SyncEnd::Failed(why)] = &ends[..] else { anyhow::bail!("{language:?}: {ends:?}") };
        assert!(why.starts_with("settings: ") && why.contains("calendar"), "{language:?}: {why}");
        assert_eq!(system.count(), 0);
        let checks: Vec<_> = runtime.block_on(host.check_connectors())?.into_values().collect();
        assert_eq!(checks, [Ok("GET /health answered 200 OK".to_owned())], "{language:?}");
    }
    Ok(())
}
