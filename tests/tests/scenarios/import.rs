//! Moving in: the older JSON files become a configuration that is checked, and that delivers.

use std::fs;

use anyhow::{Context as _, ensure};
use liaison::kafka::embedded::Embedded;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::port;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use serde_json::json;

use crate::command::Program;
use crate::fixture::{LIMIT, TOPIC, event};

const TOKEN: &str = "5d0c7a2e-an-older-token";

#[test]
fn the_older_files_become_a_configuration_that_is_checked_and_delivers() -> anyhow::Result<()> {
    let broker = Embedded::start(&[(TOPIC, 2), ("liaison.dead-letters.calendar-service", 1)])?;
    let system = System::start("calendar", Behaviour::ok())?;
    let endpoint = format!("{}/api/events/{{id}}", system.url());
    let connectors =
        json!({ "calendarService": { "type": "rest", "endpoint": endpoint, "authToken": TOKEN } });
    let sla =
        json!({ "policy.updated": { "maxRetries": 5, "retryIntervalMs": 2000, "alertOnFailure": true } });
    let program = Program::new("")?;
    program.folder().write("connectors.json", &connectors.to_string())?;
    program.folder().write("sla.json", &sla.to_string())?;
    let component = plugin("rest")?;
    let plugins = component.parent().context("a component is in a folder")?.display();
    let words = format!(
        "import connectors.json sla.json --brokers {} --topic {TOPIC} --plugins {plugins} --output imported.toml",
        broker.bootstrap()
    );
    let ended = program.run(&words)?;
    ensure!(ended.code == Some(0) && ended.out.is_empty(), "{ended:#?}");
    let put = "put its value into the environment variable CALENDAR_SERVICE_AUTH_TOKEN";
    assert!(ended.log.contains(put), "{}", ended.log);

    let text = fs::read_to_string(program.path().join("imported.toml"))?;
    assert!(!text.contains(TOKEN) && !ended.log.contains(TOKEN), "the secret was copied");
    let again = program.run(&words)?;
    assert_eq!(
        (again.code, fs::read_to_string(program.path().join("imported.toml"))?),
        (Some(64), text.clone())
    );
    assert!(again.log.contains("is there already, and is left as it was"), "{}", again.log);

    let without = program.run("check --config imported.toml")?;
    assert_eq!(without.code, Some(64));
    assert!(without.log.contains("CALENDAR_SERVICE_AUTH_TOKEN is not set"), "{}", without.log);
    let mut check = program.command("check --config imported.toml")?;
    let checked = check.env("CALENDAR_SERVICE_AUTH_TOKEN", TOKEN).output()?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let admin = port::free()?;
    let text = format!("{text}\n[admin]\naddress = \"{admin}\"\n");
    let mut host = HostProcess::start(&text, admin, &[("CALENDAR_SERVICE_AUTH_TOKEN", TOKEN)])?;
    host.wait_ready(LIMIT)?;
    produce(broker.bootstrap(), vec![event("e-1", "k")])?;
    system.wait_for_accepted(1, LIMIT)?;
    let ledger = system.ledger();
    assert_eq!((ledger[0].method.as_str(), ledger[0].path.as_str()), ("PUT", "/api/events/e-1"));
    assert_eq!(ledger[0].headers["authorization"].to_str()?, format!("Bearer {TOKEN}"));
    host.terminate(LIMIT)?;
    Ok(())
}

#[test]
fn what_has_no_place_is_told_and_the_rest_is_written() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let connectors = json!({
        "fax": { "type": "fax", "endpoint": "https://fax.example.gov" },
        "portal": { "type": "rest", "endpoint": "https://portal.example.gov/notices", "colour": "green" },
    });
    program.folder().write("connectors.json", &connectors.to_string())?;
    let answer = program.ask("import connectors.json", 1)?;
    let text = answer["configuration"].as_str().context("the configuration")?;
    assert!(text.contains("[connectors.portal]") && !text.contains("fax"), "{text}");
    let not_mapped = answer["not_mapped"].as_array().context("a list")?;
    let from: Vec<_> = not_mapped.iter().filter_map(|line| line["from"].as_str()).collect();
    assert_eq!(from, ["connectors.json: fax.type", "connectors.json: portal.colour"]);
    for (text, said) in [
        ("[]", "is not one of the older files"),
        ("{", "is not one of the older files"),
        (r#"{"fax": {"type": "fax"}}"#, "holds no connector that can be mapped"),
    ] {
        program.folder().write("connectors.json", text)?;
        let ended = program.run("import connectors.json")?;
        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{text}");
        assert!(ended.log.contains(said), "{}", ended.log);
    }
    Ok(())
}
