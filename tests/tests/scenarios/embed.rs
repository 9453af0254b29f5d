//! The host as a library: made in code, with connectors of the process itself, and asked for one event at a time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use liaison::config::{
    Brokers, Config, Connector, ConnectorName, Plugin, PluginName, Subscription, SubscriptionName,
};
use liaison::contract::{Body, Delivery, Effect, HttpRequest, Outcome, Receipt, Reply, Step};
use liaison::event::{Event, Origin};
use liaison::host::{Host, HostError, SyncEnd};
use liaison::kafka::embedded::Embedded;
use liaison::native::NativeConnector;
use liaison_tests::folder::Folder;
use liaison_tests::host::plugin;
use liaison_tests::local::{LocalHost, Natives};
use liaison_tests::produce::produce;
use liaison_tests::system::{Answer, Behaviour, System};

use crate::fixture::{Config as Text, LIMIT, OTHER_TOPIC, TOPIC, event, sorted};

/// Puts the data where the event's id says, and counts as delivered what is answered 200.
#[derive(Debug)]
struct Putter;

impl NativeConnector for Putter {
    fn deliver(&self, delivery: &Delivery) -> Step {
        match delivery.rounds.last().and_then(|round| round.first()) {
            None => Step::Perform(vec![Effect::from(HttpRequest {
                method: "PUT".to_owned(),
                url: format!("/native/{}/{}", delivery.event.id, delivery.attempt),
                headers: Vec::new(),
                body: Body::EventData,
                timeout: None,
                keep_body: false,
            })]),
            Some(Reply::Http(response)) if response.status == 200 => {
                Step::Settle(Outcome::Delivered(Receipt::default()))
            }
            Some(reply) => Step::Settle(Outcome::Rejected(format!("{reply:?}"))),
        }
    }
}

/// One subscription a connector of a plugin, each to a system of its own.
fn subscribe(config: &mut Config, name: &str, plugin: &str, endpoint: &str) -> anyhow::Result<()> {
    let connector_name = ConnectorName::new(name);
    let mut connector = Connector::new(PluginName::new(plugin), endpoint.parse()?);
    connector.egress.allow_networks = vec!["127.0.0.0/8".parse()?];
    if plugin == "rest" {
        connector.settings.insert("path".to_owned(), "/events/{id}".into());
    }
    config.connectors.insert(connector_name.clone(), connector);
    let subscription_name = SubscriptionName::new(name);
    let mut subscription = Subscription::new(&subscription_name, connector_name, vec![TOPIC.to_owned()]);
    subscription.dead_letter_topic = OTHER_TOPIC.to_owned();
    config.subscriptions.insert(subscription_name, subscription);
    Ok(())
}

fn in_code(bootstrap: &str) -> Config {
    let mut config = Config::new(Brokers::At(vec![bootstrap.to_owned()]));
    config.admin.address = None;
    config
}

#[test]
fn a_connector_of_this_process_goes_the_same_way_as_a_plugin() -> anyhow::Result<()> {
    let broker = Embedded::start(&[(TOPIC, 2), (OTHER_TOPIC, 1)])?;
    let refusal = Behaviour::ok().when(|request| request.path.contains("bad"), Behaviour::status(418));
    let system = System::start("native", refusal)?;
    let mut config = in_code(broker.bootstrap());
    subscribe(&mut config, "native", "putter", &system.url())?;
    let natives: Natives = [(PluginName::new("putter"), Arc::new(Putter) as _)].into();
    let host = LocalHost::start_with(config, natives)?;
    produce(broker.bootstrap(), vec![event("e-1", "a"), event("bad", "b"), event("e-2", "a")])?;
    let settled = "liaison_events_settled_total";
    host.wait_for_metric(LIMIT, settled, &[("kind", "delivered")], |count| count == 2.0)?;
    host.wait_for_metric(LIMIT, settled, &[("kind", "dead-lettered")], |count| count == 1.0)?;
    let ledger = system.ledger();
    let paths = sorted(ledger.iter().map(|entry| entry.path.as_str()));
    assert_eq!(paths, ["/native/bad/1", "/native/e-1/1", "/native/e-2/1"]);
    assert!(ledger.iter().all(|entry| entry.idempotency_key.is_some()));
    let letters = crate::fixture::records(&broker, OTHER_TOPIC)?;
    assert_eq!(letters[0].event_id()?, "bad");
    assert!(letters[0].message()?.contains("418"), "{}", letters[0].message()?);
    assert!(!letters[0].has("liaison.plugin"));
    assert_eq!(letters[0].header("__connect.errors.class.name")?, "liaison");
    host.stop()
}

#[test]
fn one_event_is_delivered_now_and_each_connector_says_how_it_ended() -> anyhow::Result<()> {
    let refusal = Behaviour::from_fn(|_| Answer::status(400).with_body("no"));
    let systems = [
        ("calendar", Behaviour::ok()),
        ("documents", refusal),
        ("roster", Behaviour::status(304)),
        ("elsewhere", Behaviour::ok()),
    ];
    // Nobody is there: nothing is read from Kafka, and nothing written.
    let mut config = in_code("127.0.0.1:9");
    config.plugins.insert(PluginName::new("rest"), Plugin::new(plugin("rest")?));
    let mut running = BTreeMap::new();
    for (name, behaviour) in systems {
        let system = System::start(name, behaviour)?;
        subscribe(&mut config, name, "rest", &system.url())?;
        running.insert(name, system);
    }
    let elsewhere =
        config.subscriptions.get_mut(&SubscriptionName::new("elsewhere")).context("it was made")?;
    elsewhere.filter = Some("event.type == 'schedule.updated'".to_owned());
    let host = Host::from_config(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = runtime.block_on(host.sync_event(&Event {
        id: "now".to_owned(),
        source: "/tests".to_owned(),
        kind: "policy.updated".to_owned(),
        subject: None,
        time: None,
        key: None,
        content_type: Some("application/json".to_owned()),
        data: Some("{}".into()),
        attributes: Vec::new(),
        origin: Origin { topic: TOPIC.into(), partition: 0, offset: 0 },
    }))?;
    let failed = SyncEnd::Failed("PUT /events/now answered 400 Bad Request: no".to_owned());
    let skipped = SyncEnd::Skipped("PUT /events/now answered 304 Not Modified".to_owned());
    let expected = [("calendar", SyncEnd::Delivered), ("documents", failed), ("roster", skipped)];
    assert_eq!(summary, expected.map(|(name, end)| (ConnectorName::new(name), end)).into());
    let counts: Vec<_> = running.iter().map(|(name, system)| (*name, system.count())).collect();
    assert_eq!(counts, [("calendar", 1), ("documents", 1), ("elsewhere", 0), ("roster", 1)]);
    Ok(())
}

/// Why a host cannot be made of this configuration.
fn refused(text: &Text<'_>) -> anyhow::Result<HostError> {
    let text = text.text("127.0.0.1:9", "http://127.0.0.1:9")?;
    let config = Config::from_toml(&text, Path::new("/"))?.config;
    Host::from_config(config).err().context("it was taken")
}

#[test]
fn what_is_no_plugin_of_ours_is_refused_with_the_reason_and_the_mend() -> anyhow::Result<()> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    let folder = Folder::new("plugins")?;
    let file = |name: &str, content: &[u8]| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    };
    // A component that imports an instance `evil:host/shell`.
    let importing = [COMPONENT, b"\x07\x03\x01\x42\0", b"\x0a\x14\x01\0\x0fevil:host/shell\x05\0"].concat();
    let rest = plugin("rest")?.display().to_string();
    let cases = [
        (file("text.wasm", b"hello")?, None, "text.wasm is no component: "),
        (file("module.wasm", b"\0asm\x01\0\0\0")?, None, "build it for the target wasm32-wasip2"),
        (file("empty.wasm", b"")?, None, "empty.wasm is no component: "),
        (file("other.wasm", COMPONENT)?, None, "exports neither liaison:plugin/connector@0.1.0 nor"),
        (file("evil.wasm", &importing)?, None, "plugin subject imports evil:host/shell, which no plugin may"),
        ("/nowhere/it.wasm".to_owned(), None, "cannot read /nowhere/it.wasm: "),
        (plugin("outdated")?.display().to_string(), None, "plugin subject does not start: "),
        (rest, Some([0; 32]), "not the one it is pinned to"),
    ];
    // A file's configuration finds some of these before the host does; what is made in code has the host alone.
    let text = Text::default().text("127.0.0.1:9", "http://127.0.0.1:9")?;
    let config = Config::from_toml(&text, Path::new("/"))?.config;
    for (path, sha256, expected) in cases {
        let mut config = config.clone();
        let pinned = Plugin { sha256, ..Plugin::new(&path) };
        config.plugins.insert(PluginName::new("subject"), pinned);
        let error = Host::from_config(config).err().with_context(|| format!("{path} was taken"))?;
        assert!(matches!(error, HostError::Plugin(_)) && error.is_configuration(), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("plugin subject"), "{error}");
    }
    Ok(())
}

#[test]
fn a_transformer_is_no_connector_and_the_other_way_round() -> anyhow::Result<()> {
    let error = refused(&Text { plugin: "reshape", ..Text::default() })?;
    assert_eq!(error.to_string(), "plugin subject is a transformer, and calendar needs a connector");
    assert!(error.is_configuration());
    let tables = "[transformers.t]\nplugin = \"subject\"";
    let error = refused(&Text { subscription: "transformers = [\"t\"]", tables, ..Text::default() })?;
    assert_eq!(error.to_string(), "plugin subject is a connector, and t needs a transformer");
    Ok(())
}

#[test]
fn a_name_that_means_nothing_is_refused_by_the_host_too() -> anyhow::Result<()> {
    let mut config = in_code("127.0.0.1:9");
    subscribe(&mut config, "calendar", "no-such-plugin", "http://127.0.0.1:9")?;
    let error = Host::from_config(config.clone()).err().context("it was taken")?;
    assert_eq!(
        error.to_string(),
        "subscription calendar needs plugin no-such-plugin, which the configuration does not have"
    );
    config.connectors.clear();
    let error = Host::from_config(config).err().context("it was taken")?;
    assert!(matches!(error, HostError::Missing { .. }) && error.to_string().contains("connector calendar"));
    Ok(())
}
