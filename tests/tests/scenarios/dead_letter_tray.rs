//! Dead letters as a person works with them: replayed offline, sent again, discarded; and no secret in any of them.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::host::{liaison_binary, plugin};
use liaison_tests::produce::cloudevent;
use liaison_tests::system::{Answer, Behaviour, Request};
use serde_json::{Value, json};

use crate::command::Program;
use crate::fixture::{Config, Fixture, LIMIT, QUICK, TOPIC, event, letters};

const SECRET: &str = "s3cr3t/t0ken+4711";

/// The program with the configuration of this fixture.
fn program(fixture: &Fixture, config: &Config<'_>) -> anyhow::Result<Program> {
    Program::new(&config.text(fixture.broker.bootstrap(), &fixture.system.url())?)
}

/// Refuses the event `bad` with a body.
fn refusing() -> Behaviour {
    let refusal = Behaviour::from_fn(|_| Answer::status(400).with_body("no such room"));
    Behaviour::ok().when(|request| request.path == "/events/bad", refusal)
}

fn states(program: &Program) -> anyhow::Result<Vec<(String, String)>> {
    let listed = program.ask("dead-letters list --all", 0)?;
    let letters = listed["dead_letters"].as_array().context("a list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(letters.iter().map(|letter| (text(&letter["event_id"]), text(&letter["state"]))).collect())
}

fn state(id: &str, state: &str) -> (String, String) {
    (id.to_owned(), state.to_owned())
}

#[test]
fn a_replay_does_the_same_again_on_another_machine_and_another_plugin_shows_what_it_would_do()
-> anyhow::Result<()> {
    let credential = r#"credential = { bearer = { env = "LIAISON_NO_SUCH_SECRET" } }"#;
    let fixture = Fixture::start(&Config::default(), refusing())?;
    fixture.produce([event("bad", "k")])?;
    fixture.dead_letters(1)?;
    let here = program(&fixture, &Config::default())?;
    let shown = here.run("dead-letters show calendar/0/0 --json")?;
    ensure!(shown.code == Some(0), "{shown:?}");
    let Fixture { host, system, broker, .. } = fixture;
    host.stop()?;
    drop((system, broker));

    // Another machine: no Kafka, no external system, no secret.
    let elsewhere = Config { connector: credential, ..Config::default() };
    let elsewhere = Program::new(&elsewhere.text("127.0.0.1:1", "http://127.0.0.1:1")?)?;
    elsewhere.folder().write("letter.json", &shown.out)?;
    let replayed = elsewhere.ask("dead-letters replay --file letter.json", 0)?;
    let member = |name: &str| replayed[name].clone();
    assert_eq!((member("is_same"), member("is_same_plugin")), (json!(true), json!(true)), "{replayed:#}");
    assert_eq!(
        replayed["end"]["outcome"]["rejected"],
        "PUT /events/bad answered 400 Bad Request: no such room"
    );
    let asked = &replayed["rounds"][0]["asked"][0]["http"];
    assert_eq!((&asked["method"], &asked["url"]), (&json!("PUT"), &json!("/events/bad")));
    assert_eq!(replayed["rounds"], replayed["recorded"]["rounds"]);

    // The same but for its digest: a custom section at its end (WebAssembly core specification, 5.5.3).
    let mut other = fs::read(plugin("rest")?)?;
    other.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    fs::write(elsewhere.path().join("other.wasm"), other)?;
    let replayed = elsewhere.ask("dead-letters replay --file letter.json --plugin other.wasm", 0)?;
    assert_eq!(
        (&replayed["is_same"], &replayed["is_same_plugin"]),
        (&json!(true), &json!(false)),
        "{replayed:#}"
    );

    // Another that asks for something else, so that nobody knows what it would be answered.
    let hostile = plugin("hostile")?;
    let replayed = elsewhere
        .ask(&format!("dead-letters replay --file letter.json --plugin {}", hostile.display()), 0)?;
    assert_eq!((&replayed["is_same"], &replayed["end"]), (&json!(false), &Value::Null), "{replayed:#}");
    assert_eq!(replayed["not_recorded"][0]["http"]["url"], "/events/bad");

    // Stdin will do, and a person is told the same.
    let mut command = elsewhere.command("dead-letters replay --file -")?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().context("it is piped")?, shown.out.as_bytes())?;
    let text = String::from_utf8(child.wait_with_output()?.stdout)?;
    assert!(text.ends_with("the same steps and the same end as recorded, byte by byte\n"), "{text}");
    Ok(())
}

#[test]
fn what_a_transformer_ended_is_replayed_in_it_with_what_it_was_given() -> anyhow::Result<()> {
    let component = plugin("reshape")?;
    let tables = |second: &str| {
        format!(
            "{QUICK}\n[plugins.reshape]\npath = \"{}\"\n[transformers.first]\nplugin = \"reshape\"\nsettings = {{ jq = \
             \".items[] | {{name: .}}\", type = \"item\" }}\n[transformers.second]\nplugin = \"reshape\"\nsettings = {{ jq = \
             '{second}' }}\n",
            component.display()
        )
    };
    let subscription = r#"transformers = ["first", "second"]"#;
    let wrong = tables(r#"if .name == "b" then error("no b") else . end"#);
    let config = Config { subscription, tables: &wrong, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    fixture.produce([cloudevent(TOPIC, "policy.updated", "e-1", "k", &json!({ "items": ["a", "b"] }))])?;
    fixture.dead_letters(1)?;
    let shown = program(&fixture, &config)?.run("dead-letters show calendar/0/0 --json")?;
    let Fixture { host, system, broker, .. } = fixture;
    host.stop()?;
    drop((system, broker));

    let elsewhere = Program::new(&config.text("127.0.0.1:1", "http://127.0.0.1:1")?)?;
    elsewhere.folder().write("letter.json", &shown.out)?;
    let replayed = elsewhere.ask("dead-letters replay --file letter.json", 0)?;
    assert_eq!(
        (&replayed["is_same"], &replayed["is_same_plugin"]),
        (&json!(true), &json!(true)),
        "{replayed:#}"
    );
    assert_eq!(
        (&replayed["transformer"], &replayed["end"]),
        (&json!("second"), &replayed["recorded"]["end"])
    );
    let why = replayed["end"]["rejected"].as_str().context("it was rejected")?;
    assert!(why.contains("no b"), "{why}");

    // Its settings are mended: the plugin is the same, and what it makes is not.
    let mended = tables(".name |= ascii_upcase");
    let config = Config { subscription, tables: &mended, ..Config::default() };
    let elsewhere = Program::new(&config.text("127.0.0.1:1", "http://127.0.0.1:1")?)?;
    elsewhere.folder().write("letter.json", &shown.out)?;
    let replayed = elsewhere.ask("dead-letters replay --file letter.json", 1)?;
    assert_eq!(
        (&replayed["is_same"], &replayed["is_same_plugin"]),
        (&json!(false), &json!(true)),
        "{replayed:#}"
    );
    let emitted = &replayed["end"]["emitted"][0];
    let data = emitted["data"].as_str().context("data that is text")?;
    assert_eq!(
        (serde_json::from_str::<Value>(data)?, &emitted["kind"]),
        (json!({ "name": "B" }), &json!("item"))
    );
    Ok(())
}

#[test]
fn no_record_and_no_log_line_holds_a_secret_that_the_system_echoes() -> anyhow::Result<()> {
    let folder = Folder::new("secret")?;
    let file = folder.write("token", SECRET)?;
    let connector = &format!("credential = {{ bearer = {{ file = '{}' }} }}", file.display());
    let echo = |request: &Request<'_>| {
        let sent = request.headers.get(http::header::AUTHORIZATION).cloned();
        let sent = sent.unwrap_or(http::HeaderValue::from_static("nothing"));
        let text = String::from_utf8_lossy(sent.as_bytes()).into_owned();
        Answer::status(400).with_body(format!("no: {text}")).with_header(http::header::WARNING, sent)
    };
    let config = Config { connector, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::from_fn(echo))?;
    fixture.produce([event("e-1", "k")])?;
    fixture.dead_letters(1)?;
    let program = program(&fixture, &config)?;
    let ended = program.run("dead-letters redrive calendar/0/0")?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let records = letters(&fixture.broker)?;
    assert_eq!(records.len(), 3, "the letter, the one after the redrive, and the mark");
    let sent = fixture.system.ledger()[0].headers.get(http::header::AUTHORIZATION).cloned();
    assert_eq!(sent.context("it was sent")?, format!("Bearer {SECRET}"));
    let holds_it = |text: &[u8]| text.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    for record in &records {
        let headers = record.0.headers.iter().filter_map(|(_, value)| value.as_deref());
        for part in headers.chain(record.0.value.as_deref()).chain(record.0.key.as_deref()) {
            assert!(!holds_it(part), "{:?}", String::from_utf8_lossy(part));
        }
    }
    assert!(records[0].message()?.ends_with("no: Bearer [secret]"), "{}", records[0].message()?);
    let recording: Value = serde_json::from_str(records[0].header("liaison.recording")?)?;
    // It was struck out of the reply before the plugin was given it: a replay is given the same.
    assert_eq!(recording["whole"]["is_struck"], false);
    assert_eq!(
        recording["whole"]["rounds"][0]["answered"][0]["http"]["body"]["bytes"],
        "no: Bearer [secret]"
    );
    assert!(!holds_it(ended.log.as_bytes()) && !holds_it(ended.out.as_bytes()), "{ended:?}");
    // What was struck out is the same for the plugin, which only repeats it.
    assert_eq!(program.ask("dead-letters replay calendar/0/0", 0)?["is_same"], true);
    fixture.host.stop()
}

#[test]
fn a_dead_letter_is_sent_again_under_its_own_key_and_one_that_fails_again_is_counted() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), refusing())?;
    fixture.produce([event("bad", "k")])?;
    fixture.dead_letters(1)?;
    let program = program(&fixture, &Config::default())?;

    let report = program.ask("dead-letters redrive calendar/0/0", 1)?;
    assert_eq!(report["calendar"]["failed"], 1, "{report:#}");
    let records = letters(&fixture.broker)?;
    let again = records.iter().find(|record| record.has("liaison.redrives")).context("the new letter")?;
    assert_eq!((again.header("liaison.redrives")?, again.event_id()?), ("1", "bad"));
    assert_eq!(again.0.value, event("bad", "k").value);
    assert_eq!(states(&program)?, [state("bad", "redriven"), state("bad", "waiting")]);

    fixture.system.behave(Behaviour::ok());
    let dry = program.ask("dead-letters redrive --all --dry-run", 0)?;
    assert_eq!(dry["dead_letters"].as_array().map(Vec::len), Some(1), "{dry:#}");
    assert_eq!(dry["dead_letters"][0]["would_go"], true);
    let report = program.ask("dead-letters redrive --all", 0)?;
    assert_eq!(report["calendar"]["delivered"], 1, "{report:#}");
    let nothing = program.ask("dead-letters redrive --all", 0)?;
    assert_eq!(nothing["calendar"]["delivered"], 0, "{nothing:#}");
    assert_eq!(states(&program)?, [state("bad", "redriven"), state("bad", "redriven")]);
    let ledger = fixture.system.ledger();
    assert_eq!(ledger.len(), 3);
    assert!(ledger.iter().all(|entry| entry.idempotency_key == ledger[0].idempotency_key), "{ledger:?}");
    fixture.host.stop()
}

#[test]
fn what_a_later_event_has_overtaken_is_left_unless_forced_and_can_be_discarded() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), refusing())?;
    let other = Outgoing { partition: Some(1), ..event("bad", "other") };
    fixture.produce([event("bad", "k"), event("later", "k"), other])?;
    fixture.dead_letters(2)?;
    fixture.settled("delivered", 1)?;
    fixture.system.behave(Behaviour::ok());
    let program = program(&fixture, &Config::default())?;

    let dry = program.ask("dead-letters redrive --key k --dry-run", 0)?;
    assert_eq!(dry["dead_letters"][0]["would_go"], false, "{dry:#}");
    let by = dry["dead_letters"][0]["overtaken_by"].as_str().context("it is overtaken")?.to_owned();
    assert!(by.starts_with("policy-events/"), "{by}");
    let report = program.ask("dead-letters redrive --key k", 0)?;
    assert_eq!(report["calendar"]["superseded"], 1, "{report:#}");
    let listed = program.ask("dead-letters list --state superseded", 0)?;
    assert_eq!(listed["dead_letters"][0]["note"], format!("by {by}"), "{listed:#}");
    assert_eq!(fixture.delivered(), ["later"]);

    let unlimited = program.run("dead-letters discard --reason mistake")?;
    assert_eq!(unlimited.code, Some(64), "{unlimited:?}");
    let discarded = program.ask("dead-letters discard --key other --reason mistake", 0)?;
    assert_eq!(discarded["discarded"], 1);
    let listed = program.ask("dead-letters list --state discarded", 0)?;
    assert_eq!(listed["dead_letters"][0]["note"], "mistake", "{listed:#}");
    assert_eq!(program.run("dead-letters list")?.out.lines().next(), Some("no dead letters"));

    let report = program.ask("dead-letters redrive --all --force", 0)?;
    assert_eq!(report["calendar"]["delivered"], 1, "{report:#}");
    assert_eq!(fixture.delivered(), ["later", "bad"], "and the discarded one is not sent");
    fixture.host.stop()
}

#[test]
fn a_live_event_that_comes_while_letters_are_sent_is_not_undone() -> anyhow::Result<()> {
    const COUNT: usize = 6;
    let fixture = Fixture::start(&Config::default(), Behaviour::status(400))?;
    let letter = |number: usize| event(&format!("e-{number}"), &format!("k-{number}"));
    fixture.produce((0..COUNT).map(|number| Outgoing { partition: Some(0), ..letter(number) }))?;
    fixture.dead_letters(COUNT)?;
    fixture.system.behave(Behaviour::ok());
    drop(fixture.system.take_ledger());
    let program = program(&fixture, &Config::default())?;
    let mut command = program.command("dead-letters redrive --all --rate 1 --json")?;
    let running = command.stdout(Stdio::piped()).spawn()?;
    fixture.system.wait_for_accepted(1, LIMIT)?;
    let last = format!("k-{}", COUNT - 1);
    fixture.produce([Outgoing { partition: Some(0), ..event("later", &last) }])?;
    fixture.settled("delivered", 1)?;
    let ended = running.wait_with_output()?;
    let report: Value = serde_json::from_slice(&ended.stdout)?;
    let count = |name: &str| report["calendar"][name].clone();
    assert_eq!((count("delivered"), count("superseded")), (json!(COUNT - 1), json!(1)), "{report:#}");
    assert!(!fixture.delivered().contains(&format!("e-{}", COUNT - 1)), "{:?}", fixture.delivered());
    fixture.host.stop()
}

#[test]
fn a_system_that_is_down_ends_a_redrive_and_its_letters_wait_on() -> anyhow::Result<()> {
    const COUNT: usize = 20;
    let tables = "[sla.default]\ninitial-interval = \"10ms\"\nmax-interval = \"10ms\"\n";
    let config = Config { tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(400))?;
    fixture.produce((0..COUNT).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture.dead_letters(COUNT)?;
    fixture.system.behave(Behaviour::status(503));
    let program = program(&fixture, &config)?;
    let report = program.ask("dead-letters redrive --all", 1)?;
    let stopped = report["calendar"]["stopped"].as_str().context("it was stopped")?;
    assert!(stopped.starts_with("the external system is down: "), "{stopped}");
    assert_eq!(report["calendar"]["left"], COUNT, "{report:#}");
    assert_eq!(letters(&fixture.broker)?.len(), COUNT, "no mark, and no new letter");
    fixture.host.stop()
}

#[test]
fn only_who_sends_needs_a_secret() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), refusing())?;
    fixture.produce([event("bad", "k")])?;
    fixture.dead_letters(1)?;
    let connector = r#"credential = { bearer = { env = "LIAISON_NO_SUCH_SECRET" } }"#;
    let program = program(&fixture, &Config { connector, ..Config::default() })?;
    let listed = program.ask("dead-letters list --by-cause", 0)?;
    assert_eq!(listed["causes"][0]["said"], "PUT … answered 400 Bad Request: no such room", "{listed:#}");
    program.ask("dead-letters show calendar/0/0", 0)?;
    program.ask("dead-letters redrive --all --dry-run", 0)?;
    for words in ["dead-letters redrive --all", "check"] {
        let ended = program.run(words)?;
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.log.contains("LIAISON_NO_SUCH_SECRET is not set"), "{ended:?}");
    }
    let events = program.folder().write("events.jsonl", "{\"type\":\"t\"}\n")?;
    let emit = Command::new(liaison_binary()?)
        .args(["emit", "--topic", "other", "--config", "liaison.toml", "--file"])
        .arg(events)
        .current_dir(program.path())
        .status()?;
    assert!(emit.success());
    fixture.host.wait_for_metric(LIMIT, "liaison_dead_letters_total", &[], |count| count == 1.0)?;
    fixture.host.stop()
}
