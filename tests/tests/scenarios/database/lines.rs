//! A header and its lines, in one transaction or not at all.

use liaison::kafka::producer::Outgoing;
use liaison_tests::produce::cloudevent;
use serde_json::{Value, json};

use super::server::{Kind, Server};
use super::{NEWEST, Stage, at, deletion};
use crate::fixture::TOPIC;

fn schema(kind: Kind) -> String {
    let (text, time) = (kind.text(), kind.timestamp());
    format!(
        "create table orders (id {text} primary key, customer {text}, updated_at {time}); \
         create table items (order_id {text} not null, nr integer not null, what {text} not null, note {text}, \
         primary key (order_id, nr), constraint of_order foreign key (order_id) references orders (id))"
    )
}

fn settings(kind: Kind) -> Value {
    json!({
        "dialect": kind.dialect(),
        "table": "orders",
        "key": ["id"],
        "version-column": "updated_at",
        "tombstone-version": "time",
        "columns": {
            "id": "key",
            "customer": "/customer",
            "updated_at": { "from": "/updatedAt", "type": "timestamp" },
        },
        "lines": {
            "rows": "/lines",
            "table": "items",
            "header-key": ["order_id"],
            "key": ["nr"],
            "columns": { "nr": "/nr", "what": "/what" },
        },
    })
}

fn order(id: &str, key: &str, second: u32, lines: &Value) -> Outgoing {
    let data = json!({ "customer": format!("c{second}"), "updatedAt": at(second), "lines": lines });
    cloudevent(TOPIC, "order.changed", id, key, &data)
}

fn lines_follow_their_header(kind: Kind, test: &str) -> anyhow::Result<()> {
    let Some(server) = Server::start(kind, test, &schema(kind))? else { return Ok(()) };
    let stage = Stage::start(&server, &settings(kind), NEWEST, "breaker = { failures = 64 }")?;
    let first = json!([{ "nr": 1, "what": "a" }, { "nr": 2, "what": "b" }, { "nr": 3, "what": "c" }]);
    stage.produce([order("1", "o1", 1, &first), order("2", "gone", 1, &first)])?;
    stage.settled("delivered", 2.0)?;
    // What somebody else keeps in a line stays in it.
    server.ask("update items set note = 'kept' where order_id = 'o1'")?;
    let second = json!([{ "nr": 2, "what": "b2" }, { "nr": 4, "what": "d" }]);
    let many: Vec<_> = (0..700).map(|number| json!({ "nr": number, "what": "x" })).collect();
    let again = || order("4", "o1", 3, &second);
    stage.produce([
        again(),
        again(),
        order("5", "o1", 2, &json!([{ "nr": 9, "what": "older" }])),
        deletion("6", "gone", 2),
        // The last of its lines is refused, so nothing of it is there.
        order("7", "half", 1, &json!([{ "nr": 1, "what": "a" }, { "nr": 2, "what": null }])),
        order("8", "twice", 1, &json!([{ "nr": 1, "what": "a" }, { "nr": 1, "what": "b" }])),
        order("9", "many", 1, &json!(many)),
        order("10", "many", 2, &json!(many[..650])),
        order("11", "empty", 1, &json!([])),
    ])?;
    stage.settled("delivered", 8.0)?;
    stage.settled("superseded", 1.0)?;
    stage.settled("dead-lettered", 2.0)?;
    assert_eq!(server.ask("select id, customer from orders order by id")?, "empty|c1\nmany|c2\no1|c3");
    let items = "select nr, what, note from items where order_id = 'o1' order by nr";
    assert_eq!(server.ask(items)?, "2|b2|kept\n4|d|");
    assert_eq!(
        server.ask("select order_id, count(*) from items group by order_id order by 1")?,
        "many|650\no1|2"
    );
    let reasons = stage.reasons()?;
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].0 == "7" && reasons[0].1.contains("the database refused it"), "{reasons:?}");
    assert!(reasons[1].0 == "8" && reasons[1].1.contains("line 2: it has the same key"), "{reasons:?}");
    stage.host.stop()?;

    // The host may decide that the older one is written: with its lines.
    let stage = Stage::start(&server, &settings(kind), r#"{ policy = "source-wins" }"#, "")?;
    stage.produce([order("12", "o1", 1, &json!([{ "nr": 7, "what": "older" }]))])?;
    stage.settled("delivered", 1.0)?;
    assert_eq!(server.ask(items)?, "7|older|");
    assert_eq!(server.ask("select customer from orders where id = 'o1'")?, "c1");
    stage.host.stop()
}

#[test]
fn lines_of_postgres_follow_their_header() -> anyhow::Result<()> {
    lines_follow_their_header(Kind::Postgres, "lines_of_postgres_follow_their_header")
}

#[test]
fn lines_of_mariadb_follow_their_header() -> anyhow::Result<()> {
    lines_follow_their_header(Kind::MariaDb, "lines_of_mariadb_follow_their_header")
}

#[test]
fn lines_of_sqlite_follow_their_header() -> anyhow::Result<()> {
    lines_follow_their_header(Kind::Sqlite, "lines_of_sqlite_follow_their_header")
}
