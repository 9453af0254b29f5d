//! One table of single changes, and any two configurations.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Brokers, Connector, Instances, Plugin, Source, Subscription, Transformer};

/// `a` and `b` share connector `x`; `c` has `y`, and the transformer `t` before it.
fn config() -> Config {
    let mut config = Config::new(Brokers::At(vec!["kafka:9092".to_owned()]));
    for name in ["p", "q", "r"] {
        config.plugins.insert(PluginName::new(name), Plugin::new(format!("{name}.wasm")));
    }
    config.transformers.insert(TransformerName::new("t"), Transformer::new(PluginName::new("r")));
    for (name, plugin) in [("x", "p"), ("y", "q")] {
        let connector = Connector::new(PluginName::new(plugin), "http://system.example/".parse().unwrap());
        config.connectors.insert(ConnectorName::new(name), connector);
    }
    for (name, connector) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let name = SubscriptionName::new(name);
        let topics = vec!["events".to_owned()];
        config
            .subscriptions
            .insert(name.clone(), Subscription::new(&name, ConnectorName::new(connector), topics));
    }
    subscription(&mut config, "c").transformers = vec![TransformerName::new("t")];
    config
}

fn subscription<'a>(config: &'a mut Config, name: &str) -> &'a mut Subscription {
    config.subscriptions.get_mut(&SubscriptionName::new(name)).unwrap()
}

fn connector<'a>(config: &'a mut Config, name: &str) -> &'a mut Connector {
    config.connectors.get_mut(&ConnectorName::new(name)).unwrap()
}

fn plugin<'a>(config: &'a mut Config, name: &str) -> &'a mut Plugin {
    config.plugins.get_mut(&PluginName::new(name)).unwrap()
}

fn lines() -> BTreeMap<PluginName, LineNumber> {
    ["p", "q", "r"].map(|name| (PluginName::new(name), LineNumber(0))).into()
}

fn changes(old: &Config, new: &Config) -> Changes {
    let lines = &lines();
    Changes::between(Version { config: old, lines }, Version { config: new, lines })
}

/// `+` added, `-` removed, `!` restarted with what is another, `=` unchanged, `~` a plugin that is tried.
fn told(changes: &Changes) -> String {
    let lines = |sign: &str, names: &BTreeSet<SubscriptionName>| {
        names.iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
    };
    let restarted = changes.restarted.iter().map(|(name, parts)| {
        let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
        format!("!{name} ({})", parts.join(", "))
    });
    let plugins = changes.plugins.iter().map(|name| format!("~{name}"));
    let all = lines("+", &changes.added).into_iter().chain(lines("-", &changes.removed)).chain(restarted);
    all.chain(lines("=", &changes.unchanged)).chain(plugins).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_another_restarts_those_that_are_made_of_it_and_no_other() {
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 18] = [
        (|_| {}, "=a =b =c"),
        (|config| drop(config.subscriptions.remove(&SubscriptionName::new("b"))), "-b =a =c"),
        (
            |config| {
                let new = subscription(config, "a").clone();
                config.subscriptions.insert(SubscriptionName::new("d"), new);
            },
            "+d =a =b =c",
        ),
        (
            |config| {
                let renamed = config.subscriptions.remove(&SubscriptionName::new("a")).unwrap();
                config.subscriptions.insert(SubscriptionName::new("d"), renamed);
            },
            "+d -a =b =c",
        ),
        (|config| subscription(config, "a").topics.push("more".to_owned()), "!a (its own settings) =b =c"),
        (|config| subscription(config, "c").sla.default.max_attempts = 3, "!c (its own settings) =a =b"),
        (
            |config| {
                let glob = globset::Glob::new("policy.*").unwrap();
                subscription(config, "b").types = crate::config::EventTypes::new(&[glob]).unwrap();
            },
            "!b (its own settings) =a =c",
        ),
        (
            |config| subscription(config, "a").connector = ConnectorName::new("y"),
            "!a (its own settings) =b =c",
        ),
        (|config| connector(config, "x").concurrency = 3, "!a (connector x) !b (connector x) =c"),
        (|config| connector(config, "y").plugin = PluginName::new("p"), "!c (connector y) =a =b"),
        (
            |config| {
                let transformer = config.transformers.get_mut(&TransformerName::new("t")).unwrap();
                transformer.settings.insert("jq".to_owned(), ".".into());
            },
            "!c (transformer t) =a =b",
        ),
        // Under those that run, its versions follow each other.
        (|config| plugin(config, "r").instances = Instances::Warm { calls: 9 }, "=a =b =c ~r"),
        (|config| plugin(config, "p").limits.steps = 1, "=a =b =c ~p"),
        (|config| plugin(config, "p").source = Source::File("elsewhere.wasm".into()), "=a =b =c ~p"),
        (|config| plugin(config, "p").sha256 = Some([0; 32]), "=a =b =c ~p"),
        (
            |config| config.kafka.commit_interval = Duration::from_secs(1),
            "!a ([kafka]) !b ([kafka]) !c ([kafka])",
        ),
        // Told to others than the subscriptions.
        (|config| config.alerts.reminder = Duration::from_secs(1), "=a =b =c"),
        (|config| config.runtime.workers = 99, "=a =b =c"),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut new = config();
        change(&mut new);
        assert_eq!(told(&changes(&config(), &new)), expected, "case {number}");
        assert_eq!(fixed(&config(), &new), [[""; 2]; 0], "case {number}");
    }
}

#[test]
fn the_sla_of_events_that_a_subscription_never_gets_is_not_its_own() {
    let made = |max_attempts| {
        let mut config = config();
        let glob = globset::Glob::new("schedule.*").unwrap();
        subscription(&mut config, "b").types = crate::config::EventTypes::new(&[glob]).unwrap();
        for settings in config.subscriptions.values_mut() {
            let sla = crate::config::Sla { max_attempts, ..Default::default() };
            settings.sla.by_type.insert("policy.updated".to_owned(), sla);
        }
        config
    };
    assert_eq!(told(&changes(&made(1), &made(2))), "!a (its own settings) !c (its own settings) =b");
}

#[test]
fn a_plugin_in_another_line_restarts_its_users() {
    let (old, mut new) = (config(), config());
    let (before, mut after) = (lines(), lines());
    after.insert(PluginName::new("p"), LineNumber(1));
    plugin(&mut new, "p").source = Source::File("p-2.wasm".into());
    let old = Version { config: &old, lines: &before };
    let between = |new: &Config| Changes::between(old, Version { config: new, lines: &after });
    assert_eq!(told(&between(&new)), "!a (plugin p) !b (plugin p) =c");
    subscription(&mut new, "b").grace = Duration::ZERO;
    assert_eq!(told(&between(&new)), "!a (plugin p) !b (its own settings, plugin p) =c");
}

#[test]
fn what_cannot_change_is_named() {
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 8] = [
        (|config| config.kafka.brokers = Brokers::Embedded, "kafka.brokers"),
        (|config| config.kafka.security.tls = Some(Default::default()), "kafka.security"),
        (|config| drop(config.kafka.properties.insert("a".to_owned(), "b".to_owned())), "kafka.properties"),
        (|config| config.admin.address = None, "admin.address"),
        (|config| config.runtime.cache = "/elsewhere".into(), "runtime.cache"),
        (|config| config.runtime.instances = 1, "runtime.instances"),
        (|config| config.runtime.stack_bytes = 1, "runtime.stack"),
        (|config| config.runtime.call_twice = !config.runtime.call_twice, "runtime.call-twice"),
    ];
    for (change, expected) in cases {
        let mut new = config();
        change(&mut new);
        let keys: Vec<_> = fixed(&config(), &new).iter().map(|key| key.join(".")).collect();
        assert_eq!(keys, [expected]);
    }
}

#[test]
fn one_waits_for_itself_and_for_all_that_hold_its_connector_as_it_was() {
    let waits = |new: &Config, name: &str| {
        let changes = changes(&config(), new);
        let waits = changes.waits_for(&SubscriptionName::new(name), &config(), new);
        waits.iter().map(SubscriptionName::as_str).collect::<Vec<_>>().join(" ")
    };
    let mut new = config();
    subscription(&mut new, "a").grace = Duration::ZERO;
    subscription(&mut new, "b").grace = Duration::ZERO;
    assert_eq!(waits(&new, "a"), "a", "the connector is the same");
    let mut new = config();
    connector(&mut new, "x").concurrency = 3;
    let added = subscription(&mut new, "b").clone();
    new.subscriptions.remove(&SubscriptionName::new("b"));
    new.subscriptions.insert(SubscriptionName::new("d"), added);
    subscription(&mut new, "c").connector = ConnectorName::new("x");
    assert_eq!([waits(&new, "a"), waits(&new, "d"), waits(&new, "c")], ["a b", "a b", "a b c"]);
}

/// Any configuration of the parts of [`config`].
fn any_config() -> impl Strategy<Value = (Config, BTreeMap<PluginName, LineNumber>)> {
    let one = (any::<bool>(), 0..2_usize, 0..2_u32, any::<bool>());
    let subscriptions = prop::collection::vec(one, 5);
    (subscriptions, [1..3_usize, 1..3_usize], [0..2_u64, 0..2, 0..2], [1..3_u32, 1..3, 1..3]).prop_map(
        |(subscriptions, concurrency, lines, steps)| {
            let mut made = config();
            made.subscriptions.clear();
            for (index, (is_there, connector, attempts, transforms)) in subscriptions.into_iter().enumerate()
            {
                let name = SubscriptionName::new(&format!("s{index}"));
                let connector = ConnectorName::new(["x", "y"][connector]);
                let mut settings = Subscription::new(&name, connector, vec!["events".to_owned()]);
                settings.sla.default.max_attempts = attempts;
                settings.transformers = transforms.then(|| TransformerName::new("t")).into_iter().collect();
                if is_there {
                    made.subscriptions.insert(name, settings);
                }
            }
            for (name, concurrency) in ["x", "y"].into_iter().zip(concurrency) {
                connector(&mut made, name).concurrency = concurrency;
            }
            let names = ["p", "q", "r"];
            names.iter().zip(steps).for_each(|(name, steps)| plugin(&mut made, name).limits.steps = steps);
            let lines = names.iter().zip(lines);
            (made, lines.map(|(name, line)| (PluginName::new(name), LineNumber(line))).collect())
        },
    )
}

/// All that each subscription is made of, as text.
fn made_of(config: &Config, lines: &BTreeMap<PluginName, LineNumber>) -> BTreeMap<SubscriptionName, String> {
    let text = |name: &SubscriptionName, subscription: &Subscription| {
        let connector = &config.connectors[&subscription.connector];
        let used = subscription.transformers.iter().map(|name| &config.transformers[name]);
        let transformers: Vec<_> = used.collect();
        let plugins = transformers.iter().map(|used| &used.plugin).chain([&connector.plugin]);
        let plugins: Vec<_> = plugins.map(|name| (name, lines[name])).collect();
        format!("{name} {subscription:?} {connector:?} {transformers:?} {plugins:?}")
    };
    config.subscriptions.iter().map(|(name, settings)| (name.clone(), text(name, settings))).collect()
}

proptest! {
    /// Stopping what stops, starting what starts and leaving the rest alone makes of the one host the other.
    #[test]
    fn the_changes_make_of_the_old_set_the_new_one(old in any_config(), new in any_config()) {
        let (before, after) = (made_of(&old.0, &old.1), made_of(&new.0, &new.1));
        let changes = Changes::between(
            Version { config: &old.0, lines: &old.1 },
            Version { config: &new.0, lines: &new.1 },
        );
        for name in &changes.plugins {
            prop_assert_eq!(old.1[name], new.1[name]);
            prop_assert_ne!(&old.0.plugins[name], &new.0.plugins[name]);
        }
        let mut running = before.clone();
        for name in changes.stopped() {
            prop_assert!(running.remove(name).is_some(), "{} stops and does not run", name);
        }
        let stopped: BTreeSet<_> = changes.stopped().collect();
        for name in changes.started() {
            let waits = changes.waits_for(name, &old.0, &new.0);
            prop_assert!(waits.iter().all(|waited| stopped.contains(waited)), "{} would wait for ever", name);
            prop_assert!(running.insert(name.clone(), after[name].clone()).is_none(), "{} runs twice", name);
        }
        prop_assert_eq!(&running, &after);
        for name in &changes.unchanged {
            prop_assert_eq!(&before[name], &after[name]);
        }
        for name in changes.restarted.keys() {
            prop_assert_ne!(&before[name], &after[name], "{} need not restart", name);
        }
    }
}
