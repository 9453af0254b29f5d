//! The transformer `redact`: what a system receives of an event, and that nothing else reaches it.

use liaison::kafka::producer::Outgoing;
use liaison_tests::host::plugin;
use liaison_tests::produce::cloudevent;
use liaison_tests::system::Behaviour;
use serde_json::{Value, json};

use crate::fixture::{Config, Fixture, QUICK, TOPIC, event, with_header};

fn start(settings: &str) -> anyhow::Result<Fixture> {
    let tables = format!(
        "{QUICK}\n[plugins.redact]\npath = '{}'\n[transformers.public]\nplugin = \"redact\"\nsettings = {{ {settings} }}\n",
        plugin("redact")?.display()
    );
    // Whatever the connector can send of an event.
    let connector = r#"settings = { path = "/events/{id}", headers = { X-Type = "{type}" } }"#;
    let subscription = r#"transformers = ["public"]"#;
    Fixture::start(&Config { connector, subscription, tables: &tables, ..Config::default() }, Behaviour::ok())
}

fn visit(id: &str) -> Outgoing {
    let data = json!({ "at": "10:00", "officer": "secret-bo", "person": { "name": "secret-ada", "number": "secret-17" } });
    let event = cloudevent(TOPIC, "visit.planned", id, "k", &data);
    with_header(with_header(event, "ce_subject", "secret-subject"), "ce_officer", "secret-header")
}

#[test]
fn a_system_receives_what_it_may_and_nothing_else() -> anyhow::Result<()> {
    let fixture = start(
        r#"keep = ["/at"], mask = ["/person/name"], hash = ["/person/number"], salt = "agency-salt-0001""#,
    )?;
    fixture.produce([visit("e-1"), visit("e-1"), Outgoing { value: None, ..visit("e-2") }])?;
    fixture.settled("delivered", 3)?;
    let ledger = fixture.system.ledger();
    for entry in &ledger {
        let all = format!("{} {:?} {}", entry.path, entry.headers, String::from_utf8_lossy(&entry.body));
        assert!(!all.contains("secret"), "{all}");
    }
    let body: Value = serde_json::from_slice(&ledger[0].body)?;
    assert_eq!((&body["at"], &body["person"]["name"]), (&json!("10:00"), &json!("***")));
    assert_eq!(body["person"]["number"].as_str().map(str::len), Some(64));
    assert_eq!(ledger[0].body, ledger[1].body, "the same event is the same");
    assert_eq!(ledger[2].method, "DELETE");
    fixture.stop_without_dead_letters()
}

#[test]
fn what_cannot_be_redacted_is_a_dead_letter_and_the_others_go_on() -> anyhow::Result<()> {
    let fixture = start(r#"drop = ["/officer", "/person"], hash = ["/at"], salt = "agency-salt-0001""#)?;
    let object = cloudevent(TOPIC, "visit.planned", "object", "k", &json!({ "at": { "secret": 1 } }));
    let text = Outgoing { value: Some("secret".into()), ..event("text", "k") };
    fixture.produce([object, text, visit("good")])?;
    let letters = fixture.dead_letters(2)?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["good"]);
    for letter in &letters {
        let message = letter.message()?;
        assert!(message.contains("the event's data") && !message.contains("secret"), "{message}");
        assert_eq!(letter.header("liaison.plugin")?, "redact");
    }
    fixture.host.stop()
}
