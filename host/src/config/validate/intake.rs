//! Checks `[intake]`: an address that can be served at, clients that are known by what nobody guesses, and routes that
//! lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::secrets::token;
use super::subscriptions::{check_topic, types};
use super::{Checker, set};
use crate::config::document::KeyPath;
use crate::config::settings::{ClientSettings, IntakeSettings, KeySetting, RouteSettings};
use crate::config::{
    Client, ClientName, EventTypes, Intake, IntakeLimits, KeySource, Plain, Route, SecretRef, Subscription,
    SubscriptionName, json_schema,
};

/// What the producer's queue holds: a request that finds it full waits for others.
const ON_THEIR_WAY: usize = 10_000;
/// What the library that reads heads can do with.
const HEAD_BYTES: std::ops::RangeInclusive<usize> = 8 << 10..=1 << 20;

pub(super) fn intake(
    settings: IntakeSettings,
    subscriptions: &BTreeMap<SubscriptionName, Subscription>,
    checker: &mut Checker<'_>,
) -> Intake {
    let path = KeyPath::of(&["intake"]);
    let address =
        checker.required(&path.key("address"), settings.address.as_ref(), "write such as \"127.0.0.1:9465\"");
    let mut intake = Intake::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    if let Some(address) = address.and_then(|text| self::address(&path.key("address"), text, checker)) {
        intake.address = address;
    }
    intake.limits = limits(&path, &settings, checker);
    set(&mut intake.remember, settings.remember);
    intake.plain = Plain { kind: settings.plain.kind, source: settings.plain.source };
    for (key, text) in [("type", &intake.plain.kind), ("source", &intake.plain.source)] {
        if text.as_ref().is_some_and(String::is_empty) {
            checker.mistake(&path.key("plain").key(key), "must not be empty; leave it out");
        }
    }
    let mend = "add [[intake.routes]] with a `topic`";
    let written = Some(settings.routes).filter(|routes| !routes.is_empty());
    let written = checker.required(&path.key("routes"), written, mend).unwrap_or_default();
    let routes = written.into_iter().enumerate();
    intake.routes =
        routes.map(|(index, route)| self::route(&path.key("routes").index(index), route, checker)).collect();
    check_topics(&path, &intake.routes, subscriptions, checker);
    let mend = "add [intake.clients.NAME] with a `token`: without one nobody may send";
    let written = Some(settings.clients).filter(|clients| !clients.is_empty());
    let written = checker.required(&path.key("clients"), written, mend).unwrap_or_default();
    for (name, settings) in written {
        let path = path.key("clients").key(&name);
        checker.name(&path, &name);
        let client = client(&path, settings, &intake.routes, checker);
        intake.clients.insert(ClientName::new(&name), client);
    }
    intake
}

fn address(path: &KeyPath, text: &str, checker: &mut Checker<'_>) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        let text = format!("`{text}` is not an IP address with a port; write such as \"127.0.0.1:9465\"");
        checker.mistake(path, text);
        return None;
    };
    if !address.ip().is_loopback() {
        let text = format!(
            "{address} can be reached from other machines, and is without TLS: put a proxy before it"
        );
        checker.warning(path, text);
    }
    Some(address)
}

fn limits(path: &KeyPath, settings: &IntakeSettings, checker: &mut Checker<'_>) -> IntakeLimits {
    let mut limits = IntakeLimits::default();
    set(&mut limits.body_bytes, settings.max_body);
    set(&mut limits.events, settings.max_events);
    set(&mut limits.requests, settings.max_requests);
    set(&mut limits.connections, settings.max_connections);
    set(&mut limits.head_bytes, settings.max_head);
    set(&mut limits.read_timeout, settings.read_timeout);
    set(&mut limits.grace, settings.grace);
    checker.not_zero(&path.key("read-timeout"), settings.read_timeout);
    if limits.requests.saturating_mul(limits.events) > ON_THEIR_WAY {
        let text = "times `max-events` is more than the 10,000 records that may be on their way to Kafka; lower one of them";
        checker.mistake(&path.key("max-requests"), text);
    }
    if !HEAD_BYTES.contains(&limits.head_bytes) {
        checker.mistake(&path.key("max-head"), "is no size for heads; write one from 8KiB to 1MiB");
    }
    limits
}

fn route(path: &KeyPath, settings: RouteSettings, checker: &mut Checker<'_>) -> Route {
    let topic = checker.required(&path.key("topic"), settings.topic, "write where these events go");
    if let Some(topic) = &topic {
        check_topic(&path.key("topic"), topic, checker);
    }
    let mut route = Route::to(topic.as_deref().unwrap_or_default());
    if let Some(written) = settings.types {
        route.types = types(&path.key("types"), &written, checker);
    }
    if let Some(written) = settings.key {
        for (index, source) in
            written.iter().enumerate().filter(|(index, source)| written[..*index].contains(source))
        {
            checker.mistake(
                &path.key("key").index(index),
                format!("{source:?} stands here twice; leave one out"),
            );
        }
        route.key = written.into_iter().map(KeySource::from).collect();
    }
    route.schema = settings.schema.map(|file| schema(&path.key("schema"), file, checker));
    route
}

fn schema(path: &KeyPath, file: PathBuf, checker: &mut Checker<'_>) -> PathBuf {
    let file = checker.path(file);
    if let Err(problem) = json_schema::read(&file) {
        checker.mistake(path, problem);
    }
    file
}

/// What the host writes itself is for nobody else to write to.
fn check_topics(
    path: &KeyPath,
    routes: &[Route],
    subscriptions: &BTreeMap<SubscriptionName, Subscription>,
    checker: &mut Checker<'_>,
) {
    let own: BTreeSet<_> = subscriptions.values().flat_map(Subscription::own_topics).collect();
    for (index, route) in routes.iter().enumerate().filter(|(_, route)| own.contains(&route.topic)) {
        let text = format!(
            "`{}` is the host's own, and holds no events that others write; name another",
            route.topic
        );
        checker.mistake(&path.key("routes").index(index).key("topic"), text);
    }
}

fn client(path: &KeyPath, settings: ClientSettings, routes: &[Route], checker: &mut Checker<'_>) -> Client {
    let written =
        checker.required(&path.key("token"), settings.token, "write { env = \"…\" } or { file = \"…\" }");
    let token = written.map(|written| token(&path.key("token"), written, checker));
    let mut client = Client {
        token: token.unwrap_or_else(|| SecretRef::Env(String::new())),
        types: EventTypes::default(),
        topics: settings.topics,
    };
    if let Some(written) = settings.types {
        client.types = types(&path.key("types"), &written, checker);
    }
    for (index, topic) in client.topics.iter().flatten().enumerate() {
        if !routes.iter().any(|route| route.topic == *topic) {
            let text = format!("no route leads to `{topic}`; name a topic of [[intake.routes]]");
            checker.mistake(&path.key("topics").index(index), text);
        }
    }
    client
}

impl From<KeySetting> for KeySource {
    fn from(setting: KeySetting) -> Self {
        match setting {
            KeySetting::Partitionkey => Self::PartitionKey,
            KeySetting::Subject => Self::Subject,
            KeySetting::Id => Self::Id,
            KeySetting::Source => Self::Source,
            KeySetting::Type => Self::Type,
        }
    }
}
