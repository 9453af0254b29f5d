//! The `liaison` program as a person meets it: what it prints, where, and how it ends.
//!
//! The broker is the embedded one, in this process; the plugin is the shipped `rest`, built for `wasm32-wasip2`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::http::StatusCode;
use axum::routing::put;
use serde_json::Value;

use liaison::kafka::embedded::Embedded;

/// For everything that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

const EVENT: &str = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"policy.updated","data":{}}"#;

/// An empty folder to run in; it is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("liaison-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn with(self, file: &str, text: &str) -> Result<Self> {
        fs::write(self.0.join(file), text)?;
        Ok(self)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_liaison"));
        command.args(line.split_whitespace()).current_dir(&self.0);
        command.env_remove("RUST_LOG").env_remove("LIAISON_CONFIG");
        // Compiled plugins are kept between the tests.
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, line: &str) -> Result<Ended> {
        Ended::new(line, self.command(line).output()?)
    }

    fn run_with(&self, line: &str, stdin: &str) -> Result<Ended> {
        let mut child = self.command(line).stdin(Stdio::piped()).spawn()?;
        child.stdin.take().context("stdin is piped")?.write_all(stdin.as_bytes())?;
        Ended::new(line, child.wait_with_output()?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is the system's to remove.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    line: String,
    code: Option<i32>,
    out: String,
    log: String,
}

impl Ended {
    fn new(line: &str, output: Output) -> Result<Self> {
        let (out, log) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        Ok(Self { line: line.to_owned(), code: output.status.code(), out, log })
    }

    fn expect(self, code: i32) -> Result<Self> {
        ensure!(self.code == Some(code), "`{}` did not end with {code}: {self:#?}", self.line);
        Ok(self)
    }
}

/// A running host. Dropped, it is killed.
struct Running(Child);

impl Running {
    fn is_running(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Sends SIGTERM and waits for the end.
    fn terminate(&mut self) -> Result<Option<i32>> {
        // `unsafe` is denied, and the standard library sends SIGKILL alone.
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status()?;
        ensure!(sent.success(), "the host has ended already");
        Ok(self.0.wait()?.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An external system on loopback: takes `/good/…` and refuses `/bad/…`. It ends with its runtime.
fn system(runtime: &tokio::runtime::Runtime) -> Result<String> {
    let routes = axum::Router::new()
        .route("/good/{id}", put(|| async { StatusCode::NO_CONTENT }))
        .route("/bad/{id}", put(|| async { (StatusCode::BAD_REQUEST, "no such room") }));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async { axum::serve(listener, routes).await });
    Ok(format!("http://{address}"))
}

/// The component of the plugin `rest`, built beforehand.
fn rest() -> Result<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_liaison"));
    let target =
        program.ancestors().nth(2).context("a program is in a profile's folder of a target folder")?;
    let path = target.join("wasm32-wasip2/plugin/rest.wasm");
    ensure!(path.exists(), "{} is not there: run `cargo build-plugins`", path.display());
    Ok(path)
}

/// Two connectors and a subscription of each to all events of the topic `events`.
fn configuration(brokers: &str, system: &str) -> Result<String> {
    let mut text = format!(
        "[kafka]\nbrokers = {brokers}\n[admin]\naddress = false\n[plugins.rest]\npath = '{}'\n",
        rest()?.display()
    );
    for name in ["good", "bad"] {
        text += &format!(
            "[connectors.{name}-system]\nplugin = 'rest'\nendpoint = '{system}/{name}'\n\
             allow-networks = ['127.0.0.1']\nsettings = {{ path = '/{{id}}' }}\n\
             [subscriptions.{name}]\nconnector = '{name}-system'\ntopics = ['events']\ntypes = ['policy.*']\n"
        );
    }
    Ok(text)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

#[test]
fn bad_usage_ends_with_64_and_help_with_0() -> Result<()> {
    let folder = Folder::new("usage")?;
    for line in ["", "fly", "run --frobnicate", "sync", "--log a=b=c schema", "dead-letters show 7"] {
        let ended = folder.run(line)?.expect(64)?;
        assert!(ended.out.is_empty() && !ended.log.is_empty(), "{ended:?}");
    }
    assert!(folder.run("--help")?.expect(0)?.out.contains("Exit codes: "));
    assert_eq!(folder.run("--version")?.expect(0)?.out, concat!("liaison ", env!("CARGO_PKG_VERSION"), "\n"));
    Ok(())
}

#[test]
fn every_mistake_of_a_configuration_is_named_with_its_place() -> Result<()> {
    let folder = Folder::new("mistakes")?.with(
        "wrong.toml",
        "[kafka]\nbrokrs = ['a:1']\n[plugins.rest]\npath = 'no.wasm'\n[subscriptions.s]\nconnector = 'c'\n",
    )?;
    for command in ["check", "run", "dead-letters list", "sync --event -"] {
        let ended = folder.run(&format!("{command} --config wrong.toml"))?.expect(64)?;
        let places: Vec<&str> = ended.log.lines().filter_map(|line| line.split(": ").next()).collect();
        assert!(places.contains(&"wrong.toml:2:1") && places.contains(&"wrong.toml:4:1"), "{ended:#?}");
        assert!(places.iter().all(|place| place.starts_with("wrong.toml")), "{ended:#?}");
        assert_eq!(ended.out, "");
    }
    let ended = folder.run("check --json --config wrong.toml")?.expect(64)?;
    let json: Value = serde_json::from_str(&ended.out)?;
    assert_eq!(json["right"], false);
    assert_eq!(json["mistakes"][0]["key"], "kafka.brokrs");
    assert_eq!(ended.log, "");
    Ok(())
}

#[test]
fn the_configuration_may_be_named_by_the_environment() -> Result<()> {
    let folder = Folder::new("environment")?.with("other.toml", "nonsense = 1\n")?;
    assert!(folder.run("check")?.expect(64)?.log.starts_with("liaison.toml: "));
    let output = folder.command("check").env("LIAISON_CONFIG", "other.toml").output()?;
    assert!(Ended::new("check", output)?.expect(64)?.log.contains("other.toml:1:1: nonsense: "));
    Ok(())
}

#[test]
fn a_plugin_that_is_no_component_is_a_mistake() -> Result<()> {
    let folder = Folder::new("plugin")?.with("rest.wasm", "no component")?.with(
        "liaison.toml",
        "[kafka]\nbrokers = ['127.0.0.1:1']\n[plugins.rest]\npath = 'rest.wasm'\n[connectors.c]\nplugin = 'rest'\n\
         endpoint = 'http://127.0.0.1:1'\n[subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n",
    )?;
    for command in ["check", "run"] {
        let ended = folder.run(command)?.expect(64)?;
        assert!(ended.log.contains("error: plugin rest: rest.wasm is no component"), "{ended:#?}");
    }
    Ok(())
}

#[test]
fn the_schema_is_json() -> Result<()> {
    let schema: Value = serde_json::from_str(&Folder::new("schema")?.run("schema")?.expect(0)?.out)?;
    assert_eq!(schema["title"], "liaison configuration");
    Ok(())
}

#[test]
fn a_broker_that_is_not_there_ends_each_command_with_1() -> Result<()> {
    let runtime = runtime()?;
    let text = configuration("['127.0.0.1:1']\nstart-timeout = '1s'", &system(&runtime)?)?;
    let folder = Folder::new("unreachable")?.with("liaison.toml", &text)?.with("events", EVENT)?;
    for command in ["run", "dead-letters list", "emit --topic events --file events"] {
        let ended = folder.run(command)?.expect(1)?;
        let last = ended.log.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: no Kafka broker of 127.0.0.1:1 answered within 1s"), "{ended:#?}");
    }
    let ended = folder.run("check --live")?.expect(1)?;
    let states: Vec<String> = ended
        .out
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        states,
        ["kafka failed no", "connector bad-system ok", "connector good-system ok"],
        "{ended:#?}"
    );
    Ok(())
}

#[test]
fn sync_says_how_the_event_ended_in_each_system() -> Result<()> {
    let runtime = runtime()?;
    let text = configuration("'embedded'", &system(&runtime)?)?;
    let folder = Folder::new("sync")?.with("liaison.toml", &text)?.with("event.json", EVENT)?;
    let check = folder.run("check")?.expect(0)?;
    assert_eq!(check.out, "liaison.toml is right: 1 plugin, 2 connectors, 2 subscriptions\n");
    let expected = "{\"bad-system\":\"error: PUT /e-1 answered 400 Bad Request: no such room\",\"good-system\":\"ok\"}\n";
    assert_eq!(folder.run("sync --event event.json")?.expect(1)?.out, expected);
    let unwanted = folder.run_with("sync --event -", &EVENT.replace("policy.updated", "other"))?.expect(0)?;
    assert_eq!(unwanted.out, "{}\n");
    assert!(unwanted.log.contains("no subscription wants this event"), "{unwanted:?}");
    let no_event = folder.run_with("sync --event -", "{}")?.expect(64)?;
    assert!(no_event.log.starts_with("error: stdin holds no event: "), "{no_event:?}");
    Ok(())
}

#[test]
fn nothing_of_a_file_with_a_wrong_line_is_sent() -> Result<()> {
    let folder = Folder::new("lines")?.with("events.jsonl", &format!("{EVENT}\n\n{{\n{{\"id\":[]}}\n"))?;
    let ended =
        folder.run("emit --topic t --brokers 127.0.0.1:1 --file events.jsonl --key /id")?.expect(64)?;
    let starts: Vec<&str> = ended.log.lines().map(|line| line.split(" at ").next().unwrap_or(line)).collect();
    assert_eq!(
        starts,
        [
            "events.jsonl: line 3 is not JSON: EOF while parsing an object",
            "events.jsonl: line 4 has no string, number or boolean",
            "nothing was sent",
        ]
    );
    Ok(())
}

#[test]
fn an_event_that_is_refused_becomes_a_dead_letter_that_can_be_shown() -> Result<()> {
    let runtime = runtime()?;
    // The embedded broker takes no orders for topics.
    let letters = ["good", "bad"].map(|name| format!("liaison.dead-letters.{name}"));
    let kafka = Embedded::start(&[("events", 2), (&letters[0], 1), (&letters[1], 1)])?;
    let text = configuration(&format!("['{}']", kafka.bootstrap()), &system(&runtime)?)?;
    let folder = Folder::new("letters")?.with("liaison.toml", &text)?;
    assert_eq!(folder.run("dead-letters list")?.expect(0)?.out, "no dead letters\n");

    let log = folder.0.join("log");
    let mut host = Running(folder.command("run --log-format json").stderr(fs::File::create(&log)?).spawn()?);
    let emitted = folder.run_with("emit --topic events --file - --json", &format!("{EVENT}\n"))?.expect(0)?;
    assert_eq!(serde_json::from_str::<Value>(&emitted.out)?["events"], 1);

    let until = Instant::now() + LIMIT;
    let letters = loop {
        let listed: Value = serde_json::from_str(&folder.run("dead-letters list --json")?.expect(0)?.out)?;
        match listed["dead_letters"].as_array() {
            Some(letters) if !letters.is_empty() => break letters.clone(),
            _ => {
                let may_come = host.is_running()? && Instant::now() < until;
                ensure!(may_come, "no dead letter came: {listed}\n{}", fs::read_to_string(&log)?);
            }
        }
    };
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((&letters[0]["event_id"], &letters[0]["reason"]), (&"e-1".into(), &"rejected".into()));
    let id = letters[0]["id"].as_str().context("a letter has an id")?;
    assert!(id.starts_with("bad/"), "{id}");

    for (filter, count) in [("--type policy.*", 1), ("--reason gave-up", 0), ("--subscription good", 0)] {
        let listed = folder.run(&format!("dead-letters list {filter}"))?.expect(0)?;
        assert_eq!(listed.out.matches(id).count(), count, "{listed:#?}");
    }
    let shown = folder.run(&format!("dead-letters show {id}"))?.expect(0)?;
    assert!(shown.out.contains("PUT /e-1 answered 400 Bad Request: no such room"), "{shown:#?}");
    assert_eq!(shown.log, "");
    assert!(folder.run("dead-letters show bad/0/99")?.expect(1)?.log.contains("there is no dead letter"));
    assert!(folder.run("dead-letters show none/0/0")?.expect(64)?.log.contains("known are bad, good"));
    assert_eq!(host.terminate()?, Some(0));
    for line in fs::read_to_string(&log)?.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string()), "{line}");
    }
    Ok(())
}
