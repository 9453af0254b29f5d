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
//! | `recursion` | calls itself for ever |
//! | `memory` | asks for memory until there is none |
//! | `table` | grows a table until there is none left, if the harness has put that in; else it rejects the event |
//! | `handles` | asks for a stream again and again, and gives none back |
//! | `host-calls` | asks for the time for ever |
//! | `settings` | asks for its settings for ever |
//! | `few-steps` | returns one step too few for the whole batch |
//! | `many-steps` | returns one step too many |
//! | `huge` | asks for a request with a body of 50 MB |
//! | `huge-reason` | rejects with a reason of 50 MB |
//! | `large-head` | asks for a request with a header of 100 kB |
//! | `large-body` | asks for a request with a body of 1 MB |
//! | `random` | answers differently at each call of an instance |
//! | `log-flood` | logs 50,000 lines, then behaves |
//! | `endless-steps` | makes one request after another for ever |
//! | `many-effects` | makes 10,000 requests at once |
//! | `sleep` | sleeps for an hour |
//! | `broken-promise` | settles by a request, and rejects the event when asked about its success |
//! | `to URL` | asks for a request to there, whatever is written in it |
//! | `with NAME: VALUE` | asks for a request with this header, whatever is written in it |
//! | `sockets` | connects, sends a datagram and looks up a name, then rejects the event with what came of each |
//!
//! The connector's setting `at-start` names what is done when an instance is made: `trap` or `loop`.
//!
//! Any other event is delivered as a good connector does: its data is put to `/events/{id}`.

mod misdeeds;

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
        let has = |name| deliveries.iter().any(|delivery| misdeed(&delivery.event).as_deref() == Some(name));
        let (is_short, is_long) = (has("few-steps"), has("many-steps"));
        let mut steps: Vec<Step> = deliveries.into_iter().flat_map(one).collect();
        if is_short {
            steps.pop();
        }
        if is_long {
            steps.push(Step::Settle(Outcome::rejected("of no event")));
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
        Some("loop") => misdeeds::spin(),
        Some("recursion") => misdeeds::descend(),
        Some("memory") => misdeeds::eat(),
        Some("table") => {
            let mark = misdeeds::grow_a_table();
            return Ok(Outcome::rejected(format!(
                "no table has grown: this is the component as it was built ({mark})"
            )));
        }
        Some("handles") => misdeeds::hoard(),
        Some("host-calls") => misdeeds::ask_the_time(),
        Some("settings") => misdeeds::ask_the_settings(),
        Some("huge") => http.put("/huge").body(vec![b'x'; HUGE_BYTES]).send().await.map(|_| ())?,
        Some("huge-reason") => return Ok(Outcome::rejected("x".repeat(HUGE_BYTES))),
        Some("random") => return Ok(Outcome::rejected(format!("answer {}", misdeeds::next_number()))),
        Some("large-head") => {
            http.put("/large").header("x-large", "x".repeat(100_000)).send().await?;
        }
        Some("large-body") => {
            http.put("/large").body(vec![b'x'; 1_000_000]).send().await?;
        }
        Some("log-flood") => (0..50_000).for_each(|number| log::info(&format!("line {number}"))),
        Some("endless-steps") => loop {
            http.get("/endless").send().await?;
        },
        Some("many-effects") => {
            join_all((0..10_000).map(|number| http.get(format!("/many/{number}")).send())).await;
        }
        Some("sleep") => misdeeds::sleep(),
        Some(named) if named.starts_with("to ") => {
            let reply = http.get(&named["to ".len()..]).send().await?;
            return Ok(Outcome::rejected(format!("{} was reached", reply.status())));
        }
        Some(named) if named.starts_with("with ") => {
            let (name, value) = named["with ".len()..].split_once(": ").unwrap_or_default();
            let reply = http.put("/headed").header(name, value).send().await?;
            return Ok(Outcome::rejected(format!("{} was reached", reply.status())));
        }
        Some("sockets") => return Ok(Outcome::rejected(misdeeds::reach_out())),
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
        let long = vec![event("t").attribute("hostile", "many-steps").into()];
        assert_eq!(Hostile::deliver(long).len(), 2);
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
