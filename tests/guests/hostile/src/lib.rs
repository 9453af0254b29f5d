//! A connector that does what no plugin may do, so that the scenarios see what it costs: its own event, and
//! nothing else.
//!
//! In comes an event whose attribute `hostile` (a record header), or the member `hostile` of its JSON data,
//! names a misdeed:
//!
//! | name | does |
//! |---|---|
//! | `trap` | panics |
//! | `loop` | computes for ever |
//! | `memory` | asks for memory until there is none |
//! | `few-steps` | returns one step too few for the whole batch |
//! | `huge` | asks for a request with a body of 50 MB |
//! | `huge-reason` | rejects with a reason of 50 MB |
//! | `random` | answers differently at each call of an instance |
//! | `log-flood` | logs 100,000 lines, then behaves |
//! | `endless-steps` | makes one request after another for ever |
//! | `many-effects` | makes 10,000 requests at once |
//! | `sleep` | sleeps for an hour |
//! | `broken-promise` | settles by a request, and rejects the event when asked about its success |
//! | `sockets` | connects, sends a datagram and looks up a name, then rejects the event with what came of each |
//!
//! Any other event is delivered as a good connector does: its data is put to `/events/{id}`.

use std::hint::black_box;
use std::net::{Ipv4Addr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use liaison_sdk::prelude::*;
use liaison_sdk::raw;
use liaison_sdk::raw::connector::exports::liaison::plugin::connector::{CheckStep, Guest, Step};
use liaison_sdk::raw::connector::liaison::plugin::effects::Reply;
use serde::Deserialize;

const HUGE_BYTES: usize = 50_000_000;

/// The exports by hand, because the macro of the SDK cannot return too few steps.
struct Hostile;

impl Guest for Hostile {
    fn deliver(deliveries: Vec<Delivery>) -> Vec<Step> {
        let is_short =
            deliveries.iter().any(|delivery| misdeed(&delivery.event).as_deref() == Some("few-steps"));
        let mut steps: Vec<Step> = deliveries.into_iter().flat_map(one).collect();
        if is_short {
            steps.pop();
        }
        steps
    }

    fn check(now: u64, rounds: Vec<Vec<Reply>>) -> CheckStep {
        raw::check(now, rounds, raw::no_check)
    }
}

#[cfg(target_family = "wasm")]
raw::connector::export_connector!(Hostile with_types_in raw::connector);
#[cfg(not(target_family = "wasm"))]
const _: fn(Vec<Delivery>) -> Vec<Step> = Hostile::deliver;

fn one(delivery: Delivery) -> Vec<Step> {
    match misdeed(&delivery.event).as_deref() {
        // What the SDK keeps an author from.
        Some("broken-promise") if delivery.rounds.is_empty() => {
            raw::deliver(vec![delivery], async |_: &Delivery, http: &Http| http.put("/promised").settle())
        }
        Some("broken-promise") => vec![Step::Settle(Outcome::rejected("after all"))],
        _ => raw::deliver(vec![delivery], deliver),
    }
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    match misdeed(&delivery.event).as_deref() {
        Some("trap") => panic!("trapped, as asked"),
        Some("loop") => spin(),
        Some("memory") => eat(),
        Some("huge") => http.put("/huge").body(vec![b'x'; HUGE_BYTES]).send().await.map(|_| ())?,
        Some("huge-reason") => return Ok(Outcome::rejected("x".repeat(HUGE_BYTES))),
        Some("random") => return Ok(Outcome::rejected(format!("answer {}", next_number()))),
        Some("log-flood") => (0..100_000).for_each(|number| log::info(&format!("line {number}"))),
        Some("endless-steps") => loop {
            http.get("/endless").send().await?;
        },
        Some("many-effects") => {
            join_all((0..10_000).map(|number| http.get(format!("/many/{number}")).send())).await;
        }
        Some("sleep") => sleep(),
        Some("sockets") => return Ok(Outcome::rejected(reach_out())),
        _ => {}
    }
    let url = format!("/events/{}", encode_segment(&delivery.event.id));
    Ok(Outcome::from_response(&http.put(url).event_data().send().await?))
}

/// What the event asks for.
fn misdeed(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct Data {
        hostile: Option<String>,
    }
    let attribute = event.attribute("hostile").map(str::to_owned);
    attribute.or_else(|| event.json::<Data>().ok().and_then(|data| data.hostile))
}

fn spin() {
    let mut count = 0_u64;
    while black_box(count) < u64::MAX {
        count = count.wrapping_add(1) & 0xffff;
    }
}

fn eat() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 24]));
    }
}

/// Another number at each call of an instance: what no connector may keep.
fn next_number() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

#[expect(clippy::disallowed_methods, reason = "the host must refuse it")]
fn sleep() {
    std::thread::sleep(Duration::from_secs(3600));
}

/// What comes of the network for one who just takes it.
fn reach_out() -> String {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, 9)).map(drop);
    let sent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop);
    let found = ("localhost", 9).to_socket_addrs().map(|addresses| addresses.count());
    format!("tcp {connected:?}, udp {sent:?}, name {found:?}")
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{endpoint, event, reply};
    use serde_json::json;

    use super::*;

    #[test]
    fn any_other_event_is_delivered() {
        for event in
            [event("t").id("a/b"), event("t").id("a/b").bytes("x", None), event("t").id("a/b").tombstone()]
        {
            let run = endpoint().expect("PUT /events/a%2Fb", reply(201)).deliver(deliver, event);
            assert_eq!(run.outcome, Outcome::delivered());
        }
    }

    #[test]
    fn the_data_or_an_attribute_names_the_misdeed() {
        let named = [
            event("t").data(json!({ "hostile": "few-steps" })),
            event("t").attribute("hostile", "few-steps"),
        ];
        for bad in named {
            let deliveries = vec![event("t").into(), bad.into(), event("t").into()];
            assert_eq!(Hostile::deliver(deliveries).len(), 2);
        }
    }

    #[test]
    fn one_event_asks_for_too_many_effects() {
        let steps = Hostile::deliver(vec![event("t").attribute("hostile", "many-effects").into()]);
        assert!(matches!(&steps[..], [Step::Perform(effects)] if effects.len() == 10_000));
    }

    #[test]
    fn the_same_event_is_answered_differently() {
        let event = || vec![event("t").attribute("hostile", "random").into()];
        assert_ne!(Hostile::deliver(event()), Hostile::deliver(event()));
    }
}
