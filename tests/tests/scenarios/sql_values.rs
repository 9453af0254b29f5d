//! Values of every type, bound and read back, and what each database refuses, as a connector sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use bytes::Bytes;
use liaison::config::{
    Brokers, Config, Connector, ConnectorName, Credential, PluginName, SecretRef, Subscription,
    SubscriptionName,
};
use liaison::contract::{
    Delivery, Effect, Outcome, Real, Receipt, Reply, SqlErrorKind, SqlRequest, SqlResponse, SqlStatement,
    SqlValue, Step,
};
use liaison::kafka::embedded::Embedded;
use liaison::native::NativeConnector;
use liaison_tests::folder::Folder;
use liaison_tests::local::{LocalHost, Natives};
use liaison_tests::mariadb::{self, MariaDb};
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::produce::produce;
use liaison_tests::{is_quick, say_skipped};

use crate::fixture::{DEAD_LETTERS, LIMIT, TOPIC, event};

/// Asks for the transaction that the event's id is the number of, and notes the answer.
#[derive(Debug)]
struct Asker {
    requests: Vec<SqlRequest>,
    answers: Mutex<BTreeMap<usize, SqlResponse>>,
}

impl NativeConnector for Asker {
    fn deliver(&self, delivery: &Delivery) -> Step {
        let number: usize = delivery.event.id.parse().expect("its id is a number");
        match delivery.rounds.last().and_then(|round| round.first()) {
            None => Step::Perform(vec![Effect::Sql(self.requests[number].clone())]),
            Some(Reply::Sql(response)) => {
                let mut answers = self.answers.lock().expect("no holder panics");
                answers.insert(number, response.clone());
                Step::Settle(Outcome::Delivered(Receipt::default()))
            }
            Some(reply) => Step::Settle(Outcome::Rejected(format!("{reply:?}"))),
        }
    }
}

/// What these transactions are answered, one after another.
fn ask(
    endpoint: &str,
    user: &str,
    password: &Path,
    transactions: &[Vec<SqlStatement>],
) -> anyhow::Result<Vec<SqlResponse>> {
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let mut config = Config::new(Brokers::At(vec![broker.bootstrap().to_owned()]));
    config.admin.address = None;
    let mut connector = Connector::new(PluginName::new("asker"), endpoint.parse()?);
    connector.egress.allow_networks = vec!["127.0.0.0/8".parse()?];
    let password = SecretRef::File(password.to_owned());
    connector.egress.credential = Some(Credential::Basic { username: user.to_owned(), password });
    config.connectors.insert(ConnectorName::new("calendar"), connector);
    let name = SubscriptionName::new("calendar");
    let subscription = Subscription::new(&name, ConnectorName::new("calendar"), vec![TOPIC.to_owned()]);
    config.subscriptions.insert(name, subscription);
    let requests = transactions.iter().map(|statements| {
        let statements = statements.clone();
        SqlRequest { statements, timeout: None }
    });
    let asker = Arc::new(Asker { requests: requests.collect(), answers: Mutex::default() });
    let natives: Natives = [(PluginName::new("asker"), asker.clone() as _)].into();
    let host = LocalHost::start_with(config, natives)?;
    let count = transactions.len();
    produce(broker.bootstrap(), (0..count).map(|number| event(&number.to_string(), "k")).collect())?;
    let is_there = |found: f64| found >= count as f64;
    host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], is_there)?;
    host.stop()?;
    let answers = std::mem::take(&mut *asker.answers.lock().expect("no holder panics"));
    (0..count)
        .map(|number| answers.get(&number).cloned().with_context(|| format!("no answer to {number}")))
        .collect()
}

fn statement(sql: &str, parameters: &[SqlValue]) -> SqlStatement {
    SqlStatement { sql: sql.to_owned(), parameters: parameters.to_vec() }
}

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

/// 2026-01-02T03:04:05.000006Z
const TIME: SqlValue = SqlValue::Timestamp(1_767_323_045_000_006);

/// The rows of the last statement of a transaction that was committed.
fn rows(response: &SqlResponse) -> anyhow::Result<&[Vec<SqlValue>]> {
    match response {
        SqlResponse::Done(results) => Ok(&results.last().context("no statement")?.rows),
        SqlResponse::Error(error) => anyhow::bail!("{error}"),
    }
}

fn refusal(response: &SqlResponse) -> anyhow::Result<(SqlErrorKind, &str, Option<&str>)> {
    match response {
        SqlResponse::Error(error) => Ok((error.kind, error.code.as_str(), error.constraint.as_deref())),
        SqlResponse::Done(results) => anyhow::bail!("{results:?}"),
    }
}

#[test]
fn every_type_of_postgres_goes_in_and_comes_back() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("every_type_of_postgres_goes_in_and_comes_back", "needs PostgreSQL");
        return Ok(());
    }
    let server = Postgres::start(None)?;
    server.psql(
        "create extension citext; create type mood as enum ('glad', 'sad'); create domain age as integer check (value > 0); \
         create table t (b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric(20, 5), \
         s text, v varchar(3), z timestamptz, ts timestamp, d date, h time, u uuid, j json, jb jsonb, y bytea, m mood, c citext, \
         a age); create table k (id integer constraint one_each primary key)",
    )?;
    let uuid = "00010203-0405-0607-0809-0a0b0c0d0e0f";
    let values = [
        SqlValue::Boolean(true),
        SqlValue::Integer(-32_768),
        SqlValue::Integer(i32::MAX.into()),
        SqlValue::Integer(i64::MIN),
        SqlValue::Real(Real(0.5)),
        SqlValue::Real(Real(f64::NAN)),
        text("-12345.67890"),
        text("é'; --"),
        text("abc"),
        TIME,
        TIME,
        text("0044-03-15 BC"),
        text("23:59:59.500000"),
        text(uuid),
        SqlValue::Json("{ \"a\": 1.0 }".to_owned()),
        SqlValue::Json("{\"a\": [1, null]}".to_owned()),
        SqlValue::Bytes(Bytes::from_static(&[0, 0xff])),
        text("glad"),
        text("Mixed"),
        SqlValue::Integer(7),
    ];
    let places: Vec<String> = (1..=values.len()).map(|number| format!("${number}")).collect();
    let insert = format!("insert into t values ({})", places.join(", "));
    let one = |sql: &str, parameters: &[SqlValue]| vec![statement(sql, parameters)];
    let transactions = [
        vec![
            statement(&insert, &values),
            statement(&insert, &vec![SqlValue::Null; values.len()]),
            statement("select * from t where c = 'mixed' or c is null order by c nulls last", &[]),
        ],
        one("select 12345678901234567890.00012 as n, interval '1 day' is null as is, count(*) from t", &[]),
        one("select array[1, 2] as list", &[]),
        one("insert into t (i2) values ($1)", &[SqlValue::Integer(99_999)]),
        one("insert into t (v) values ($1)", &[text("long")]),
        one("insert into t (u) values ($1)", &[text("no uuid")]),
        one("insert into t (a) values ($1)", &[SqlValue::Integer(-1)]),
        one("insert into t (s) values ($1)", &[SqlValue::Bytes(Bytes::from_static(b"x"))]),
        one("insert into t (s) values ($1)", &[]),
        vec![statement("insert into k values (1)", &[]); 2],
        one("select * from nowhere", &[]),
    ];
    let folder = Folder::new("values")?;
    let password = folder.write("password", postgres::PASSWORD)?;
    let answers = ask(&server.url(), postgres::USER, &password, &transactions)?;
    assert_eq!(rows(&answers[0])?, [values.to_vec(), vec![SqlValue::Null; 20]]);
    let shown =
        server.psql("select n, z at time zone 'UTC', encode(y, 'hex'), d, f8, i2 from t where m = 'glad'")?;
    assert_eq!(shown, "-12345.67890|2026-01-02 03:04:05.000006|00ff|0044-03-15 BC|NaN|-32768");
    let third = [text("12345678901234567890.00012"), SqlValue::Boolean(false), SqlValue::Integer(2)];
    assert_eq!(rows(&answers[1])?, [third]);
    let SqlResponse::Error(array) = &answers[2] else { anyhow::bail!("{:?}", answers[2]) };
    assert!(array.kind == SqlErrorKind::Statement && array.message.contains("cast it"), "{array}");
    use SqlErrorKind::{Constraint, Data, Statement};
    for (answer, expected) in answers[3..11].iter().zip([
        (Data, "22003", None),
        (Data, "22001", None),
        (Data, "22P02", None),
        (Constraint, "23514", Some("age_check")),
        (Data, "", None),
        (Statement, "", None),
        (Constraint, "23505", Some("one_each")),
        (Statement, "42P01", None),
    ]) {
        assert_eq!(refusal(answer)?, expected);
    }
    assert_eq!(server.psql("select count(*) from k")?, "0");
    Ok(())
}

#[test]
fn texts_are_an_array_of_whatever_type_in_postgresql() -> anyhow::Result<()> {
    let texts =
        |texts: &[Option<&str>]| SqlValue::Texts(texts.iter().map(|text| text.map(str::to_owned)).collect());
    if is_quick() {
        say_skipped("texts_are_an_array_of_whatever_type_in_postgresql", "needs PostgreSQL");
        return Ok(());
    }
    let server = Postgres::start(None)?;
    server.psql("create extension citext")?;
    let numbers = texts(&[Some("7"), None]);
    let odd = texts(&[Some("NULL"), Some(""), Some("a\"b\\c,d}é"), None]);
    let select =
        "select element::text from unnest($1::TYPE[]) with ordinality as given(element, n) order by n";
    let of = |kind: &str, values: &SqlValue| {
        vec![statement(&select.replace("TYPE", kind), std::slice::from_ref(values))]
    };
    let transactions = [
        of("text", &odd),
        of("varchar", &odd),
        of("citext", &odd),
        of("integer", &numbers),
        of("timestamptz", &texts(&[Some("2026-01-02T00:00:00Z")])),
        of("text", &texts(&[])),
        of("integer", &odd),
        vec![statement("select $1::integer", &[numbers])],
    ];
    let folder = Folder::new("arrays")?;
    let password = folder.write("password", postgres::PASSWORD)?;
    let answers = ask(&server.url(), postgres::USER, &password, &transactions)?;
    let odd = [Some("NULL"), Some(""), Some("a\"b\\c,d}é"), None];
    for (answer, expected) in
        answers.iter().zip([&odd[..], &odd, &odd, &[Some("7"), None], &[Some("2026-01-02 00:00:00+00")], &[]])
    {
        let expected: Vec<_> =
            expected.iter().map(|text| vec![text.map_or(SqlValue::Null, self::text)]).collect();
        assert_eq!(rows(answer)?, expected);
    }
    assert_eq!(refusal(&answers[6])?, (SqlErrorKind::Data, "22P02", None));
    assert_eq!(refusal(&answers[7])?, (SqlErrorKind::Data, "", None));
    Ok(())
}

#[test]
fn every_type_of_mariadb_goes_in_and_comes_back() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("every_type_of_mariadb_goes_in_and_comes_back", "needs MariaDB");
        return Ok(());
    }
    let server = MariaDb::start(None)?;
    server.query(
        "create table t (b boolean, i8 bigint, un bigint unsigned, f8 double, n decimal(20, 5), s text, v varchar(3), \
         ts timestamp(6) null, dt datetime(6), d date, h time(6), j json, y blob, m enum('glad', 'sad')); \
         create table k (id integer primary key, p integer, constraint positive check (p > 0)); \
         create table f (k integer, constraint owner foreign key (k) references k (id))",
    )?;
    let values = [
        SqlValue::Boolean(true),
        SqlValue::Integer(i64::MIN),
        text("18446744073709551615"),
        SqlValue::Real(Real(0.1)),
        text("-12345.67890"),
        text("é'; --"),
        text("abc"),
        TIME,
        TIME,
        text("2026-01-02"),
        text("-26:03:04.500000"),
        SqlValue::Json("{\"a\": 1}".to_owned()),
        SqlValue::Bytes(Bytes::from_static(&[0, 0xff])),
        text("glad"),
    ];
    let places = vec!["?"; values.len()].join(", ");
    let insert = format!("insert into t values ({places})");
    let one = |sql: &str, parameters: &[SqlValue]| vec![statement(sql, parameters)];
    let transactions = [
        vec![
            statement(&insert, &values),
            statement(&insert, &vec![SqlValue::Null; values.len()]),
            statement("select * from t order by s is null", &[]),
        ],
        one("insert into t (v) values (?)", &[text("long")]),
        one("insert into t (i8) values (?)", &[text("no number")]),
        one("insert into t (f8) values (?)", &[SqlValue::Real(Real(f64::NAN))]),
        vec![statement("insert into k values (1, 1)", &[]); 2],
        one("insert into k values (2, -1)", &[]),
        one("insert into f values (9)", &[]),
        one("select * from nowhere", &[]),
        one("select * from mysql.user", &[]),
        one("select * from t where s = :name", &[SqlValue::Null]),
    ];
    let folder = Folder::new("values")?;
    let password = folder.write("password", mariadb::PASSWORD)?;
    let answers = ask(&server.url(), mariadb::USER, &password, &transactions)?;
    let mut expected = values.to_vec();
    // What MariaDB has no type for.
    expected[0] = SqlValue::Integer(1);
    expected[11] = text("{\"a\": 1}");
    assert_eq!(rows(&answers[0])?, [expected, vec![SqlValue::Null; values.len()]]);
    let shown =
        server.query("set time_zone = '+00:00'; select n, ts, dt, hex(y), un from t where m = 'glad'")?;
    assert_eq!(
        shown,
        "-12345.67890\t2026-01-02 03:04:05.000006\t2026-01-02 03:04:05.000006\t00FF\t18446744073709551615"
    );
    use SqlErrorKind::{Constraint, Data, Permission, Statement};
    for (answer, (kind, constraint)) in answers[1..].iter().zip([
        (Data, None),
        (Data, None),
        (Data, None),
        (Constraint, Some("PRIMARY")),
        (Constraint, Some("positive")),
        (Constraint, Some("owner")),
        (Statement, None),
        (Permission, None),
        (Statement, None),
    ]) {
        let (found, _, name) = refusal(answer)?;
        assert_eq!((found, name), (kind, constraint), "{answer:?}");
    }
    assert_eq!(server.query("select count(*) from k")?, "0");
    Ok(())
}
