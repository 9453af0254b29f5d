//! Checks `[subscriptions]`: that each names what exists, selects by rules that can be read, and is in no other's way.

use std::collections::BTreeMap;
use std::time::Duration;

use globset::GlobBuilder;

use super::conflict::conflict;
use super::sla::Tables;
use super::{Checker, set};
use crate::config::document::KeyPath;
use crate::config::settings::{
    BoundsSettings, FloodGuardSettings, OrderingSetting, ParkingSettings, SubscriptionSettings,
};
use crate::config::{
    Bounds, ConnectorName, EventTypes, FloodGuard, Ordering, Subscription, SubscriptionName, TransformerName,
};

/// Delay topics of one subscription.
const MAX_DELAYS: usize = 8;

pub(super) fn subscriptions(
    settings: BTreeMap<String, SubscriptionSettings>,
    group_prefix: &str,
    tables: &Tables,
    checker: &mut Checker<'_>,
) -> BTreeMap<SubscriptionName, Subscription> {
    let mut subscriptions = BTreeMap::new();
    for (name, settings) in settings {
        let path = KeyPath::of(&["subscriptions", &name]);
        checker.name(&path, &name);
        let name = SubscriptionName::new(&name);
        let subscription = subscription(&path, &name, settings, group_prefix, tables, checker);
        subscriptions.insert(name, subscription);
    }
    check_groups(&subscriptions, checker);
    check_own_topics(&subscriptions, checker);
    subscriptions
}

fn subscription(
    path: &KeyPath,
    name: &SubscriptionName,
    settings: SubscriptionSettings,
    group_prefix: &str,
    tables: &Tables,
    checker: &mut Checker<'_>,
) -> Subscription {
    let connector = connector_name(&path.key("connector"), settings.connector, checker);
    let topics = topics(&path.key("topics"), settings.topics, checker);
    let mut subscription = Subscription::new(name, connector, topics);
    if let Some(types) = settings.types {
        subscription.types = self::types(&path.key("types"), &types, checker);
    }
    if let Some(filter) = &settings.filter {
        check_filter(&path.key("filter"), filter, checker);
    }
    subscription.filter = settings.filter;
    subscription.transformers = transformers(&path.key("transformers"), &settings.transformers, checker);
    set(&mut subscription.ordering, settings.ordering);
    if let Some(policy) = conflict(&path.key("conflict"), settings.conflict, checker) {
        subscription.conflict = policy;
    }
    subscription.group = format!("{group_prefix}.{name}");
    if settings.group.as_ref().is_some_and(String::is_empty) {
        checker.mistake(&path.key("group"), "must not be empty; leave it out for the default");
    }
    set(&mut subscription.group, settings.group);
    if let Some(topic) = &settings.dead_letter_topic {
        check_topic(&path.key("dead-letter-topic"), topic, checker);
    }
    set(&mut subscription.dead_letter_topic, settings.dead_letter_topic);
    journal(path, settings.journal, settings.journal_topic, &mut subscription, checker);
    parking(&path.key("parking"), settings.parking, &mut subscription, checker);
    subscription.sla = tables.of(&path.key("sla"), &settings.sla, checker);
    bounds(&settings.bounds, &mut subscription.bounds);
    flood_guard(&path.key("flood-guard"), &settings.flood_guard, &mut subscription.flood_guard, checker);
    set(&mut subscription.grace, settings.grace);
    subscription
}

impl From<OrderingSetting> for Ordering {
    fn from(setting: OrderingSetting) -> Self {
        match setting {
            OrderingSetting::Key => Self::Key,
            OrderingSetting::None => Self::None,
        }
    }
}

fn connector_name(path: &KeyPath, name: Option<String>, checker: &mut Checker<'_>) -> ConnectorName {
    let name = checker.required(path, name, "name an entry of [connectors]");
    if let Some(name) = &name {
        checker.known(path, "connectors", name);
    }
    ConnectorName::new(name.as_deref().unwrap_or_default())
}

fn transformers(path: &KeyPath, names: &[String], checker: &mut Checker<'_>) -> Vec<TransformerName> {
    for (index, name) in names.iter().enumerate() {
        checker.known(&path.index(index), "transformers", name);
    }
    names.iter().map(|name| TransformerName::new(name)).collect()
}

fn topics(path: &KeyPath, topics: Option<Vec<String>>, checker: &mut Checker<'_>) -> Vec<String> {
    let topics = checker.required(path, topics, "write such as [\"policy-events\"]").unwrap_or_default();
    if checker.document.has_empty_list(path) {
        checker.mistake(path, "names no topic; write such as [\"policy-events\"]");
    }
    for (index, topic) in topics.iter().enumerate() {
        check_topic(&path.index(index), topic, checker);
        if topics[..index].contains(topic) {
            checker.mistake(&path.index(index), format!("`{topic}` stands here twice; leave one out"));
        }
    }
    topics
}

/// What Kafka allows as the name of a topic.
pub(super) fn check_topic(path: &KeyPath, topic: &str, checker: &mut Checker<'_>) {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name =
        (1..=249).contains(&topic.len()) && topic.bytes().all(is_legal) && !matches!(topic, "." | "..");
    if !is_name {
        let text = format!("`{topic}` is not a topic; use 1 to 249 letters, digits, `.`, `_` and `-`");
        checker.mistake(path, text);
    }
}

pub(super) fn types(path: &KeyPath, patterns: &[String], checker: &mut Checker<'_>) -> EventTypes {
    if checker.document.has_empty_list(path) {
        checker.mistake(path, "selects no event; write [\"*\"] for every type");
    }
    let mut globs = Vec::with_capacity(patterns.len());
    for (index, pattern) in patterns.iter().enumerate() {
        match GlobBuilder::new(pattern).build() {
            Ok(glob) => globs.push(glob),
            Err(error) => {
                let text =
                    format!("`{pattern}` is not a pattern ({}); write such as \"policy.*\"", error.kind());
                checker.mistake(&path.index(index), text);
            }
        }
    }
    EventTypes::new(&globs).unwrap_or_else(|error| {
        checker.mistake(path, format!("too much to match ({error}); use fewer or simpler patterns"));
        EventTypes::default()
    })
}

fn check_filter(path: &KeyPath, filter: &str, checker: &mut Checker<'_>) {
    match cel::Program::compile(filter) {
        Err(errors) => {
            for error in errors.errors {
                let column = error.pos.1;
                let text = format!("not a CEL expression: {} at character {column} of `{filter}`", error.msg);
                checker.mistake(path, text);
            }
        }
        Ok(program) if !program.references().has_variable("event") => {
            checker.mistake(path, "never looks at `event`; write such as `event.type == \"policy.updated\"`");
        }
        Ok(_) => {}
    }
}

fn journal(
    path: &KeyPath,
    is_wanted: Option<bool>,
    topic: Option<String>,
    subscription: &mut Subscription,
    checker: &mut Checker<'_>,
) {
    let topic_path = path.key("journal-topic");
    if is_wanted != Some(true) {
        if topic.is_some() {
            checker.mistake(&topic_path, "names a journal that is not kept; write `journal = true` too");
        }
        return;
    }
    let is_written = topic.is_some();
    let topic = topic.unwrap_or_else(|| format!("{}.journal", subscription.group));
    // Where the name follows from the group, the group is what to mend.
    check_topic(&if is_written { topic_path } else { path.key("group") }, &topic, checker);
    subscription.journal = Some(topic);
}

fn parking(
    path: &KeyPath,
    settings: ParkingSettings,
    subscription: &mut Subscription,
    checker: &mut Checker<'_>,
) {
    if subscription.ordering == Ordering::Key {
        if settings.after.is_some() || settings.delays.is_some() {
            checker.mistake(path, "only events without an order are parked; write `ordering = \"none\"` too");
        }
        return;
    }
    checker.not_zero(&path.key("after"), settings.after);
    set(&mut subscription.parking.after, settings.after);
    if let Some(delays) = settings.delays {
        subscription.parking.delays = delays.into_iter().map(Duration::from).collect();
    }
    let delays = &subscription.parking.delays;
    let is_rising = delays.is_sorted_by(|one, next| one < next);
    if !is_rising || delays.iter().any(|delay| *delay < Duration::from_secs(1)) || delays.len() > MAX_DELAYS {
        let text =
            format!("wants at most {MAX_DELAYS} delays of 1s and more, each longer than the one before");
        checker.mistake(&path.key("delays"), text);
    }
    for (topic, _) in subscription.delay_topics() {
        check_topic(&path.key("delays"), &topic, checker);
    }
}

fn bounds(settings: &BoundsSettings, bounds: &mut Bounds) {
    set(&mut bounds.events, settings.events);
    set(&mut bounds.bytes, settings.bytes);
    set(&mut bounds.events_per_partition, settings.events_per_partition);
}

fn flood_guard(
    path: &KeyPath,
    settings: &FloodGuardSettings,
    guard: &mut FloodGuard,
    checker: &mut Checker<'_>,
) {
    checker.not_zero(&path.key("window"), settings.window);
    if let Some(share) = settings.share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
        checker
            .mistake(&path.key("share"), format!("`{share}` is no share; write more than 0 and at most 1"));
    }
    set(&mut guard.is_on, settings.enabled);
    set(&mut guard.window, settings.window);
    set(&mut guard.minimum, settings.minimum);
    set(&mut guard.share, settings.share);
}

/// Two subscriptions in one group would each get half of the events.
fn check_groups(subscriptions: &BTreeMap<SubscriptionName, Subscription>, checker: &mut Checker<'_>) {
    let mut owners: BTreeMap<&str, &SubscriptionName> = BTreeMap::new();
    for (name, subscription) in subscriptions {
        if let Some(other) = owners.insert(&subscription.group, name) {
            let path = KeyPath::of(&["subscriptions", name.as_str(), "group"]);
            let group = &subscription.group;
            let text =
                format!("`{group}` is the group of `{other}` too; each would miss events, give it its own");
            checker.mistake(&path, text);
        }
    }
}

/// A dead letter that is read as an event goes round for ever, and what else the host writes is no event at all.
fn check_own_topics(subscriptions: &BTreeMap<SubscriptionName, Subscription>, checker: &mut Checker<'_>) {
    for (name, subscription) in subscriptions {
        let path = KeyPath::of(&["subscriptions", name.as_str()]);
        let delays = subscription.delay_topics().into_iter().map(|(topic, _)| ("parking", topic));
        let own = [("dead-letter-topic", subscription.dead_letter_topic.clone())];
        let journal = subscription.journal.iter().map(|topic| ("journal-topic", topic.clone()));
        for (key, topic) in own.into_iter().chain(journal).chain(delays) {
            if let Some((reader, _)) = subscriptions.iter().find(|(_, other)| other.topics.contains(&topic)) {
                let text = format!(
                    "`{topic}` is read as events by `{reader}`; choose a topic that nobody subscribes to"
                );
                checker.mistake(&path.key(key), text);
            }
        }
        let mut others = subscriptions.iter().filter(|(other, _)| *other != name);
        if let Some(journal) = &subscription.journal
            && let Some((other, _)) =
                others.find(|(_, other)| other.own_topics().any(|topic| topic == *journal))
        {
            let text = format!("`{journal}` is a topic of `{other}` too; a journal has one for itself");
            checker.mistake(&path.key("journal-topic"), text);
        }
    }
}
