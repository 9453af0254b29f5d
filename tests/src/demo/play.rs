//! What happens in the demo: events are produced, a system breaks, another one asks to slow down, all settles.
//!
//! In comes the running stage, out come the events as they were produced. Nothing is judged here.

use std::time::{Duration, Instant};

use liaison::kafka::producer::Producer;
use tokio::time::{MissedTickBehavior, interval};

use super::configuration::TOPIC;
use super::events::Event;
use super::expected::Emitted;
use super::levels::{Levels, levels};
use super::stage::{PARTITIONS, Stage};
use super::systems::Subscriber;
use crate::screen::{Bars, Screen, Tone};
use crate::wait;

/// Between two events.
const PACE: Duration = Duration::from_millis(7);
const OUTAGE: Duration = Duration::from_secs(2);
/// The positions of the events before which something happens.
const BREAK_AT: usize = 100;
const THROTTLE_AT: usize = 300;
const THROTTLED_REQUESTS: u32 = 2;
/// How long the host may take to read its partitions.
const JOINED: Duration = Duration::from_secs(20);
/// How long all may take from the first event until it is settled.
const SETTLED: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// What happened, with the times that only the demo knows.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) emitted: Vec<Emitted>,
    /// When the document repository was well again.
    pub(super) recovered: Instant,
}

/// Waits until the host reads all partitions.
pub(super) async fn join(stage: &Stage) -> anyhow::Result<()> {
    wait::until_async(JOINED, "the host joins its consumer groups", async || {
        let assigned = |levels: &Levels| levels.assigned == PARTITIONS as usize;
        levels(&stage.telemetry).is_ok_and(|levels| levels.iter().all(assigned))
    })
    .await
}

/// Produces the events and waits until the host has settled them all, as it says itself.
pub(super) async fn play(stage: &Stage, events: Vec<Event>, screen: &Screen) -> anyhow::Result<Played> {
    let count = events.len();
    let bars = screen.bars(&Subscriber::ALL.map(Subscriber::name), count);
    let (played, ()) = tokio::try_join!(emit(stage, events, screen), watch(stage, count, screen, &bars))?;
    Ok(played)
}

async fn emit(stage: &Stage, events: Vec<Event>, screen: &Screen) -> anyhow::Result<Played> {
    let producer = Producer::new(&stage.config.kafka, stage.broker.bootstrap())?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut played = Played { emitted: Vec::with_capacity(events.len()), recovered: Instant::now() };
    for (position, event) in events.into_iter().enumerate() {
        pace.tick().await;
        if position == BREAK_AT {
            played.recovered = Instant::now() + OUTAGE;
            stage.systems.break_documents(played.recovered);
            screen.moment(
                Tone::Bad,
                &format!("the document repository answers 503 from now on, for {} s", OUTAGE.as_secs()),
            );
        }
        if position == THROTTLE_AT {
            stage.systems.throttle_compliance(THROTTLED_REQUESTS);
            screen.moment(Tone::Bad, "the compliance database answers 429: slow down, come back in 1 s");
        }
        let at = Instant::now();
        // One after the other, so that Kafka holds the events of a key in this order.
        let (partition, offset) = producer.send(event.outgoing(TOPIC)?).await?;
        let id = event.id_at(TOPIC, partition, offset);
        played.emitted.push(Emitted { event, id, at });
    }
    screen.moment(Tone::Plain, &format!("all {} events are in Kafka", played.emitted.len()));
    Ok(played)
}

/// Shows how far the host is until it has settled so many events for each subscription, or its time is over: what is
/// missing then is found by the proof.
async fn watch(stage: &Stage, count: usize, screen: &Screen, bars: &Bars) -> anyhow::Result<()> {
    let end = Instant::now() + SETTLED;
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let levels = levels(&stage.telemetry)?;
        bars.set(&levels.map(|levels| (levels.settled(), remark(&levels))));
        if levels.iter().all(|levels| levels.settled() >= count) {
            return Ok(());
        }
        if Instant::now() >= end {
            let seconds = SETTLED.as_secs();
            screen.moment(
                Tone::Bad,
                &format!("not all events are settled after {seconds} s: no longer waiting"),
            );
            return Ok(());
        }
    }
}

fn remark(levels: &Levels) -> &'static str {
    match (levels.is_down, levels.is_paused) {
        (true, true) => "down: partitions paused",
        (true, false) => "down: events wait",
        (false, _) => "",
    }
}
