//! Makes a fault happen, and undoes it.
//!
//! What it gives is when that was and what may come again because of it; whether no more did is for [`super::judge`].

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::clock;
use super::events::Mood;
use super::fault::{Fault, Kind, Trouble};
use super::incident::MayRepeat;
use super::link::{Link, Passage};
use super::member::{Disk, LIMIT, Member};
use super::stage::{Stage, well};
use super::subscription::{SUBSCRIPTIONS, Subscription};
use crate::system::Behaviour;
use crate::wait;

/// How much later everything arrives over a slow link, in each direction.
const DELAY: Duration = Duration::from_millis(500);

/// How slow a slow system is; an attempt may take 5 s.
const SLOW: Duration = Duration::from_millis(1_500);

/// Of a storm of errors: some get through, so that it is no outage, and an event may need many attempts.
const ERRORS_PERCENT: f64 = 70.0;

/// How often a guest joins and leaves in a storm.
const JOINS: usize = 2;

/// Partitions that each topic gains.
const GAIN: u32 = 2;

/// Makes it happen and comes back when its cause is gone: what follows from it may not be.
pub(super) fn inject(stage: &mut Stage, fault: Fault, lasts: Duration) -> anyhow::Result<MayRepeat> {
    match fault.kind {
        Kind::Kill => kill(host(stage, fault)),
        Kind::Freeze => freeze(host(stage, fault), lasts),
        Kind::Terminate => restart(host(stage, fault), Disk::Usual),
        Kind::Storm => storm(stage),
        Kind::Broker => stop_node(stage, fault.node, lasts),
        Kind::Coordinator => {
            let node = stage.cluster.coordinator(Subscription::Calendar.group())?;
            stop_node(stage, node, lasts)
        }
        Kind::KafkaLink(trouble) => {
            trouble_links(host(stage, fault).kafka_links(), trouble, lasts)?;
            Ok(MayRepeat::HandedOver)
        }
        Kind::SystemLink(trouble) => trouble_system_links(host(stage, fault), trouble, lasts),
        Kind::SlowSystem => behave(stage, &well().with_latency(SLOW), lasts),
        Kind::ServerErrors => {
            let errors = well().for_percent(ERRORS_PERCENT, clock::now_ms(), Behaviour::status(503));
            behave(stage, &errors, lasts)
        }
        Kind::Poison => mood(stage, Mood::Poison, lasts),
        Kind::HostilePlugin => mood(stage, Mood::Hostile, lasts),
        Kind::ClockJump => mood(stage, Mood::Clock, lasts),
        Kind::PluginSwap => {
            let host = host(stage, fault);
            host.swap_plugin()?;
            restart(host, Disk::Usual)
        }
        Kind::FullDisk => fill_disk(host(stage, fault)),
        Kind::MorePartitions => grow(stage),
    }
}

fn host(stage: &mut Stage, fault: Fault) -> &mut Member {
    &mut stage.hosts()[fault.host]
}

fn kill(host: &mut Member) -> anyhow::Result<MayRepeat> {
    let at_ms = host.kill()?;
    let again_ms = clock::now_ms();
    host.start(Disk::Usual)?;
    Ok(MayRepeat::Killed { host: host.number, at_ms, again_ms })
}

fn freeze(host: &mut Member, lasts: Duration) -> anyhow::Result<MayRepeat> {
    host.process()?.stop()?;
    pass(lasts)?;
    host.process()?.cont()?;
    Ok(MayRepeat::HandedOver)
}

fn restart(host: &mut Member, disk: Disk) -> anyhow::Result<MayRepeat> {
    host.terminate()?;
    host.start(disk)?;
    host.wait_ready()?;
    Ok(MayRepeat::Nothing)
}

fn storm(stage: &mut Stage) -> anyhow::Result<MayRepeat> {
    let guest = stage.guest()?;
    for _ in 0..JOINS {
        guest.start(Disk::Usual)?;
        guest.wait_ready()?;
        wait::until(LIMIT, "partitions for the host that joined", || {
            SUBSCRIPTIONS.iter().all(|subscription| guest.partitions(*subscription) > 0.0)
        })?;
        guest.terminate()?;
    }
    Ok(MayRepeat::Nothing)
}

fn stop_node(stage: &mut Stage, node: usize, lasts: Duration) -> anyhow::Result<MayRepeat> {
    stage.cluster.kill(node)?;
    pass(lasts)?;
    stage.cluster.start_again(node)?;
    Ok(MayRepeat::HandedOver)
}

/// Blackhole and delay last; reset and half-open are done to what is there at the moment.
fn trouble_links(links: &[Link], trouble: Trouble, lasts: Duration) -> anyhow::Result<()> {
    let set = |passage| links.iter().for_each(|link| link.set(passage));
    match trouble {
        Trouble::Blackhole => set(Passage::Blackhole),
        Trouble::Delay => set(Passage::Delayed(DELAY)),
        Trouble::Reset => links.iter().for_each(Link::reset),
        Trouble::HalfOpen => links.iter().for_each(Link::half_open),
    }
    pass(lasts)?;
    set(Passage::Open);
    Ok(())
}

fn trouble_system_links(host: &mut Member, trouble: Trouble, lasts: Duration) -> anyhow::Result<MayRepeat> {
    let (number, before) = (host.number, unanswered(host)?);
    trouble_links(host.system_links(), trouble, lasts)?;
    Ok(MayRepeat::Unanswered { host: number, before, attempts: 0 })
}

/// Attempts of this host that ended without an answer of the system, or with one that says to try again.
pub(super) fn unanswered(host: &mut Member) -> anyhow::Result<u64> {
    Ok(host.metric("liaison_attempts_total", &[("outcome", "retry")])? as u64)
}

fn behave(stage: &mut Stage, behaviour: &Behaviour, lasts: Duration) -> anyhow::Result<MayRepeat> {
    stage.behave(behaviour);
    pass(lasts)?;
    stage.behave(&well());
    Ok(MayRepeat::Nothing)
}

fn mood(stage: &mut Stage, mood: Mood, lasts: Duration) -> anyhow::Result<MayRepeat> {
    stage.producing.set_mood(mood);
    pass(lasts)?;
    stage.producing.set_mood(Mood::Plain);
    Ok(MayRepeat::Nothing)
}

/// Starts it where compiled plugins find no room, lets it work, and starts it again as it was.
fn fill_disk(host: &mut Member) -> anyhow::Result<MayRepeat> {
    restart(host, Disk::Full)?;
    let log = host.process()?.log();
    ensure!(
        log.iter().any(|line| line.contains("could not keep a compiled plugin")),
        "the disk was not full for host {}",
        host.number
    );
    let delivered = |host: &mut Member| host.metric("liaison_attempts_total", &[("outcome", "delivered")]);
    wait::until(LIMIT, "deliveries with a full disk", || delivered(host).is_ok_and(|count| count > 0.0))?;
    restart(host, Disk::Usual)
}

fn grow(stage: &mut Stage) -> anyhow::Result<MayRepeat> {
    stage.partitions += GAIN;
    for subscription in SUBSCRIPTIONS {
        stage.cluster.grow_topic(subscription.topic(), stage.partitions)?;
    }
    stage.producing.set_partitions(stage.partitions);
    Ok(MayRepeat::Nothing)
}

/// Lets so much time pass: that is how long the fault lasts.
fn pass(time: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    wait::until(2 * time, "the time", || began.elapsed() >= time)
}
