//! Another configuration by `POST /reload`: who may ask for it, and what is answered.

use liaison_tests::host::plugin;
use liaison_tests::wait;
use serde_json::json;

use crate::fixture::LIMIT;
use crate::reload_fixture::{Ground, NAMES, Sub, TOKEN, metric, reload};

#[test]
fn who_shows_the_token_may_reload_and_is_told_what_came_of_it() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let [calendar, documents, _] = NAMES.map(Sub::new);
    let host = ground.start(&[calendar])?;
    host.configure(&ground.text(&[calendar, documents], "")?)?;
    let right = format!("Bearer {TOKEN}");
    for (headers, body, status, text) in [
        (vec![], "", 401, "show the token that `admin.token` names"),
        (vec![("authorization", "Bearer 5f0c9a1e77b24d34")], "", 401, "show the token"),
        (vec![("authorization", right.as_str())], "[kafka]", 400, "leave the body out"),
    ] {
        let (answered, problem) = host.post("/reload", &headers, body)?;
        assert_eq!(answered, status, "{problem}");
        assert!(problem.contains(text), "{problem}");
    }
    assert_eq!(metric(&host, "liaison_config_reloads_total", &[("result", "applied")]), Some(0.0));
    let (status, answer) = reload(&host)?;
    let expected = json!({ "added": ["documents"], "removed": [], "restarted": [], "unchanged": ["calendar"], "plugins": [] });
    assert_eq!((status, answer), (200, expected));
    ground.wait_for_partitions(&host, "documents")?;
    assert!(!host.log().iter().any(|line| line.contains(TOKEN)), "the token is in the log");
    Ok(())
}

#[test]
fn what_is_wrong_is_answered_as_a_problem_with_line_and_mend() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let calendar = Sub::new("calendar");
    let host = ground.start(&[calendar])?;
    let misspelt = Sub { connector: "concurency = 3", ..calendar };
    let other_broker = ground.text(&[calendar], "")?.replace(ground.broker.bootstrap(), "127.0.0.1:9");
    let no_component = ground.text(&[calendar], "[plugins.none]\npath = \"liaison.toml\"\n")?;
    let (rest, reshape) = (plugin("rest")?.display().to_string(), plugin("reshape")?.display().to_string());
    let no_connector = ground.text(&[calendar], "")?.replace(&rest, &reshape);
    let line_of =
        |text: &str, part: &str| text.lines().position(|line| line.starts_with(part)).map(|line| line + 1);
    for (text, key, part, mend) in [
        (
            ground.text(&[misspelt], "")?,
            "connectors.calendar.concurency",
            "concurency",
            "did you mean `concurrency`?",
        ),
        (other_broker, "kafka.brokers", "brokers", "cannot change while the host runs"),
        (no_component, "plugins.none", "[plugins.none]", "liaison.toml is no component"),
        (
            no_connector,
            "subscriptions.calendar",
            "[subscriptions.calendar]",
            "and calendar needs a connector",
        ),
    ] {
        host.configure(&text)?;
        let (status, problem) = reload(&host)?;
        assert_eq!(
            (status, &problem["status"], &problem["title"]),
            (422, &json!(422), &json!("Unprocessable Entity"))
        );
        let [mistake] = problem["mistakes"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            panic!("not one mistake: {problem}")
        };
        assert_eq!((&mistake["key"], &mistake["line"]), (&json!(key), &json!(line_of(&text, part))));
        assert!(mistake["text"].as_str().is_some_and(|text| text.contains(mend)), "{problem}");
    }
    assert_eq!(metric(&host, "liaison_config_reloads_total", &[("result", "refused")]), Some(4.0));
    assert!(host.is_ready());
    Ok(())
}

#[test]
fn while_kafka_is_away_nothing_new_can_be_made_ready_and_what_needs_no_kafka_is_taken_up()
-> anyhow::Result<()> {
    let ground = Ground::new()?;
    let [calendar, documents, _] = NAMES.map(Sub::new);
    let host = ground.start(&[calendar])?;
    ground.broker.go_down();
    host.configure(&ground.text(&[calendar, documents], "")?)?;
    let (status, problem) = reload(&host)?;
    assert_eq!((status, &problem["title"]), (503, &json!("Service Unavailable")), "{problem}");
    host.configure(&ground.text(&[calendar], "[alerts]\nreminder = \"2h\"\n")?)?;
    let (status, answer) = reload(&host)?;
    assert_eq!((status, &answer["unchanged"]), (200, &json!(["calendar"])));
    ground.broker.come_up();
    host.configure(&ground.text(&[calendar, documents], "")?)?;
    let (status, answer) = reload(&host)?;
    assert_eq!(
        (status, &answer["added"], &answer["unchanged"]),
        (200, &json!(["documents"]), &json!(["calendar"]))
    );
    Ok(())
}

#[test]
fn without_a_token_nobody_may_reload_until_one_is_set_by_a_signal() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let calendar = Sub::new("calendar");
    let with_token = ground.text(&[calendar], "")?;
    let without: String = with_token
        .lines()
        .filter(|line| !line.starts_with("token"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut host = ground.launch(&without)?;
    host.wait_ready(LIMIT)?;
    let (status, problem) = reload(&host)?;
    assert_eq!(status, 403, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("set `admin.token`")), "{problem}");
    host.configure(&with_token)?;
    host.hang_up()?;
    wait::until(LIMIT, "the door to be open", || reload(&host).is_ok_and(|(status, _)| status == 200))?;
    host.configure(&without)?;
    assert_eq!(reload(&host)?.0, 200);
    assert_eq!(reload(&host)?.0, 403, "who asked has shut the door");
    Ok(())
}
