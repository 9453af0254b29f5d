//! Each mistake that a file can hold, with the place, the key and the words it is reported with.

mod databases;
mod intake;
mod schema_registry;
mod settings_files;

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use sha2::Digest as _;

use super::{Checked, Config, ConfigErrors, read, read_with};
use crate::config::{
    Brokers, ConflictPolicy, ConnectorName, Credential, Instances, Ordering, RegistryCredential, SecretRef,
    Source, SubscriptionName,
};

/// This crate's folder: its `Cargo.toml` serves as a plugin, a secret and a certificate that hold something.
fn base() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(text: &str) -> Result<Checked, ConfigErrors> {
    let variable = |name: &str| match name {
        "TOKEN" => Some("secret".to_owned()),
        "KEY" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        "EMPTY" => Some(" ".to_owned()),
        _ => None,
    };
    read(text, base(), &variable)
}

/// Ten lines without a mistake; a test adds its own from line 11 on.
const GOOD: &str = r#"[kafka]
brokers = ["kafka-1:9092"]
[plugins.rest]
path = "Cargo.toml"
[connectors.calendar]
plugin = "rest"
endpoint = "https://calendar.example.gov/api"
[subscriptions.calendar]
connector = "calendar"
topics = ["policy-events"]
"#;

/// `…` stands for what differs from machine to machine.
fn assert_says(mistake: &str, said: &str) {
    assert!(said.split('…').all(|part| mistake.contains(part)), "{mistake}\nand not\n{said}");
}

/// The one mistake of a text as `line, column: key: text`.
fn only_mistake(text: &str) -> String {
    let errors = check(text).expect_err(text);
    assert_eq!(errors.len(), 1, "{errors}\nin\n{text}");
    errors.to_string()
}

#[test]
fn each_mistake_names_line_key_and_mend() {
    // What is replaced in the ten good lines (nothing: put behind them), by what, and what is said.
    #[rustfmt::skip] // a row a case
    let replaced = [
        ("[kafka]", "[kafak]", "line 1, column 2: kafak: unknown key; did you mean `kafka`?"),
        ("brokers = [\"kafka-1:9092\"]", "", "line 1, column 2: kafka.brokers: missing; write a list"),
        ("[\"kafka-1:9092\"]", "[]", "line 2, column 1: kafka.brokers: names no broker"),
        ("[\"kafka-1:9092\"]", "\"kafka-1:9092\"", "line 2, column 11: kafka.brokers: invalid value: string \"kafka-1:9092\", expected a list such as [\"kafka-1:9092\"], or \"embedded\""),
        ("[\"kafka-1:9092\"]", "[\"a:1\",\n\"kafka-1\"]", "line 3, column 1: kafka.brokers[1]: `kafka-1` is not host:port"),
        ("kafka-1:9092", "kafka-1:0", "line 2, column 12: kafka.brokers[0]: `kafka-1:0` is not host:port"),
        ("kafka-1:9092", "[::1:9092", "line 2, column 12: kafka.brokers[0]: `[::1:9092` is not host:port"),
        ("[\"kafka-1:9092\"]", "[3]", "line 2, column 12: kafka.brokers[0]: invalid type: integer `3`, expected a string"),
        ("path = \"Cargo.toml\"", "", "line 3, column 10: plugins.rest.path: missing"),
        ("Cargo.toml", "no.wasm", "line 4, column 1: plugins.rest.path: cannot read"),
        ("Cargo.toml", "src", "line 4, column 1: plugins.rest.path: cannot read …src (not a file)"),
        ("path", "pth", "plugins.rest.pth: unknown key; did you mean `path`?"),
        ("plugin = \"rest\"", "", "line 5, column 13: connectors.calendar.plugin: missing; name an entry of [plugins]"),
        ("plugin = \"rest\"", "plugin = \"rst\"", "line 6, column 1: connectors.calendar.plugin: no [plugins.rst] exists; did you mean `rest`?"),
        ("plugin = \"rest\"", "plugin = 3", "line 6, column 10: connectors.calendar.plugin: invalid type: integer `3`, expected a string"),
        ("https://calendar.example.gov/api", "calendar", "line 7, column 1: connectors.calendar.endpoint: `calendar` is not an address"),
        ("https:", "ftp:", "line 7, column 1: connectors.calendar.endpoint: `ftp` is not spoken here"),
        ("https://", "https://a:b@", "connectors.calendar.endpoint: must hold no user and password"),
        ("/api", "/api?x=1", "connectors.calendar.endpoint: must hold no query"),
        ("/api", "/api#x", "connectors.calendar.endpoint: must hold no fragment"),
        ("endpoint", "endpont", "line 7, column 1: connectors.calendar.endpont: unknown key; did you mean `endpoint`?"),
        ("connector = \"calendar\"", "connector = \"calender\"", "line 9, column 1: subscriptions.calendar.connector: no [connectors.calender] exists; did you mean `calendar`?"),
        ("connector = \"calendar\"", "", "line 8, column 16: subscriptions.calendar.connector: missing"),
        ("topics = [\"policy-events\"]", "", "line 8, column 16: subscriptions.calendar.topics: missing"),
        ("[\"policy-events\"]", "[]", "line 10, column 1: subscriptions.calendar.topics: names no topic"),
        ("[\"policy-events\"]", "[\"a\", \"a\"]", "line 10, column 16: subscriptions.calendar.topics[1]: `a` stands here twice"),
        ("policy-events", "policy events", "line 10, column 11: subscriptions.calendar.topics[0]: `policy events` is not a topic"),
        ("[\"policy-events\"]", "\"policy-events\"", "line 10, column 10: subscriptions.calendar.topics: invalid type: string \"policy-events\", expected a list: put it in brackets"),
        ("[connectors.calendar]", "[[connectors.calendar]]", "line 5, column 1: connectors.calendar: is one table and not a list; write it in single brackets"),
        ("[kafka]", "[kafka", "line 1, column 7: unclosed table, expected `]`"),
        ("\"https://calendar.example.gov/api\"", "calendar", "line 7, column 12: string values must be quoted"),
        ("plugin = \"rest\"\n", "plugin = \"rest\"\nplugin = \"rest\"\n", "line 7, column 1: `plugin` stands here twice; leave one out"),
    ];
    for (from, to, said) in replaced {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        let mistake = only_mistake(&text);
        assert_says(&mistake, said);
    }
}

#[test]
fn a_broken_line_does_not_hide_the_mistakes_of_others_nor_make_some_up() {
    let text = GOOD
        .replacen("[\"kafka-1:9092\"]", "[\"kafka-1:9092\"", 1)
        .replacen("endpoint = ", "endpoint ", 1)
        .replacen("topics", "topcis", 1);
    let errors = check(&text).expect_err(&text).to_string();
    let lines: Vec<_> = errors.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!((lines.first(), lines.last()), (Some(&"line 3"), Some(&"line 10")), "{errors}");
    assert!(!errors.contains("missing;") && !errors.contains("exists"), "{errors}");
}

#[test]
fn each_mistake_in_a_table_of_its_own_is_the_only_one() {
    #[rustfmt::skip] // a row a case
    let added = [
        // [kafka]
        ("[kafka.properties]\n\"enable.auto.commit\" = true", "line 12, column 1: kafka.properties.\"enable.auto.commit\": is the host's own: the host commits an offset only when its event is settled"),
        ("[kafka.properties]\n\"group.id\" = \"x\"", "line 12, column 1: kafka.properties.\"group.id\": is the host's own: set `group` in the subscription"),
        ("[kafka.properties]\n\"bootstrap.servers\" = \"x\"", "is the host's own: set `brokers`"),
        ("[kafka.properties]\n\"statistics.interval.ms\" = 0", "is the host's own: it hears by the statistics whether Kafka is there"),
        ("[kafka.properties]\nx = 1.5", "line 12, column 5: kafka.properties.x: invalid type: floating point `1.5`, expected text, a whole number or a boolean"),
        // [plugins]
        ("[plugins.Rest]\npath = \"Cargo.toml\"", "line 11, column 10: plugins.Rest: not a name; use lower-case letters"),
        ("[plugins.\"a.b\"]\npath = \"Cargo.toml\"", "line 11, column 10: plugins.\"a.b\": not a name"),
        ("[plugins.-a]\npath = \"Cargo.toml\"", "line 11, column 10: plugins.-a: not a name"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nsha256 = \"abc\"", "line 13, column 1: plugins.a.sha256: not a sha256"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "line 13, column 1: plugins.a.sha256: …Cargo.toml is another file, with sha256 …; write that only if you trust it"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nimage = \"oci://h/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "line 13, column 1: plugins.a.image: stands beside `path`, and a plugin comes from one place; leave one of them out"),
        ("[plugins.a]\nimage = \"oci://h/a:1.2\"", "line 12, column 1: plugins.a.image: `oci://h/a:1.2` names no digest, and what has none may be another content tomorrow; write it with @sha256:"),
        ("[plugins.a]\nimage = \"oci://h/a:1.2@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "line 12, column 1: plugins.a.image: the tag `1.2` may be moved"),
        ("[plugins.a]\nimage = \"h/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "plugins.a.image: `h/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` is no image; begin with oci://"),
        ("[plugins.a]\nimage = \"oci-layout:src@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "line 12, column 1: plugins.a.image: …src is no OCI layout: it holds no file `oci-layout`; mend the path"),
        ("[plugins.a]\nimage = 3", "line 12, column 9: plugins.a.image: invalid type: integer `3`, expected a string"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nsigners = []", "line 13, column 1: plugins.a.signers: names nobody"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nsigners = [\"agency\"]", "line 13, column 12: plugins.a.signers[0]: no key `agency` stands in [trust.keys]"),
        // [trust] and [registries]
        ("[trust]\nrequire-signature = true", "line 12, column 1: trust.require-signature: is true, and no key is named whose signature would do; add [trust.keys]"),
        ("[trust.keys]\nagency = {}", "line 12, column 1: trust.keys.agency.file: missing; write where the public key's file is"),
        ("[trust.keys]\nagency = { file = \"Cargo.toml\" }", "line 12, column 12: trust.keys.agency.file: …Cargo.toml holds no public key in PEM; `openssl pkey -in KEY -pubout` prints"),
        ("[trust.keys]\nagency = { file = \"no.pub\" }", "trust.keys.agency.file: cannot read …no.pub"),
        ("[registries.\"https://h\"]", "line 11, column 13: registries.\"https://h\": is no registry; write its host"),
        ("[registries.\"r.example\"]\nplain-http = true\ncredential = { basic = { username = \"u\", password = { env = \"TOKEN\" } } }", "line 13, column 1: registries.\"r.example\".credential: would be sent in the clear, over `plain-http`"),
        ("[registries.\"r.example\"]\ncredential = { basic = { username = \"u:v\", password = { env = \"TOKEN\" } } }", "registries.\"r.example\".credential.basic.username: must hold no colon"),
        ("[registries.\"r.example\"]\ncredential = { bearer = { env = \"UNSET\" } }", "registries.\"r.example\".credential.bearer.env: the environment variable UNSET is not set"),
        ("[registries.\"r.example\"]\ntimeout = \"0s\"", "line 12, column 1: registries.\"r.example\".timeout: must be longer than nothing"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nbatch = 0", "line 13, column 9: plugins.a.batch: invalid value: integer `0`, expected a whole number from 1 to 4294967295"),
        ("[plugins.a]\npath = \"Cargo.toml\"\ninstances = \"cold\"", "line 13, column 13: plugins.a.instances: unknown value; known are `fresh`, `warm`"),
        ("[plugins.a]\npath = \"Cargo.toml\"\ninstances = { warm = 0 }", "line 13, column 22: plugins.a.instances.warm: invalid value: integer `0`"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.memory = \"64 parsecs\"", "line 13, column 17: plugins.a.limits.memory: invalid value: string \"64 parsecs\", expected a size"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.memory = 0", "plugins.a.limits.memory: invalid value: integer `0`, expected a size of at least one byte"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.cpu-time = \"30s\"", "line 13, column 8: plugins.a.limits.cpu-time: `cpu-time` is 30s and `wall-time` only 10s"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.wall-time = \"0s\"", "line 13, column 8: plugins.a.limits.wall-time: must be longer than nothing"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.memory = \"5GiB\"", "line 13, column 8: plugins.a.limits.memory: more than the 4 GiB that an instance can address"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.table-elements = 20000000", "line 13, column 8: plugins.a.limits.table-elements: more than the 10000000 that this host can set aside"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.result = \"65MiB\"", "line 13, column 8: plugins.a.limits.result: is 68157440 and `memory` only 67108864, in bytes; no answer could be that large"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.request-body = \"9MiB\"", "line 13, column 8: plugins.a.limits.request-body: is 9437184 and `result` only 8388608, in bytes; no body could be that large"),
        ("[runtime]\ninstances = 5000", "line 12, column 1: runtime.instances: more than the 4000 that the address space has room for"),
        ("[runtime]\nstack = \"4KiB\"", "line 12, column 1: runtime.stack: no stack that plugins run on; write a size from 64KiB to 64MiB"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nlimits.cpu-time = 3", "plugins.a.limits.cpu-time: invalid value: integer `3`, expected a duration such as"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nrollout.window = \"0s\"", "line 13, column 9: plugins.a.rollout.window: must be longer than nothing"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nrollout.max-failures = 10.0", "line 13, column 9: plugins.a.rollout.max-failures: 10 is no share; write a number between 0 and 1"),
        ("[plugins.a]\npath = \"Cargo.toml\"\nrollout.canary = \"10%\"", "line 13, column 18: plugins.a.rollout.canary: invalid type: string \"10%\""),
        ("[plugins.a]\npath = \"Cargo.toml\"\nrollout.canary-for = \"1m\"", "line 13, column 9: plugins.a.rollout.canary-for: there is no `canary`; write its share, or leave this out"),
        ("[plugins]\na = 3", "line 12, column 5: plugins.a: invalid type: integer `3`, expected a table"),
        // [transformers]
        ("[transformers.t]\nplugin = \"rets\"", "line 12, column 1: transformers.t.plugin: no [plugins.rets] exists; did you mean `rest`?"),
        ("[transformers.t]\nplugin = \"rest\"\nsettings = { a = { b = [nan] } }", "line 13, column 25: transformers.t.settings.a.b[0]: NaN is no number to a plugin"),
        // [alerts], [admin], [runtime]
        ("[alerts.webhook]\nsecret = { env = \"KEY\" }", "line 11, column 9: alerts.webhook.url: missing"),
        ("[alerts.webhook]\nurl = \"https://a\"\nsecret = { env = \"TOKEN\" }", "line 13, column 1: alerts.webhook.secret: is no signing key; it must be `whsec_` and base64"),
        ("[alerts]\nreminder = \"0s\"", "line 12, column 1: alerts.reminder: must be longer than nothing"),
        ("[alerts]\nretention-share = 1.0", "line 12, column 1: alerts.retention-share: 1 is no share; write a number between 0 and 1"),
        ("[alerts.email]\nserver = \"mail.a\"\nfrom = \"a@b.c\"", "line 11, column 9: alerts.email.to: missing; write such as [\"duty@example.gov\"]"),
        ("[alerts.email]\nserver = \"mail.a\"\nfrom = \"a@b.c\"\nto = []", "line 14, column 1: alerts.email.to: names nobody"),
        ("[alerts.email]\nserver = \"mail.a\"\nfrom = \"me\"\nto = [\"a@b.c\"]", "line 13, column 1: alerts.email.from: `me` is no e-mail address; write such as"),
        ("[alerts.email]\nserver = \"mail.a\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\", \"a b@c\"]", "line 14, column 16: alerts.email.to[1]: `a b@c` is no e-mail address"),
        ("[alerts.email]\nserver = \"https://mail.a\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]", "line 12, column 1: alerts.email.server: is no host; write its name alone"),
        ("[alerts.email]\nserver = \"mail.a\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\nport = 0", "line 15, column 1: alerts.email.port: is no port"),
        ("[alerts.email]\nserver = \"mail.a\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\nsecurity = \"none\"\ncredential = { username = \"u\", password = { env = \"TOKEN\" } }", "line 16, column 1: alerts.email.credential: would go over the network in the clear"),
        ("[admin]\naddress = \"localhost:9464\"", "line 12, column 1: admin.address: `localhost:9464` is not an IP address with a port"),
        ("[admin]\naddress = true", "line 12, column 11: admin.address: invalid value: boolean `true`, expected text, or false for none"),
        ("[runtime]\nworkers = -1", "line 12, column 11: runtime.workers: invalid value: integer `-1`"),
        ("[runtime]\ncall-twice = \"yes\"", "line 12, column 14: runtime.call-twice: invalid type: string \"yes\", expected a boolean"),
        // [sla]
        ("[sla.default]\ninitial-interval = \"2m\"", "line 12, column 1: sla.default.initial-interval: `initial-interval` is 120s and `max-interval` only 60s"),
        ("[sla.\"a.b\"]\nmax-interval = \"1s\"", "line 12, column 1: sla.\"a.b\".max-interval: `initial-interval` is 2s and `max-interval` only 1s"),
        ("[sla.a]\ndeadline = \"5s\"", "line 12, column 1: sla.a.deadline: `deadline` is 5s and one attempt may take 10s"),
        ("[sla.default]\ndeadline = \"1m\"\n[sla.a]\nattempt-timeout = \"2m\"", "line 14, column 1: sla.a.attempt-timeout: `deadline` is 60s and one attempt may take 120s"),
        ("[sla.a]\nmultiplier = 0.5", "line 12, column 1: sla.a.multiplier: 0.5 would shorten the waits"),
        ("[sla.a]\nmultiplier = nan", "line 12, column 1: sla.a.multiplier: NaN would shorten the waits"),
        ("[sla.a]\nobjective = 1.0", "line 12, column 1: sla.a.objective: 1 is no share; write a number between 0 and 1, such as 0.99"),
        ("[sla.a]\nobjective = 99", "sla.a.objective: 99 is no share"),
        ("[sla.a]\nobjective = nan", "sla.a.objective: NaN is no share"),
        ("[sla.a]\nobjective-window = \"1h\"", "line 12, column 1: sla.a.objective-window: `window` is 21600s and `objective-window` only 3600s"),
        ("[sla.a]\nfast-burn = { window = \"5m\" }", "line 12, column 15: sla.a.fast-burn.window: `short-window` is 300s and `window` only 300s"),
        ("[sla.a]\nslow-burn = { short-window = \"0s\" }", "line 12, column 15: sla.a.slow-burn.short-window: must be longer than nothing"),
        ("[sla.a]\nslow-burn = { rate = 0.5 }", "line 12, column 15: sla.a.slow-burn.rate: 0.5 would never miss the objective"),
        ("[sla.a]\nmax-attempts = 0", "line 12, column 16: sla.a.max-attempts: invalid value: integer `0`"),
        ("[sla.a]\nattempt-timeout = \"0s\"", "line 12, column 1: sla.a.attempt-timeout: must be longer than nothing"),
        ("[sla.a]\nmultiplier = \"2\"", "sla.a.multiplier: invalid type: string \"2\", expected a number"),
    ];
    for (text, said) in added {
        let mistake = only_mistake(&format!("{GOOD}{text}\n"));
        assert_says(&mistake, said);
    }
}

#[test]
fn each_mistake_of_the_way_to_kafka_is_named() {
    const SASL: &str = "sasl = { mechanism = \"plain\", username = \"u\", password = { env = \"TOKEN\" } }";
    #[rustfmt::skip] // a row a case
    let added = [
        ("tls = false".to_owned(), "line 12, column 1: kafka.security.tls: is false, and there is no `sasl`: nothing is left of this table"),
        (format!("tls = false\nca-file = \"none.pem\"\n{SASL}"), "kafka.security.ca-file: is of use with TLS alone, and `tls` is false"),
        ("ca-file = \"none.pem\"".to_owned(), "line 12, column 1: kafka.security.ca-file: cannot read"),
        ("ca-file = \"Cargo.toml\"".to_owned(), "line 12, column 1: kafka.security.ca-file: …Cargo.toml holds no PEM certificate; export it as PEM"),
        ("certificate-file = \"none.pem\"\nkey-file = \"k.pem\"".to_owned(), "line 12, column 1: kafka.security.certificate-file: cannot read"),
        ("key-file = \"Cargo.toml\"".to_owned(), "line 12, column 1: kafka.security.key-file: …Cargo.toml holds no PEM private key; export it as PEM"),
        ("key-password = { env = \"TOKEN\" }".to_owned(), "line 12, column 1: kafka.security.key-password: is of no key; name that in `key-file`"),
        (SASL.replace("plain", "gssapi"), "line 12, column 22: kafka.security.sasl.mechanism: unknown value; known are `plain`, `scram-sha-256`, `scram-sha-512`"),
        (SASL.replace("mechanism = \"plain\", ", ""), "kafka.security.sasl.mechanism: missing; write \"scram-sha-512\", \"scram-sha-256\" or \"plain\""),
        (SASL.replace("\"u\"", "\"\""), "kafka.security.sasl.username: must not be empty"),
        (SASL.replace("TOKEN", "UNSET"), "kafka.security.sasl.password.env: the environment variable UNSET is not set"),
        (SASL.replace(", password = { env = \"TOKEN\" }", ""), "kafka.security.sasl.password: missing; write { env = \"…\" } or { file = \"…\" }"),
        (format!("{SASL}\n[kafka.properties]\n\"security.protocol\" = \"ssl\""), "line 14, column 1: kafka.properties.\"security.protocol\": is what [kafka.security] says too; leave it out here, or that table"),
        (format!("{SASL}\n[kafka.properties]\n\"ssl.ca.location\" = \"probe\""), "line 14, column 1: kafka.properties.\"ssl.ca.location\": is what [kafka.security] says too"),
    ];
    for (text, said) in added {
        let found = check(&format!("{GOOD}[kafka.security]\n{text}\n")).expect_err(&text).to_string();
        let is_said = found.lines().any(|line| said.split('…').all(|part| line.contains(part)));
        assert!(is_said, "{found}\nand not\n{said}");
    }
    let embedded = GOOD.replacen("[\"kafka-1:9092\"]", "\"embedded\"", 1) + "[kafka.security]\ntls = true\n";
    assert_says(
        &only_mistake(&embedded),
        "kafka.security: is of no use: the embedded broker is in this process; leave it out",
    );
}

#[test]
fn a_way_to_kafka_in_the_clear_is_a_warning() {
    for (mechanism, said) in [("plain", "the password goes over"), ("scram-sha-256", "all events go over")] {
        let sasl = format!(
            "sasl = {{ mechanism = \"{mechanism}\", username = \"u\", password = {{ env = \"TOKEN\" }} }}"
        );
        let checked = check(&format!("{GOOD}[kafka.security]\ntls = false\n{sasl}\n")).unwrap();
        let warnings: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(&format!("kafka.security.tls: {said}")),
            "{warnings:?}"
        );
        assert_eq!(checked.config.kafka.security.tls, None);
    }
    let checked = check(&format!("{GOOD}[kafka.security]\n")).unwrap();
    assert!(checked.warnings.is_empty() && checked.config.kafka.security.tls.is_some());
    assert_eq!(check(GOOD).unwrap().config.kafka.security, crate::config::KafkaSecurity::default());
}

#[test]
fn each_mistake_of_a_connector_is_named() {
    #[rustfmt::skip] // a row a case
    let added = [
        ("credential = { baerer = { env = \"TOKEN\" } }", "line 14, column 16: connectors.c.credential.baerer: unknown value; did you mean `bearer`?"),
        ("credential = { bearer = { env = \"UNSET\" } }", "line 14, column 27: connectors.c.credential.bearer.env: the environment variable UNSET is not set"),
        ("credential = { bearer = { env = \"EMPTY\" } }", "connectors.c.credential.bearer.env: the environment variable EMPTY is empty"),
        ("credential = { bearer = { file = \"none\" } }", "line 14, column 27: connectors.c.credential.bearer.file: cannot read"),
        ("credential = { bearer = { file = \"/dev/null\" } }", "connectors.c.credential.bearer.file: /dev/null is empty"),
        ("credential = { bearer = { env = \"TOKEN\", file = \"x\" } }", "line 14, column 25: connectors.c.credential.bearer: must hold exactly one key"),
        ("credential = { bearer = \"abc\" }", "connectors.c.credential.bearer: a secret is not written here, but named: { env = "),
        ("credential = { bearer = { evn = \"TOKEN\" } }", "connectors.c.credential.bearer.evn: unknown value; did you mean `env`?"),
        ("credential = { bearer = { folder = { path = \".\", name = \"../x\" } } }", "connectors.c.credential.bearer.folder.name: `../x` is not the name of an entry; write it without a path"),
        ("credential = { bearer = { folder = { name = \"none\" } } }", "connectors.c.credential.bearer.folder.path: missing; write where the folder is mounted"),
        ("credential = { bearer = { folder = { path = \".\", name = \"none\" } } }", "connectors.c.credential.bearer.folder: cannot read"),
        ("credential = { oauth2 = { client-id = \"a\", client-secret = { env = \"TOKEN\" } } }", "connectors.c.credential.oauth2.token-url: missing; write the token endpoint's address"),
        ("credential = { oauth2 = { token-url = \"login\", client-id = \"a\", client-secret = { env = \"TOKEN\" } } }", "connectors.c.credential.oauth2.token-url: `login` is not an address"),
        ("credential = { oauth2 = { token-url = \"https://a\", client-id = \"a\" } }", "connectors.c.credential.oauth2.client-secret: missing; write { env"),
        ("credential.aws = { access-key-id = { env = \"TOKEN\" }, secret-access-key = { env = \"TOKEN\" }, service = \"s3\" }", "line 14, column 12: connectors.c.credential.aws.region: missing; write such as"),
        ("credential.aws = { access-key-id = { env = \"TOKEN\" }, region = \"a\", service = \"s3\" }", "connectors.c.credential.aws.secret-access-key: missing; write { env"),
        ("credential.aws = { access-key-id = { env = \"TOKEN\" }, secret-access-key = { env = \"TOKEN\" }, region = \"a/b\", service = \"s3\" }", "connectors.c.credential.aws.region: is no name; write such as"),
        ("credential.standard-webhooks = {}", "connectors.c.credential.standard-webhooks.secret: missing; write { env"),
        ("credential.standard-webhooks = { secret = { env = \"TOKEN\" } }", "connectors.c.credential.standard-webhooks.secret: is no signing key; it must be `whsec_` and base64, or `whsk_`"),
        ("credential.standard-webhooks = { secret = { env = \"KEY\" }, further-secrets = [{ env = \"KEY\" }, { env = \"TOKEN\" }] }", "connectors.c.credential.standard-webhooks.further-secrets[1]: is no signing key"),
        ("credential = \"bearer\"", "line 14, column 14: connectors.c.credential: invalid type: text, expected a table"),
        ("credential = 3", "line 14, column 14: connectors.c.credential: expected a table"),
        ("credential = { basic = { username = \"a\" } }", "line 14, column 16: connectors.c.credential.basic.password: missing; write { env"),
        ("credential = { basic = { password = { env = \"TOKEN\" } } }", "connectors.c.credential.basic.username: missing"),
        ("credential = { basic = { username = \"a:b\", password = { env = \"TOKEN\" } } }", "connectors.c.credential.basic.username: must hold no colon"),
        ("credential = { basic = { usernam = \"a\", username = \"a\", password = { env = \"TOKEN\" } } }", "line 14, column 26: connectors.c.credential.basic.usernam: unknown key; did you mean `username`?"),
        ("credential = { header = { name = \"a b\", value = { env = \"TOKEN\" } } }", "line 14, column 27: connectors.c.credential.header.name: `a b` is not the name of a header"),
        ("allow = [\"https://a\", \"https://b/c\"]", "line 14, column 23: connectors.c.allow[1]: `https://b/c` is more than an origin; write \"https://b\""),
        ("allow = [\"https://b/c\"]", "connectors.c.allow[0]: `https://b/c` is more than an origin; write \"https://b\", or { origin = \"https://b\", paths = [\"/c\"] }"),
        ("allow = [{ origin = \"https://b/c\" }]", "line 14, column 12: connectors.c.allow[0].origin: `https://b/c` is more than an origin; write \"https://b\""),
        ("allow = [{ paths = [\"/a\"] }]", "connectors.c.allow[0].origin: missing; write such as \"https://login.example.gov\""),
        ("allow = [{ origin = \"https://b\", path = [\"/a\"] }]", "line 14, column 34: connectors.c.allow[0].path: unknown key; did you mean `paths`?"),
        ("allow = [{ origin = \"https://b\", paths = [] }]", "line 14, column 34: connectors.c.allow[0].paths: an empty list allows nothing; leave it out to allow all"),
        ("allow = [{ origin = \"https://b\", paths = [\"/a\", \"/a b/../c\"] }]", "line 14, column 49: connectors.c.allow[0].paths[1]: `/a b/../c` is not a path as it is asked; write \"/c\""),
        ("allow = [{ origin = \"https://b\", paths = [\"a?b\"] }]", "connectors.c.allow[0].paths[0]: `a?b` is not a path as it is asked; write \"/a%3Fb\""),
        ("allow = [{ origin = \"https://b\", methods = [\"get\"] }]", "connectors.c.allow[0].methods[0]: `get` is another method than GET, by case; write \"GET\""),
        ("allow = [{ origin = \"https://b\", methods = [\"A B\"] }]", "connectors.c.allow[0].methods[0]: `A B` is not a method; write such as \"GET\""),
        ("allow = [3]", "line 14, column 10: connectors.c.allow[0]: invalid type: integer `3`, expected an origin such as"),
        ("allow = [\"b\"]", "connectors.c.allow[0]: `b` is not an address"),
        ("allow-networks = [\"10.0.0.0/8\", \"10.0.0.0/33\"]", "line 14, column 33: connectors.c.allow-networks[1]: `10.0.0.0/33` is not a network"),
        ("allow-networks = [\"10.1.2.3/8\"]", "connectors.c.allow-networks[0]: `10.1.2.3/8` is one address of 10.0.0.0/8; write \"10.0.0.0/8\" or \"10.1.2.3\""),
        ("concurrency = 0", "line 14, column 15: connectors.c.concurrency: invalid value: integer `0`"),
        ("concurrency = 3\nconcurrency-floor = 4", "line 15, column 1: connectors.c.concurrency-floor: it is 4 and `concurrency` only 3"),
        ("concurrency = 3\nbatch = { events = 4 }", "line 15, column 11: connectors.c.batch.events: it is 4 and `concurrency` only 3"),
        ("batch = { events = 0 }", "line 14, column 20: connectors.c.batch.events: invalid value: integer `0`"),
        ("batch = { wait = \"0s\" }", "line 14, column 11: connectors.c.batch.wait: must be longer than nothing"),
        ("batch = { size = 4 }", "line 14, column 11: connectors.c.batch.size: unknown key"),
        ("rate-limit = {}", "line 14, column 1: connectors.c.rate-limit.requests-per-second: missing; write how many"),
        ("rate-limit.requests-per-second = 0", "line 14, column 12: connectors.c.rate-limit.requests-per-second: 0 is not a rate"),
        ("rate-limit.requests-per-second = nan", "connectors.c.rate-limit.requests-per-second: NaN is not a rate"),
        ("rate-limit = { requests-per-second = 5, burst = 0 }", "connectors.c.rate-limit.burst: invalid value: integer `0`"),
        ("connect-timeout = \"soon\"", "connectors.c.connect-timeout: invalid value: string \"soon\", expected a duration such as \"500ms\""),
        ("connect-timeout = \"0s\"", "line 14, column 1: connectors.c.connect-timeout: must be longer than nothing"),
        ("idempotency-header = \"a b\"", "line 14, column 1: connectors.c.idempotency-header: `a b` is not the name of a header"),
        ("ca-file = \"none.pem\"", "line 14, column 1: connectors.c.ca-file: cannot read"),
        ("ca-file = \"Cargo.toml\"", "connectors.c.ca-file: …Cargo.toml holds no PEM certificate"),
        ("breaker = { probe-interval = \"2s\", max-denied-interval = \"1s\" }", "connectors.c.breaker.max-denied-interval: is only 1s and `probe-interval` 2s; raise it"),
        ("breaker.probe-interval = \"1m\"", "line 14, column 9: connectors.c.breaker.probe-interval: `probe-interval` is 60s and `max-probe-interval` only 2s"),
        ("breaker.failures = 0", "line 14, column 20: connectors.c.breaker.failures: invalid value: integer `0`"),
    ];
    for (line, said) in added {
        let text = format!("{GOOD}[connectors.c]\nplugin = \"rest\"\nendpoint = \"https://c\"\n{line}\n");
        let mistake = only_mistake(&text);
        assert_says(&mistake, said);
    }
}

#[test]
fn each_mistake_of_a_subscription_is_named() {
    #[rustfmt::skip] // a row a case
    let added = [
        ("types = []", "line 14, column 1: subscriptions.s.types: selects no event"),
        ("types = [\"a.*\", \"[\"]", "line 14, column 17: subscriptions.s.types[1]: `[` is not a pattern (unclosed character class"),
        ("filter = \"event.type ==\"", "line 14, column 1: subscriptions.s.filter: not a CEL expression: "),
        ("filter = \"type == 'a'\"", "subscriptions.s.filter: never looks at `event`"),
        ("transformers = [\"reshape\"]", "line 14, column 17: subscriptions.s.transformers[0]: no [transformers.reshape] exists; there is none"),
        ("ordering = \"keys\"", "line 14, column 12: subscriptions.s.ordering: unknown value; did you mean `key`?"),
        ("conflict.policy = \"newst-wins\"", "subscriptions.s.conflict.policy: unknown value; did you mean `newest-wins`?"),
        ("conflict.version = \"updatedAt\"", "line 14, column 10: subscriptions.s.conflict.version: `updatedAt` is not a JSON pointer"),
        ("conflict.version = \"/a~2\"", "subscriptions.s.conflict.version: `/a~2` is not a JSON pointer"),
        ("conflict = { policy = \"manual\", version = \"/a\" }", "line 14, column 33: subscriptions.s.conflict.version: only `newest-wins` and `merge` compare versions"),
        ("conflict = { policy = \"manual\", owners = { \"/a\" = \"source\" } }", "line 14, column 33: subscriptions.s.conflict.owners: only `merge` asks whose a field is"),
        ("conflict = { default-owner = \"source\" }", "line 14, column 14: subscriptions.s.conflict.default-owner: only `merge` asks whose a field is"),
        ("conflict = { policy = \"merge\" }", "line 14, column 1: subscriptions.s.conflict: leaves the source no field"),
        ("conflict = { policy = \"merge\", owners = { \"/a\" = \"target\" } }", "subscriptions.s.conflict: leaves the source no field"),
        ("conflict = { policy = \"merge\", owners = { a = \"source\" } }", "line 14, column 43: subscriptions.s.conflict.owners.a: `a` is not a JSON pointer to a field"),
        ("conflict = { policy = \"merge\", owners = { \"\" = \"source\" } }", "`` is not a JSON pointer to a field; write such as \"/room\""),
        ("conflict = { policy = \"merge\", owners = { \"/a\" = \"sorce\" } }", "unknown value; did you mean `source`?"),
        ("conflict = { policy = \"merge\", default-owner = \"source\", version = \"updatedAt\" }", "subscriptions.s.conflict.version: `updatedAt` is not a JSON pointer"),
        ("conflict = { policy = \"merge\", owners = { \"/a\" = \"source\" }, version = \"/b\" }", "subscriptions.s.conflict.version: `/b` is the target's"),
        ("group = \"\"", "line 14, column 1: subscriptions.s.group: must not be empty"),
        ("group = \"liaison.calendar\"", "line 14, column 1: subscriptions.s.group: `liaison.calendar` is the group of `calendar` too"),
        ("dead-letter-topic = \"policy-events\"", "line 14, column 1: subscriptions.s.dead-letter-topic: `policy-events` is read as events by `calendar`"),
        ("dead-letter-topic = \"a b\"", "line 14, column 1: subscriptions.s.dead-letter-topic: `a b` is not a topic"),
        ("journal-topic = \"j\"", "line 14, column 1: subscriptions.s.journal-topic: names a journal that is not kept; write `journal = true` too"),
        ("journal = true\njournal-topic = \"policy-events\"", "line 15, column 1: subscriptions.s.journal-topic: `policy-events` is read as events by `calendar`"),
        ("journal = true\njournal-topic = \"liaison.dead-letters.calendar\"", "subscriptions.s.journal-topic: `liaison.dead-letters.calendar` is a topic of `calendar` too"),
        ("journal = true\ngroup = \"a b\"", "line 15, column 1: subscriptions.s.group: `a b.journal` is not a topic"),
        ("parking = { after = \"1m\" }", "line 14, column 1: subscriptions.s.parking: only events without an order are parked; write `ordering = \"none\"` too"),
        ("ordering = \"none\"\nparking.delays = [\"10m\", \"1m\"]", "subscriptions.s.parking.delays: wants at most 8 delays of 1s and more, each longer than the one before"),
        ("ordering = \"none\"\nparking.delays = [\"10ms\"]", "subscriptions.s.parking.delays: wants at most 8 delays of 1s and more"),
        ("sla = { deadline = \"1s\" }", "line 14, column 9: subscriptions.s.sla.deadline: `deadline` is 1s and one attempt may take 10s"),
        ("sla = { max-atempts = 3 }", "line 14, column 9: subscriptions.s.sla.max-atempts: unknown key; did you mean `max-attempts`?"),
        ("bounds = { events = 0 }", "line 14, column 21: subscriptions.s.bounds.events: invalid value: integer `0`"),
        ("flood-guard = { share = 0.0 }", "line 14, column 17: subscriptions.s.flood-guard.share: `0` is no share; write more than 0 and at most 1"),
        ("flood-guard = { share = 1.5 }", "subscriptions.s.flood-guard.share: `1.5` is no share"),
        ("flood-guard = { window = \"0s\" }", "subscriptions.s.flood-guard.window: must be longer than nothing"),
        ("flood-guard = { minimum = 0 }", "subscriptions.s.flood-guard.minimum: invalid value: integer `0`"),
        ("grace = \"10\"", "subscriptions.s.grace: invalid value: string \"10\", expected a duration"),
    ];
    for (line, said) in added {
        let text =
            format!("{GOOD}[subscriptions.s]\nconnector = \"calendar\"\ntopics = [\"other\"]\n{line}\n");
        let mistake = only_mistake(&text);
        assert_says(&mistake, said);
    }
}

#[test]
fn who_needs_no_secret_is_not_asked_for_one() {
    let secrets = "[connectors.c]\nplugin = \"rest\"\nendpoint = \"https://c\"\ncredential = { bearer = { env = \"UNSET\" } }\n\
                   [alerts.webhook]\nurl = \"https://a\"\nsecret = { file = \"none\" }\n";
    let text = format!("{GOOD}{secrets}");
    assert_eq!(check(&text).expect_err("both are missing").len(), 2);
    let config = read_with(&text, base(), &|_| None, false).unwrap().config;
    let credential = &config.connectors[&ConnectorName::new("c")].egress.credential;
    assert_eq!(*credential, Some(Credential::Bearer(SecretRef::Env("UNSET".to_owned()))));
    assert!(config.alerts.webhook.is_some());
    let only = config.only(&SubscriptionName::new("calendar"));
    assert_eq!(only.connectors.len(), 1, "what the subscription does not use is gone, with its secrets");
    assert!(only.alerts.webhook.is_none());
    // Other mistakes are still named.
    let wrong = text.replacen("kafka-1:9092", "kafka-1", 1);
    assert_eq!(read_with(&wrong, base(), &|_| None, false).expect_err("a broker without a port").len(), 1);
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let text = r#"[kafka]
brokers = ["kafka-1"]
start-timeout = 3
[plugins.rest]
path = "none.wasm"
batch = "many"
bacth = 3
[connectors.Calendar]
plugin = "rset"
endpont = "https://calendar.example.gov"
concurrency = 0
[subscriptions.a]
connector = "calendar"
topics = [3, "b c"]
[sla.default]
multiplier = 0
[extra]
"#;
    let errors = check(text).expect_err("a dozen mistakes");
    let keys: Vec<_> = errors.mistakes().iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "kafka.brokers[0]",
            "kafka.start-timeout",
            "plugins.rest.path",
            "plugins.rest.batch",
            "plugins.rest.bacth",
            "connectors.Calendar",
            "connectors.Calendar.plugin",
            "connectors.Calendar.endpont",
            "connectors.Calendar.concurrency",
            "subscriptions.a.connector",
            "subscriptions.a.topics[0]",
            "subscriptions.a.topics[0]",
            "sla.default.multiplier",
            "extra",
        ]
    );
}

#[test]
fn a_file_that_is_not_there_is_one_mistake_with_its_name() {
    let errors = Config::from_file("none/liaison.toml").expect_err("no such file");
    assert_eq!(errors.len(), 1);
    assert!(errors.to_string().starts_with("none/liaison.toml: cannot read it ("), "{errors}");
}

#[test]
fn the_smallest_file_means_the_defaults() {
    let checked = check(GOOD).unwrap();
    assert_eq!(checked.warnings, []);
    let config = checked.config;
    assert_eq!(config.kafka.brokers, Brokers::At(vec!["kafka-1:9092".to_owned()]));
    let (name, connector) = config.connectors.iter().next().unwrap();
    let made = crate::config::Connector::new(connector.plugin.clone(), connector.egress.endpoint.clone());
    assert_eq!(format!("{connector:?}"), format!("{made:?}"));
    let (own, subscription) = config.subscriptions.iter().next().unwrap();
    let topics = vec!["policy-events".to_owned()];
    let made = crate::config::Subscription::new(own, name.clone(), topics);
    assert_eq!(format!("{subscription:?}"), format!("{made:?}"));
    assert!(subscription.types.set().is_match("policy.updated") && subscription.types.set().is_match("a/b"));
    assert_eq!(
        config.plugins.values().next().unwrap().source.file(),
        Some(base().join("Cargo.toml").as_path())
    );
    assert_eq!(config.runtime.workers, 1, "at most one a connector");
    assert_eq!(config.admin.address, Some("127.0.0.1:9464".parse().unwrap()));
}

#[test]
fn what_is_written_is_what_is_used() {
    let text = r#"[kafka]
brokers = "embedded"
properties = { "session.timeout.ms" = 15000, "check.crcs" = true }
group-prefix = "dept"
[plugins.p]
path = "Cargo.toml"
instances = { warm = 7 }
limits = { memory = "1MB", log-lines = 0 }
[transformers.t]
plugin = "p"
settings = { at = 2026-01-02T03:04:05Z, n = 1, list = [true] }
[connectors.c]
plugin = "p"
endpoint = "http://127.0.0.1:8080"
credential = { basic = { username = "u", password = { file = "Cargo.toml" } } }
allow = ["https://login.example.gov:8443"]
allow-networks = ["127.0.0.1", "10.0.0.0/8"]
idempotency-header = false
[subscriptions.s]
connector = "c"
topics = ["a", "b"]
types = ["policy.*"]
filter = "event.type == 'a' && event.items.exists(item, item > 1)"
transformers = ["t"]
ordering = "none"
conflict = { policy = "target-wins" }
sla = { max-attempts = 9 }
[sla.default]
max-attempts = 2
deadline = "1h"
[sla.x]
multiplier = 3
max-attempts = 4
[admin]
address = false
token = { file = "Cargo.toml" }
"#;
    let checked = check(text).unwrap();
    let config = checked.config;
    assert_eq!(config.kafka.brokers, Brokers::Embedded);
    let properties: Vec<_> = config.kafka.properties.into_iter().collect();
    let expected = [("check.crcs", "true"), ("session.timeout.ms", "15000")];
    assert_eq!(properties, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let plugin = config.plugins.values().next().unwrap();
    assert_eq!(plugin.instances, Instances::Warm { calls: 7 });
    assert_eq!((plugin.limits.memory_bytes, plugin.limits.log_lines), (1_000_000, 0));
    let transformer = config.transformers.values().next().unwrap();
    let settings = serde_json::json!({ "at": "2026-01-02T03:04:05Z", "n": 1, "list": [true] });
    assert_eq!(serde_json::Value::from(transformer.settings.clone()), settings);
    let egress = &config.connectors.values().next().unwrap().egress;
    let password = SecretRef::File(base().join("Cargo.toml"));
    assert_eq!(egress.credential, Some(Credential::Basic { username: "u".to_owned(), password }));
    assert_eq!(egress.allow[0].origin.ascii_serialization(), "https://login.example.gov:8443");
    let networks: Vec<_> = egress.allow_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["127.0.0.1/32", "10.0.0.0/8"]);
    assert_eq!(egress.idempotency_header, None);
    let subscription = config.subscriptions.values().next().unwrap();
    assert_eq!((subscription.ordering, subscription.group.as_str()), (Ordering::None, "dept.s"));
    assert_eq!(subscription.conflict, ConflictPolicy::TargetWins);
    assert!(
        subscription.types.set().is_match("policy.updated")
            && !subscription.types.set().is_match("schedule.updated")
    );
    let (other, own) = (subscription.sla.of("other"), subscription.sla.of("x"));
    assert_eq!((other.max_attempts, other.multiplier), (9, 2.0));
    assert_eq!((own.max_attempts, own.multiplier), (9, 3.0));
    assert_eq!(own.deadline, Some(Duration::from_secs(3600)));
    assert_eq!(config.admin.address, None);
    assert_eq!(config.admin.token, Some(SecretRef::File(base().join("Cargo.toml"))));
    let warnings: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["connectors.c.endpoint: the credential travels as plain text; use https outside a test"]
    );
}

#[test]
fn the_pinned_content_is_accepted() {
    let digest = sha2::Sha256::digest(std::fs::read(base().join("Cargo.toml")).unwrap());
    let digits: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    let pinned = format!("path = \"Cargo.toml\"\nsha256 = \"{digits}\"");
    let config = check(&GOOD.replacen("path = \"Cargo.toml\"", &pinned, 1)).unwrap().config;
    assert_eq!(config.plugins.values().next().unwrap().sha256, Some(digest.into()));
}

#[test]
fn a_plugin_knows_its_source_its_registry_and_its_signers() {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let folder = std::env::temp_dir().join(format!("liaison-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let key = folder.join("a.pub");
    std::fs::write(&key, "-----BEGIN PUBLIC KEY-----").unwrap();
    let text = format!(
        "{GOOD}[plugins.a]\nimage = \"oci://127.0.0.1:5000/a@sha256:{digest}\"\nsigners = [\"b\"]\n\
         [registries.\"127.0.0.1:5000\"]\nplain-http = true\ntimeout = \"7s\"\n\
         credential = {{ basic = {{ username = \"u\", password = {{ env = \"TOKEN\" }} }} }}\n\
         [trust.keys]\na = {{ file = \"{key}\" }}\nb = {{ file = \"{key}\" }}\n",
        key = key.display()
    );
    let config = check(&text).unwrap().config;
    std::fs::remove_dir_all(folder).unwrap();
    let [a, rest] = ["a", "rest"].map(|name| &config.plugins[&crate::config::PluginName::new(name)]);
    let Source::Registry(image) = &a.source else { panic!("{a:?}") };
    assert_eq!((image.repository.as_str(), image.digest.hex().as_str()), ("a", digest));
    assert!(image.registry.is_plain_http && image.registry.timeout == Duration::from_secs(7));
    assert!(
        matches!(&image.registry.credential, Some(RegistryCredential::Basic { username, .. }) if username == "u")
    );
    let names = |plugin: &crate::config::Plugin| -> Vec<String> {
        plugin.signers.keys.iter().map(|key| key.name.to_string()).collect()
    };
    assert_eq!((names(a), a.signers.is_required), (vec!["b".to_owned()], true));
    assert_eq!((names(rest), rest.signers.is_required), (vec!["a".to_owned(), "b".to_owned()], false));
    assert!(matches!(&rest.source, Source::File(file) if file.ends_with("Cargo.toml")));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let text = format!(
        "{GOOD}[plugins.spare]\npath = \"Cargo.toml\"\n[transformers.t]\nplugin = \"rest\"\n[connectors.c]\nplugin = \"rest\"\n\
         endpoint = \"https://c\"\n[admin]\naddress = \"0.0.0.0:9464\"\n[kafka.properties]\n\"sasl.password\" = \"x\"\n\
         [registries.\"r.example\"]\nplain-http = true\n"
    );
    let warnings = check(&text).unwrap().warnings;
    let said: Vec<_> =
        warnings.iter().map(|warning| format!("{}: {warning}", warning.position.unwrap().line)).collect();
    assert_eq!(
        said,
        [
            "11: plugins.spare: no connector or transformer uses it",
            "13: transformers.t: no subscription uses it",
            "15: connectors.c: no subscription uses it",
            "19: admin.address: 0.0.0.0:9464 can be reached from other machines, and shows health and metrics to whoever asks",
            "21: kafka.properties.\"sasl.password\": holds a secret as plain text; [kafka.security] takes it by reference, else let nobody but the host read this file",
            "22: registries.\"r.example\": no plugin uses it",
            "23: registries.\"r.example\".plain-http: anybody on the way sees which plugins are fetched, and can keep them back; use TLS outside a test",
        ]
    );
}

proptest! {
    /// Whatever becomes of a file, it is answered, and each mistake stands in it.
    #[test]
    fn damage_is_answered_with_mistakes_that_stand_in_the_file(at in any::<Index>(), length in 0..40usize, put in "[\\[\\]{}=.#\"\n a-z0-9é-]{0,6}") {
        let example: Vec<char> = include_str!("../../../liaison.example.toml").chars().collect();
        let from = at.index(example.len());
        let to = (from + length).min(example.len());
        let text: String = example[..from].iter().chain(&put.chars().collect::<Vec<_>>()).chain(&example[to..]).collect();
        // The plugins' files are not there, so there is a mistake in any case.
        let errors = check(&text).expect_err("no plugin can be read");
        for mistake in errors.mistakes() {
            prop_assert!(!mistake.text.is_empty());
            if let Some(position) = mistake.position {
                let line = text.split('\n').nth(position.line - 1).unwrap();
                prop_assert!(position.column <= line.chars().count() + 1, "{mistake} at {position:?}");
            }
        }
    }
}
