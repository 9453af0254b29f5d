//! SQL effects in real databases: PostgreSQL, MariaDB and SQLite, each read back by its own client.

use std::process::Command;

use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::certificates::{Authority, LOOPBACK};
use liaison_tests::folder::Folder;
use liaison_tests::local::LocalHost;
use liaison_tests::mariadb::{self, MariaDb};
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::{is_quick, say_skipped};
use serde_json::json;

use crate::command::Program;
use crate::fixture::{Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, letters, with_header};

/// A record of this version.
pub(crate) fn record(id: &str, name: &str, version: i64) -> Outgoing {
    let data = json!({ "name": name, "updatedAt": version });
    cloudevent(TOPIC, "record.changed", id, id, &data)
}

/// An event that brings its own statements.
pub(crate) fn statements(id: &str, statements: &serde_json::Value) -> Outgoing {
    with_header(record(id, "", 0), "ce_statements", &statements.to_string())
}

/// What a connector to a database is configured with.
pub(crate) fn connector(dialect: &str, credential: &str, more: &str) -> String {
    format!("settings = {{ dialect = \"{dialect}\" }}\n{credential}\n{more}")
}

/// The password from a file, so that it can change.
pub(crate) fn credential(user: &str, file: &std::path::Path) -> String {
    let password = file.display();
    format!("credential = {{ basic = {{ username = \"{user}\", password = {{ file = '{password}' }} }} }}")
}

/// The same tables in each dialect.
pub(crate) fn schema(text: &str) -> String {
    format!(
        "create table records (id {text} primary key, name {text} not null, updated_at bigint, \
         constraint named check (name <> '')); \
         create table log (id {text}); create table secret (a integer)"
    )
}

pub(crate) struct Database {
    pub(crate) host: LocalHost,
    pub(crate) broker: Embedded,
}

impl Database {
    pub(crate) fn start(endpoint: &str, connector: &str) -> anyhow::Result<Self> {
        Self::start_with(endpoint, connector, QUICK)
    }

    pub(crate) fn start_with(endpoint: &str, connector: &str, tables: &str) -> anyhow::Result<Self> {
        Self::start_guest("records", endpoint, connector, tables)
    }

    /// Of the same guest in some language.
    fn start_guest(guest: &str, endpoint: &str, connector: &str, tables: &str) -> anyhow::Result<Self> {
        let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
        let plugin_settings = if guest == "records" { "" } else { "instances = { warm = 1000 }" };
        let config = Config { plugin: guest, plugin_settings, connector, tables, ..Config::default() };
        let config = Config { subscription: NEWEST, ..config };
        let host = LocalHost::start(&config.text(broker.bootstrap(), endpoint)?)?;
        Ok(Self { host, broker })
    }

    pub(crate) fn produce(&self, events: Vec<Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events)
    }

    pub(crate) fn settled(&self, kind: &str, count: f64) -> anyhow::Result<()> {
        let is_there = |found: f64| found >= count;
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", kind)], is_there)
    }

    /// The reasons of all dead letters, by event.
    pub(crate) fn reasons(&self) -> anyhow::Result<Vec<(String, String)>> {
        let found = letters(&self.broker)?;
        let found = by_event(&found)?;
        found.iter().map(|(id, letter)| Ok(((*id).to_owned(), letter.message()?.to_owned()))).collect()
    }
}

const NEWEST: &str = r#"conflict = { policy = "newest-wins", version = "/updatedAt" }"#;
const EVIL: &str = "'); drop table records; --";

/// Upserts, newest wins, injection, and each kind of refusal; `$1` or `?` in `place`.
fn delivers_and_refuses(database: &Database, place: &str, endless: &str) -> anyhow::Result<()> {
    database.produce(vec![
        record("a", "Ada", 1),
        record("a", "Ada Lovelace", 3),
        record("a", "older", 2),
        record("evil", EVIL, 1),
        record("unnamed", "", 1),
        statements(
            "half",
            &json!(["insert into log values ('half')", "insert into records (id, name) values ('half', '')"]),
        ),
        statements("mistaken", &json!(["select nothing from records"])),
        statements("secret", &json!(["select a from secret"])),
        statements("ddl", &json!(["drop table records"])),
        statements("two", &json!(["delete from log; delete from records"])),
        statements("rows", &json!([{ "sql": endless, "parameters": [] }])),
        statements(
            "large",
            &json!([{ "sql": format!("select {place} as a, {place2} as b", place2 = second(place)),
            "parameters": ["x".repeat(9_000), "y".repeat(9_000)] }]),
        ),
    ])?;
    database.settled("delivered", 3.0)?;
    database.settled("superseded", 1.0)?;
    database.settled("dead-lettered", 8.0)?;
    let reasons = database.reasons()?;
    let expected = [
        ("ddl", "does not grant what they ask for: statement 0 "),
        ("half", "was refused"),
        ("large", "was answered with more than 10000 bytes"),
        ("mistaken", "was refused"),
        ("rows", "it gives more than 5 rows (database.max-rows)"),
        ("secret", "asks for `secret`; granted tables: records, log"),
        ("two", "statements; give each by itself"),
        ("unnamed", "was refused"),
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((id, reason), (expected_id, part)) in reasons.iter().zip(expected) {
        assert_eq!(id, expected_id, "{reasons:?}");
        assert!(reason.contains(part), "{id}: {reason}");
    }
    Ok(())
}

fn second(place: &str) -> &str {
    if place == "?" { "?" } else { "$2" }
}

const GRANT: &str = r#"database = { tables = ["records", "log"], max-rows = 5, connections = 2 }
    max-reply = 10000
    breaker = { failures = 64 }"#;

#[test]
fn sqlite_takes_whole_transactions_of_granted_statements() -> anyhow::Result<()> {
    guest_keeps_records_in_sqlite("records")
}

/// As the guest `records` in Rust, so in Python and in TypeScript.
#[test]
fn every_language_keeps_records_in_databases() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("every_language_keeps_records_in_databases", "needs other languages and PostgreSQL");
        return Ok(());
    }
    let server = Postgres::start(None)?;
    server.psql(&schema("text"))?;
    let folder = Folder::new("postgres-languages")?;
    let credential = credential(postgres::USER, &folder.write("password", postgres::PASSWORD)?);
    for guest in ["records-python", "records-js"] {
        guest_keeps_records_in_sqlite(guest)?;
        let connector = connector("postgres", &credential, GRANT);
        let database = Database::start_guest(guest, &server.url(), &connector, QUICK)?;
        delivers_and_refuses(
            &database,
            "$1::text",
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9000) select i from n",
        )?;
        let rows = server.psql("select id, name, updated_at from records order by id")?;
        assert_eq!(rows, format!("a|Ada Lovelace|3\nevil|{EVIL}|1"), "{guest}");
        database.host.stop()?;
        server.psql("delete from records; delete from log")?;
    }
    Ok(())
}

fn guest_keeps_records_in_sqlite(guest: &str) -> anyhow::Result<()> {
    let folder = Folder::new("sqlite")?;
    let file = folder.path().join("records.db");
    let sqlite = |sql: &str| -> anyhow::Result<String> {
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                      for s in sys.argv[2].split('; '):\n  r = c.execute(s).fetchall()\nc.commit()\n\
                      print('\\n'.join('|'.join(map(str, row)) for row in r))";
        let output = Command::new("python3").args(["-c", script]).arg(&file).arg(sql).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    sqlite(&schema("text"))?;
    let connector = connector("sqlite", "", GRANT);
    let endpoint = format!("sqlite://{}", file.display());
    let database = Database::start_guest(guest, &endpoint, &connector, QUICK)?;
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";
    delivers_and_refuses(&database, "?", endless)?;
    let rows = sqlite("select id, name, updated_at from records order by id")?;
    assert_eq!(rows, format!("a|Ada Lovelace|3\nevil|{EVIL}|1"));
    assert_eq!(sqlite("select count(*) from log")?, "3");
    database.host.stop()
}

#[test]
fn postgres_takes_whole_transactions_of_granted_statements_by_tls_alone() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped(
            "postgres_takes_whole_transactions_of_granted_statements_by_tls_alone",
            "needs PostgreSQL",
        );
        return Ok(());
    }
    let authority = Authority::new("database-ca")?;
    let server = Postgres::start(Some(&authority.certify(&LOOPBACK)?))?;
    server.psql(&schema("text"))?;
    let folder = Folder::new("postgres-scenario")?;
    let password = folder.write("password", postgres::PASSWORD)?;
    let credential = credential(postgres::USER, &password);
    let tls = GRANT.replace("tables", "tls = \"require\", tables");
    let trusting = format!("{tls}\nca-file = '{}'", authority.write(&folder)?.display());
    let database = Database::start(&server.url(), &connector("postgres", &credential, &trusting))?;
    delivers_and_refuses(
        &database,
        "$1::text",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9000) select i from n",
    )?;
    let rows = server.psql("select id, name, updated_at from records order by id")?;
    assert_eq!(rows, format!("a|Ada Lovelace|3\nevil|{EVIL}|1"));
    assert_eq!(server.psql("select count(*) from log")?, "3");
    assert_eq!(server.psql("select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'liaison'")?, "t");
    database.host.stop()?;

    only_by_tls(
        &database.broker,
        &server.url(),
        [
            (connector("postgres", &credential, &trusting), true, "it holds 2 records"),
            (connector("postgres", &credential, &tls), false, "invalid peer certificate"),
            (connector("postgres", &credential, GRANT), false, "no pg_hba.conf entry"),
        ],
    )
}

/// A CA that nobody has named is not trusted, and what is asked in the clear is not let in.
fn only_by_tls(
    broker: &Embedded,
    endpoint: &str,
    connectors: [(String, bool, &str); 3],
) -> anyhow::Result<()> {
    for (connector, is_usable, part) in &connectors {
        let config = Config { plugin: "records", connector, ..Config::default() };
        let program = Program::new(&config.text(broker.bootstrap(), endpoint)?)?;
        let checked = program.run("check --live")?;
        assert_eq!(checked.code == Some(0), *is_usable, "{checked:?}");
        assert!(checked.out.contains(part), "{part}: {checked:?}");
    }
    Ok(())
}

#[test]
fn mariadb_takes_whole_transactions_of_granted_statements_by_tls_alone() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("mariadb_takes_whole_transactions_of_granted_statements_by_tls_alone", "needs MariaDB");
        return Ok(());
    }
    let authority = Authority::new("database-ca")?;
    let server = MariaDb::start(Some(&authority.certify(&LOOPBACK)?))?;
    server.query(&schema("varchar(100)"))?;
    let folder = Folder::new("mariadb-scenario")?;
    let credential = credential(mariadb::USER, &folder.write("password", mariadb::PASSWORD)?);
    let tls = GRANT.replace("tables", "tls = \"require\", tables");
    let trusting = format!("{tls}\nca-file = '{}'", authority.write(&folder)?.display());
    let database = Database::start(&server.url(), &connector("mysql", &credential, &trusting))?;
    let endless =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 900) select i from n";
    delivers_and_refuses(&database, "?", endless)?;
    let rows = server.query("select id, name, updated_at from records order by id")?;
    assert_eq!(rows, format!("a\tAda Lovelace\t3\nevil\t{EVIL}\t1"));
    assert_eq!(server.query("select count(*) from log")?, "3");
    database.host.stop()?;
    only_by_tls(
        &database.broker,
        &server.url(),
        [
            (connector("mysql", &credential, &trusting), true, "it holds 2 records"),
            (connector("mysql", &credential, &tls), false, "invalid peer certificate"),
            (connector("mysql", &credential, GRANT), false, "Access denied"),
        ],
    )
}
