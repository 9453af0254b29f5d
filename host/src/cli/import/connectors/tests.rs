//! What becomes of each kind of connector, and that no secret is ever in what is written.

use super::*;
use crate::cli::import::text;

fn import(connectors: &str) -> (String, String) {
    let (older, mut report) = (Older::parse("connectors.json", connectors).unwrap(), Report::default());
    let topics = ["events".to_owned()];
    let mapped = map(&older, &Defaults { topics: &topics }, &mut report);
    (text::configuration(&mapped, &[], &["b:9092".to_owned()], "plugins/"), report.text())
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn a_rest_connector_becomes_a_connector_and_a_subscription() {
    let (text, report) = import(
        r#"{"calendarService": {"type": "rest", "endpoint": "https://c.example.gov/api/events", "authToken": "s3cret-token"}}"#,
    );
    let table: toml::Table = text.parse().unwrap();
    let connector = &table["connectors"]["calendar-service"];
    assert_eq!(connector["plugin"].as_str(), Some("rest"));
    assert_eq!(connector["endpoint"].as_str(), Some("https://c.example.gov"));
    assert_eq!(connector["credential"]["bearer"]["env"].as_str(), Some("CALENDAR_SERVICE_AUTH_TOKEN"));
    assert_eq!(connector["settings"]["path"].as_str(), Some("/api/events"));
    assert_eq!(connector["settings"]["method"].as_str(), Some("POST"));
    let subscription = &table["subscriptions"]["calendar-service"];
    assert_eq!(subscription["connector"].as_str(), Some("calendar-service"));
    assert_eq!(subscription["topics"].as_array().unwrap().len(), 1);
    assert_eq!(table["plugins"]["rest"]["path"].as_str(), Some("plugins/rest.wasm"));
    assert_has(
        &report,
        &[
            "mapped      connectors.json: calendarService.endpoint -> connectors.calendar-service.endpoint",
            "look at     connectors.json: calendarService -> connectors.calendar-service: the name had to change",
            "secret      connectors.json: calendarService.authToken -> connectors.calendar-service.credential.bearer: put its \
         value into the environment variable CALENDAR_SERVICE_AUTH_TOKEN",
        ],
    );
    assert!(!text.contains("s3cret") && !report.contains("s3cret"));
}

#[test]
fn members_that_have_a_place_find_it() {
    let (text, report) = import(
        r#"{"portal": {"type": "HTTP", "url": "https://p.example.gov/v1/", "path": "/notices/{noticeId}", "method": "put",
            "headers": {"X-Tenant": "north", "X-Api-Key": "s3cret"}, "topics": ["policy-events", "other"],
            "eventTypes": "policy.*", "maxConcurrency": 8, "requestsPerSecond": 2, "timeoutMs": 3000, "maxRetries": 2,
            "username": "me", "password": "${PORTAL_PASSWORD}", "colour": "green"}}"#,
    );
    let table: toml::Table = text.parse().unwrap();
    let connector = &table["connectors"]["portal"];
    assert_eq!(connector["settings"]["path"].as_str(), Some("/v1/notices/{/noticeId}"));
    assert_eq!(connector["settings"]["method"].as_str(), Some("PUT"));
    assert_eq!(connector["settings"]["headers"].as_table().unwrap().len(), 1);
    assert_eq!(connector["concurrency"].as_integer(), Some(8));
    assert_eq!(connector["credential"]["basic"]["username"].as_str(), Some("me"));
    assert_eq!(connector["credential"]["basic"]["password"]["env"].as_str(), Some("PORTAL_PASSWORD"));
    let subscription = &table["subscriptions"]["portal"];
    assert_eq!(subscription["topics"].as_array().unwrap().len(), 2);
    assert_eq!(subscription["sla"]["attempt-timeout"].as_str(), Some("3s"));
    assert_eq!(subscription["sla"]["max-attempts"].as_integer(), Some(3));
    assert_has(
        &report,
        &[
            "not mapped  connectors.json: portal.headers.X-Api-Key: may be a secret",
            "not mapped  connectors.json: portal.colour: a connector has nothing like it",
            "PORTAL_PASSWORD, as before",
        ],
    );
    assert!(!text.contains("s3cret") && !report.contains("s3cret") && !report.contains("green"));
}

#[test]
fn a_path_keeps_its_query_and_what_is_left_out_of_an_address_is_told() {
    let (text, report) = import(
        r#"{"portal": {"type": "rest", "url": "https://me%40north:hush-hush@p.example.gov/v1?x=/y", "endpoint": "https://hush.example.gov",
            "path": "?notice={noticeId}&apiKey=hush-key&lang=en#hush", "method": "PUT"},
            "other": {"type": "rest", "url": "https://o.example.gov", "path": "https://hush.example.gov/x"}}"#,
    );
    let table: toml::Table = text.parse().unwrap();
    let portal = &table["connectors"]["portal"];
    assert_eq!(portal["settings"]["path"].as_str(), Some("/v1?notice={/noticeId}&lang=en"));
    assert_eq!(portal["credential"]["basic"]["username"].as_str(), Some("me@north"));
    assert_eq!(table["connectors"]["other"]["settings"]["path"].as_str(), Some("/"));
    assert_has(
        &report,
        &[
            "not mapped  connectors.json: portal.endpoint: is a second address, and a connector has one: that of `url`",
            "not mapped  connectors.json: portal.path: what stands behind the `#` was left out",
            "not mapped  connectors.json: portal.path: `apiKey` behind the `?` was left out: it may be a secret",
            "not mapped  connectors.json: other.path: is no value that `settings.path` can have",
        ],
    );
    assert!(!text.contains("hush") && !report.contains("hush"));
}

#[test]
fn each_kind_has_its_plugin_and_its_credential() {
    let (text, report) = import(
        r#"{
        "records_db": {"type": "jdbc", "endpoint": "jdbc:postgresql://me:hush-hush@db.example.gov/records?ssl=hush-hush"},
        "archive": {"type": "s3", "endpoint": "https://s3.example.gov/archive", "accessKeyId": "hush-id", "secretAccessKey": "hush-key", "region": "eu-1"},
        "Notices 2": {"type": "webhook", "endpoint": "https://n.example.gov/hook", "clientId": "me", "clientSecret": "hush", "tokenUrl": "https://l.example.gov/t"},
        "legacy": {"type": "soap", "endpoint": "https://l.example.gov/ws", "apiKey": "hush", "authToken": "hush"}
        }"#,
    );
    let table: toml::Table = text.parse().unwrap();
    let connectors = &table["connectors"];
    assert_eq!(connectors["records-db"]["endpoint"].as_str(), Some("postgresql://db.example.gov/records"));
    assert_eq!(
        connectors["records-db"]["credential"]["basic"]["password"]["env"].as_str(),
        Some("RECORDS_DB_PASSWORD")
    );
    assert_eq!(connectors["archive"]["plugin"].as_str(), Some("documents"));
    assert_eq!(connectors["archive"]["credential"]["aws"]["service"].as_str(), Some("s3"));
    assert_eq!(connectors["notices-2"]["credential"]["oauth2"]["client-id"].as_str(), Some("me"));
    assert_eq!(connectors["legacy"]["plugin"].as_str(), Some("soap"));
    assert_has(
        &report,
        &[
            "not mapped  connectors.json: records_db.endpoint: what stands behind the `?` was left out",
            "not mapped  connectors.json: legacy.apiKey: belongs to no credential that is whole, or to a second one",
            "look at     connectors.json: legacy -> connectors.legacy.settings: `soap` has settings",
        ],
    );
    assert!(!text.contains("hush") && !report.contains("hush"));
}

#[test]
fn what_cannot_be_a_connector_is_left_out_and_said() {
    let (text, report) = import(
        r#"{"fax": {"type": "fax", "endpoint": "https://f.example.gov"}, "none": {}, "text": "x",
            "nowhere": {"type": "rest"}, "off": {"type": "rest", "endpoint": "https://o.example.gov", "enabled": false},
            "odd": {"type": "rest", "endpoint": "gopher://o.example.gov"},
            "a b": {"type": "rest", "endpoint": "https://one.example.gov"},
            "a_b": {"type": "rest", "endpoint": "https://two.example.gov", "topic": "no topic", "method": 7}}"#,
    );
    let table: toml::Table = text.parse().unwrap();
    let names: Vec<_> = table["connectors"].as_table().unwrap().keys().collect();
    assert_eq!(names, ["a-b", "a-b-2"]);
    assert_has(
        &report,
        &[
            "not mapped  connectors.json: fax.type: no plugin that ships with liaison is of type `fax`; known are rest,",
            "not mapped  connectors.json: none: has no `type`",
            "not mapped  connectors.json: text: is no object",
            "not mapped  connectors.json: nowhere: has no `endpoint`",
            "not mapped  connectors.json: off: is switched off",
            "not mapped  connectors.json: odd.endpoint: is an address of a kind",
            "not mapped  connectors.json: a_b.topic: is no text or list of texts that `topics` can have",
            "not mapped  connectors.json: a_b.method: is no value that `settings.method` can have",
        ],
    );
}
