//! A header and its lines.

use liaison_sdk::outcome::OutcomeKind;

use super::*;

fn order(lines: Value) -> EventBuilder {
    event("order.changed").key("o1").data(json!({ "updatedAt": 3, "lines": lines }))
}

fn with_lines(dialect: &str) {
    testing::settings(json!({
        "dialect": dialect, "table": "orders", "key": ["id"], "version-column": "v",
        "columns": { "id": "key", "v": { "from": "/updatedAt", "type": "integer" } },
        "lines": { "rows": "/lines", "table": "items", "header-key": ["order_id"], "key": ["nr"],
                   "columns": { "nr": "/nr", "what": "/what" } },
    }));
}

#[test]
fn a_header_and_its_lines_are_one_transaction() {
    with_lines("postgres");
    let read = "SQL select \"id\", \"v\", \"v\" = $1 as liaison_is_same, (\"v\" is null or \"v\" < $2) as liaison_is_older \
                from \"orders\" where \"id\" = $3; select \"nr\" from \"items\" where \"order_id\" = $1";
    let header = |version: i64| {
        let found = rows(["id", "v", "liaison_is_same", "liaison_is_older"]);
        found.row(["o1".into(), version.into(), (version == 3).into(), (version < 3).into()])
    };
    let keys = rows(["nr"]).row([1.into()]).row([2.into()]);
    let write = "SQL update \"orders\" set \"v\" = $1 where \"id\" = $2 and \"v\" = $3; delete from \
                 \"items\" where \"order_id\" = $1 and ((\"nr\" = $2)); insert into \"items\" (\"order_id\", \"nr\", \"what\") \
                 values ($1, $2, $3) on conflict (\"order_id\", \"nr\") do update set \"what\" = excluded.\"what\"; insert \
                 into \"items\" (\"order_id\", \"nr\", \"what\") values ($1, $2, $3), ($4, $5, $6); insert into \"orders\" \
                 (\"id\", \"v\") select \"id\", \"v\" from \"orders\" where \"id\" = $1 and (\"v\" is null or \"v\" <> $2); \
                 delete from \"items\" where \"order_id\" = $1 and not exists (select 1 from \"orders\" where \"id\" = $2)";
    let lines = json!([{ "nr": 2, "what": "b" }, { "nr": 3, "what": "c" }, { "nr": 4 }]);
    let script =
        |answer: testing::Reply| endpoint().expect(read, header(1).then(keys.clone())).expect(write, answer);
    let run = script(affected(1).into()).deliver(deliver, order(lines.clone()));
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    assert_eq!(run.transactions[1].statements[1].parameters, ["o1".into(), 1.into()]);
    assert_eq!(
        run.transactions[1].statements[3].parameters,
        ["o1".into(), 3.into(), "c".into(), "o1".into(), 4.into(), SqlValue::Null]
    );
    let moved = script(affected(0).into()).deliver(deliver, order(lines.clone()));
    assert!(matches!(moved.outcome, Outcome::Retry(_)));

    for (lines, expected) in [
        (json!(null), "the event's data has no list at `/lines`"),
        (json!([{ "nr": 1 }, { "nr": 1 }]), "line 2: it has the same key as another line"),
        (json!([{}]), "line 1: the event has nothing at `/nr`"),
    ] {
        let outcome = endpoint().deliver(deliver, order(lines)).outcome;
        assert!(matches!(&outcome, Outcome::Rejected(why) if why.starts_with(expected)), "{outcome:?}");
    }
}

#[test]
fn a_new_header_is_inserted_and_a_tombstone_takes_the_lines_along() {
    with_lines("mysql");
    let read = "SQL select `id`, `v`, `v` = ? as liaison_is_same, (`v` is null or `v` < ?) as liaison_is_older from `orders` \
                where `id` = ?; select `nr` from `items` where `order_id` = ?";
    let found = rows(["id", "v", "liaison_is_same", "liaison_is_older"]).then(rows(["nr"]).row([1.into()]));
    let write = "SQL insert into `orders` (`id`, `v`) values (?, ?); insert into `items` (`order_id`, `nr`, `what`) values \
                 (?, ?, ?) on duplicate key update `what` = values(`what`)";
    let run = endpoint()
        .expect(read, found)
        .expect(write, affected(1).then(affected(1)))
        .deliver(deliver, order(json!([{ "nr": 1, "what": "a" }])));
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    let delete = "SQL select 1 from `orders` where `id` = ? for update; delete from `items` where `order_id` = ?; delete \
                  from `orders` where `id` = ?";
    let run = endpoint()
        .expect(delete, rows(["1"]).row([1.into()]).then(affected(2)).then(affected(1)))
        .deliver(deliver, order(json!([])).tombstone());
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
}

/// Two writers insert the same new header: the one that comes second reads it, and is not given up.
#[test]
fn a_new_header_that_another_inserted_first_is_looked_at_again() {
    with_lines("postgres");
    let look = "select \"id\", \"v\", \"v\" = $1 as liaison_is_same, (\"v\" is null or \"v\" < $2) as liaison_is_older \
                from \"orders\" where \"id\" = $3";
    let read = format!("SQL {look}; select \"nr\" from \"items\" where \"order_id\" = $1");
    let write = "SQL insert into \"orders\" (\"id\", \"v\") values ($1, $2); insert into \"items\" (\"order_id\", \"nr\", \
                 \"what\") values ($1, $2, $3)";
    let header = || rows(["id", "v", "liaison_is_same", "liaison_is_older"]);
    let refused = || sql_error(SqlErrorKind::Constraint, "23505", "duplicate key").constraint("orders_pkey");
    let outcome = |then: SqlReply| {
        let script = endpoint().expect(&read, header().then(rows(["nr"]))).expect(write, refused());
        script
            .expect(&format!("SQL {look}"), then)
            .deliver(deliver, order(json!([{ "nr": 1, "what": "a" }])))
            .outcome
    };
    let raced = outcome(header().row(["o1".into(), 9.into(), false.into(), false.into()]));
    assert!(matches!(&raced, Outcome::Retry(_)), "{raced:?}");
    // Nobody inserted it: its own values were refused.
    let own = Outcome::rejected("the database refused it (23505), constraint `orders_pkey`: duplicate key");
    assert_eq!(outcome(header()), own);
}

/// What undoes the transaction is the header that has moved, or a line that will never be taken.
#[test]
fn a_line_that_is_refused_is_told_from_a_header_that_has_moved() {
    for is_versioned in [true, false] {
        let mut settings = json!({
            "dialect": "postgres", "table": "orders", "key": ["id"],
            "columns": { "id": "key", "v": { "from": "/updatedAt", "type": "integer" } },
            "lines": { "rows": "/lines", "table": "items", "header-key": ["order_id"], "key": ["nr"],
                       "columns": { "nr": "/nr", "what": "/what" } },
        });
        let (mut select, mut guard) = ("select \"id\", \"v\" from \"orders\" where \"id\" = $1", "");
        let orphans = "; delete from \"items\" where \"order_id\" = $1 and not exists (select 1 from \"orders\" where \
                       \"id\" = $2)";
        let mut update = "update \"orders\" set \"v\" = $1 where \"id\" = $2";
        if is_versioned {
            settings["version-column"] = "v".into();
            select = "select \"id\", \"v\", \"v\" = $1 as liaison_is_same, (\"v\" is null or \"v\" < $2) as \
                      liaison_is_older from \"orders\" where \"id\" = $3";
            update = "update \"orders\" set \"v\" = $1 where \"id\" = $2 and \"v\" = $3";
            guard = "; insert into \"orders\" (\"id\", \"v\") select \"id\", \"v\" from \"orders\" where \"id\" = $1 and \
                     (\"v\" is null or \"v\" <> $2)";
        }
        testing::settings(settings);
        let at = |version: i64| match is_versioned {
            true => rows(["id", "v", "liaison_is_same", "liaison_is_older"]).row([
                "o1".into(),
                version.into(),
                false.into(),
                (version < 3).into(),
            ]),
            false => rows(["id", "v"]).row(["o1".into(), version.into()]),
        };
        let found = || at(1);
        let read = format!("SQL {select}; select \"nr\" from \"items\" where \"order_id\" = $1");
        let write = format!(
            "SQL {update}; insert into \"items\" (\"order_id\", \"nr\", \"what\") values ($1, $2, $3){guard}{orphans}"
        );
        let look = format!("SQL {select}");
        let line = 1;
        let refused =
            |code: &str, statement| sql_error(SqlErrorKind::Constraint, code, "no").in_statement(statement);
        let outcome = |refused: testing::SqlErrorReply, header: Option<SqlReply>| {
            let script = endpoint().expect(&read, found().then(rows(["nr"]))).expect(&write, refused);
            let script = header.into_iter().fold(script, |script, header| script.expect(&look, header));
            script.deliver(deliver, order(json!([{ "nr": 1, "what": "a" }]))).outcome.kind()
        };
        // A check of the line; what it refers to, beside its header; and its header, which is gone.
        assert_eq!(outcome(refused("23514", line), Some(found())), OutcomeKind::Rejected, "{is_versioned}");
        assert_eq!(outcome(refused("23503", line), Some(found())), OutcomeKind::Rejected, "{is_versioned}");
        let gone = if is_versioned {
            rows(["id", "v", "liaison_is_same", "liaison_is_older"])
        } else {
            rows(["id", "v"])
        };
        assert_eq!(outcome(refused("23503", line), Some(gone)), OutcomeKind::Retry, "{is_versioned}");
        if is_versioned {
            assert_eq!(outcome(refused("23505", 2), Some(at(9))), OutcomeKind::Retry, "the guard");
            assert_eq!(
                outcome(refused("23505", line), Some(at(9))),
                OutcomeKind::Retry,
                "a line of another's"
            );
        }
    }
}

/// The header is the event's own, by version and values: the lines say whether all of it is there.
#[test]
fn an_equal_version_with_other_lines_is_a_conflict() {
    with_lines("postgres");
    let look = "SQL select \"id\", \"v\", \"v\" = $1 as liaison_is_same, (\"v\" is null or \"v\" < $2) as liaison_is_older \
                from \"orders\" where \"id\" = $3; select \"nr\"";
    let (from, all) = (" from \"items\" where \"order_id\" = $1", ", \"what\"");
    let in_order = " order by \"nr\"";
    let header = |version: i64| {
        let found = rows(["id", "v", "liaison_is_same", "liaison_is_older"]);
        found.row(["o1".into(), version.into(), (version == 3).into(), (version < 3).into()])
    };
    let outcome = |held: &[(i64, SqlValue)], version: i64| {
        let lines = held
            .iter()
            .fold(rows(["nr", "what"]), |lines, (nr, what)| lines.row([(*nr).into(), what.clone()]));
        endpoint()
            .expect(&format!("{look}{from}"), header(3).then(rows(["nr"])))
            .expect(&format!("{look}{all}{from}{in_order}"), header(version).then(lines))
            .deliver(deliver, order(json!([{ "nr": 1, "what": "a" }, { "nr": 2 }])))
            .outcome
    };
    let (first, second) = ((1, "a".into()), (2, SqlValue::Null));
    let same = Outcome::skipped("already there: the database holds this version");
    assert_eq!(outcome(&[second.clone(), first.clone()], 3), same);
    let other = "the database holds this version with other lines";
    for held in [
        vec![first.clone()],
        vec![first.clone(), (2, "b".into())],
        vec![first.clone(), (3, SqlValue::Null)],
        vec![first.clone(), second.clone(), (3, SqlValue::Null)],
        vec![],
    ] {
        let Outcome::Conflict(conflict) = outcome(&held, 3) else { panic!("{held:?}") };
        assert_eq!((conflict.reason.as_str(), conflict.version.as_deref()), (other, Some("3")), "{held:?}");
        let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
        assert_eq!(current["lines"].as_array().map(Vec::len), Some(held.len()), "{current}");
    }
    // Another has written the header between the two looks.
    assert_eq!(
        outcome(&[first, second], 4),
        Outcome::retry("the header was changed by another in the meantime")
    );
}

/// What is decided by is the header with its lines, as they were in one look.
#[test]
fn a_conflict_with_a_newer_header_tells_its_lines() {
    with_lines("postgres");
    let look = "SQL select \"id\", \"v\", \"v\" = $1 as liaison_is_same, (\"v\" is null or \"v\" < $2) as liaison_is_older \
                from \"orders\" where \"id\" = $3; select \"nr\"";
    let from = " from \"items\" where \"order_id\" = $1";
    let header = |version: i64| {
        let found = rows(["id", "v", "liaison_is_same", "liaison_is_older"]);
        found.row(["o1".into(), version.into(), false.into(), false.into()])
    };
    let outcome = |second: testing::Reply| {
        endpoint()
            .expect(&format!("{look}{from}"), header(9).then(rows(["nr"])))
            .expect(&format!("{look}, \"what\"{from} order by \"nr\""), second)
            .deliver(deliver, order(json!([{ "nr": 1, "what": "a" }])))
            .outcome
    };
    let held = || rows(["nr", "what"]).row([1.into(), "theirs".into()]).row([2.into(), SqlValue::Null]);
    let Outcome::Conflict(conflict) = outcome(header(9).then(held()).into()) else { panic!("a conflict") };
    assert_eq!(conflict.version.as_deref(), Some("9"));
    let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
    assert_eq!(current, json!({ "updatedAt": 9, "lines": [{ "nr": 1, "what": "theirs" }, { "nr": 2 }] }));
    // Another has written it between the two looks, or there is more than may be read.
    assert_eq!(outcome(header(10).then(held()).into()).kind(), OutcomeKind::Retry);
    let many = sql_error(SqlErrorKind::TooManyRows, "", "more than 1000 rows");
    let Outcome::Conflict(conflict) = outcome(many.into()) else { panic!("a conflict") };
    assert_eq!(conflict.current.as_deref(), Some(&br#"{"updatedAt":9}"#[..]));
}

#[test]
fn a_decision_about_a_header_that_is_gone_is_a_conflict() {
    with_lines("postgres");
    let read = "SQL select \"id\", \"v\", \"v\" = $1 as liaison_is_same, (\"v\" is null or \"v\" < $2) as liaison_is_older \
                from \"orders\" where \"id\" = $3; select \"nr\" from \"items\" where \"order_id\" = $1";
    let nothing = rows(["id", "v", "liaison_is_same", "liaison_is_older"]).then(rows(["nr"]));
    let over = order(json!([])).resolution(Resolution::Overwrite(Some("2".into())));
    let run = endpoint().expect(read, nothing).deliver(deliver, over);
    let why = "the row in orders: what it was decided to write over is gone";
    assert_eq!(run.outcome, Outcome::conflict(None, None, why));
}
