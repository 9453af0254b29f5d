//! A task with a test's hands in the place of all that it hands its work to: plugins, external system and Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::Health;
use crate::alert::alerts;
use crate::config::{self, ConnectorName, PluginName, SubscriptionName};
use crate::contract::{Delivery, Fault, Outcome, Receipt, Retry, Step};
use crate::dead_letter::Blamed;
use crate::delivery::attempt::Attempt;
use crate::delivery::breaker::FailureKind;
use crate::event::{DecodeRules, Event, Origin, Record};
use crate::kafka::client::test_settings;
use crate::kafka::consumer::{Assigned, Batch, Command, Control, Partition};
use crate::kafka::producer::{Outgoing, Producer};
use crate::native::NativeConnector;
use crate::schema_registry::{SchemaRegistry, Schemas};
use crate::subscription::carried::{Carried, Place, unix_ms};
use crate::subscription::filter::Filter;
use crate::subscription::lanes::LaneId;
use crate::subscription::parked::seal;
use crate::subscription::share::Share;
use crate::subscription::stages::served::Tally;
use crate::subscription::stages::{Done, Job, Loaded, StagesPlan, Stopped};
use crate::subscription::task::Task;
use crate::subscription::weight::Scales;
use crate::subscription::{KnownRetentions, SubscriptionPlan, Witness};
use crate::telemetry::Telemetry;
use crate::whereabouts::Whereabouts;

/// A topic whose records were parked, and for how long.
pub(super) const DELAY: (&str, Duration) = ("liaison.s.delay.1m", Duration::from_secs(60));

/// Never asked: the test says what came of a turn.
#[derive(Debug)]
struct Nobody;

impl NativeConnector for Nobody {
    fn deliver(&self, _: &Delivery) -> Step {
        Step::Settle(Outcome::Delivered(Receipt::default()))
    }
}

/// What the worker of a subscription is given; Kafka is nowhere.
pub(super) fn plan(settle: impl FnOnce(&mut config::Subscription)) -> SubscriptionPlan {
    let (name, connector_name) = (SubscriptionName::new("s"), ConnectorName::new("c"));
    let mut settings = config::Subscription::new(&name, connector_name.clone(), vec!["t".to_owned()]);
    settings.parking.delays = vec![DELAY.1];
    settle(&mut settings);
    let plugin = PluginName::new("p");
    let connector = config::Connector::new(plugin, "http://c.example/".parse().unwrap());
    let (telemetry, health) = (Telemetry::new(), Health::new());
    let (sender, _told_nobody) = alerts(&config::Alerts::default(), telemetry.alerts().clone()).unwrap();
    let witness = Witness {
        whereabouts: Whereabouts::default(),
        subscription: name.clone(),
        connector: connector_name.clone(),
        group: settings.group.clone(),
        plugin: None,
        sla: settings.sla.clone(),
        metrics: telemetry.subscription(&name, &connector_name),
        conflicts: telemetry.conflicts(&name, &connector_name, settings.conflict.name()),
        parked: BTreeMap::new(),
        alerts: sender,
        health: health.clone(),
        mask: config::mask::Mask::default(),
    };
    let kafka = test_settings(&[]);
    let producer = Arc::new(Producer::new(&kafka, "127.0.0.1:1").unwrap());
    let stages = StagesPlan {
        subscription: name,
        connector_name,
        connector,
        plugin: Loaded::Native(Arc::new(Nobody)),
        transformers: Vec::new(),
        telemetry,
        mask: witness.mask.clone(),
        spool_folder: config::Runtime::default().spool_folder(),
    };
    SubscriptionPlan {
        settings,
        kafka,
        bootstrap: String::new(),
        delays: BTreeMap::from([(DELAY.0.to_owned(), DELAY.1)]),
        stages,
        witness,
        producer,
        health,
        retentions: watch::channel(KnownRetentions { of_topics: Default::default(), warn_at_share: 0.8 }).1,
        registry: SchemaRegistry::default(),
    }
}

/// A task, and the other end of what it tells the consumer.
pub(super) struct World {
    pub(super) task: Task,
    pub(super) commands: Receiver<Command>,
}

impl World {
    pub(super) fn new(plan: &SubscriptionPlan) -> Self {
        let metrics = plan.stages.telemetry.connector(&plan.stages.connector_name);
        let share = Share::new(&plan.stages.connector, metrics);
        let filter = Filter::new(plan.settings.types.set().clone(), None).unwrap();
        let (sender, commands) = sync_channel(64);
        Self { task: Task::new(plan, filter, share, sender), commands }
    }

    /// The partition of a topic, as nobody had it before.
    pub(super) fn assign(&mut self, epoch: u64, partitions: &[(&str, i32)]) {
        let new = |at: &(&str, i32)| Assigned {
            partition: partition(at.0, at.1),
            committed: None,
            metadata: String::new(),
        };
        let partitions = partitions.iter().map(new).collect();
        self.task.control(Control::Assigned { epoch, partitions }, Instant::now());
    }

    pub(super) fn receive(&mut self, epoch: u64, records: Vec<Record>) {
        self.task.receive(Batch { epoch, records }, Schemas::default());
    }

    /// The next turn, with the id of its event.
    pub(super) fn start(&mut self) -> Option<(LaneId, Job)> {
        self.task.next_job(Instant::now(), unix_ms())
    }

    /// The ids of all events whose turns start now.
    pub(super) fn start_all(&mut self) -> Vec<(String, LaneId, Job)> {
        std::iter::from_fn(|| self.start()).map(|(lane, job)| (job.event.id.clone(), lane, job)).collect()
    }

    pub(super) fn end(&mut self, lane: LaneId, done: Done) {
        self.task.finish(lane, done, Instant::now());
    }

    /// Time passes.
    pub(super) async fn pass(&mut self, time: Duration) {
        tokio::time::advance(time).await;
        self.task.tick(Instant::now());
    }
}

pub(super) fn partition(topic: &str, number: i32) -> Partition {
    Partition { topic: topic.into(), number }
}

/// An event of this id and key at an offset of partition 0.
pub(super) fn record(topic: &str, offset: i64, id: &str, key: &str) -> Record {
    let header = |name: &'static str, value: &str| (name.into(), Some(value.to_owned().into()));
    Record {
        origin: Origin { topic: topic.into(), partition: 0, offset },
        timestamp: None,
        key: Some(key.to_owned().into()),
        value: Some("{}".into()),
        headers: vec![
            header("ce_specversion", "1.0"),
            header("ce_id", id),
            header("ce_source", "/s"),
            header("ce_type", "t"),
        ],
    }
}

/// A record as Kafka gives it back.
pub(super) fn read_back(outgoing: Outgoing, partition: i32, offset: i64) -> Record {
    let Outgoing { topic, key, value, headers, .. } = outgoing;
    let origin = Origin { topic: topic.into(), partition, offset };
    Record { origin, timestamp: None, key, value, headers }
}

pub(super) fn attempted(job: &Job, result: Result<Outcome, Fault>, trouble: Option<FailureKind>) -> Done {
    let delivery = Box::new(Delivery {
        event: job.next.clone().expect("only what was transformed is attempted"),
        attempt: job.attempt,
        now: job.now,
        seed: 0,
        deadline: job.deadline,
        idempotency_key: "key".into(),
        resolution: None,
        rounds: Vec::new(),
    });
    let attempt = Attempt { result, trouble, delivery, asked: Vec::new() };
    Done::Attempted { attempt, idempotency_key: "key".into(), journalled: None, blamed: None }
}

pub(super) fn delivered(job: &Job) -> Done {
    attempted(job, Ok(Outcome::Delivered(Receipt::default())), None)
}

/// It failed by itself, or with the system.
pub(super) fn failed(job: &Job, trouble: Option<FailureKind>) -> Done {
    attempted(job, Ok(Outcome::Retry(Retry { after: None, reason: "503".to_owned() })), trouble)
}

pub(super) fn trapped(job: &Job) -> Done {
    attempted(job, Err(Fault::Trap("unreachable".to_owned())), None)
}

/// The transformers made these of it; those of them that are on trial count there.
pub(super) fn transformed(parts: Vec<Event>, tried: Vec<Arc<Tally>>) -> Done {
    Done::Transformed { parts, tried }
}

/// The only transformer has ended it.
pub(super) fn stopped(job: &Job) -> Stopped {
    let blamed = Blamed { plugin: PluginName::new("p"), sha256: [0; 32] };
    Stopped {
        transformer: config::TransformerName::new("x"),
        blamed: blamed.into(),
        given: job.event.clone(),
    }
}

/// An event that was parked until so many milliseconds from now, as its delay topic holds it at this offset.
pub(super) fn parked(offset: i64, id: &str, key: &str, wait_ms: u64) -> Record {
    let original = record("t", offset, id, key);
    let place = Place { partition: 0, offset, bytes: 0 };
    let event = Event::decode(&original, &DecodeRules { type_header: "type".to_owned() }).unwrap();
    let carried =
        Carried::new(0, place, original.clone(), event, None, Scales::default().weight(), Instant::now());
    let parked = carried.parked(unix_ms() + wait_ms, Instant::now());
    read_back(seal(DELAY.0, &original, &parked, &carried.evidence, None), 0, offset)
}

/// Its time has come.
pub(super) fn make_due(parked: &mut Record) {
    let header = parked.headers.iter_mut().find(|(name, _)| name == "liaison.parked").unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(header.1.as_ref().unwrap()).unwrap();
    json["not-before"] = 0.into();
    header.1 = Some(json.to_string().into());
}
