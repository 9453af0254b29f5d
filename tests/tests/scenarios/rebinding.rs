//! DNS rebinding: a name that moves to where its connector may not go. By the real gateway and the machine's own resolver.
//!
//! The host sees an `/etc/hosts` of its own, which is changed between events, so that the same name is elsewhere at the next
//! dial. What is shown: each dial is judged by the addresses that it looked up itself, an address that is refused is not so
//! much as connected to, a neighbour goes on, and the memory stays. A resolver that gives two answers to two look-ups of
//! one dial could not tell: there is one look-up (the unit tests of `egress::dial` count them).

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context as _, ensure};
use http::header::{CONNECTION, HeaderValue};
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::bench::usage;
use liaison_tests::folder::Folder;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::produce::produce;
use liaison_tests::system::{Answer, Behaviour, System};
use liaison_tests::{port, wait};

use crate::fixture::{DEAD_LETTERS, LIMIT, OTHER_TOPIC, QUICK, TOPIC, event, records};

const NAME: &str = "rebound.example";
/// What the process may have resident more than before.
const MEMORY_SLACK: u64 = 32 << 20;

/// Where the name is from now on. Written into the same file, which is the one that is mounted.
fn move_to(names: &Path, addresses: &[&str]) -> anyhow::Result<()> {
    let lines: String = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
    std::fs::write(names, format!("127.0.0.1 localhost\n{lines}")).context("the names cannot be written")
}

fn config(broker: &Embedded, admin: SocketAddr, port: u16, neighbour: &System) -> anyhow::Result<String> {
    Ok(format!(
        r#"
        [kafka]
        brokers = ["{bootstrap}"]
        [admin]
        address = "{admin}"
        [plugins.rest]
        path = "{rest}"
        [connectors.moving]
        plugin = "rest"
        endpoint = "http://{NAME}:{port}"
        allow-networks = ["127.0.0.1/32"]
        settings = {{ path = "/events/{{id}}" }}
        [connectors.neighbour]
        plugin = "rest"
        endpoint = "{neighbour}"
        allow-networks = ["127.0.0.1/32"]
        settings = {{ path = "/events/{{id}}" }}
        [subscriptions.moving]
        connector = "moving"
        topics = ["{TOPIC}"]
        dead-letter-topic = "{DEAD_LETTERS}"
        flood-guard = {{ enabled = false }}
        [subscriptions.neighbour]
        connector = "neighbour"
        topics = ["{OTHER_TOPIC}"]
        dead-letter-topic = "{DEAD_LETTERS}.neighbour"
        {QUICK}
        "#,
        bootstrap = broker.bootstrap(),
        rest = plugin("rest")?.display(),
        neighbour = neighbour.url(),
    ))
}

#[test]
fn a_name_that_moves_to_a_private_address_is_refused_when_it_is_dialled() -> anyhow::Result<()> {
    let neighbours_letters = format!("{DEAD_LETTERS}.neighbour");
    let broker = Embedded::start(&[
        (TOPIC, 1),
        (OTHER_TOPIC, 1),
        (DEAD_LETTERS, 1),
        (neighbours_letters.as_str(), 1),
    ])?;
    // Each reply ends its connection, so that each event dials.
    let close = Behaviour::from_fn(|_| {
        Answer::status(201).with_header(CONNECTION, HeaderValue::from_static("close"))
    });
    let system = System::start("moving", close)?;
    let neighbour = System::start("neighbour", Behaviour::ok())?;
    // What the name is moved to: the same port of another address of this machine.
    let port = system.address().port();
    let inside = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port))?;
    inside.set_nonblocking(true)?;
    let folder = Folder::new("names")?;
    let names = folder.write("hosts", "")?;
    move_to(&names, &["127.0.0.1"])?;
    let admin = port::free()?;
    let config = config(&broker, admin, port, &neighbour)?;
    let mut host = HostProcess::start_with_names(&config, admin, &[], &names)?;
    host.wait_ready(LIMIT)?;

    let steps: [(&str, &[&str], Option<&str>); 6] = [
        ("first", &["127.0.0.1"], None),
        ("inside", &["127.0.0.2"], Some("which is at 127.0.0.2 (loopback)")),
        ("metadata", &["169.254.169.254"], Some("which is at 169.254.169.254 (a cloud's metadata service)")),
        ("mapped", &["::ffff:127.0.0.2"], Some("(loopback)")),
        ("among-others", &["127.0.0.2", "127.0.0.1"], None),
        ("back", &["127.0.0.1"], None),
    ];
    let (mut delivered, mut refused) = (0, 0);
    let mut memory = 0;
    for (index, (id, addresses, says)) in steps.iter().enumerate() {
        move_to(&names, addresses)?;
        let beside = Outgoing { topic: OTHER_TOPIC.to_owned(), ..event(id, id) };
        produce(broker.bootstrap(), vec![event(id, id), beside])?;
        match says {
            None => {
                delivered += 1;
                system.wait_for(delivered, LIMIT)?;
            }
            Some(says) => {
                refused += 1;
                let letters = wait::until_some(LIMIT, "the dead letter", || {
                    records(&broker, DEAD_LETTERS).ok().filter(|letters| letters.len() == refused)
                })?;
                let message = letters[refused - 1].message()?;
                ensure!(message.contains(says), "{id}: {message}\nand not\n{says}");
                assert_eq!(letters[refused - 1].event_id()?, *id);
            }
        }
        neighbour.wait_for(index + 1, LIMIT)?;
        if index == 0 {
            memory = usage::memory_now(host.id())?;
        }
    }
    assert_eq!(system.count(), 3, "and nothing was asked twice");
    let reached = inside.accept();
    assert!(
        reached.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "the address that is refused was connected to: {reached:?}"
    );
    let metrics = host.metrics()?;
    assert_eq!(metrics.sum("liaison_breaker_opened_total", &[]), 0.0);
    assert_eq!(metrics.sum("liaison_dead_letters_total", &[("subscription", "neighbour")]), 0.0);
    let after = usage::memory_now(host.id())?;
    assert!(after <= memory + MEMORY_SLACK, "{} MiB before, {} MiB after", memory >> 20, after >> 20);
    ensure!(host.terminate(LIMIT)?.success(), "the host did not end in order");
    Ok(())
}
