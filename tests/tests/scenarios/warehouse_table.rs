//! The plugin `warehouse` into a real PostgreSQL: what its table and its history hold, read back by the database's own
//! client.

use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::local::LocalHost;
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::fixture::{CALLED_ONCE, Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, letters};
use crate::sql::credential;

const SCHEMA: &str = "create table policies (id text primary key, title text, pages integer, updated_at timestamptz, \
                      deleted boolean); \
                      create table history (delivery text primary key, topic text, \"partition\" integer, \
                      \"offset\" bigint, id text, source text, type text, subject text, time timestamptz, key text, \
                      deleted boolean, data jsonb)";

pub(crate) const SETTINGS: &str = r#"settings = { table = "policies", key = { id = "{key}" }, columns = { title = "/title", pages = "/pages" }, history = "history" }
    database = { tables = ["policies", "history"] }"#;

pub(crate) const BATCH: &str = r#"batch = { events = 100, wait = "20ms" }"#;
pub(crate) const UNORDERED: &str = "ordering = \"none\"\nparking.delays = []";

/// A server with the tables, and a broker.
pub(crate) struct Stage {
    pub(crate) server: Postgres,
    pub(crate) broker: Embedded,
    folder: Folder,
}

impl Stage {
    /// `None` where nothing real is to be started.
    pub(crate) fn new(test: &str) -> anyhow::Result<Option<Self>> {
        if is_quick() {
            say_skipped(test, "needs PostgreSQL");
            return Ok(None);
        }
        let server = Postgres::start(None)?;
        server.psql(SCHEMA)?;
        let folder = Folder::new("warehouse")?;
        folder.write("password", postgres::PASSWORD)?;
        let broker = Embedded::start(&[(TOPIC, 4), (DEAD_LETTERS, 1)])?;
        Ok(Some(Self { server, broker, folder }))
    }

    pub(crate) fn config(&self, connector: &str, subscription: &str) -> anyhow::Result<String> {
        let credential = credential(postgres::USER, &self.folder.path().join("password"));
        let connector = format!("{SETTINGS}\n{credential}\n{connector}");
        let config = Config {
            plugin: "warehouse",
            connector: &connector,
            subscription,
            tables: &format!("{QUICK}\n{CALLED_ONCE}"),
            ..Config::default()
        };
        config.text(self.broker.bootstrap(), &self.server.url())
    }

    pub(crate) fn host(&self, connector: &str, subscription: &str) -> anyhow::Result<LocalHost> {
        LocalHost::start(&self.config(connector, subscription)?)
    }

    pub(crate) fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    pub(crate) fn policies(&self) -> anyhow::Result<String> {
        let utc = "updated_at at time zone 'utc'";
        self.server.psql(&format!("select id, title, pages, {utc}, deleted from policies order by id"))
    }
}

pub(crate) fn settled(host: &LocalHost, kind: &str, count: f64) -> anyhow::Result<()> {
    let is_there = |found: f64| found >= count;
    host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", kind)], is_there)
}

pub(crate) fn policy(id: &str, key: &str, title: &str, day: u32) -> Outgoing {
    with(id, key, &json!({ "title": title, "pages": 3, "updatedAt": format!("2026-01-{day:02}T00:00:00Z") }))
}

fn with(id: &str, key: &str, data: &Value) -> Outgoing {
    cloudevent(TOPIC, "policy.updated", id, key, data)
}

/// The thing of this key is gone, since then.
fn gone(id: &str, key: &str, day: u32) -> Outgoing {
    let mut event = cloudevent(TOPIC, "policy.removed", id, key, &json!(null));
    event.value = None;
    let time = format!("2026-01-{day:02}T12:00:00Z");
    event.headers.push(("ce_time".into(), Some(time.into())));
    event
}

fn ids(events: &str, count: usize) -> impl Iterator<Item = String> + '_ {
    (0..count).map(move |number| format!("{events}-{number}"))
}

#[test]
fn a_table_holds_the_newest_of_each_key_however_often_and_in_whatever_order_it_comes() -> anyhow::Result<()> {
    let name = "a_table_holds_the_newest_of_each_key_however_often_and_in_whatever_order_it_comes";
    let Some(stage) = Stage::new(name)? else { return Ok(()) };
    for (connector, subscription) in [("", ""), (BATCH, ""), (BATCH, UNORDERED)] {
        stage.server.psql("truncate policies, history")?;
        let host = stage.host(connector, subscription)?;
        stage.produce([policy("1", "a", "first", 1), policy("2", "b", "first", 1)])?;
        settled(&host, "delivered", 2.0)?;
        stage.produce([policy("3", "a", "second", 3)])?;
        settled(&host, "delivered", 3.0)?;
        assert_eq!(stage.policies()?, "a|second|3|2026-01-03 00:00:00|f\nb|first|3|2026-01-01 00:00:00|f");
        // Five times the same, and it stays the same.
        stage.produce((0..5).map(|_| policy("3", "a", "second", 3)))?;
        settled(&host, "delivered", 8.0)?;
        // Older ones after the newer.
        stage.produce([policy("4", "a", "older", 2), gone("5", "a", 2)])?;
        settled(&host, "superseded", 1.0)?;
        let ended = |found: f64| found >= 10.0;
        host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], ended)?;
        assert!(stage.policies()?.starts_with("a|second|3|2026-01-03 00:00:00|f\n"), "{}", stage.policies()?);
        // Gone, and what is older than that does not bring it back; what is newer does.
        stage.produce([gone("6", "b", 4)])?;
        host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], |found| found >= 11.0)?;
        stage.produce([policy("7", "b", "older", 3)])?;
        host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], |found| found >= 12.0)?;
        assert!(stage.policies()?.ends_with("\nb|first|3|2026-01-04 12:00:00|t"), "{}", stage.policies()?);
        stage.produce([policy("8", "b", "again", 5)])?;
        host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], |found| found >= 13.0)?;
        assert!(stage.policies()?.ends_with("\nb|again|3|2026-01-05 00:00:00|f"), "{}", stage.policies()?);
        let history = stage.server.psql("select count(*), count(distinct id), count(data) from history")?;
        assert_eq!(history, "8|8|6", "each event once");
        host.stop()?;
        stage.server.psql("truncate policies, history")?;
        assert!(letters(&stage.broker)?.is_empty());
    }
    Ok(())
}

#[test]
fn the_policy_decides_where_the_table_holds_something_newer() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("the_policy_decides_where_the_table_holds_something_newer")? else {
        return Ok(());
    };
    let held = "insert into policies values ('a', 'theirs', 9, '2026-05-05T00:00:00Z', false)";
    for (policy_name, row, kind) in [
        ("newest-wins", "a|theirs|9|2026-05-05 00:00:00|f", "superseded"),
        ("target-wins", "a|theirs|9|2026-05-05 00:00:00|f", "superseded"),
        ("source-wins", "a|ours|3|2026-01-02 00:00:00|f", "delivered"),
    ] {
        stage.server.psql(&format!("truncate policies; {held}"))?;
        let subscription = format!("conflict = {{ policy = \"{policy_name}\" }}");
        let host = stage.host(BATCH, &subscription)?;
        let before = host.metrics().sum("liaison_events_settled_total", &[("kind", kind)]);
        stage.produce([policy(policy_name, "a", "ours", 2)])?;
        settled(&host, kind, before + 1.0)?;
        host.stop()?;
        assert_eq!(stage.policies()?, row, "{policy_name}");
    }
    assert!(letters(&stage.broker)?.is_empty());
    Ok(())
}

/// The title is the source's, the pages are counted by the agency, who counted them since; their column has no time zone.
#[test]
fn fields_of_two_are_merged_in_a_warehouse() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("fields_of_two_are_merged_in_a_warehouse")? else { return Ok(()) };
    stage
        .server
        .psql("alter table policies alter updated_at type timestamp using updated_at at time zone 'utc'")?;
    let subscription =
        r#"conflict = { policy = "merge", owners = { "/title" = "source", "/updatedAt" = "source" } }"#;
    let host = stage.host(BATCH, subscription)?;
    let held = || stage.server.psql("select title, pages, updated_at from policies where id = 'a'");
    // Midnight of the 2nd, in another zone.
    let moved = || {
        let data = json!({ "title": "ours", "pages": 3, "updatedAt": "2026-01-02T02:00:00+02:00" });
        with("moved", "a", &data)
    };
    stage.produce([policy("first", "a", "first", 1)])?;
    settled(&host, "delivered", 1.0)?;
    stage
        .server
        .psql("update policies set title = 'theirs', pages = 9, updated_at = '2026-05-05 00:00:00'")?;
    stage.produce([moved()])?;
    settled(&host, "delivered", 2.0)?;
    assert_eq!(held()?, "ours|9|2026-01-02 00:00:00");
    // The same again: its pages are not what is held, and merged they are.
    stage.produce([moved(), moved()])?;
    settled(&host, "delivered", 4.0)?;
    assert_eq!(held()?, "ours|9|2026-01-02 00:00:00");
    host.stop()?;
    assert!(letters(&stage.broker)?.is_empty());
    Ok(())
}

/// Times in other zones and in columns without one, and a deletion that comes late, under the policy that removes.
#[test]
fn times_are_compared_as_times_and_a_late_deletion_is_the_policys() -> anyhow::Result<()> {
    let name = "times_are_compared_as_times_and_a_late_deletion_is_the_policys";
    let Some(stage) = Stage::new(name)? else { return Ok(()) };
    stage
        .server
        .psql("alter table policies alter updated_at type timestamp using updated_at at time zone 'utc'")?;
    let at = |id: &str, title: &str, time: &str| with(id, "a", &json!({ "title": title, "updatedAt": time }));
    let host = stage.host("", "")?;
    stage.produce([at("1", "noon", "2026-01-02T12:00:00Z")])?;
    settled(&host, "delivered", 1.0)?;
    // By their letters the first is newer, and the second older.
    stage.produce([
        at("2", "before noon", "2026-01-02T13:00:00+02:00"),
        at("3", "after", "2026-01-02T11:30:00-01:00"),
    ])?;
    settled(&host, "superseded", 1.0)?;
    settled(&host, "delivered", 2.0)?;
    assert_eq!(stage.policies()?.split('|').nth(1), Some("after"));
    host.stop()?;
    for (policy_name, kind, is_deleted) in
        [("target-wins", "superseded", "f"), ("source-wins", "delivered", "t")]
    {
        let host = stage.host(BATCH, &format!("conflict = {{ policy = \"{policy_name}\" }}"))?;
        stage.produce([gone(policy_name, "a", 1)])?;
        settled(&host, kind, 1.0)?;
        host.stop()?;
        assert_eq!(stage.server.psql("select deleted from policies")?, is_deleted, "{policy_name}");
    }
    assert!(letters(&stage.broker)?.is_empty());
    Ok(())
}

/// One batch or several: nothing of equal version is lost because another was written first.
#[test]
fn equal_versions_in_one_batch_are_a_conflict_where_they_say_other_things() -> anyhow::Result<()> {
    let name = "equal_versions_in_one_batch_are_a_conflict_where_they_say_other_things";
    let Some(stage) = Stage::new(name)? else { return Ok(()) };
    let batch = r#"batch = { events = 3, wait = "2s" }"#;
    let subscription = format!("{UNORDERED}\nconflict = {{ policy = \"manual\" }}");
    let host = stage.host(batch, &subscription)?;
    let titles = [("1", "one"), ("2", "other"), ("3", "one")];
    stage.produce(titles.map(|(id, title)| policy(id, "a", title, 1)))?;
    host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], |found| found >= 3.0)?;
    let held = stage.server.psql("select title from policies")?;
    let letters = letters(&stage.broker)?;
    let letters = by_event(&letters)?;
    let given_up: Vec<&str> = letters.keys().copied().collect();
    let others: Vec<&str> = titles.iter().filter(|(_, title)| *title != held).map(|(id, _)| *id).collect();
    assert_eq!(given_up, others, "{held}");
    assert!(!others.is_empty());
    host.stop()
}

#[test]
fn a_warehouse_that_is_killed_and_comes_back_has_all_of_it_once() -> anyhow::Result<()> {
    let name = "a_warehouse_that_is_killed_and_comes_back_has_all_of_it_once";
    let Some(mut stage) = Stage::new(name)? else { return Ok(()) };
    let host = stage.host(BATCH, UNORDERED)?;
    let events = |name: &str| ids(name, 500).map(|id| policy(&id, &id, "t", 1)).collect::<Vec<_>>();
    stage.produce(events("before"))?;
    settled(&host, "delivered", 100.0)?;
    stage.server.kill()?;
    stage.produce(events("while"))?;
    let is_open = |state: f64| state > 0.0;
    host.wait_for_metric(LIMIT, "liaison_breaker_state", &[], is_open)?;
    stage.server.start_again()?;
    settled(&host, "delivered", 1_000.0)?;
    host.stop()?;
    assert_eq!(stage.server.psql("select count(*), count(distinct id) from policies")?, "1000|1000");
    assert_eq!(stage.server.psql("select count(*), count(distinct id) from history")?, "1000|1000");
    assert!(letters(&stage.broker)?.is_empty(), "nothing is given up because a system is down");
    Ok(())
}

#[test]
fn one_bad_record_fails_by_itself_and_its_neighbours_do_not() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("one_bad_record_fails_by_itself_and_its_neighbours_do_not")? else {
        return Ok(());
    };
    // All of them are there before the first batch.
    let good = ids("good", 300).map(|id| policy(&id, &id, "t", 1)).collect::<Vec<_>>();
    let bad =
        with("bad", "bad", &json!({ "title": "t", "pages": "many", "updatedAt": "2026-01-01T00:00:00Z" }));
    let lost = with("lost", "lost", &json!({ "title": "no version" }));
    let (first, second) = good.split_at(150);
    stage.produce(first.iter().cloned().chain([bad, lost]).chain(second.iter().cloned()))?;
    let host = stage.host(BATCH, UNORDERED)?;
    settled(&host, "delivered", 300.0)?;
    settled(&host, "dead-lettered", 2.0)?;
    let metrics = host.metrics();
    assert!(metrics.sum("liaison_joint_requests_total", &[("result", "refused")]) >= 1.0);
    assert!(metrics.sum("liaison_joined_requests_total", &[]) >= 200.0);
    host.stop()?;
    assert_eq!(stage.server.psql("select count(*) from policies where id like 'good-%'")?, "300");
    assert_eq!(stage.server.psql("select count(*) from history")?, "300", "nothing of the refused is there");
    let letters = letters(&stage.broker)?;
    let letters = by_event(&letters)?;
    let messages: Vec<_> = letters.values().map(|letter| letter.message()).collect::<Result<_, _>>()?;
    assert_eq!(
        messages,
        [
            "the row for policies was refused (22P02): invalid input syntax for type integer: \"many\"",
            "the event has nothing at `/updatedAt`, which is to be the version `updated_at`",
        ]
    );
    Ok(())
}
