//! Statements that are granted and those that are not, as each database reads them.

use super::*;
use crate::contract::SqlStatement;

fn check(engine: Engine, access: Access, tables: &[&str], sql: &str) -> Result<(), String> {
    let tables = tables.iter().map(|name| (*name).to_owned()).collect();
    let database = Database { engine, access, tables, max_rows: 1, connections: 1, tls: false };
    let statement = SqlStatement { sql: sql.to_owned(), parameters: Vec::new() };
    let grant = Grant::of(&database);
    let request = SqlRequest { statements: vec![statement], timeout: None };
    let found = grant.check(&request);
    // What was granted is known, and what was refused is not.
    assert_eq!(grant.check(&request), found, "{sql}");
    found.map_err(|failure| failure.to_string())
}

fn assert_all(engine: Engine, access: Access, tables: &[&str], cases: &[(&str, Option<&str>)]) {
    for (sql, refusal) in cases {
        match (check(engine, access, tables, sql), refusal) {
            (Ok(()), None) => {}
            (Err(found), Some(part)) => assert!(found.contains(part), "{sql}: {found}"),
            (found, _) => panic!("{sql}: {found:?}, expected {refusal:?}"),
        }
    }
}

#[test]
fn only_statements_about_rows_are_granted() {
    let never = Some("never granted");
    assert_all(
        Engine::Postgres,
        Access::Write,
        &[],
        &[
            ("select 1", None),
            ("select * from a where b = $1 for update", None),
            ("insert into a (b) values ($1) on conflict (b) do update set c = excluded.c returning b", None),
            ("update a set b = $1 where c = $2", None),
            ("delete from a using b where a.c = b.c", None),
            ("with old as (delete from a returning *) insert into b select * from old", None),
            ("merge into a using b on a.c = b.c when matched then update set d = b.d", None),
            ("values (1), (2)", None),
            ("select 1;", None),
            ("select 1; select 2", Some("is 2 statements")),
            ("", Some("is empty")),
            ("-- nothing", Some("is empty")),
            ("create table a (b int)", never),
            ("drop table a", never),
            ("truncate a", never),
            ("alter table a add column b int", never),
            ("grant all on a to public", never),
            ("set role admin", never),
            ("set local statement_timeout = 0", never),
            ("begin", never),
            ("commit", never),
            ("rollback", never),
            ("savepoint a", never),
            ("copy a from '/etc/passwd'", never),
            ("copy a to program 'sh'", never),
            ("explain analyze delete from a", never),
            ("call a()", never),
            ("select * into b from a", Some("selects into")),
            ("select set_config('role', 'admin', false)", Some("calls `set_config`")),
            ("select * from a where b = PG_CATALOG.Set_Config('a', 'b', false)", Some("does more")),
            ("do $$ begin delete from a; end $$", Some("")),
            ("listen a", Some("")),
            ("vacuum", Some("")),
        ],
    );
}

#[test]
fn a_reader_changes_and_locks_nothing() {
    let refused = Some("granted access: read");
    assert_all(
        Engine::Postgres,
        Access::Read,
        &[],
        &[
            ("select a from b order by a limit 1", None),
            ("with a as (select 1) select * from a", None),
            ("insert into a values (1)", refused),
            ("update a set b = 1", refused),
            ("delete from a", refused),
            ("merge into a using b on a.c = b.c when matched then delete", refused),
            ("with a as (delete from b returning *) select * from a", refused),
            ("select * from a for share", refused),
            // Which cannot be read.
            ("select a from b where c @@@ (d) e f g", None),
            ("deleted ? all", Some("begins with `deleted`; granted: select, values")),
        ],
    );
}

#[test]
fn tables_are_told_from_names_that_with_gives() {
    let secret = Some("asks for `secret`; granted tables: records, hr.people");
    assert_all(
        Engine::Postgres,
        Access::Write,
        &["records", "hr.people"],
        &[
            ("select * from records r join hr.people p on p.id = r.id", None),
            ("select * from RECORDS", None),
            ("select * from \"records\"", None),
            ("select 1", None),
            ("insert into records (id) select id from hr.people", None),
            ("with a as (select * from records), b as (select * from a) select * from b", None),
            (
                "with recursive a as (select 1 as n union all select n + 1 from a where n < 9) select * from a",
                None,
            ),
            // Rows that a function gives are no table's.
            ("select * from json_to_recordset($1::json) as r(id text)", None),
            (
                "with given as (select * from json_populate_recordset(null::\"records\", $1::json) with ordinality), \
                 written as (insert into \"records\" as held (\"id\", \"v\") select distinct on (\"id\") \"id\", \"v\" from \
                 given order by \"id\", \"v\" desc on conflict (\"id\") do update set \"v\" = excluded.\"v\" where \
                 excluded.\"v\" > held.\"v\" returning \"id\") select given.ordinality - 1 as member, to_jsonb(held) as held \
                 from given left join written using (\"id\") left join \"records\" as held using (\"id\") where \
                 written.\"id\" is null",
                None,
            ),
            ("select * from json_to_recordset((select a from secret)) as r(id text)", secret),
            ("select * from records, secret(1), secret", secret),
            ("select * from query_to_xml('select * from secret', true, false, '')", Some("does more")),
            ("select * from \"Records\"", Some("asks for `Records`")),
            ("select * from people", Some("asks for `people`")),
            ("select * from public.records", Some("asks for `public.records`")),
            ("select * from secret", secret),
            ("select (select max(a) from secret)", secret),
            ("select * from records where id in (select id from secret)", secret),
            ("select * from records union select * from secret", secret),
            ("select * from records, lateral (select * from secret) s", secret),
            ("insert into secret values (1)", secret),
            ("insert into records select * from secret", secret),
            ("insert into records values (1) returning (select a from secret)", secret),
            (
                "insert into records values (1) on conflict (id) do update set a = (select a from secret)",
                secret,
            ),
            ("update secret set a = 1", secret),
            ("update records set a = s.a from secret s", secret),
            ("delete from secret", secret),
            ("delete from records using secret", secret),
            ("merge into records using secret on records.a = secret.a when matched then delete", secret),
            ("merge into secret using records on records.a = secret.a when matched then delete", secret),
            ("with records as (select * from secret) select * from records", secret),
            // The inner one is the table.
            ("with secret as (select * from secret) select * from secret", secret),
            ("with a as (select * from secret), secret as (select 1) select * from a", secret),
            ("select * from (with secret as (select 1) select * from secret) s, secret", secret),
            ("with recursive secret as (select 1) select * from secret", None),
            // What is changed is never what `with` gives.
            ("with secret as (select 1) delete from secret returning *", secret),
            ("with secret as (select 1) insert into secret select 1", secret),
            ("with secret as (select 1) update secret set a = 1", secret),
            ("select 1 #/* ' */ 2, s from secret -- '", Some("which is a comment or not")),
            ("select 1 -- nothing more", Some("which is a comment or not")),
            ("table secret", Some("cannot be read")),
            ("select * from records union table secret", Some("says `table`")),
            ("select * from (table secret) s", Some("says `table`")),
            ("select query_to_xml('select * from secret', true, false, '')", Some("does more")),
            ("select * from dblink('', 'select * from secret')", Some("")),
            ("select ts_stat('select to_tsvector(s) from secret')", Some("does more")),
            (
                "select U&\"query\\005fto\\005fxml\"('select * from secret', true, false, '')",
                Some("a name with escapes"),
            ),
            ("select a from b where c @@@ (d) e f g", Some("cannot be read")),
        ],
    );
}

#[test]
fn mysql_is_read_as_mysql_reads() {
    let secret = Some("asks for `secret`");
    assert_all(
        Engine::MySql,
        Access::Write,
        &["Records"],
        &[
            ("select * from `records` where id = ?", None),
            ("insert into records (id) values (?) on duplicate key update id = values(id)", None),
            ("replace into records (id) values (?)", None),
            ("update records set a = ? where id = ?", None),
            ("delete from records where id = ?", None),
            ("select * from records /*! union select * from secret */", Some("a comment that is executed")),
            ("select * from records /*M!100100 , secret */", Some("a comment that is executed")),
            ("select '\\' from secret; -- '", Some("bind the value")),
            ("select * from secret", secret),
            ("select * from `Secret`", secret),
            ("delete records, s from records join secret s on true", secret),
            ("select load_file('/etc/passwd') from records", Some("does more")),
            ("load data infile 'a' into table records", Some("")),
            ("set @a = 1", Some("")),
            ("select @a := 1", Some("sets a variable")),
            ("select get_lock('a', 1)", Some("does more")),
            ("with recursive a as (select * from secret), secret as (select 1) select * from a", secret),
            ("with recursive secret as (select 1) select * from secret", None),
            ("start transaction", Some("never granted")),
        ],
    );
}

#[test]
fn what_cannot_be_parsed_is_judged_by_its_words() {
    let cases = [
        ("select a from b where c @@@ (d) e f g", None),
        ("select 'x' from b into outfile '/var/www/x'", Some("selects into")),
        ("select load_file('/etc/passwd') from b where c @@@ (d) e f g", Some("does more")),
        ("drop table b @@@", Some("begins with `drop`")),
        ("select 'no end", Some("cannot be read")),
    ];
    assert_all(Engine::Postgres, Access::Read, &[], &cases);
    assert_all(Engine::MySql, Access::Write, &[], &cases);
    assert_all(Engine::MySql, Access::Write, &[], &[("insert into b (c) values (1) e f g @@@", None)]);
}

/// On a stack of two megabytes, as threads have it: what is granted at the limit is walked through, and beyond it nothing is
/// parsed.
#[test]
fn a_statement_cannot_be_so_deep_that_the_stack_ends() {
    let chain =
        |count: usize| format!("select * from records where col7 = 1{}", " or col7 = 1".repeat(count));
    let unions = |count: usize| format!("select 1{}", " union select 1".repeat(count));
    let brackets = |count: usize| format!("select {}1{}", "(".repeat(count), ")".repeat(count));
    for tables in [&[][..], &["records"]] {
        for sql in [chain(95), unions(95)] {
            assert_eq!(check(Engine::Postgres, Access::Write, tables, &sql), Ok(()));
        }
        let wide = format!("select 1, 1{}", " union select 1, 1".repeat(3_000));
        for sql in
            [wide, chain(7_000), unions(4_000), format!("select 1{}", "+1".repeat(32_000)), brackets(30_000)]
        {
            let refused = check(Engine::Postgres, Access::Write, tables, &sql).unwrap_err();
            assert!(refused.contains("nests or chains more than 200"), "{refused}");
        }
        // The parser's own limit is narrower.
        let refused = check(Engine::Postgres, Access::Write, &["records"], &brackets(190)).unwrap_err();
        assert!(refused.contains("cannot be read"), "{refused}");
    }
}
