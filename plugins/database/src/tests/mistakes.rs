//! Mistakes of events and of settings, and what a check finds of them.

use super::*;

#[test]
fn an_event_without_what_its_row_needs_is_rejected() {
    let more = json!({ "columns": { "id": "/id", "name": { "from": "/name", "type": "integer" },
        "updated_at": integer() } });
    testing::settings(settings_of("postgres", more));
    for (event, expected) in [
        (
            event("t").data(json!({ "updatedAt": 1 })),
            "the event has nothing at `/id`, which is to be the key `id`",
        ),
        (
            event("t").data(json!({ "id": 1 })),
            "the event has nothing at `/updatedAt`, which is to be the version",
        ),
        (
            event("t").data(json!({ "id": 1, "name": "x", "updatedAt": 1 })),
            "the column `name` is to hold an integer, and the event has another thing at `/name`",
        ),
        (
            event("t").tombstone(),
            "the event has nothing at `/id`, which is to be the key `id`: it is a tombstone",
        ),
        (event("t").bytes("<x/>", Some("text/xml")), "the event's data is not JSON"),
    ] {
        let outcome = endpoint().deliver(deliver, event).outcome;
        assert!(matches!(&outcome, Outcome::Rejected(why) if why.starts_with(expected)), "{outcome:?}");
    }
}

#[test]
fn a_mistake_in_the_settings_pauses_and_names_the_key() {
    for (more, expected) in [
        (json!({ "dialect": "oracle" }), "settings: dialect: unknown variant `oracle`"),
        (json!({ "tabel": "x" }), "settings: tabel: unknown field `tabel`"),
        (json!({ "table": "a.b.c" }), "settings: table: `a.b.c` is no table"),
        (json!({ "key": [] }), "settings: key: name the columns"),
        (json!({ "key": ["nr"] }), "settings: key: `nr` is not among the columns"),
        (json!({ "columns": { "id": "ident" } }), "settings: columns.id: `ident` is no part of an event"),
        (
            json!({ "columns": { "id": { "from": "key", "type": "date" } } }),
            "settings: columns.id.type: unknown variant",
        ),
        (json!({ "columns": { "id": "line-number" } }), "settings: columns: `line-number` is of lines"),
        (
            json!({ "columns": { "id": "key", "updated_at": { "from": "/updatedAt", "type": "text" } } }),
            "settings: columns: `updated_at` is the version, so its type is `timestamp` or `integer`",
        ),
        (
            json!({ "tombstone-version": { "from": "time", "type": "timestamp" } }),
            "settings: tombstone-version: is compared with `updated_at`",
        ),
        (json!({ "version-column": "id" }), "settings: version-column: `id` is of the key"),
        (json!({ "tombstone-version": "/at" }), "settings: tombstone-version: `/at` is of the data"),
        (json!({ "deleted-column": "name" }), "settings: deleted-column: `name` is set by this plugin"),
        (json!({ "columns": { "id": "key" }, "version-column": null }), "settings: columns: beside the key"),
        (
            json!({ "lines": { "rows": "lines", "table": "l", "key": ["n"], "columns": { "n": "line-number" } } }),
            "settings: lines.rows: `lines` is no JSON pointer",
        ),
        (
            json!({ "lines": { "rows": "/l", "table": "l", "key": ["id"], "columns": { "id": "line-number" } } }),
            "settings: lines.columns: `id` holds the header's key",
        ),
    ] {
        testing::settings(settings_of("postgres", more));
        let outcome = endpoint().deliver(deliver, person(1)).outcome;
        assert!(matches!(&outcome, Outcome::Denied(why) if why.starts_with(expected)), "{outcome:?}");
    }
}

#[test]
fn a_check_asks_for_the_columns_and_whether_versions_can_be_compared() {
    testing::settings(settings_of("postgres", json!({ "deleted-column": "gone" })));
    let columns = "SQL select \"id\", \"name\", \"updated_at\", \"gone\" from \"hr\".\"people\" where 1 = 0";
    let version =
        "SQL select coalesce(max(\"updated_at\"), 0) as liaison_version from \"hr\".\"people\" where 1 = 0";
    let found =
        |reply: testing::Reply| endpoint().expect(columns, none()).expect(version, reply).check(check::check);
    let one = |value: SqlValue| rows(["liaison_version"]).row([value]).into();
    assert!(matches!(found(one(0.into())).outcome, Check::Usable(_)));
    let other = "settings: `updated_at` of hr.people holds the version as `integer`, and the database's column has another type";
    for reply in [one("0".into()), sql_error(SqlErrorKind::Statement, "42804", "types do not match").into()] {
        let outcome = found(reply).outcome;
        assert!(matches!(&outcome, Check::Unusable(why) if why.starts_with(other)), "{outcome:?}");
    }
    let missing = sql_error(SqlErrorKind::Statement, "", "no such column: gone");
    let run = endpoint().expect(columns, missing).check(check::check);
    assert!(matches!(run.outcome, Check::Unusable(why) if why.contains("no such column")));
}

#[test]
fn a_check_of_sqlite_looks_for_times_that_another_wrote() {
    let columns = json!({ "id": "key", "name": "/person/name" });
    testing::settings(settings_of("sqlite", json!({ "columns": columns })));
    let columns = "SQL select `id`, `name`, `updated_at` from `hr`.`people` where 1 = 0";
    let version = "SQL select 1 as liaison_version from `hr`.`people` where typeof(`updated_at`) <> 'null' and `updated_at` \
                   not glob ? limit 1";
    let found =
        |reply: SqlReply| endpoint().expect(columns, none()).expect(version, reply).check(check::check);
    assert!(matches!(found(rows(["liaison_version"])).outcome, Check::Usable(_)));
    let other = found(rows(["liaison_version"]).row([1.into()])).outcome;
    assert!(matches!(other, Check::Unusable(why) if why.contains("a row has it in another form")));
}
