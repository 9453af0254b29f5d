//! Checks `[kafka.schema-registry]`.

use super::provenance::credential;
use super::subscriptions::check_topic;
use super::{Checker, secrets, set};
use crate::config::SchemaRegistry;
use crate::config::document::KeyPath;
use crate::config::settings::SchemaRegistrySettings;

pub(super) fn schema_registry(
    settings: SchemaRegistrySettings,
    checker: &mut Checker<'_>,
) -> Option<SchemaRegistry> {
    let path = KeyPath::of(&["kafka", "schema-registry"]);
    let mend = "write such as \"https://registry.example.gov\"";
    let url = checker.required(&path.key("url"), settings.url, mend);
    let url = url.and_then(|url| checker.http_url(&path.key("url"), &url));
    if url.as_ref().is_some_and(|url| url.query().is_some()) {
        checker.mistake(&path.key("url"), "must hold no query (`?…`); leave it out");
    }
    let has_credential = settings.credential.is_some();
    let credential =
        settings.credential.and_then(|written| credential(&path.key("credential"), written, checker));
    if has_credential && url.as_ref().is_some_and(|url| url.scheme() == "http") {
        let text = "goes over the network as plain text: the address begins with http://";
        checker.warning(&path.key("credential"), text);
    }
    let ca_file =
        settings.ca_file.map(|file| secrets::certificate_file(&path.key("ca-file"), &file, checker));
    checker.not_zero(&path.key("timeout"), settings.timeout);
    if checker.document.has_empty_list(&path.key("topics")) {
        checker.mistake(&path.key("topics"), "names no topic; leave it out for every topic");
    }
    for (index, topic) in settings.topics.iter().flatten().enumerate() {
        check_topic(&path.key("topics").index(index), topic, checker);
    }
    let mut registry = SchemaRegistry::new(url?);
    set(&mut registry.timeout, settings.timeout);
    set(&mut registry.cache, settings.cache);
    Some(SchemaRegistry { credential, ca_file, topics: settings.topics, ..registry })
}
