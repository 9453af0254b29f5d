//! The demo's `liaison.toml`: a configuration as people write it.

use std::net::SocketAddr;

use super::systems::{Subscriber, Systems};

/// The topic of all events.
pub(super) const TOPIC: &str = "agency-events";
/// The file, beside the configuration, that holds the calendar's token.
pub(super) const TOKEN_FILE: &str = "calendar.token";

/// The text of the file. Its folder is `demo` in the target folder, beside the plugins'.
pub(super) fn text(bootstrap: &str, admin: SocketAddr, systems: &Systems) -> String {
    let url = |subscriber| systems.of(subscriber).url();
    let (calendar, documents, compliance) =
        (url(Subscriber::Calendar), url(Subscriber::Documents), url(Subscriber::Compliance));
    format!(
        r#"# Written by the demo. The addresses hold as long as it runs.

[kafka]
brokers = ["{bootstrap}"]

[kafka.properties]
"fetch.wait.max.ms" = "10"                  # the demo's broker tells of new events only after this

[admin]
address = "{admin}"                         # /healthz, /readyz and /metrics

[runtime]
cache = "cache"                             # compiled plugins

# --- Plugins: WebAssembly components without I/O ------------------------------------------------

[plugins.rest]
path = "../wasm32-wasip2/plugin/rest.wasm"

[plugins.reshape]
path = "../wasm32-wasip2/plugin/reshape.wasm"

[transformers.to-document]
plugin = "reshape"

[transformers.to-document.settings]
type = "document.changed"
jq = '''
select(.status == "published")
| {{
    document: .number,
    title: "\(.title) (\(.unit))",
    revision: .revision,
    changed: .updatedAt,
    event: $event.id
  }}
'''

# --- Connectors: a plugin with one external system ----------------------------------------------

[connectors.training-calendar]
plugin = "rest"
endpoint = "{calendar}"
allow-networks = ["127.0.0.1"]              # refused unless it is named, for it is not public
credential = {{ bearer = {{ file = "{TOKEN_FILE}" }} }}   # no plugin ever sees it

[connectors.training-calendar.settings]
method = "PUT"
path = "/events/{{id}}"
check-path = "/health"
headers = {{ ce-id = "{{id}}", ce-type = "{{type}}" }}

[connectors.document-repository]
plugin = "rest"
endpoint = "{documents}"
allow-networks = ["127.0.0.1"]
breaker = {{ probe-interval = "400ms", max-probe-interval = "800ms", pause-after = "800ms" }}

[connectors.document-repository.settings]
method = "PUT"
path = "/documents/{{/document}}"           # a part of the data
check-path = "/health"
headers = {{ ce-id = "{{id}}", ce-type = "{{type}}" }}

[connectors.compliance-database]
plugin = "rest"
endpoint = "{compliance}"
allow-networks = ["127.0.0.1"]

[connectors.compliance-database.settings]
method = "POST"
path = "/records"
check-path = "/health"
headers = {{ ce-id = "{{id}}", ce-type = "{{type}}" }}

# --- Subscriptions: which events go to which connector ------------------------------------------

[subscriptions.calendar]
connector = "training-calendar"
topics = ["{TOPIC}"]
types = ["schedule.updated", "training.cancelled"]

[subscriptions.documents]
connector = "document-repository"
topics = ["{TOPIC}"]
types = ["policy.updated"]
transformers = ["to-document"]

[subscriptions.compliance]
connector = "compliance-database"
topics = ["{TOPIC}"]
types = ["policy.*", "training.cancelled", "audit.logged"]
filter = "event.type != 'audit.logged' || event.data.severity >= 3"

# --- SLA: what is promised for each event -------------------------------------------------------

[sla.default]
max-attempts = 4
initial-interval = "200ms"
max-interval = "2s"
deadline = "30s"
"#
    )
}
