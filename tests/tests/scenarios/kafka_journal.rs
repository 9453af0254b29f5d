//! A journalled connector of three calls, its host killed again and again: no call whose answer was journalled is made
//! again.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use liaison::config::Brokers;
use liaison::event::Record;
use liaison::kafka::reader::{Start, read_topic};
use liaison_tests::host::{HostProcess, liaison_binary, plugin};
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce;
use liaison_tests::system::{Entry, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::filing::{BOOK, OPEN, answered, by_event, cases, live, prove_keys};
use crate::kafka_fixture::{Events, LIMIT, dead_letters, say};

const TOPIC: &str = "journalled";
const GROUP: &str = "journalled.calendar";
const PARTITIONS: usize = 4;
const EVENTS: usize = 1_500;
const KILLS: usize = 50;
/// Deliveries at the same time, of three calls each that take as long as this.
const CONCURRENCY: usize = 8;
const LATENCY: Duration = Duration::from_millis(30);

/// A host that comes back under the name it had is given its partitions at once, though its session would last longer
/// than the whole test.
fn configuration(kafka: &Kafka, admin: std::net::SocketAddr, system: &System) -> anyhow::Result<String> {
    Ok(format!(
        r#"
        [kafka]
        brokers = ["{bootstrap}"]
        group-prefix = "{TOPIC}"
        [kafka.properties]
        "group.instance.id" = "host-1"
        "session.timeout.ms" = "300000"
        [admin]
        address = "{admin}"
        [plugins.filing]
        path = "{filing}"
        [connectors.calendar]
        plugin = "filing"
        endpoint = "{endpoint}"
        allow-networks = ["127.0.0.0/8"]
        concurrency = {CONCURRENCY}
        [subscriptions.calendar]
        connector = "calendar"
        topics = ["{TOPIC}"]
        dead-letter-topic = "{TOPIC}.dead-letters.calendar"
        journal = true
        "#,
        bootstrap = kafka.bootstrap(),
        filing = plugin("filing")?.display(),
        endpoint = system.url(),
    ))
}

fn journal(kafka: &Kafka) -> anyhow::Result<Vec<Record>> {
    let bootstrap = kafka.bootstrap();
    let settings = liaison::config::Kafka::new(Brokers::At(vec![bootstrap.clone()]));
    let mut records = Vec::new();
    let topic = format!("{GROUP}.journal");
    read_topic(&settings, &bootstrap, &topic, Start::Beginning, LIMIT, |record| {
        records.push(record);
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

/// What `liaison check --live` says with this host's configuration.
fn check_live(host: &HostProcess) -> anyhow::Result<String> {
    let mut check = std::process::Command::new(liaison_binary()?);
    check.args(["check", "--live", "--config"]).arg(host.folder().join("liaison.toml"));
    Ok(String::from_utf8(check.output()?.stdout)?)
}

#[test]
fn fifty_kills_repeat_no_call_whose_answer_was_journalled() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("fifty_kills_repeat_no_call_whose_answer_was_journalled", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(EVENTS, 300, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", cases().with_latency(LATENCY))?;
    let admin = port::free()?;
    let begun = Instant::now();
    let mut host = HostProcess::start(&configuration(kafka, admin, &system)?, admin, &[])?;
    let mut random = fastrand::Rng::with_seed(50);
    let mut kills = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        system.wait_for(system.count() + random.usize(20..80), LIMIT)?;
        host.kill()?;
        kills.push(Instant::now());
        host.start_again()?;
    }
    system.wait_until("all bookings", LIMIT, |ledger| {
        let booked = ledger.iter().filter(|entry| entry.path.ends_with("/dates"));
        booked.filter_map(|entry| entry.event_id.as_deref()).collect::<HashSet<_>>().len() == EVENTS
    })?;
    let entries = journal(kafka)?;
    wait::until(LIMIT, "an empty journal", || journal(kafka).is_ok_and(|records| live(&records).is_empty()))?;
    let checked = check_live(&host)?;
    assert!(checked.contains("subscription calendar  ok      all topics are there"), "{checked}");
    assert!(host.terminate(LIMIT)?.success());
    assert_eq!(dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?, [""; 0]);

    let ledger = system.ledger();
    let calls = by_event(&ledger);
    assert_eq!(calls.len(), EVENTS);
    let owners = prove_keys(&calls);
    let kept = prove_that_what_is_journalled_is_not_repeated(&entries, &calls, &owners);
    let repeated = prove_one_repetition_a_kill(&calls, &kills);
    say(&format!(
        "{KILLS} kills in {:?}: {EVENTS} events, {} calls, {repeated} repeated; {kept} answers were journalled, none asked \
         again",
        begun.elapsed(),
        ledger.len()
    ));
    // Kills that interrupt nothing prove nothing.
    assert!(repeated >= KILLS, "{repeated}");
    Ok(())
}

type Calls<'a> = BTreeMap<&'a str, [Vec<&'a Arc<Entry>>; 3]>;

/// Nothing is asked again after its answer was in the journal. Gives how many answers that were.
fn prove_that_what_is_journalled_is_not_repeated(
    entries: &[Record],
    calls: &Calls<'_>,
    owners: &BTreeMap<&str, &str>,
) -> usize {
    let (now, unix_now) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970"));
    let unix_ms = |at: Instant| (unix_now - now.duration_since(at)).as_millis();
    let mut kept = HashSet::new();
    for record in entries {
        let Some((key, rounds)) = answered(record) else { continue };
        let event = owners[key.as_str()];
        let written = u128::from(record.timestamp.expect("Kafka gives every record a time"));
        for round in rounds {
            kept.insert((event, round));
            let later = calls[event][round].iter().find(|entry| unix_ms(entry.received) > written);
            assert!(later.is_none(), "{event}: round {round} is journalled, and asked again: {later:?}");
        }
    }
    assert!(kept.len() > EVENTS, "only {} answers are journalled", kept.len());
    kept.len()
}

/// Of each delivery that a kill interrupts at most one call is made again, and without a kill none. Gives how many.
fn prove_one_repetition_a_kill(calls: &Calls<'_>, kills: &[Instant]) -> usize {
    let life_of = |entry: &Entry| kills.iter().filter(|kill| entry.received > **kill).count();
    let mut all = 0;
    for (event, calls) in calls {
        let mut repeated: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (call, entries) in (OPEN..=BOOK).zip(calls) {
            assert!(!entries.is_empty(), "{event}: call {call} is missing");
            for entry in &entries[1..] {
                repeated.entry(life_of(entry)).or_default().push(call);
            }
        }
        for (life, again) in &repeated {
            assert!(*life > 0 && again.len() == 1, "{event}: calls {again:?} again after kill {life}");
        }
        all += repeated.len();
    }
    all
}
