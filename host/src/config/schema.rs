//! The JSON Schema of the configuration file, for editors and for other tools that write one.

use super::settings::Settings;

/// The JSON Schema (draft 2020-12) of the file, made from the types that read it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

#[cfg(test)]
mod tests {
    //! The example file shows what the schema knows, and nothing else.

    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use serde_json::{Value, json};

    use super::schema;
    use crate::config::read::read;
    use crate::config::{
        Checked, Config, Connector, ConnectorName, Intake, Plugin, PluginName, Route, Subscription,
        SubscriptionName,
    };

    const EXAMPLE: &str = include_str!("../../liaison.example.toml");

    /// The example with what is off switched on: `#key = …`, where prose begins with `# `.
    fn all_on() -> String {
        let is_setting = |rest: &&str| !rest.starts_with([' ', '#']);
        let lines = EXAMPLE.lines().map(|line| line.strip_prefix('#').filter(is_setting).unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A folder with the files that the example names; it is removed again.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = Self(std::env::temp_dir().join(format!("liaison-{name}-{}", std::process::id())));
            for (file, content) in [
                ("plugins/rest.wasm", ""),
                ("plugins/reshape.wasm", ""),
                ("secrets/admin", "a-token-that-nobody-guesses"),
                ("secrets/portal", "another-token-that-nobody-guesses"),
                ("schemas/policy.json", r#"{"type": "object"}"#),
                ("plugins/bookings/oci-layout", "{}"),
                ("keys/agency.pub", "-----BEGIN PUBLIC KEY-----"),
                ("secrets/documents", "secret"),
                ("secrets/roster", "secret"),
                ("portal.crt", "-----BEGIN CERTIFICATE-----"),
                ("portal.key", "-----BEGIN PRIVATE KEY-----"),
                ("agency-ca.pem", "-----BEGIN CERTIFICATE-----"),
                ("notes.txt", "notes"),
                ("service.wsdl", "<definitions/>"),
                ("kafka-ca.pem", "-----BEGIN CERTIFICATE-----"),
                ("liaison.pem", "-----BEGIN CERTIFICATE-----"),
                ("liaison-key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            ] {
                let file = folder.0.join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn load(text: &str, base: &Path) -> Checked {
        let variable = |_: &str| Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        read(text, base, &variable).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn the_example_loads_without_a_warning_as_it_is_and_with_everything_on() {
        let folder = Folder::new("example");
        assert_eq!(load(EXAMPLE, &folder.0).warnings, []);
        assert_eq!(load(&all_on(), &folder.0).warnings, []);
    }

    /// The values marked as examples are taken from the example; all others must be what is there without it.
    #[test]
    fn the_example_shows_the_defaults() {
        let folder = Folder::new("defaults");
        let shown = load(EXAMPLE, &folder.0).config;
        let mut expected = Config::new(shown.kafka.brokers.clone());
        expected.kafka.properties = shown.kafka.properties.clone();
        same(&shown.kafka, &expected.kafka);
        let plugin = &shown.plugins[&PluginName::new("rest")];
        same(plugin, &Plugin::from_source(plugin.source.clone()));
        let connector = &shown.connectors[&ConnectorName::new("training-calendar")];
        let mut made = Connector::new(connector.plugin.clone(), connector.egress.endpoint.clone());
        made.settings = connector.settings.clone();
        made.egress.credential = connector.egress.credential.clone();
        same(connector, &made);
        let name = SubscriptionName::new("calendar");
        let subscription = &shown.subscriptions[&name];
        let mut made = Subscription::new(&name, subscription.connector.clone(), subscription.topics.clone());
        made.transformers = subscription.transformers.clone();
        made.sla.by_type = subscription.sla.by_type.clone();
        same(subscription, &made);
        assert_eq!(shown.admin, expected.admin);
        let intake = shown.intake.unwrap();
        let made = Intake::new(intake.address);
        assert_eq!((intake.limits, intake.remember), (made.limits, made.remember));
        let route = &intake.routes[0];
        same(route, &Route { types: route.types.clone(), ..Route::to(&route.topic) });
        expected.runtime.workers = shown.runtime.workers;
        same(&shown.runtime, &expected.runtime);
    }

    fn same(shown: &impl std::fmt::Debug, made: &impl std::fmt::Debug) {
        assert_eq!(format!("{shown:#?}"), format!("{made:#?}"));
    }

    #[test]
    fn the_example_shows_every_property_of_the_schema() {
        let example: toml::Table = all_on().parse().unwrap();
        let example = serde_json::to_value(example).unwrap();
        let mut found = Properties { root: schema(), ..Properties::default() };
        found.collect("#", &[&example]);
        let missing: Vec<_> = found.known.difference(&found.shown).collect();
        assert_eq!(missing, Vec::<&String>::new());
        assert!(found.known.contains("#/$defs/BreakerSettings/properties/pause-after"), "{:?}", found.known);
    }

    /// Properties of the schema by their place in it; a definition in use twice need be shown once.
    #[derive(Default)]
    struct Properties {
        root: Value,
        known: BTreeSet<String>,
        shown: BTreeSet<String>,
    }

    impl Properties {
        /// Follows the schema at `place` along these values of it.
        fn collect(&mut self, place: &str, values: &[&Value]) {
            let schema = self.root.pointer(place.trim_start_matches('#')).unwrap().clone();
            if let Some(definition) = schema["$ref"].as_str() {
                self.collect(definition, values);
            }
            for key in ["anyOf", "oneOf"] {
                for index in 0..schema[key].as_array().map_or(0, Vec::len) {
                    self.collect(&format!("{place}/{key}/{index}"), values);
                }
            }
            for name in schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys())
            {
                let place = format!("{place}/properties/{name}");
                let values: Vec<_> = values.iter().filter_map(|value| value.get(name)).collect();
                // A choice, such as that of a secret, is repeated wherever it is required: its key alone counts.
                let key = if place.contains("/oneOf/") { name.clone() } else { place.clone() };
                if !values.is_empty() {
                    self.shown.insert(key.clone());
                }
                self.known.insert(key);
                self.collect(&place, &values);
            }
            if schema["additionalProperties"].is_object() {
                let values = values.iter().filter_map(|value| value.as_object());
                let values: Vec<_> = values.flat_map(|map| map.values()).collect();
                self.collect(&format!("{place}/additionalProperties"), &values);
            }
        }
    }

    #[test]
    fn the_schema_describes_every_property_and_refuses_others() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().unwrap().values();
        for table in definitions.chain([&schema]) {
            let choices = table["oneOf"].as_array().into_iter().flatten();
            for table in choices.chain([table]).filter(|table| table["properties"].is_object()) {
                assert_eq!(table["additionalProperties"], Value::Bool(false), "{table:#}");
                for (name, property) in table["properties"].as_object().unwrap() {
                    // What a choice means is said beside its only key.
                    let is_described =
                        property["description"].is_string() || table["required"] == json!([name]);
                    assert!(is_described, "{name} in {table:#}");
                }
            }
        }
        assert_eq!(schema["required"], json!(["kafka"]));
        assert_eq!(schema["$defs"]["ConnectorSettings"]["required"], json!(["plugin", "endpoint"]));
    }
}
