//! The tools of an author: a plugin looked at, run, tested and certified, each by the program itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use liaison_tests::builder::{Shown, shown_by};
use liaison_tests::conformance::{Shipped, shipped};
use liaison_tests::host::plugin;
use liaison_tests::is_quick;
use liaison_tests::system::{Behaviour, System};
use serde_json::{Value, json};

use crate::command::Program;

/// What no database answers.
const OF_HTTP: [&str; 14] = [
    "429",
    "429-seconds",
    "429-date",
    "401",
    "403",
    "404",
    "409",
    "412",
    "500",
    "502",
    "503",
    "empty-body",
    "huge-body",
    "wrong-content-type",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace")
}

/// A component that imports this and nothing else: header, an empty instance type, and the import.
fn component_importing(import: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00, 0x07, 0x03, 0x01, 0x42, 0x00];
    let mut section = vec![0x01, 0x00, u8::try_from(import.len())?];
    section.extend_from_slice(import.as_bytes());
    section.extend_from_slice(&[0x05, 0x00]);
    bytes.extend_from_slice(&[0x0a, u8::try_from(section.len())?]);
    bytes.extend_from_slice(&section);
    Ok(bytes)
}

#[test]
fn every_plugin_that_ships_passes_its_cases_and_the_conformance_kit() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let shipped = shipped()?;
    assert!(shipped.len() >= 2, "{shipped:?}");
    for Shipped { name, folder } in shipped {
        let component = plugin(&name)?;
        let (component, cases) = (component.display(), folder.join("cases"));
        let tested = program.ask(&format!("plugin test {component} {}", cases.display()), 0)?;
        assert!(tested["passed"].as_u64() > Some(3), "{name}: {tested:#}");
        assert_eq!(tested["failed"], 0, "{name}");
        let words = format!("plugin certify {component} --cases {}", cases.display());
        let certificate = program.ask(&words, 0).with_context(|| name.clone())?;
        assert_eq!((&certificate["is_passed"], &certificate["is_signed"]), (&json!(true), &json!(false)));
        let trials = certificate["trials"].as_array().context("a list of trials")?;
        let untried: BTreeSet<_> = trials
            .iter()
            .filter(|trial| trial["runs"] == 0)
            .filter_map(|trial| trial["name"].as_str())
            .collect();
        // A connector of one call cannot be interrupted between two, and is answered in what it asks in.
        let asks_sql = !untried.contains("sql-constraint");
        let may_be_untried = |trial: &&str| match name.as_str() {
            _ if *trial == "crash" => true,
            _ if asks_sql => OF_HTTP.contains(trial),
            // Which has no media types and no gateway.
            "grpc" if ["502", "wrong-content-type"].contains(trial) => true,
            _ => trial.starts_with("sql-"),
        };
        let untried: Vec<_> = untried.into_iter().filter(|trial| !may_be_untried(trial)).collect();
        assert!(untried.is_empty(), "{name}: {untried:?}");
    }
    Ok(())
}

/// So that it has the same digest wherever it is built, and tells nobody's name.
#[test]
fn no_component_holds_a_path_of_its_builder() -> anyhow::Result<()> {
    let component = plugin("rest")?;
    let target = component.ancestors().nth(3).context("a component is in a target folder")?;
    for Shipped { name, .. } in shipped()? {
        let Shown { builders, has_sources } = shown_by(&plugin(&name)?, &[repository(), target])?;
        assert!(builders.is_empty(), "{name}: {builders:?}: build it by `cargo build-plugins`");
        assert!(has_sources, "{name} names no source file");
    }
    Ok(())
}

#[test]
fn the_same_cases_give_the_same_runs() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let cases = repository().join("plugins/rest/cases");
    let words = format!("plugin test {} {}", plugin("rest")?.display(), cases.display());
    let runs = || -> anyhow::Result<Value> {
        let mut tested = program.ask(&words, 0)?;
        for case in tested["cases"].as_array_mut().context("a list of cases")? {
            let run = case["run"].as_object_mut().context("a run")?;
            // Time on the processor is real.
            assert!(run.remove("cpu_us").is_some() && run.remove("longest_call_us").is_some());
        }
        Ok(tested)
    };
    assert_eq!(runs()?, runs()?);
    Ok(())
}

#[test]
fn a_case_that_differs_says_where() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let case = json!({
        "name": "wrong in three ways",
        "settings": {"path": "/events/{id}"},
        "event": {"id": "e-1", "type": "t", "datacontenttype": "application/json", "data": {"a": 1}},
        "request": [{"expect": "PUT /events/e-1", "headers": {"x-tenant": "north"}, "json": {"a": 2}, "reply": {"status": 503}}],
        "expect": {"outcome": "delivered"},
    });
    program.folder().write("case.json", &case.to_string())?;
    let words = format!("plugin test {} case.json", plugin("rest")?.display());
    let ended = program.run(&words)?;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(
        ended.out,
        "FAILED  wrong in three ways (case.json)\n  round 1, request 1, header x-tenant\n    expected north\n    found    \
         no such header\n  round 1, request 1, body/a\n    expected 2\n    found    1\n  outcome\n    expected \
         delivered\n    found    ends: retry: PUT /events/e-1 answered 503 Service Unavailable\n1 case: 0 passed, 1 failed\n"
    );
    program.folder().write("case.json", "{")?;
    let ended = program.run(&words)?;
    assert_eq!(ended.code, Some(64), "{ended:#?}");
    assert!(ended.log.contains("case.json is no case file"), "{ended:#?}");
    Ok(())
}

#[test]
fn inspect_shows_what_a_component_is_and_needs() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let path = plugin("rest")?;
    let seen = program.ask(&format!("plugin inspect {}", path.display()), 0)?;
    assert_eq!((&seen["world"], &seen["is_loaded"]), (&json!("connector-plugin"), &json!(true)));
    assert_eq!(seen["bytes"], fs::metadata(&path)?.len());
    assert_eq!(seen["exports"], json!(["liaison:plugin/connector@0.1.0"]));
    let imports = seen["imports"].as_array().context("a list of imports")?;
    assert!(imports.iter().all(|import| import["linked"].is_string()), "{imports:#?}");
    assert!(imports.iter().any(|import| import["name"] == "wasi:config/store@0.2.0-rc.1"), "{imports:#?}");
    // What rustc says of itself is stripped.
    let linker =
        |producer: &Value| producer["field"] == "processed-by" && producer["name"] == "wit-component";
    assert!(seen["producers"].as_array().is_some_and(|producers| producers.iter().any(linker)), "{seen:#}");
    let (needs, started) = (&seen["needs"], seen["started_bytes"].as_u64());
    assert_eq!(needs["memories"], 1);
    assert!(started >= needs["memory_bytes"].as_u64() && started > Some(65_536), "{seen:#}");
    assert!(needs["instances"].as_u64() > Some(0) && needs["tables"].as_u64() > Some(0), "{needs:#}");
    Ok(())
}

#[test]
fn what_imports_more_than_the_contract_is_refused_alike_by_inspect_and_at_the_start() -> anyhow::Result<()> {
    let import = "wasi:http/outgoing-handler@0.2.0";
    let config = "[kafka]\nbrokers = 'embedded'\n[plugins.greedy]\npath = 'greedy.wasm'\n[connectors.c]\n\
                  plugin = 'greedy'\nendpoint = 'http://h.example'\n[subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n";
    let program = Program::new(config)?;
    fs::write(program.path().join("greedy.wasm"), component_importing(import)?)?;
    let seen = program.ask("plugin inspect greedy.wasm", 1)?;
    assert_eq!(seen["imports"], json!([{"name": import, "linked": null}]));
    let refusal = seen["refusal"].as_str().context("a refusal")?;
    assert_eq!(refusal, format!("plugin greedy imports {import}, which no plugin may: plugins do no I/O"));
    let ended = program.run("check")?;
    assert_eq!((ended.code, ended.log.trim()), (Some(64), format!("error: {refusal}").as_str()));
    fs::write(program.path().join("greedy.wasm"), b"no component")?;
    let seen = program.ask("plugin inspect greedy.wasm", 1)?;
    assert_eq!((&seen["compile_ms"], &seen["is_loaded"]), (&Value::Null, &json!(false)));
    assert_eq!(program.run("plugin inspect nothing.wasm")?.code, Some(64));
    Ok(())
}

#[test]
fn one_event_is_run_against_a_real_endpoint_within_its_grants() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let event = json!({"specversion": "1.0", "id": "e-1", "source": "/s", "type": "t", "data": {"a": 1}});
    program.folder().write("event.json", &event.to_string())?;
    program.folder().write("settings.toml", "path = '/events/{id}'\n")?;
    let system = System::start("real", Behaviour::ok())?;
    let words = format!(
        "plugin run {} --event event.json --settings settings.toml --endpoint {}",
        plugin("rest")?.display(),
        system.url()
    );
    // A private address is not reached unless that is allowed.
    let run = program.ask(&words, 0)?;
    assert!(run["end"]["outcome"]["rejected"].is_string(), "{run:#}");
    assert_eq!(system.count(), 0);
    let run = program.ask(&format!("{words} --allow-network 127.0.0.1"), 0)?;
    assert!(run["end"]["outcome"]["delivered"].is_object(), "{run:#}");
    assert_eq!(system.accepted(), 1);
    let sent = &run["rounds"][0][0]["sent"];
    assert_eq!(
        (&sent["method"], &sent["url"]),
        (&json!("PUT"), &json!(format!("{}/events/e-1", system.url())))
    );
    assert!(run["calls"].as_u64() == Some(2) && run["cpu_us"].as_u64() > Some(0), "{run:#}");
    assert!(run["memory_bytes"].as_u64() > Some(65_536), "{run:#}");
    let words = format!("plugin run {} --event event.json", plugin("rest")?.display());
    let ended = program.run(&words)?;
    assert_eq!(ended.code, Some(64), "{ended:#?}");
    assert!(ended.log.contains("a connector needs somebody to ask"), "{ended:#?}");
    let words = format!("plugin run {} --event event.json --settings", plugin("reshape")?.display());
    let mut command = program.command(&words)?;
    let output = command.arg("jq = '{b: .a}'").output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && text.contains("emitted, 1 event\n  1  t: {\"b\":1}\n"), "{text}");
    Ok(())
}

#[test]
fn a_plugin_that_fails_a_trial_gets_no_certificate_that_a_host_takes() -> anyhow::Result<()> {
    let component = plugin("filing")?;
    let config = format!(
        "[kafka]\nbrokers = 'embedded'\n[runtime]\nrequire-certificate = true\n[plugins.filing]\npath = '{}'\n\
         certificate = 'certificate.json'\n[connectors.c]\nplugin = 'filing'\nendpoint = 'http://h.example'\n\
         [subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n",
        component.display()
    );
    let program = Program::new(&config)?;
    let case = |requests: Value| json!({"event": {"type": "t", "data": {"a": 1}}, "request": requests});
    let created = json!({"expect": "POST /cases", "reply": {"status": 201, "json": {"id": "7"}}});
    let put = json!({"expect": "PUT /cases/7/file", "reply": {"status": 204}});
    let booked = json!({"expect": "POST /cases/7/dates", "reply": {"status": 201}});
    program.folder().write("case.json", &case(json!([created, put, booked])).to_string())?;
    let words =
        format!("plugin certify {} --cases case.json --certificate certificate.json", component.display());
    // Its last call holds the number of the attempt: a repetition cannot be told from another booking.
    let certificate = program.ask(&words, 1)?;
    let trial = |name: &str| {
        let trials = certificate["trials"].as_array().into_iter().flatten();
        trials.clone().find(|trial| trial["name"] == name).cloned().unwrap_or_default()
    };
    let found = |name: &str| -> BTreeSet<String> {
        let found = trial(name)["findings"].as_array().cloned().unwrap_or_default();
        found.iter().filter_map(|finding| Some(finding["rule"].as_str()?.to_owned())).collect()
    };
    assert_eq!(found("time-out"), BTreeSet::from(["no-double-effect".to_owned()]), "{certificate:#}");
    // From the journal it goes on with the number that it had.
    assert_eq!(
        (&trial("crash")["runs"], &trial("crash")["failed"]),
        (&json!(2), &json!(0)),
        "{certificate:#}"
    );
    let ended = program.run("check")?;
    assert_eq!(ended.code, Some(64), "{ended:#?}");
    assert!(ended.log.contains("says that it failed: ") && ended.log.contains("time-out"), "{ended:#?}");
    Ok(())
}

#[test]
fn a_host_that_requires_certificates_takes_those_of_its_plugins() -> anyhow::Result<()> {
    let (rest, reshape) = (plugin("rest")?, plugin("reshape")?);
    let config = |more: &str| {
        format!(
            "[kafka]\nbrokers = 'embedded'\n[runtime]\nrequire-certificate = true\n[plugins.rest]\npath = '{}'\n{more}\n\
             [connectors.c]\nplugin = 'rest'\nendpoint = 'http://h.example'\nsettings = {{ path = '/{{id}}' }}\n\
             [subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n",
            rest.display()
        )
    };
    let program = Program::new(&config("certificate = 'rest.json'"))?;
    for (name, path) in [("rest", &rest), ("reshape", &reshape)] {
        let cases = repository().join("plugins").join(name).join("cases");
        let (path, cases) = (path.display(), cases.display());
        let ended =
            program.run(&format!("plugin certify {path} --cases {cases} --certificate {name}.json"))?;
        ensure!(ended.code == Some(0) && ended.out.ends_with("passed\n"), "{ended:#?}");
    }
    let ended = program.run("check")?;
    ensure!(ended.code == Some(0), "{ended:#?}");
    for (more, expected) in [
        ("certificate = 'reshape.json'", "is of another component"),
        ("certificate = 'missing.json'", "cannot be read"),
        ("", "plugins.rest.certificate: missing, and runtime.require-certificate wants it"),
    ] {
        program.folder().write("liaison.toml", &config(more))?;
        let ended = program.run("check")?;
        assert!(ended.code == Some(64) && ended.log.contains(expected), "{expected}: {ended:#?}");
    }
    Ok(())
}

#[test]
fn what_a_hostile_plugin_does_is_found() -> anyhow::Result<()> {
    let program = Program::new("")?;
    for (misdeed, rule) in [
        ("trap", "no-fault"),
        ("loop", "no-fault"),
        ("memory", "no-fault"),
        ("huge", "no-fault"),
        ("random", "same-answer"),
        ("many-effects", "no-fault"),
    ] {
        let case = |data: Value| json!({"event": {"type": "t", "data": data}});
        program.folder().write("case.json", &case(json!({"hostile": misdeed})).to_string())?;
        let words = format!("plugin certify {} --cases case.json", plugin("hostile")?.display());
        let certificate = program.ask(&words, 1)?;
        let findings = &certificate["trials"][0]["findings"];
        assert_eq!(findings[0]["rule"], rule, "{misdeed}: {findings:#}");
        assert_eq!(certificate["good_cases"], 0);
    }
    Ok(())
}

/// The names of the trials that were made so often.
fn trials(certificate: &Value, runs: u64) -> BTreeSet<String> {
    let trials = certificate["trials"].as_array().into_iter().flatten();
    let tried = trials.filter(|trial| trial["runs"] == runs);
    tried.filter_map(|trial| Some(trial["name"].as_str()?.to_owned())).collect()
}

/// As the guest `records` does in Rust, so in Python and in TypeScript.
#[test]
fn transactions_are_scripted_and_certified_alike_in_each_language() -> anyhow::Result<()> {
    let guests = if is_quick() { &["records"][..] } else { &["records", "records-python", "records-js"] };
    let program = Program::new("")?;
    let cases = repository().join("tests/guests/records/cases.toml");
    for guest in guests {
        let words = format!("{} {}", plugin(guest)?.display(), cases.display());
        let tested = program.ask(&format!("plugin test {words}"), 0).context(*guest)?;
        assert_eq!((&tested["passed"], &tested["failed"]), (&json!(6), &json!(0)), "{guest}");
        // The transaction delivers where it changes the record, and the host need not call again; not where it does not.
        let is_ended_by_answer = |case: usize| tested["cases"][case]["run"]["is_ended_by_answer"].as_bool();
        assert_eq!([0, 1].map(is_ended_by_answer), [Some(true), Some(false)], "{guest}");
        let exchange = &tested["cases"][0]["run"]["rounds"][0][0];
        assert_eq!(exchange["sent"]["method"], "SQL", "{guest}");
        assert_eq!(exchange["sent"]["url"], "select name, updated_at from records where id = ?", "{guest}");
        let words = words.replace(' ', " --cases ");
        let certificate = program.ask(&format!("plugin certify {words}"), 0).context(*guest)?;
        let untried = trials(&certificate, 0);
        assert_eq!(untried, BTreeSet::from(OF_HTTP.map(str::to_owned)), "{guest}");
    }
    Ok(())
}

#[test]
fn a_transaction_that_differs_says_where() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let case = json!({
        "name": "wrong in four ways",
        "endpoint": "postgresql://database.example/records",
        "settings": {"dialect": "postgres"},
        "event": {"id": "7", "type": "t", "data": {"name": "Ada", "updatedAt": 3}},
        "request": [{
            "expect": "SQL select name, updated_at from records where id = $1",
            "parameters": [["8"], []],
            "reply": {"results": [{"columns": ["name", "updated_at"], "rows": [["Eve", 9]]}, {}]},
        }],
        "expect": {"outcome": "delivered"},
    });
    program.folder().write("case.json", &case.to_string())?;
    let words = format!("plugin test {} case.json", plugin("records")?.display());
    let tested = program.ask(&words, 1)?;
    let places = |tested: &Value| -> Vec<String> {
        let found = tested["cases"][0]["differences"].as_array().into_iter().flatten();
        found.filter_map(|difference| Some(difference["place"].as_str()?.to_owned())).collect()
    };
    let request = "round 1, request 1";
    assert_eq!(
        places(&tested),
        [
            format!("{request}, results"),
            format!("{request}, parameters"),
            format!("{request}, parameters of statement 0, 0"),
            "outcome".to_owned(),
        ]
    );
    // What the gateway would refuse is refused here too.
    let mut ungranted = case;
    ungranted["tables"] = json!(["people"]);
    program.folder().write("case.json", &ungranted.to_string())?;
    let tested = program.ask(&words, 1)?;
    let answer = &tested["cases"][0]["run"]["rounds"][0][0]["answer"];
    assert!(answer.to_string().contains("asks for `records`; granted tables: people"), "{answer}");
    Ok(())
}

/// As the guest `errand` books in Rust, `booking` does in Python and in TypeScript.
#[test]
fn calls_by_grpc_are_scripted_and_certified_alike_in_each_language() -> anyhow::Result<()> {
    let guests = if is_quick() { &["errand"][..] } else { &["errand", "booking-python", "booking-js"] };
    let program = Program::new("")?;
    let cases = repository().join("tests/guests/booking/cases.toml");
    for guest in guests {
        let words = format!("{} {}", plugin(guest)?.display(), cases.display());
        let tested = program.ask(&format!("plugin test {words}"), 0).context(*guest)?;
        assert_eq!((&tested["passed"], &tested["failed"]), (&json!(3), &json!(0)), "{guest}");
        let exchange = &tested["cases"][0]["run"]["rounds"][0][0];
        assert_eq!(exchange["sent"]["method"], "gRPC", "{guest}");
        assert_eq!(exchange["sent"]["url"], "http://endpoint.example/rooms.Rooms/Book", "{guest}");
        let words = words.replace(' ', " --cases ");
        let certificate = program.ask(&format!("plugin certify {words}"), 0).context(*guest)?;
        // What gRPC has no status for; and one call cannot be interrupted between two.
        let untried = ["502", "crash", "wrong-content-type"].map(str::to_owned);
        let of_sql = |name: &String| name.starts_with("sql-");
        let found: BTreeSet<_> = trials(&certificate, 0).into_iter().filter(|name| !of_sql(name)).collect();
        assert_eq!(found, BTreeSet::from(untried), "{guest}");
        assert!(trials(&certificate, 1).contains("503"), "{guest}: {certificate:#}");
    }
    Ok(())
}

/// It says `retry` whatever it is answered, and nothing of when.
#[test]
fn a_plugin_that_does_not_pass_on_how_grpc_pushes_back_is_found() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let case = json!({
        "name": "in a hurry",
        "event": {"id": "e-1", "type": "room.wanted", "subject": "blue", "errand": "hurry", "data": {}},
        "request": [{"expect": "gRPC /rooms.Rooms/Book", "reply": {"grpc-status": 0}}],
        "expect": {"outcome": "delivered"},
    });
    program.folder().write("case.json", &case.to_string())?;
    let words = format!("plugin certify {} --cases case.json", plugin("errand")?.display());
    let certificate = program.ask(&words, 1)?;
    let found = |name: &str| -> Vec<(String, String)> {
        let trials = certificate["trials"].as_array().into_iter().flatten();
        let of_trial =
            trials.filter(|trial| trial["name"] == name).flat_map(|trial| trial["findings"].as_array());
        let text = |finding: &Value, part: &str| finding[part].as_str().unwrap_or_default().to_owned();
        of_trial.flatten().map(|finding| (text(finding, "rule"), text(finding, "text"))).collect()
    };
    assert_eq!(found("429"), []);
    let wait = ("wait".to_owned(), "it does not say that it was told to wait 90s".to_owned());
    for name in ["429-seconds", "429-date"] {
        assert_eq!(found(name), std::slice::from_ref(&wait), "{name}");
    }
    Ok(())
}
