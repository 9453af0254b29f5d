//! SQL effects in a SQLite file, and connectors that mistake HTTP for SQL.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::*;
use crate::config::Access;
use crate::config::mask::tests::mask_of;
use crate::contract::{
    Real, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};

struct File(PathBuf);

impl File {
    fn new(name: &str, schema: &str) -> Self {
        let path = std::env::temp_dir().join(format!("liaison-sql-{}-{name}.db", std::process::id()));
        let _is_gone = std::fs::remove_file(&path);
        Connection::open(&path).unwrap().execute_batch(schema).unwrap();
        Self(path)
    }

    fn settings(&self) -> Egress {
        settings(&format!("sqlite://{}", self.0.display()))
    }

    fn count(&self, sql: &str) -> i64 {
        Connection::open(&self.0).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn statement(sql: &str, parameters: &[SqlValue]) -> SqlStatement {
    SqlStatement { sql: sql.to_owned(), parameters: parameters.to_vec() }
}

fn with(settings: Egress, change: impl FnOnce(&mut Database)) -> Egress {
    let mut database = settings.database.clone().unwrap();
    change(&mut database);
    Egress { database: Some(database), ..settings }
}

fn open(settings: &Egress) -> Gateway {
    Gateway::new(settings, Mask::default(), Path::new("/nowhere")).unwrap()
}

async fn ask(gateway: &Gateway, statements: &[SqlStatement]) -> Result<SqlResponse, Failure> {
    ask_within(gateway, statements, LIMIT).await
}

async fn ask_within(
    gateway: &Gateway,
    statements: &[SqlStatement],
    limit: Duration,
) -> Result<SqlResponse, Failure> {
    let request = SqlRequest { statements: statements.to_vec(), timeout: Some(limit) };
    match gateway.perform(&Effect::Sql(request), &call()).await {
        Reply::Sql(response) => Ok(response),
        Reply::Failed(failure) => Err(failure),
        reply @ (Reply::Http(_) | Reply::Grpc(_)) => panic!("{reply:?}"),
    }
}

async fn done(gateway: &Gateway, statements: &[SqlStatement]) -> Vec<SqlResult> {
    match ask(gateway, statements).await {
        Ok(SqlResponse::Done(results)) => results,
        other => panic!("{statements:?}: {other:?}"),
    }
}

async fn error(gateway: &Gateway, statements: &[SqlStatement]) -> SqlError {
    match ask(gateway, statements).await {
        Ok(SqlResponse::Error(error)) => error,
        other => panic!("{statements:?}: {other:?}"),
    }
}

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

#[tokio::test]
async fn values_are_bound_and_given_back_and_injection_is_a_value() {
    local(async {
        let file = File::new("values", "create table t (a, b integer, c real, d blob)");
        let gateway = open(&file.settings());
        let evil = "'); drop table t; --";
        let insert = statement(
            "insert into t values ($1, $2, $3, $4) returning a, b, c, d",
            &[text(evil), SqlValue::Boolean(true), SqlValue::Real(Real(0.1)), SqlValue::Bytes("x".into())],
        );
        let time = statement("insert into t (a) values (?)", &[SqlValue::Timestamp(1_767_323_045_000_006)]);
        let select = statement("select a, d from t order by rowid", &[]);
        let results = done(&gateway, &[insert, time, select]).await;
        let row =
            vec![text(evil), SqlValue::Integer(1), SqlValue::Real(Real(0.1)), SqlValue::Bytes("x".into())];
        assert_eq!(results[0].columns, ["a", "b", "c", "d"]);
        assert_eq!((results[0].affected, &results[0].rows), (1, &vec![row]));
        assert_eq!((results[1].affected, results[1].columns.len()), (1, 0));
        let second = vec![text("2026-01-02 03:04:05.000006"), SqlValue::Null];
        assert_eq!((results[2].affected, &results[2].rows[1]), (0, &second));
    })
    .await;
}

#[tokio::test]
async fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    local(async {
        let schema = "create table t (a integer primary key, b integer constraint positive check (b > 0))";
        let file = File::new("whole", schema);
        let gateway = open(&file.settings());
        let insert =
            |a, b| statement("insert into t values (?, ?)", &[SqlValue::Integer(a), SqlValue::Integer(b)]);
        let refused = error(&gateway, &[insert(1, 1), insert(2, -1)]).await;
        assert_eq!((refused.kind, refused.statement), (SqlErrorKind::Constraint, Some(1)));
        assert_eq!(refused.constraint.as_deref(), Some("positive"));
        let twice = error(&gateway, &[insert(1, 1), insert(1, 1)]).await;
        assert_eq!(twice.constraint.as_deref(), Some("t.a"));
        let wrong = error(&gateway, &[insert(3, 1), statement("select nothing from t", &[])]).await;
        assert_eq!((wrong.kind, wrong.statement), (SqlErrorKind::Statement, Some(1)));
        let few = error(&gateway, &[statement("select ?, ?", &[SqlValue::Null])]).await;
        assert!(few.message.contains("takes 2 parameters and is given 1"), "{few}");
        assert_eq!(file.count("select count(*) from t"), 0);
        done(&gateway, &[insert(1, 1), insert(2, 2)]).await;
        assert_eq!(file.count("select count(*) from t"), 2);
    })
    .await;
}

#[tokio::test]
async fn sqlite_says_what_a_statement_touches() {
    local(async {
        let schema = "create table t (a); create table secret (a); create view seen as select a from secret; \
                          create view open as select a from secret; create table logged (a); \
                          create trigger log after insert on t begin insert into logged values (new.a); end;";
        let file = File::new("grants", schema);
        let granted = |access| {
            with(file.settings(), |database| {
                database.access = access;
                database.tables = ["T", "open", "log"].map(str::to_owned).to_vec();
            })
        };
        let (writer, reader) = (open(&granted(Access::Write)), open(&granted(Access::Read)));
        let asked_secret = Some("asks for `secret`; granted tables: t, open, log");
        for (sql, refusal) in [
            ("insert into t values (1)", None),
            ("with c as (select a from t) select * from c", None),
            ("select value from json_each('[1]')", None),
            ("select a from open", None),
            ("select count(*) from t", None),
            ("select a from secret", asked_secret),
            ("select count(*) from secret", asked_secret),
            ("with c as (select a from secret) select * from c", asked_secret),
            ("with t as (select a from secret) select * from t", asked_secret),
            ("select a from seen", Some("granted tables")),
            ("update t set a = (select a from secret)", asked_secret),
            ("insert into secret values (1)", asked_secret),
            ("delete from secret", asked_secret),
            ("select * from sqlite_schema", Some("granted tables")),
            ("create table u (a)", Some("SQLite's own")),
            ("drop table t", Some("SQLite's own")),
            ("attach 'other.db' as other", Some("never granted")),
            ("pragma journal_mode = off", Some("never granted")),
            ("commit", Some("never granted")),
            ("begin", Some("never granted")),
            ("select load_extension('x')", Some("never granted")),
            ("select 1; select 2", Some("several statements")),
        ] {
            match (ask(&writer, &[statement(sql, &[])]).await, refusal) {
                (Ok(SqlResponse::Done(_)), None) => {}
                (Err(Failure::NotAllowed(why)), Some(part)) => assert!(why.contains(part), "{sql}: {why}"),
                (found, _) => panic!("{sql}: {found:?}"),
            }
        }
        assert_eq!(file.count("select count(*) from logged"), 1);
        let refused = ask(&reader, &[statement("delete from t", &[])]).await;
        assert!(matches!(refused, Err(Failure::NotAllowed(why)) if why.contains("granted access: read")));
        assert_eq!(done(&reader, &[statement("select a from t", &[])]).await[0].rows.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn rows_bytes_and_time_are_bounded_and_the_file_stays_usable() {
    local(async {
        let file = File::new("bounds", "create table t (a)");
        let settings = Egress { max_reply_bytes: 10_000, ..file.settings() };
        let gateway = open(&with(settings, |database| database.max_rows = 10));
        let count = |limit: u32| {
            let sql = "with recursive n(i) as (select 1 union all select i + 1 from n limit ";
            statement(&format!("{sql}{limit}) select i from n"), &[])
        };
        let insert = statement("insert into t values (1)", &[]);
        assert_eq!(done(&gateway, &[count(10)]).await[0].rows.len(), 10);
        let many = error(&gateway, &[insert.clone(), count(11)]).await;
        assert_eq!((many.kind, many.statement), (SqlErrorKind::TooManyRows, Some(1)));
        let large = statement("select zeroblob(9000), zeroblob(9000)", &[]);
        assert_eq!(ask(&gateway, &[insert.clone(), large]).await, Err(Failure::TooLarge(10_000)));
        let endless = statement(
            "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
            &[],
        );
        let begun = Instant::now();
        let short = Duration::from_millis(200);
        assert_eq!(ask_within(&gateway, &[insert.clone(), endless], short).await, Err(Failure::TimedOut));
        assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
        let other = Connection::open(&file.0).unwrap();
        other.execute_batch("begin immediate").unwrap();
        assert_eq!(ask_within(&gateway, std::slice::from_ref(&insert), short).await, Err(Failure::TimedOut));
        other.execute_batch("rollback").unwrap();
        assert_eq!(file.count("select count(*) from t"), 0);
        done(&gateway, &[insert]).await;
        assert_eq!(file.count("select count(*) from t"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    local(async {
        let gateway = open(&settings("sqlite:///nowhere/liaison.db"));
        let found = ask(&gateway, &[statement("select 1", &[])]).await;
        assert!(matches!(found, Err(Failure::Connection(why)) if why.contains("/nowhere/liaison.db")));
    })
    .await;
}

#[tokio::test]
async fn http_and_sql_are_not_mistaken_for_each_other() {
    local(async {
        let file = File::new("mistaken", "create table t (a)");
        let sql = [statement("select 1", &[])];
        let http = open(&settings("http://127.0.0.1:1"));
        let found = ask(&http, &sql).await.unwrap_err().to_string();
        assert!(found.contains("the connector's endpoint is not a database"), "{found}");

        let server = Server::plain(|_| answer(200, "")).await;
        let url = format!("http://{}/x", server.address);
        let allow = vec![Grant::all(Url::parse(&url).unwrap().origin())];
        let database = open(&Egress { allow, ..file.settings() });
        let relative = perform(&database, &request("GET", "/x")).await.unwrap_err().to_string();
        assert!(relative.contains("endpoint is a database"), "{relative}");
        assert_eq!(perform(&database, &request("GET", &url)).await.unwrap().status, 200);
        assert_eq!(done(&database, &sql).await[0].rows, [[SqlValue::Integer(1)]]);
    })
    .await;
}

#[tokio::test]
async fn secrets_in_rows_do_not_reach_the_guest() {
    local(async {
        let file = File::new("secrets", "create table t (a); insert into t values ('it is hush-hush')");
        let gateway = Gateway::new(&file.settings(), mask_of("hush-hush"), Path::new("/nowhere")).unwrap();
        let results = done(&gateway, &[statement("select a from t", &[])]).await;
        assert_eq!(results[0].rows, [[text("it is [secret]")]]);
    })
    .await;
}

#[test]
fn a_server_needs_a_user_and_one_database() {
    for (endpoint, part) in [
        ("postgresql://127.0.0.1/records", "a `basic` credential"),
        ("mysql://127.0.0.1/records", "a `basic` credential"),
        ("postgresql://127.0.0.1", "name a server and one database"),
        ("sqlite://host/records.db", "by its absolute path"),
        ("postgresql://me:hush@127.0.0.1/records", "holds a user name or password"),
    ] {
        let error = Gateway::new(&settings(endpoint), Mask::default(), Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains(part), "{endpoint}: {error}");
    }
}
