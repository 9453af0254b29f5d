//! Checks `[kafka]`.

use std::time::Duration;

use super::{Checker, schema_registry, security, set};
use crate::config::document::KeyPath;
use crate::config::settings::{BrokersSetting, KafkaSettings};
use crate::config::{Brokers, Kafka};

/// Properties that the host sets itself, and why nobody else may.
const OWNED: [(&str, &str); 16] = [
    ("acks", "a dead letter must be kept by every replica before its event is let go"),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", "set `commit-interval`"),
    ("bootstrap.servers", "set `brokers`"),
    ("enable.auto.commit", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("enable.idempotence", "a dead letter must be written once"),
    ("enable.partition.eof", "nothing here asks for it"),
    ("group.id", "set `group` in the subscription"),
    ("group.protocol", "the new protocol stalls for minutes with this version of librdkafka"),
    ("metadata.broker.list", "set `brokers`"),
    ("offset.store.method", OFFSETS),
    ("partition.assignment.strategy", "partitions that stay must not stop in a rebalance"),
    ("request.required.acks", "a dead letter must be kept by every replica before its event is let go"),
    ("statistics.interval.ms", "it hears by the statistics whether Kafka is there"),
    ("test.mock.num.brokers", "set `brokers = \"embedded\"`"),
];

/// Two looks at the connections.
const LEAST_AWAY: Duration = Duration::from_secs(10);

const OFFSETS: &str = "the host commits an offset only when its event is settled";

pub(super) fn kafka(settings: KafkaSettings, checker: &mut Checker<'_>) -> Kafka {
    let path = KeyPath::of(&["kafka"]);
    let is_embedded = settings.brokers == Some(BrokersSetting::Embedded);
    let mend = "write a list such as [\"kafka-1:9092\"], or \"embedded\"";
    let brokers = checker.required(&path.key("brokers"), settings.brokers, mend);
    let mut kafka = Kafka::new(brokers.map_or(Brokers::Embedded, |brokers| self::brokers(brokers, checker)));
    let is_secured = settings.security.is_some();
    if is_secured && is_embedded {
        checker.mistake(
            &path.key("security"),
            "is of no use: the embedded broker is in this process; leave it out",
        );
    }
    set(&mut kafka.security, settings.security.map(|settings| security::security(settings, checker)));
    for (name, value) in settings.properties {
        property(&name, is_secured, checker);
        kafka.properties.insert(name, value.0);
    }
    checker.not_zero(&path.key("start-timeout"), settings.start_timeout);
    checker.not_zero(&path.key("commit-interval"), settings.commit_interval);
    if settings.away_after.is_some_and(|after| Duration::from(after) < LEAST_AWAY) {
        checker.mistake(
            &path.key("away-after"),
            "it is looked every 5 s whether Kafka is there; write 10s or more",
        );
    }
    let texts = [("type-header", &settings.type_header), ("group-prefix", &settings.group_prefix)];
    for (key, _) in texts.iter().filter(|(_, text)| text.as_ref().is_some_and(String::is_empty)) {
        checker.mistake(&path.key(key), "must not be empty");
    }
    set(&mut kafka.start_timeout, settings.start_timeout);
    set(&mut kafka.type_header, settings.type_header);
    set(&mut kafka.commit_interval, settings.commit_interval);
    set(&mut kafka.away_after, settings.away_after);
    kafka.schema_registry =
        settings.schema_registry.and_then(|settings| schema_registry::schema_registry(settings, checker));
    kafka
}

fn brokers(setting: BrokersSetting, checker: &mut Checker<'_>) -> Brokers {
    let path = KeyPath::of(&["kafka", "brokers"]);
    let brokers = match setting {
        BrokersSetting::Embedded => return Brokers::Embedded,
        BrokersSetting::At(brokers) => brokers,
    };
    if checker.document.has_empty_list(&path) {
        checker.mistake(&path, "names no broker; write such as [\"kafka-1:9092\"]");
    }
    for (index, broker) in brokers.iter().enumerate().filter(|(_, broker)| !is_host_and_port(broker)) {
        let text = format!("`{broker}` is not host:port; write such as \"kafka-1:9092\"");
        checker.mistake(&path.index(index), text);
    }
    Brokers::At(brokers)
}

/// `host:port`, an IPv6 address in brackets.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            !host.is_empty() && host.bytes().all(is_plain)
        }
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn property(name: &str, is_secured: bool, checker: &mut Checker<'_>) {
    let path = KeyPath::of(&["kafka", "properties", name]);
    if is_secured && security::stands_for(name) {
        checker.mistake(&path, "is what [kafka.security] says too; leave it out here, or that table");
    }
    if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        checker.mistake(&path, format!("is the host's own: {reason}"));
    }
    if name.ends_with("password") || name.ends_with("secret") {
        checker.warning(&path, "holds a secret as plain text; [kafka.security] takes it by reference, else let nobody but the host read this file");
    }
}
