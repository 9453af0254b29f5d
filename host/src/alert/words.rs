//! The words of alerts: what each kind is called, what a person may do about it, and how it ends.

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// Events were given up.
    DeadLetter,
    /// Events missed their deadline.
    DeadlineMissed,
    /// Events will miss their deadline at the rate at which events settle now.
    AtRisk,
    /// So many events miss their deadline that the SLA's objective will be missed.
    Burning,
    /// An external system refuses our credentials: the subscription is paused.
    Denied,
    /// A connector counts as down.
    BreakerOpened,
    /// A connector's own check says that its external system is not usable.
    Unusable,
    /// Kafka does not take a dead letter: offsets are held.
    ProduceFailing,
    /// Most deliveries of a subscription would be dead letters: it waits.
    Flood,
    /// No broker has answered for long.
    KafkaAway,
    /// The oldest undelivered event is nearly as old as its topic keeps events.
    RetentionNear,
    /// Kafka deleted events before they were read.
    RetentionLost,
    /// A new version of a plugin was refused or rolled back.
    PluginVersion,
    /// The schema registry gives no schema: events wait.
    SchemaRegistryAway,
}

/// How the cause of an alert ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Whoever raised it says that it is over.
    Told,
    /// It is over when it has not been raised again for a while.
    Quiet,
}

impl AlertKind {
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::DeadLetter => "dead-letter",
            AlertKind::DeadlineMissed => "deadline-missed",
            AlertKind::AtRisk => "at-risk",
            AlertKind::Burning => "burning",
            AlertKind::Denied => "denied",
            AlertKind::BreakerOpened => "breaker-opened",
            AlertKind::Unusable => "unusable",
            AlertKind::ProduceFailing => "produce-failing",
            AlertKind::Flood => "flood",
            AlertKind::KafkaAway => "kafka-away",
            AlertKind::RetentionNear => "retention-near",
            AlertKind::RetentionLost => "retention-lost",
            AlertKind::PluginVersion => "plugin-version",
            AlertKind::SchemaRegistryAway => "schema-registry-away",
        }
    }

    /// For the subject of a message. Holds nothing that comes from an event.
    pub(super) fn title(self) -> &'static str {
        match self {
            AlertKind::DeadLetter => "events are given up",
            AlertKind::DeadlineMissed => "events miss their deadline",
            AlertKind::AtRisk => "events will miss their deadline",
            AlertKind::Burning => "the SLA's objective will be missed",
            AlertKind::Denied => "credentials are refused",
            AlertKind::BreakerOpened => "the external system is down",
            AlertKind::Unusable => "a connector's check fails",
            AlertKind::ProduceFailing => "dead letters cannot be written",
            AlertKind::Flood => "most events would be given up",
            AlertKind::KafkaAway => "Kafka does not answer",
            AlertKind::RetentionNear => "Kafka will delete events before they are delivered",
            AlertKind::RetentionLost => "Kafka deleted events before they were delivered",
            AlertKind::PluginVersion => "a new version of a plugin is not used",
            AlertKind::SchemaRegistryAway => "the schema registry does not answer",
        }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            AlertKind::DeadLetter => {
                "see them by `liaison dead-letters list`; `show` says of each what to do. The other events go on"
            }
            AlertKind::DeadlineMissed => {
                "look whether the external system is slow or down; the events are still delivered"
            }
            AlertKind::AtRisk => {
                "speed up the external system, raise the connector's `concurrency`, or add a host"
            }
            AlertKind::Burning => {
                "find out why events are late (the attempts' outcomes and durations are in the metrics) before the \
                 objective's window is used up"
            }
            AlertKind::Denied => {
                "mend the connector's `credential`, or its rights in the external system; delivery goes on by itself"
            }
            AlertKind::BreakerOpened => {
                "tell those who run the external system; its events wait in Kafka and delivery goes on by itself"
            }
            AlertKind::Unusable => {
                "mend the connector's settings, its `credential` or the external system until `liaison check --live` is \
                 content; events are delivered meanwhile, as far as that goes"
            }
            AlertKind::ProduceFailing => {
                "look at the brokers and at the rights on the dead-letter topic; the events' offsets are held until then"
            }
            AlertKind::Flood => {
                "mend the plugin, its settings or the external system, whichever refuses; delivery goes on by itself"
            }
            AlertKind::KafkaAway => {
                "look at the brokers and at the network between them and this host; delivery goes on by itself"
            }
            AlertKind::RetentionNear => {
                "raise the topic's `retention.ms` now, then see why its events are not delivered"
            }
            AlertKind::RetentionLost => {
                "the events of these offsets must be sent again by their source; raise the topic's retention"
            }
            AlertKind::PluginVersion => {
                "mend the plugin, or put the version back that is live; events go on with that one meanwhile"
            }
            AlertKind::SchemaRegistryAway => {
                "look at the registry and at its `credential`; its events wait in Kafka and delivery goes on by itself"
            }
        }
    }

    /// Does it not mend itself?
    pub(super) fn needs_a_person(self) -> bool {
        match self {
            AlertKind::Denied
            | AlertKind::Unusable
            | AlertKind::ProduceFailing
            | AlertKind::Flood
            | AlertKind::KafkaAway
            | AlertKind::RetentionNear
            | AlertKind::RetentionLost
            | AlertKind::PluginVersion
            | AlertKind::SchemaRegistryAway => true,
            AlertKind::DeadLetter
            | AlertKind::DeadlineMissed
            | AlertKind::AtRisk
            | AlertKind::Burning
            | AlertKind::BreakerOpened => false,
        }
    }

    pub(super) fn ending(self) -> Ending {
        match self {
            AlertKind::DeadLetter | AlertKind::DeadlineMissed | AlertKind::RetentionLost => Ending::Quiet,
            AlertKind::AtRisk
            | AlertKind::Burning
            | AlertKind::Denied
            | AlertKind::BreakerOpened
            | AlertKind::Unusable
            | AlertKind::ProduceFailing
            | AlertKind::Flood
            | AlertKind::KafkaAway
            | AlertKind::RetentionNear
            | AlertKind::PluginVersion
            | AlertKind::SchemaRegistryAway => Ending::Told,
        }
    }
}
