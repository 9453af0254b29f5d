//! A host with one worker, on it a neighbour under steady load and connectors of the hostile guest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::{Outgoing, Producer};
use liaison_tests::bench::usage;
use liaison_tests::folder::Folder;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::metrics::Metrics;
use liaison_tests::produce::{self, produce_paced_by};
use liaison_tests::rogue::Rogue;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{port, table_bomb, wait};

use crate::fixture::{LIMIT, event, id_of, records, with_header};

const GOOD: &str = "good";
/// Events of the neighbour: one each.
const INTERVAL: Duration = Duration::from_millis(4);
/// What the neighbour's system takes for an answer, as one on another site does.
const ANSWERED: Duration = Duration::from_millis(50);
/// Of the neighbour. Enough that none has an event waiting for the one before it.
const KEYS: usize = 100;
/// Events before those that count: what has rested comes up to speed.
const LEAD: usize = 25;
/// The embedded broker answers a fetch that finds nothing only when its time is over, whatever comes meanwhile.
const FETCH: &str = "\"fetch.wait.max.ms\" = 2";
/// Events of each connector before anything is measured.
const WARM: usize = 20;
/// Hostile events under way at a time.
const BAD_AT_A_TIME: usize = 3;
/// How long hostile events may take to be given up: some burn much time.
const SETTLED: Duration = Duration::from_secs(120);

pub(super) struct Misdeed<'a> {
    pub(super) name: &'a str,
    /// Of its fault, in the metric.
    pub(super) kind: &'static str,
    /// In the message of its dead letters.
    pub(super) says: &'static str,
    pub(super) limits: Limits,
}

/// By which connector: of the two of the hostile guest one meets its limits soon, the other has room for what is large.
#[derive(Clone, Copy)]
pub(super) enum Limits {
    Tight,
    Roomy,
    /// A good plugin with an endpoint that means harm.
    Rogue,
}

impl Limits {
    fn name(self) -> &'static str {
        match self {
            Limits::Tight => "tight",
            Limits::Roomy => "roomy",
            Limits::Rogue => "rogue",
        }
    }
}

impl Misdeed<'_> {
    fn key(&self) -> (&'static str, String) {
        (self.limits.name(), self.name.to_owned())
    }
}

pub(super) enum Beside<'a> {
    Nobody,
    Misdeed(&'a Misdeed<'a>),
}

/// Of the neighbour in one window.
pub(super) struct Figures {
    pub(super) a_second: f64,
    /// From the producer to the system's answer, of each event.
    pub(super) latencies: Vec<Duration>,
}

pub(super) struct Stage {
    host: HostProcess,
    good: System,
    /// What the guest's requests come to, where it makes some.
    bad: System,
    _rogue: Rogue,
    /// With the hostile guest.
    _folder: Folder,
    broker: Embedded,
    /// Of all events. A new one each time would keep the broker busy, and may not find it at once.
    producer: Producer,
    /// Windows so far: each has identifiers of its own.
    windows: usize,
    /// Hostile events so far, by connector and misdeed.
    committed: BTreeMap<(&'static str, String), usize>,
    /// The metrics before the latest misdeed.
    before: Metrics,
}

impl Stage {
    pub(super) fn start() -> anyhow::Result<Self> {
        let topics = [(GOOD, 4), ("tight", 4), ("roomy", 4), ("rogue", 4)];
        let letters = ["tight", "roomy", "rogue", GOOD].map(letters_of);
        let topics: Vec<_> =
            topics.into_iter().chain(letters.iter().map(|topic| (topic.as_str(), 1))).collect();
        let broker = Embedded::start(&topics)?;
        let (good, bad) = (
            System::start(GOOD, Behaviour::ok().with_latency(ANSWERED))?,
            System::start("bad", Behaviour::ok())?,
        );
        let (rogue, admin) = (Rogue::start()?, port::free()?);
        let producer = produce::producer(broker.bootstrap())?;
        let folder = Folder::new("neighbours")?;
        let (rest, hostile) = (plugin("rest")?, table_bomb::component(&folder)?);
        let tables = [
            connector(GOOD, &rest, &good.url(), BY_ID, ""),
            connector("rogue", &rest, &rogue.url(), &format!("{BY_ID}\nmax-reply = \"256KiB\""), ""),
            format!("sla = {{ {SHORT} }}\n"),
            connector("tight", &hostile, &bad.url(), "", TIGHT),
            connector("roomy", &hostile, &bad.url(), "", ROOMY),
        ];
        let config = format!(
            "[kafka]\nbrokers = [\"{}\"]\nproperties = {{ {FETCH} }}\n[admin]\naddress = \"{admin}\"\n[runtime]\nworkers = 1\ncall-twice = true\n\
             [sla.default]\ninitial-interval = \"10ms\"\nmax-interval = \"20ms\"\n{}",
            broker.bootstrap(),
            tables.concat()
        );
        let mut host = HostProcess::start(&config, admin, &[])?;
        host.wait_ready(LIMIT)?;
        let before = host.metrics()?;
        let mut stage = Self {
            host,
            good,
            bad,
            _rogue: rogue,
            _folder: folder,
            broker,
            producer,
            windows: 0,
            committed: BTreeMap::new(),
            before,
        };
        stage.warm_up()?;
        Ok(stage)
    }

    /// Partitions, connections and compiled plugins are there, and the memory is what it is in use.
    fn warm_up(&mut self) -> anyhow::Result<()> {
        let hostile = [Limits::Tight, Limits::Roomy, Limits::Rogue];
        for limits in hostile {
            self.produce_bad("nothing", limits, WARM)?;
        }
        let of_neighbour = 200;
        self.window(&Beside::Nobody, of_neighbour)?;
        let expected = f64::from(u32::try_from(LEAD + of_neighbour + hostile.len() * WARM)?);
        wait::until(LIMIT, "the hostile guest to behave", || {
            self.host.metrics().is_ok_and(|metrics| {
                metrics.sum("liaison_events_settled_total", &[("kind", "delivered")]) >= expected
            })
        })
    }

    /// The neighbour under load, so many events one after another; beside a misdeed that goes on as long as it lasts.
    pub(super) fn window(&mut self, beside: &Beside<'_>, events: usize) -> anyhow::Result<Figures> {
        self.windows += 1;
        self.good.take_ledger();
        if let Beside::Misdeed(misdeed) = beside {
            self.before = self.host.metrics()?;
            self.produce_bad(misdeed.name, misdeed.limits, BAD_AT_A_TIME)?;
        }
        let is_over = AtomicBool::new(false);
        let (figures, fed) = thread::scope(|scope| {
            let feeding = scope.spawn(|| self.feed(beside, &is_over));
            let figures = self.load(events);
            is_over.store(true, Ordering::Relaxed);
            (figures, feeding.join())
        });
        let fed = fed.map_err(|_| anyhow::anyhow!("the feeder panicked"))??;
        if let Beside::Misdeed(misdeed) = beside {
            *self.committed.entry(misdeed.key()).or_default() += BAD_AT_A_TIME + fed;
            self.settled(misdeed)?;
        }
        figures
    }

    fn load(&self, events: usize) -> anyhow::Result<Figures> {
        let id = |number: usize| format!("{}-{number}", self.windows);
        let events = LEAD + events;
        let records = (0..events).map(|number| Outgoing {
            topic: GOOD.to_owned(),
            ..event(&id(number), &format!("k-{}", number % KEYS))
        });
        let sent = produce_paced_by(&self.producer, records.collect(), INTERVAL)?;
        self.good.wait_for_accepted(events, LIMIT)?;
        let ledger = self.good.ledger();
        ensure!(ledger.len() == events, "{} requests for {events} events", ledger.len());
        let mut latencies = Vec::with_capacity(events);
        let mut latest = [None; KEYS];
        for entry in &ledger {
            let number: usize = id_of(entry).rsplit_once('-').map_or(Ok(0), |(_, number)| number.parse())?;
            ensure!(
                latest[number % KEYS] < Some(number),
                "{} came after a later one of its key",
                id_of(entry)
            );
            latest[number % KEYS] = Some(number);
            if number >= LEAD {
                latencies.push(entry.received.saturating_duration_since(sent[number]) + ANSWERED);
            }
        }
        let last = ledger.iter().map(|entry| entry.received).max().unwrap_or_else(Instant::now);
        let took = last.saturating_duration_since(sent[LEAD]);
        let a_second = f64::from(u32::try_from(latencies.len())?) / took.as_secs_f64();
        Ok(Figures { a_second, latencies })
    }

    /// Keeps the misdeed going until the window is over; how many events that took. It looks as often where there is none:
    /// looking costs the host something too. Many failures of an endpoint would count as an outage.
    fn feed(&self, beside: &Beside<'_>, is_over: &AtomicBool) -> anyhow::Result<usize> {
        let mut fed = 0;
        while !is_over.load(Ordering::Relaxed) {
            let metrics = self.host.metrics()?;
            if let Beside::Misdeed(Misdeed { name, limits: limits @ (Limits::Tight | Limits::Roomy), .. }) =
                beside
                && metrics.sum("liaison_events_unsettled", &[("subscription", limits.name())]) < 1.0
            {
                self.produce_bad(name, *limits, BAD_AT_A_TIME)?;
                fed += BAD_AT_A_TIME;
            }
            // As often as it is worth to look, no matter what is there by then.
            thread::park_timeout(Duration::from_millis(50));
        }
        Ok(fed)
    }

    fn produce_bad(&self, misdeed: &str, limits: Limits, count: usize) -> anyhow::Result<()> {
        let bad = (0..count).map(|number| {
            let event = event(&format!("{misdeed}-{number}"), &format!("k-{number}"));
            with_header(Outgoing { topic: limits.name().to_owned(), ..event }, "hostile", misdeed)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            for event in bad {
                let _: (i32, i64) = self.producer.send(event).await?;
            }
            Ok(())
        })
    }

    /// Waits until every hostile event has come to its end.
    fn settled(&self, misdeed: &Misdeed<'_>) -> anyhow::Result<()> {
        let subscription = ("subscription", misdeed.limits.name());
        let received = |metrics: &Metrics| metrics.sum("liaison_events_received_total", &[subscription]);
        let settled = |metrics: &Metrics| metrics.sum("liaison_events_settled_total", &[subscription]);
        let of_limits = self.committed_to(misdeed.limits);
        let expected = f64::from(u32::try_from(of_limits + WARM)?);
        wait::until(SETTLED, &format!("the end of {}", misdeed.name), || {
            self.host.metrics().is_ok_and(|now| received(&now) >= expected && settled(&now) >= expected)
        })
    }

    fn committed_to(&self, limits: Limits) -> usize {
        let of_limits = self.committed.iter().filter(|((connector, _), _)| *connector == limits.name());
        of_limits.map(|(_, count)| count).sum()
    }

    /// Every hostile event of this kind is a dead letter that says why.
    pub(super) fn is_paid_for_by_its_own_events(&self, misdeed: &Misdeed<'_>) -> anyhow::Result<()> {
        let letters = records(&self.broker, &letters_of(misdeed.limits.name()))?;
        let mut count = 0;
        for letter in &letters {
            if letter.event_id()?.rsplit_once('-').is_some_and(|(name, _)| name == misdeed.name) {
                count += 1;
                let message = letter.message()?;
                ensure!(message.contains(misdeed.says), "{}: {message}", misdeed.name);
            }
        }
        let expected = self.committed.get(&misdeed.key()).copied().unwrap_or_default();
        ensure!(count == expected, "{}: {count} dead letters of {expected}", misdeed.name);
        Ok(())
    }

    /// And that after faults of this kind and no other.
    pub(super) fn is_counted_by_its_kind(&self, misdeed: &Misdeed<'_>) -> anyhow::Result<()> {
        let now = self.host.metrics()?;
        let faults =
            |metrics: &Metrics, labels: &[(&str, &str)]| metrics.sum("liaison_plugin_faults_total", labels);
        let (all, of_kind) = (
            faults(&now, &[]) - faults(&self.before, &[]),
            faults(&now, &[("kind", misdeed.kind)]) - faults(&self.before, &[("kind", misdeed.kind)]),
        );
        ensure!(all > 0.0 && all == of_kind, "{}: {of_kind} of {all} faults", misdeed.name);
        ensure!(faults(&now, &[("plugin", GOOD)]) == 0.0, "the neighbour is blamed");
        Ok(())
    }

    pub(super) fn has_no_faults(&self) -> anyhow::Result<()> {
        let faults = self.host.metrics()?.sum("liaison_plugin_faults_total", &[]);
        ensure!(faults == 0.0, "{faults} faults of good plugins");
        Ok(())
    }

    /// With the port of the hostile guest's own endpoint in the place of `PORT`.
    pub(super) fn with_port(&self, asked: &str) -> String {
        asked.replace("PORT", &self.bad.address().port().to_string())
    }

    /// The hostile guest's endpoint was asked for what its good events need, and for nothing else.
    pub(super) fn reached_nothing(&self) -> anyhow::Result<()> {
        let asked = self.bad.ledger();
        let stranger = asked.iter().find(|entry| !entry.path.starts_with("/events/nothing-"));
        ensure!(stranger.is_none(), "{stranger:?} was reached");
        Ok(())
    }

    /// None of the connector's events was given up.
    pub(super) fn is_delivered(&self, misdeed: &Misdeed<'_>) -> anyhow::Result<()> {
        let labels = [("subscription", misdeed.limits.name()), ("kind", "dead-lettered")];
        let lost = self.host.metrics()?.sum("liaison_events_settled_total", &labels);
        ensure!(lost == 0.0, "{lost} events of {} were given up", misdeed.name);
        Ok(())
    }

    /// The events arrive, and most of what they said is dropped.
    pub(super) fn is_delivered_with_its_lines_dropped(&self, misdeed: &Misdeed<'_>) -> anyhow::Result<()> {
        self.is_delivered(misdeed)?;
        let limit = [("limit", "log-lines")];
        let dropped = self.host.metrics()?.sum("liaison_plugin_log_lines_dropped_total", &limit);
        ensure!(dropped >= 49_900.0 * f64::from(u32::try_from(BAD_AT_A_TIME)?), "{dropped} lines dropped");
        Ok(())
    }

    /// What the host has resident, in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        usage::memory_now(self.host.id())
    }

    /// The same, once it is no more than this.
    pub(super) fn memory_within(&self, most: u64) -> anyhow::Result<u64> {
        let within = || self.memory().ok().filter(|memory| *memory <= most);
        wait::until_some(LIMIT, &format!("no more than {} MiB of memory", most >> 20), within)
    }

    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let status = self.host.terminate(LIMIT)?;
        ensure!(status.success(), "the host ended with {status}");
        let letters = records(&self.broker, &letters_of(GOOD))?;
        ensure!(letters.is_empty(), "dead letters of the neighbour: {letters:?}");
        Ok(())
    }
}

/// An event that fails is given up after two or three attempts. So few in a row say nothing of the system.
const SHORT: &str = "give-up-after = \"600ms\", attempt-timeout = \"500ms\", initial-interval = \"400ms\", \
                     max-interval = \"400ms\"";
const BY_ID: &str = "settings = { path = \"/events/{id}\" }";
/// Meets most limits soon.
const TIGHT: &str = "limits = { cpu-time = \"100ms\", wall-time = \"60s\", memory = \"16MiB\", result = \"1MiB\", \
                     handles = 20, steps = 4, effects = 8 }";
/// Meets those of what is large, and of what takes long to ask for.
const ROOMY: &str = "limits = { cpu-time = \"10s\", wall-time = \"60s\", memory = \"256MiB\", result = \"2MiB\", \
                     host-calls = 200000, request-body = \"64KiB\", effects = 8 }";

fn connector(name: &str, component: &Path, endpoint: &str, more: &str, limits: &str) -> String {
    format!(
        "[plugins.{name}]\npath = \"{}\"\n{limits}\n[connectors.{name}]\nplugin = \"{name}\"\nendpoint = \"{endpoint}\"\n\
         allow-networks = [\"127.0.0.0/8\"]\nbreaker = {{ failures = 1000 }}\n{more}\n[subscriptions.{name}]\n\
         connector = \"{name}\"\ntopics = [\"{name}\"]\ndead-letter-topic = \"{}\"\nflood-guard = {{ enabled = false }}\n",
        component.display(),
        letters_of(name)
    )
}

fn letters_of(name: &str) -> String {
    format!("liaison.dead-letters.{name}")
}
