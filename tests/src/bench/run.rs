//! One run: a fresh topic and group, a sink, a host, and what was seen of them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use liaison::config;
use liaison::kafka::topics::Topics;
use serde::Serialize;

use super::host::{self, Setup};
use super::judge::{Faults, judge};
use super::produce::Events;
use super::sink::{Arrival, Sink};
use super::usage;
use super::workload::{Load, Mode, Workload};
use crate::folder::Folder;
use crate::kafka::Kafka;
use crate::port;
use crate::process::{Process, Signal};

/// How long nothing may arrive before the rest counts as lost: longer than a rebalance, and than a retry's first waits.
const STALLED: Duration = Duration::from_secs(30);
/// How long a host may take to finish what is in flight and leave.
const ENDED: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(2);
/// Events before the measured ones of a paced run, so that the host has its partitions.
const WARM_UP: usize = 100;

/// What was seen in one run. The window of the times is from the first arrival at the sink to the last.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub events: usize,
    pub seconds: f64,
    pub events_per_second: f64,
    /// From before an event was sent to its arrival; where they are produced while the host runs.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// Of the host alone, within the window.
    pub cpu_seconds: f64,
    pub cpu_us_per_event: f64,
    /// Of the host alone, since its start.
    pub peak_mib: f64,
    /// The window against the sum of what the sink took for each answer, where there is just one key.
    pub waits_ratio: Option<f64>,
    pub faults: Faults,
}

/// What is run, where.
#[derive(Debug)]
pub struct Bench<'a> {
    pub kafka: &'a Kafka,
    pub runtime: &'a tokio::runtime::Runtime,
    /// Where compiled plugins are kept.
    pub cache: &'a Path,
}

/// What was measured of the host.
struct Measured {
    cpu: Duration,
    peak_bytes: u64,
    /// When each measured event of a paced run was sent, from the first after the warm-up.
    sent: Vec<Instant>,
}

impl Bench<'_> {
    /// Runs a workload in a mode. `name` is the topic's and the group's: nothing may have it yet.
    pub fn run(&self, workload: Workload, mode: Mode, load: Load, name: &str) -> anyhow::Result<Figures> {
        if workload.is_of_rows() {
            return self.run_rows(workload, mode, load, name);
        }
        let keys = load.keys_of_events();
        let bootstrap = self.kafka.bootstrap();
        make_topic(self.runtime, &bootstrap, name, load.partitions)?;
        let events = Events::new(&bootstrap, name, &keys)?;
        let is_refused: Vec<bool> = keys.iter().map(|key| load.is_poisoned(*key)).collect();
        let wanted = is_refused.iter().filter(|refused| !**refused).count();
        if load.pace.is_none() {
            self.runtime.block_on(events.produce(0..load.events))?;
        }
        let sink = Sink::start(load.latency, is_refused)?;
        let mut host = self.start_host(&bootstrap, &sink, name, mode)?;
        let measured = match load.pace {
            None => measure_backlog(&mut host.process, &sink, wanted),
            Some(pace) => self.measure_paced(&mut host.process, &sink, &events, pace, &load),
        };
        let measured = measured.with_context(|| {
            format!(
                "{} {}; the host's last lines:\n{}",
                workload.name(),
                mode.name(),
                host.process.last_lines()
            )
        })?;
        let window = sink.arrivals();
        end(&mut host.process)?;
        // What came while it ended counts too.
        let faults = judge(&sink.arrivals(), &keys, |key| load.is_poisoned(key), sink.strangers());
        let warm_up = if load.pace.is_some() { WARM_UP.min(load.events / 2) } else { 0 };
        Ok(figures(&window, warm_up, &load, &measured, faults))
    }

    fn start_host(&self, bootstrap: &str, sink: &Sink, topic: &str, mode: Mode) -> anyhow::Result<Running> {
        let folder = Folder::new("bench-host")?;
        let (endpoint, admin) = (sink.url(), port::free()?);
        let setup = Setup { bootstrap, topic, endpoint: &endpoint, admin, cache: self.cache, mode };
        let file = folder.write("liaison.toml", &host::config(&setup)?)?;
        let process = Process::start("the host", &host::command(&file, mode)?, folder.path())?;
        Ok(Running { process, _folder: folder })
    }

    fn measure_paced(
        &self,
        host: &mut Process,
        sink: &Sink,
        events: &Events<'_>,
        pace: Duration,
        load: &Load,
    ) -> anyhow::Result<Measured> {
        let warm_up = WARM_UP.min(load.events / 2);
        self.runtime.block_on(events.produce(0..warm_up))?;
        wait_for(host, sink, warm_up)?;
        let before = usage::cpu_time(host.id())?;
        let sent = self.runtime.block_on(events.produce_paced(warm_up..load.events, pace))?;
        wait_for(host, sink, load.events)?;
        let cpu = usage::cpu_time(host.id())?.saturating_sub(before);
        Ok(Measured { cpu, peak_bytes: usage::peak_memory(host.id())?, sent })
    }
}

/// Makes the topic of a run.
pub(super) fn make_topic(
    runtime: &tokio::runtime::Runtime,
    bootstrap: &str,
    name: &str,
    partitions: i32,
) -> anyhow::Result<()> {
    let settings = config::Kafka::new(config::Brokers::At(vec![bootstrap.to_owned()]));
    let topics = Topics::new(&settings, bootstrap)?;
    runtime.block_on(topics.ensure(name, partitions, &[]))?;
    Ok(())
}

/// A host and its folder, which goes when it has ended.
struct Running {
    process: Process,
    _folder: Folder,
}

fn measure_backlog(host: &mut Process, sink: &Sink, wanted: usize) -> anyhow::Result<Measured> {
    wait_for(host, sink, 1)?;
    let before = usage::cpu_time(host.id())?;
    wait_for(host, sink, wanted)?;
    let cpu = usage::cpu_time(host.id())?.saturating_sub(before);
    Ok(Measured { cpu, peak_bytes: usage::peak_memory(host.id())?, sent: Vec::new() })
}

/// Waits until this many different events were accepted, or none for long. Fails if the host ends.
fn wait_for(host: &mut Process, sink: &Sink, wanted: usize) -> anyhow::Result<()> {
    let (mut delivered, mut since) = (sink.delivered(), Instant::now());
    while delivered < wanted && since.elapsed() < STALLED {
        if let Some(status) = host.status() {
            bail!("the host ended ({status}) after {delivered} of {wanted} events");
        }
        std::thread::park_timeout(TICK);
        let now = sink.delivered();
        if now > delivered {
            (delivered, since) = (now, Instant::now());
        }
    }
    ensure!(delivered > 0, "nothing arrived within {STALLED:?}");
    Ok(())
}

/// Has it end, and well.
pub(super) fn end(host: &mut Process) -> anyhow::Result<()> {
    host.signal(Signal::Terminate)?;
    let status = host.wait(ENDED)?;
    ensure!(
        status.success(),
        "the host failed at its end ({status}); its last lines:\n{}",
        host.last_lines()
    );
    Ok(())
}

/// `all` is what had arrived when the last event had; the first `warm_up` events do not count.
fn figures(all: &[Arrival], warm_up: usize, load: &Load, measured: &Measured, faults: Faults) -> Figures {
    let counted = |arrival: &&Arrival| arrival.is_accepted && arrival.event as usize >= warm_up;
    let accepted: Vec<&Arrival> = all.iter().filter(counted).collect();
    let first = all.iter().find(|arrival| arrival.event as usize >= warm_up).map(|arrival| arrival.at);
    let window = match (first, accepted.last()) {
        (Some(first), Some(last)) => last.at.saturating_duration_since(first),
        _ => Duration::ZERO,
    };
    let (seconds, events) = (window.as_secs_f64(), accepted.len());
    let latencies = latencies_ms(&accepted, warm_up, &measured.sent);
    // The last answer is after the window.
    let waits = accepted.iter().rev().skip(1).map(|arrival| arrival.took.as_secs_f64()).sum::<f64>();
    let is_one_key = load.keys == 1 && waits > 0.0;
    Figures {
        events,
        seconds,
        events_per_second: events as f64 / seconds.max(f64::EPSILON),
        p50_ms: percentile(&latencies, 50),
        p99_ms: percentile(&latencies, 99),
        cpu_seconds: measured.cpu.as_secs_f64(),
        cpu_us_per_event: measured.cpu.as_secs_f64() * 1e6 / events.max(1) as f64,
        peak_mib: measured.peak_bytes as f64 / f64::from(1 << 20),
        waits_ratio: is_one_key.then(|| seconds / waits),
        faults,
    }
}

/// Sorted. `sent` begins with the first event after the warm-up, as `accepted` does.
fn latencies_ms(accepted: &[&Arrival], warm_up: usize, sent: &[Instant]) -> Vec<f64> {
    let latency = |arrival: &&Arrival| {
        let sent = sent.get(arrival.event as usize - warm_up)?;
        Some(arrival.at.saturating_duration_since(*sent).as_secs_f64() * 1e3)
    };
    let mut latencies: Vec<f64> = accepted.iter().filter_map(latency).collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// The value that this share of all, in percent, does not exceed.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (Some(100.0), Some(198.0)));
        assert_eq!((percentile(&[7.0], 50), percentile(&[7.0], 99)), (Some(7.0), Some(7.0)));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn figures_are_of_the_window_and_leave_the_warm_up_out() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let arrival = |event, ms, is_accepted| Arrival {
            event,
            at: at(ms),
            took: Duration::from_millis(400),
            is_accepted,
        };
        let all =
            [arrival(0, 0, true), arrival(1, 1_000, true), arrival(3, 1_100, false), arrival(2, 1_500, true)];
        let measured =
            Measured { cpu: Duration::from_millis(1), peak_bytes: 3 << 20, sent: vec![at(990), at(1_480)] };
        let load = Load { keys: 1, ..Workload::Keys1.load(None) };
        let figures = figures(&all, 1, &load, &measured, Faults::default());
        assert_eq!((figures.events, figures.seconds, figures.events_per_second), (2, 0.5, 4.0));
        assert_eq!((figures.p50_ms, figures.p99_ms), (Some(10.0), Some(20.0)));
        assert_eq!((figures.cpu_us_per_event, figures.peak_mib), (500.0, 3.0));
        assert_eq!(figures.waits_ratio, Some(1.25));
    }
}
