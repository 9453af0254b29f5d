//! `GET /events/ID`: what became of an event in each subscription, as far as this host knows, and plainly what it does not.

use anyhow::Context as _;
use liaison_tests::system::{Answer, Behaviour};
use liaison_tests::wait;
use serde_json::{Value, json};

use crate::fixture::{Config, LIMIT, event};
use crate::intake_fixture::{CORE, Channel, PORTAL};

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");

fn structured(id: &str, kind: &str) -> String {
    json!({"specversion": "1.0", "id": id, "source": "/core", "type": kind, "data": {"title": id}})
        .to_string()
}

/// By the identifier in its path: some are refused, some fail.
fn by_id() -> Behaviour {
    Behaviour::from_fn(|request| match request.path.strip_prefix("/events/") {
        Some("refused") => Answer::status(422).with_body("no such room"),
        Some("failing") => Answer::status(503),
        _ => Answer::status(200),
    })
}

/// What is told of the event in the subscription, once it is in this state.
fn told(channel: &Channel, id: &str, state: &str) -> anyhow::Result<Value> {
    let ask = || {
        let reply = channel.get(&format!("/events/{id}")).ok().filter(|reply| reply.status == 200)?;
        let told = reply.json().ok()?["events"][0].clone();
        (told["subscriptions"]["calendar"]["state"] == state).then_some(told)
    };
    wait::until_some(LIMIT, &format!("{id} to be {state}"), ask)
}

#[test]
fn an_event_is_told_of_in_every_state() -> anyhow::Result<()> {
    let config = Config { types: r#"["policy.*", "schedule.*"]"#, ..Config::default() };
    let channel = Channel::start("", &config, by_id())?;
    for (id, kind) in [
        ("fine", "policy.updated"),
        ("refused", "policy.updated"),
        ("failing", "schedule.moved"),
        ("odd", "odd.one"),
    ] {
        assert_eq!(channel.post(CORE, &[STRUCTURED], &structured(id, kind))?.status, 202);
    }
    let fine = told(&channel, "fine", "delivered")?;
    assert_eq!((&fine["source"], &fine["type"]), (&json!("/core"), &json!("policy.updated")));
    assert_eq!(fine["accepted"]["offset"], fine["subscriptions"]["calendar"]["received"]["offset"]);
    assert_eq!(fine["subscriptions"]["calendar"]["attempts"], 1);
    let refused = told(&channel, "refused", "dead-lettered")?;
    let why = refused["subscriptions"]["calendar"]["why"].as_str().context("a reason")?;
    assert!(why.contains("422"), "{why}");
    let failing = told(&channel, "failing", "retrying")?;
    assert_eq!(failing["subscriptions"]["calendar"]["last_outcome"], "retry");
    told(&channel, "odd", "filtered")?;
    // One that came another way is known too.
    channel.fixture.produce([event("direct", "k")])?;
    let direct = told(&channel, "direct", "delivered")?;
    assert_eq!(direct["accepted"], Value::Null);
    Ok(())
}

#[test]
fn what_is_not_known_or_not_for_the_asker_is_said_plainly() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("a/b c", "policy.updated"))?.status, 202);
    channel.fixture.settled("delivered", 1)?;
    assert_eq!(channel.get("/events/a%2Fb%20c?source=/core")?.status, 200);
    assert_eq!(channel.get("/events/a%2Fb%20c?source=/else")?.status, 404);
    let unknown = channel.get("/events/never-sent")?;
    assert_eq!(unknown.status, 404);
    assert!(unknown.detail()?.contains("this host knows nothing of an event `never-sent`"), "{unknown:?}");
    assert_eq!(unknown.json()?["remembered"]["events"], 10_000);
    let bearer = format!("Bearer {PORTAL}");
    let foreign = channel.ask("GET", "/events/a%2Fb%20c", &[("authorization", &bearer)], b"")?;
    assert_eq!(foreign.status, 404, "portal may not send policy.updated, and may not ask about it");
    assert_eq!(channel.ask("GET", "/events/a", &[], b"")?.status, 401);
    // Nobody here reads the other topic.
    assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("elsewhere", "other.one"))?.status, 202);
    let elsewhere = channel.get("/events/elsewhere")?.json()?;
    assert_eq!(elsewhere["events"][0]["subscriptions"], json!({}));
    let foreign = channel.ask("GET", "/events/elsewhere", &[("authorization", &bearer)], b"")?;
    assert_eq!(foreign.status, 404, "portal may send other.one, but not to that topic");
    Ok(())
}

#[test]
fn events_of_one_id_and_two_types_are_told_each_to_whom_it_is_for() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    for kind in ["policy.updated", "schedule.moved"] {
        assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("same", kind))?.status, 202);
    }
    channel.fixture.settled("delivered", 2)?;
    let types = |token: &str, path: &str| -> anyhow::Result<Vec<String>> {
        let bearer = format!("Bearer {token}");
        let reply = channel.ask("GET", path, &[("authorization", &bearer)], b"")?.json()?;
        let events = reply["events"].as_array().context("events")?;
        Ok(events.iter().filter_map(|event| event["type"].as_str()).map(str::to_owned).collect())
    };
    assert_eq!(types(CORE, "/events/same")?, ["policy.updated", "schedule.moved"]);
    assert_eq!(types(CORE, "/events/same?type=policy.updated")?, ["policy.updated"]);
    assert_eq!(types(PORTAL, "/events/same?source=/core")?, ["schedule.moved"]);
    assert_eq!(channel.get("/events/same?kind=policy.updated")?.status, 400);
    let head = channel.ask("HEAD", "/events/same", &[("authorization", &format!("Bearer {CORE}"))], b"")?;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("content-length: "), "{head:?}");
    Ok(())
}

#[test]
fn where_nothing_is_remembered_it_says_so() -> anyhow::Result<()> {
    let channel = Channel::start("remember = 0", &Config::default(), Behaviour::ok())?;
    assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("e-1", "policy.updated"))?.status, 202);
    channel.fixture.settled("delivered", 1)?;
    let unknown = channel.get("/events/e-1")?;
    assert_eq!((unknown.status, unknown.detail()?.contains("`intake.remember` is 0")), (404, true));
    Ok(())
}
