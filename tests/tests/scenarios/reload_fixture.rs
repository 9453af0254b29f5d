//! A host as a process whose configuration changes: an embedded broker, and a system for each of its subscriptions.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::produce::cloudevent;
use liaison_tests::proof;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{port, wait};
use serde_json::json;

use crate::fixture::LIMIT;

/// What shows that somebody may change something.
pub(crate) const TOKEN: &str = "5f0c9a1e77b24d33";
const VARIABLE: &str = "LIAISON_ADMIN_TOKEN";

/// All subscriptions there can be, each with a topic of its own and `shared`, which several may read.
pub(crate) const NAMES: [&str; 3] = ["calendar", "documents", "roster"];
pub(crate) const SHARED: &str = "shared";

/// A subscription as the configuration has it: its name, and more of it and of its connector.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sub<'a> {
    pub(crate) name: &'a str,
    /// Its own topic where it is empty.
    pub(crate) topic: &'a str,
    pub(crate) settings: &'a str,
    pub(crate) connector: &'a str,
}

impl<'a> Sub<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Reads the topic that others read too.
    pub(crate) fn of_shared(name: &'a str) -> Self {
        Self { topic: SHARED, ..Self::new(name) }
    }
}

/// What does not change.
pub(crate) struct Ground {
    pub(crate) broker: Embedded,
    systems: Vec<System>,
    admin: SocketAddr,
}

impl Ground {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let letters: Vec<_> = NAMES.iter().map(|name| format!("liaison.dead-letters.{name}")).collect();
        let topics = NAMES.iter().map(|name| (*name, 2)).chain([(SHARED, 2)]);
        let topics: Vec<_> = topics.chain(letters.iter().map(|topic| (topic.as_str(), 1))).collect();
        let broker = Embedded::start(&topics)?;
        let systems = NAMES.iter().map(|name| System::start(name, Behaviour::ok()));
        Ok(Self { broker, systems: systems.collect::<anyhow::Result<_>>()?, admin: port::free()? })
    }

    pub(crate) fn system(&self, name: &str) -> &System {
        self.systems.iter().find(|system| system.name() == name).expect("it is one of the names")
    }

    /// A configuration with these subscriptions. `tables` stands at its end.
    pub(crate) fn text(&self, subscriptions: &[Sub<'_>], tables: &str) -> anyhow::Result<String> {
        let (bootstrap, admin, component) = (self.broker.bootstrap(), self.admin, plugin("rest")?);
        let mut text = format!(
            "[kafka]\nbrokers = [\"{bootstrap}\"]\n[admin]\naddress = \"{admin}\"\ntoken = {{ env = \"{VARIABLE}\" \
             }}\n[plugins.rest]\npath = \"{}\"\n",
            component.display()
        );
        for Sub { name, topic, settings, connector } in subscriptions {
            let topic = if topic.is_empty() { name } else { topic };
            write!(
                text,
                "[connectors.{name}]\nplugin = \"rest\"\nendpoint = \"{}\"\nallow-networks = [\"127.0.0.0/8\"]\nsettings = \
                 {{ path = \"/events/{{id}}\" }}\n{connector}\n[subscriptions.{name}]\nconnector = \"{name}\"\ntopics = \
                 [\"{topic}\"]\ntypes = [\"*\"]\n{settings}\n",
                self.system(name).url()
            )?;
        }
        Ok(text + tables)
    }

    /// A host that has all partitions of these subscriptions.
    pub(crate) fn start(&self, subscriptions: &[Sub<'_>]) -> anyhow::Result<HostProcess> {
        let mut host = self.launch(&self.text(subscriptions, "")?)?;
        host.wait_ready(LIMIT)?;
        for subscription in subscriptions {
            self.wait_for_partitions(&host, subscription.name)?;
        }
        Ok(host)
    }

    pub(crate) fn launch(&self, text: &str) -> anyhow::Result<HostProcess> {
        HostProcess::start(text, self.admin, &[(VARIABLE, TOKEN)])
    }

    pub(crate) fn wait_for_partitions(&self, host: &HostProcess, name: &str) -> anyhow::Result<()> {
        let labels = [("subscription", name)];
        let has_all = || metric(host, "liaison_partitions_assigned", &labels) == Some(2.0);
        wait::until(LIMIT, &format!("partitions of {name}"), has_all)
    }

    /// The system has each of these events once, in the order of each key, and no other.
    pub(crate) fn prove(&self, name: &str, events: &[(String, String)]) {
        let ledger = self.system(name).ledger();
        let delivered = proof::delivered(&ledger, |entry| entry.path.strip_prefix("/events/"));
        let ids: Vec<_> = events.iter().map(|(_, id)| id.as_str()).collect();
        let pairs: Vec<_> = events.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
        assert_eq!(proof::lost(&ids, &delivered, &[]), [""; 0], "{name}");
        assert_eq!(proof::unexpected(&ids, &delivered, &[]), [""; 0], "{name}");
        assert_eq!(proof::duplicates(&delivered), [].into(), "{name}");
        assert_eq!(proof::out_of_order(&pairs, &delivered), [], "{name}");
    }

    /// Of the system with this name: the longest time between two requests in this window.
    pub(crate) fn longest_gap(&self, name: &str, from: Instant, to: Instant) -> Duration {
        let ledger = self.system(name).ledger();
        let times = ledger.iter().map(|entry| entry.received).filter(|at| (from..=to).contains(at));
        let times: Vec<_> = [from].into_iter().chain(times).chain([to]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// A metric now; `None` where there is none.
pub(crate) fn metric(host: &HostProcess, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    host.metrics().ok()?.get(name, labels)
}

/// Waits until so many reloads have come to this.
pub(crate) fn wait_for_reloads(host: &HostProcess, result: &str, count: f64) -> anyhow::Result<()> {
    let labels = [("result", result)];
    let is_there =
        || metric(host, "liaison_config_reloads_total", &labels).is_some_and(|found| found >= count);
    wait::until(LIMIT, &format!("{count} reloads {result}"), is_there).with_context(|| host.log().join("\n"))
}

/// What the host answers when it is told to reload by who may.
pub(crate) fn reload(host: &HostProcess) -> anyhow::Result<(u16, serde_json::Value)> {
    let token = format!("Bearer {TOKEN}");
    let (status, body) = host.post("/reload", &[("authorization", &token)], "")?;
    Ok((status, serde_json::from_str(&body).with_context(|| body.clone())?))
}

/// Key and identifier of so many events whose ids begin with this.
pub(crate) fn events(prefix: &str, count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("k-{}", number % 20), format!("{prefix}-{number}"))).collect()
}

pub(crate) fn records(topic: &str, events: &[(String, String)]) -> Vec<Outgoing> {
    let record =
        |(key, id): &(String, String)| cloudevent(topic, "policy.updated", id, key, &json!({ "id": id }));
    events.iter().map(record).collect()
}
