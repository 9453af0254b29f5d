//! Kafka over TLS and with users: every way delivers, every refusal is one clear line, and no password is shown.

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, ensure};
use liaison_tests::certificates::{Authority, LOOPBACK};
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::kafka::security::{PLAIN_USER, Port, SCRAM_USER, SecuredKafka};
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};
use serde_json::json;

use crate::command::Program;
use crate::kafka_fixture::{LIMIT, say};

const EVENTS: usize = 200;
/// The last, so that nothing overtakes it.
const REFUSED: &str = "e-199";
const SECRETS: [&str; 3] = [SCRAM_USER.1, PLAIN_USER.1, "another-hush-3e11"];

/// The files that a client may need.
struct Files {
    /// Whom the brokers' certificates are of.
    authority: String,
    /// Somebody else.
    stranger: String,
    /// Of the authority, with its key.
    certified: [String; 2],
    /// Of the stranger, with its key.
    forged: [String; 2],
    /// By the user whose it is.
    passwords: [String; 2],
    wrong_password: String,
}

impl Files {
    fn write(kafka: &SecuredKafka) -> anyhow::Result<Self> {
        let folder = kafka.folder();
        let text = |path: &Path| path.display().to_string();
        let file = |name: &str, content: &str| anyhow::Ok(text(&folder.write(name, content)?));
        let stranger = Authority::new("stranger")?;
        let (certified, forged) = (kafka.authority.certify(&LOOPBACK)?, stranger.certify(&LOOPBACK)?);
        Ok(Self {
            authority: text(&kafka.authority_file),
            stranger: text(&stranger.write(folder)?),
            certified: [file("own.pem", &certified.certificate)?, file("own-key.pem", &certified.key)?],
            forged: [file("forged.pem", &forged.certificate)?, file("forged-key.pem", &forged.key)?],
            passwords: [file("alice", SCRAM_USER.1)?, file("bob", PLAIN_USER.1)?],
            wrong_password: file("wrong", SECRETS[2])?,
        })
    }

    fn ca(&self) -> String {
        format!("ca-file = \"{}\"\n", self.authority)
    }

    fn identity([certificate, key]: &[String; 2]) -> String {
        format!("certificate-file = \"{certificate}\"\nkey-file = \"{key}\"\n")
    }

    fn sasl(mechanism: &str, user: &str, password: &str) -> String {
        format!(
            "sasl = {{ mechanism = \"{mechanism}\", username = \"{user}\", password = {{ file = \"{password}\" }} }}\n"
        )
    }

    fn alice(&self, mechanism: &str) -> String {
        Self::sasl(mechanism, SCRAM_USER.0, &self.passwords[0])
    }

    fn bob(&self) -> String {
        Self::sasl("plain", PLAIN_USER.0, &self.passwords[1])
    }
}

fn security(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!("[kafka.security]\n{table}") }
}

/// Nothing but the way to Kafka.
fn alone(bootstrap: &str, table: &str) -> String {
    format!(
        "[kafka]\nbrokers = [\"{bootstrap}\"]\nstart-timeout = \"20s\"\n[admin]\naddress = false\n{}",
        security(table)
    )
}

/// One subscription of a topic, whose groups and dead letters are named `way`.
fn subscribed(
    bootstrap: &str,
    table: &str,
    way: &str,
    topic: &str,
    endpoint: &str,
    admin: std::net::SocketAddr,
) -> anyhow::Result<String> {
    Ok(format!(
        r#"
        [kafka]
        brokers = ["{bootstrap}"]
        group-prefix = "{way}"
        away-after = "10s"
        {}
        [admin]
        address = "{admin}"
        [plugins.rest]
        path = "{}"
        [connectors.calendar]
        plugin = "rest"
        endpoint = "{endpoint}"
        allow-networks = ["127.0.0.0/8"]
        settings = {{ path = "/events/{{id}}" }}
        [subscriptions.calendar]
        connector = "calendar"
        topics = ["{topic}"]
        journal = true
        dead-letter-topic = "{way}.dead-letters"
        "#,
        security(table),
        plugin("rest")?.display(),
    ))
}

fn show_no_secret(of: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{of} shows {secret}:\n{text}");
    }
}

/// Runs a host over one port until all events have arrived and its other commands have worked; one of them is refused.
fn deliver(way: &str, bootstrap: &str, table: &str, topic: &str) -> anyhow::Result<()> {
    let refused = |request: &liaison_tests::system::Request<'_>| request.path == format!("/events/{REFUSED}");
    let system = System::start("calendar", Behaviour::ok().when(refused, Behaviour::status(400)))?;
    let admin = port::free()?;
    let text = subscribed(bootstrap, table, way, topic, &system.url(), admin)?;
    let mut host = HostProcess::start(&text, admin, &[("RUST_LOG", "debug,wasmtime=info,cranelift=info")])?;
    system.wait_for_accepted(EVENTS - 1, LIMIT).with_context(|| format!("{way}: {:#?}", host.log()))?;
    wait::until(LIMIT, "the dead letter", || {
        host.metrics().is_ok_and(|metrics| metrics.sum("liaison_dead_letters_total", &[]) == 1.0)
    })?;
    show_no_secret("/metrics", &host.page("/metrics")?.1);
    let program = Program::new(&text)?;
    let listed = program.run("dead-letters list")?;
    assert!(listed.code == Some(0) && listed.out.contains(REFUSED), "{way}: {listed:?}");
    system.behave(Behaviour::ok());
    let redriven = program.run("dead-letters redrive --all")?;
    assert_eq!(redriven.code, Some(0), "{way}: {redriven:?}");
    program.folder().write(
        "more.jsonl",
        r#"{"specversion":"1.0","id":"emitted","source":"/t","type":"policy.updated"}"#,
    )?;
    let emitted = program.run(&format!("emit --topic {topic} --file more.jsonl"))?;
    assert_eq!(emitted.code, Some(0), "{way}: {emitted:?}");
    system.wait_until("what was emitted", LIMIT, |ledger| {
        ledger.iter().any(|entry| entry.path == "/events/emitted" && entry.is_accepted())
    })?;
    assert!(host.terminate(LIMIT)?.success(), "{way}: {:#?}", host.log());
    let mut ids: Vec<String> =
        system.ledger().iter().filter(|entry| entry.is_accepted()).map(|entry| entry.path.clone()).collect();
    ids.retain(|path| path != "/events/emitted");
    ids.sort_unstable();
    let mut expected: Vec<String> = (0..EVENTS).map(|number| format!("/events/e-{number}")).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected, "{way}");
    let printed = [host.log().join("\n"), listed.out, listed.log, redriven.out, redriven.log, emitted.log];
    printed.iter().for_each(|text| show_no_secret(way, text));
    Ok(())
}

#[test]
fn events_are_delivered_over_tls_and_with_every_kind_of_user() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("events_are_delivered_over_tls_and_with_every_kind_of_user", "needs real Kafka");
        return Ok(());
    }
    let kafka = SecuredKafka::start()?;
    let files = Files::write(&kafka)?;
    let ca = files.ca();
    let ways = [
        ("tls", Port::Tls, ca.clone()),
        ("mutual-tls", Port::Mutual, ca.clone() + &Files::identity(&files.certified)),
        ("scram-256", Port::Users, ca.clone() + &files.alice("scram-sha-256")),
        ("scram-512", Port::Users, ca.clone() + &files.alice("scram-sha-512")),
        ("plain", Port::Users, ca + &files.bob()),
        ("plain-in-the-clear", Port::ClearUsers, "tls = false\n".to_owned() + &files.bob()),
    ];
    let event = |topic: &str, number| {
        let id = format!("e-{number}");
        cloudevent(topic, "policy.updated", &id, &format!("k-{}", number % 20), &json!({ "title": id }))
    };
    for (way, ..) in &ways {
        let topic = format!("events-{way}");
        kafka.kafka.create_topic(&topic, 2)?;
        produce(&kafka.kafka.bootstrap(), (0..EVENTS).map(|number| event(&topic, number)).collect())?;
    }
    for (way, port, table) in &ways {
        deliver(way, &kafka.bootstrap(*port), table, &format!("events-{way}"))?;
    }
    Ok(())
}

/// How `check --live` ended, what it says of Kafka on one line, and its log.
fn checked(bootstrap: &str, table: &str) -> anyhow::Result<(Option<i32>, String, String)> {
    let program = Program::new(&alone(bootstrap, table))?;
    let output = program.command("check --live")?.env("RUST_LOG", "info,librdkafka=debug").output()?;
    let (out, log) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    show_no_secret("check --live", &format!("{out}{log}"));
    let line = out.lines().find_map(|line| line.strip_prefix("kafka  "));
    let line = line.with_context(|| format!("{out}{log}"))?.to_owned();
    Ok((output.status.code(), line, log))
}

#[test]
fn every_refusal_is_one_line_that_says_what_to_do() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("every_refusal_is_one_line_that_says_what_to_do", "needs real Kafka");
        return Ok(());
    }
    let kafka = SecuredKafka::start()?;
    let files = Files::write(&kafka)?;
    let ca = || files.ca();
    let stranger = format!("ca-file = \"{}\"\n", files.stranger);
    let wrong = |mechanism, user| ca() + &Files::sasl(mechanism, user, &files.wrong_password);
    #[rustfmt::skip] // a row a case
    let cases = [
        ("another authority", Port::Tls, stranger, "its certificate is of no authority that is trusted; name the right one in `ca-file` of [kafka.security]"),
        ("the system's authorities", Port::Tls, "tls = true\n".to_owned(), "its certificate is of no authority that is trusted; name the right one in `ca-file` of [kafka.security]"),
        ("another host's certificate", Port::Elsewhere, ca(), "its certificate is not for this name but for elsewhere.example.gov; write in `brokers` a name that it is for, and let the broker advertise that"),
        ("an expired certificate", Port::Expired, ca(), "its certificate has expired on 2020-12-31; those who run Kafka must renew it"),
        ("no certificate of ours", Port::Mutual, ca(), "it wants a certificate of this host; name `certificate-file` and `key-file` in [kafka.security]"),
        ("a forged certificate of ours", Port::Mutual, ca() + &Files::identity(&files.forged), "it refuses this host's certificate"),
        ("a wrong password, SCRAM", Port::Users, wrong("scram-sha-512", SCRAM_USER.0), "it refuses the user or the password: "),
        ("a wrong password, PLAIN", Port::Users, wrong("plain", PLAIN_USER.0), "it refuses the user or the password: "),
        ("an unknown user", Port::Users, wrong("scram-sha-256", "nobody"), "it refuses the user or the password: "),
        ("another mechanism", Port::ClearUsers, "tls = false\n".to_owned() + &files.alice("scram-sha-512"), "it does not take SCRAM-SHA-512 but PLAIN; mend `mechanism` of `sasl` in [kafka.security]"),
        ("in the clear to a TLS port", Port::Tls, String::new(), "its port takes no connection in the clear, it probably speaks TLS; write [kafka.security], or use its port for plain connections"),
        ("TLS to a port in the clear", Port::ClearUsers, ca(), "its port does not speak TLS; use its port for TLS, or no TLS in [kafka.security]"),
        ("no user", Port::Users, ca(), "it closes the connection, its port probably wants a user; write `sasl` in [kafka.security], or use another port"),
        ("a user nobody asked for", Port::Tls, ca() + &files.alice("scram-sha-512"), "its port takes no user; leave `sasl` out of [kafka.security], or use its port for SASL"),
    ];
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (what, port, table, expected) in &cases {
            let (bootstrap, failed) = (kafka.bootstrap(*port), &failed);
            scope.spawn(move || {
                let found = checked(&bootstrap, table);
                let start =
                    format!("failed  Kafka at {bootstrap} cannot be used: broker {bootstrap}: {expected}");
                let is_right =
                    found.as_ref().is_ok_and(|(code, line, _)| *code == Some(1) && line.starts_with(&start));
                if !is_right {
                    failed.lock().expect("nobody panics").push(format!("{what}: {found:#?}\n  not {start}"));
                }
            });
        }
    });
    let failed = failed.into_inner()?;
    ensure!(failed.is_empty(), "{}", failed.join("\n"));

    // Whom the system trusts is trusted without a word of ours.
    let program = Program::new(&alone(&kafka.bootstrap(Port::Tls), "tls = true\n"))?;
    let mut command = program.command("check --live")?;
    let output = command.env("SSL_CERT_FILE", &files.authority).output()?;
    assert!(output.status.success(), "{output:?}");

    // The same line ends a start, once.
    let table = wrong("scram-sha-512", SCRAM_USER.0);
    let bootstrap = kafka.bootstrap(Port::Users);
    let ended = Program::new(&alone(&bootstrap, &table))?.run("run")?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.log.lines().last().context("it says why")?;
    assert!(last.starts_with(&format!("error: Kafka at {bootstrap} cannot be used: broker ")), "{ended:?}");
    let told = ended.log.lines().filter(|line| line.contains("refuses the user")).count();
    assert!(told <= 2, "a warning and the end: {ended:?}");
    show_no_secret("run", &ended.log);
    Ok(())
}

#[test]
fn mistakes_of_the_table_need_no_broker() -> anyhow::Result<()> {
    let folder = liaison_tests::folder::Folder::new("security")?;
    let authority = Authority::new("authority")?;
    let certified = authority.certify(&LOOPBACK)?;
    let file = |name: &str, text: &str| anyhow::Ok(folder.write(name, text)?.display().to_string());
    let (certificate, key) = (file("c.pem", &certified.certificate)?, file("k.pem", &certified.key)?);
    let unset = "sasl = { mechanism = \"plain\", username = \"u\", password = { env = \"LIAISON_UNSET\" } }";
    for (table, expected) in [
        ("ca-file = \"none.pem\"".to_owned(), "kafka.security.ca-file: cannot read none.pem"),
        (format!("ca-file = \"{key}\""), "holds no PEM certificate; export it as PEM"),
        (
            unset.to_owned(),
            "kafka.security.sasl.password.env: the environment variable LIAISON_UNSET is not set",
        ),
        (format!("certificate-file = \"{certificate}\""), "certificate-file: needs its private key"),
        (format!("key-file = \"{key}\""), "key-file: needs its certificate"),
    ] {
        let ended = Program::new(&alone("127.0.0.1:1", &table))?.run("check --live")?;
        assert_eq!(ended.code, Some(64), "{table}: {ended:?}");
        assert!(ended.log.contains(expected), "{table}: {ended:?}");
    }
    // A command that reads only the secrets that it needs says the same of this one.
    let emit = Program::new(&alone("127.0.0.1:1", unset))?;
    emit.folder().write("e.jsonl", "{\"id\":1}")?;
    let ended = emit.run("emit --topic t --file e.jsonl")?;
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let expected =
        "error: `sasl.password` in [kafka.security]: the environment variable LIAISON_UNSET is not set";
    assert!(ended.log.contains(expected), "{ended:?}");
    Ok(())
}

#[test]
fn a_host_that_is_refused_later_says_so_until_it_is_taken_again() -> anyhow::Result<()> {
    const TOPIC: &str = "refused-later";
    if is_quick() {
        say_skipped("a_host_that_is_refused_later_says_so_until_it_is_taken_again", "needs real Kafka");
        return Ok(());
    }
    let mut kafka = SecuredKafka::start()?;
    let files = Files::write(&kafka)?;
    kafka.kafka.create_topic(TOPIC, 1)?;
    let system = System::start("calendar", Behaviour::ok())?;
    let admin = port::free()?;
    let table = files.ca() + &files.bob();
    let text = subscribed(&kafka.bootstrap(Port::Users), &table, TOPIC, TOPIC, &system.url(), admin)?;
    let mut host = HostProcess::start(&text, admin, &[])?;
    let event = |id: &str| vec![cloudevent(TOPIC, "policy.updated", id, "k", &json!({}))];
    produce(&kafka.kafka.bootstrap(), event("before"))?;
    system.wait_for_accepted(1, LIMIT)?;

    kafka.change_password(PLAIN_USER.1, SECRETS[2])?;
    kafka.kafka.kill()?;
    kafka.kafka.start_again()?;
    let why = "it refuses the user or the password: Authentication failed";
    wait::until(LIMIT, "the refusal in /readyz", || {
        host.page("/readyz").is_ok_and(|(status, page)| status == 503 && page.contains(why))
    })
    .with_context(|| format!("{:?}\n{:#?}", host.page("/readyz"), host.log()))?;
    let alert = host.wait_for_log("no Kafka broker has answered for", LIMIT)?;
    say(&format!("refused later: {alert}"));

    kafka.change_password(SECRETS[2], PLAIN_USER.1)?;
    kafka.kafka.kill()?;
    kafka.kafka.start_again()?;
    produce(&kafka.kafka.bootstrap(), event("after"))?;
    system.wait_for_accepted(2, LIMIT)?;
    wait::until(LIMIT, "readiness to come back", || host.is_ready())?;
    assert!(host.terminate(LIMIT)?.success());
    show_no_secret("a refused host", &host.log().join("\n"));
    Ok(())
}
