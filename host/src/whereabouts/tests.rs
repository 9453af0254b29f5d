//! What is remembered, what is forgotten, and what it costs.

use super::*;

fn event(id: &str, source: &str, offset: i64) -> Event {
    Event {
        id: id.to_owned(),
        source: source.to_owned(),
        kind: "policy.updated".to_owned(),
        subject: None,
        time: None,
        key: None,
        content_type: None,
        data: None,
        attributes: Vec::new(),
        origin: Origin { topic: "events".into(), partition: 2, offset },
    }
}

fn calendar() -> SubscriptionName {
    SubscriptionName::new("calendar")
}

fn state(whereabouts: &Whereabouts, id: &str) -> Option<Told> {
    let known = whereabouts.of(id);
    known.first().and_then(|known| known.subscriptions.first()).map(|(_, told)| told.clone())
}

#[test]
fn an_event_is_followed_from_its_writing_to_its_end() {
    let whereabouts = Whereabouts::new(100, 0);
    let event = event("e-1", "/s", 7);
    whereabouts.accepted(&event, event.origin.clone(), 1_700_000_000_000);
    let known = &whereabouts.of("e-1")[0];
    assert_eq!(known.accepted.as_ref().unwrap().at, "2023-11-14T22:13:20.000Z");
    assert_eq!((known.topics(), known.subscriptions.len()), (vec!["events"], 0));
    whereabouts.received(&calendar(), &event, 2);
    assert_eq!(state(&whereabouts, "e-1").unwrap().state, State::Waiting);
    whereabouts.attempted(&calendar(), &event, 1, ("retry", &"é".repeat(200)), 3);
    let told = state(&whereabouts, "e-1").unwrap();
    assert_eq!((told.state, told.attempts, told.last_outcome), (State::Retrying, 1, Some("retry")));
    assert_eq!(told.why.unwrap().len(), REASON_BYTES);
    for (end, expected) in [
        (End::Parked("delay".into()), State::Parked),
        (End::Left, State::Left),
        (End::Settled("dead-lettered"), State::DeadLettered),
        (End::Settled("delivered"), State::Delivered),
        (End::Settled("filtered"), State::Filtered),
        (End::Settled("superseded"), State::Superseded),
    ] {
        whereabouts.ended(&calendar(), &event, 2, end, 4);
        let told = state(&whereabouts, "e-1").unwrap();
        assert_eq!((told.state, told.attempts), (expected, 2));
    }
}

#[test]
fn an_event_that_comes_back_goes_on_and_another_record_of_it_begins_anew() {
    let whereabouts = Whereabouts::new(100, 0);
    let first = event("e-1", "/s", 7);
    whereabouts.received(&calendar(), &first, 1);
    whereabouts.attempted(&calendar(), &first, 3, ("retry", "503"), 2);
    whereabouts.ended(&calendar(), &first, 3, End::Parked("delay".into()), 3);
    whereabouts.received(&calendar(), &first, 4);
    assert_eq!(state(&whereabouts, "e-1").unwrap().attempts, 3);
    let again = event("e-1", "/s", 8);
    whereabouts.received(&calendar(), &again, 5);
    // Late word of the first.
    whereabouts.ended(&calendar(), &first, 4, End::Settled("delivered"), 6);
    let told = state(&whereabouts, "e-1").unwrap();
    assert_eq!((told.state, told.attempts, told.received.unwrap().offset), (State::Waiting, 0, 8));
}

#[test]
fn events_of_one_id_and_different_sources_are_told_apart() {
    let whereabouts = Whereabouts::new(100, 0);
    for source in ["/a", "/b", "/a"] {
        whereabouts.received(&calendar(), &event("e-1", source, 1), 1);
    }
    let sources: Vec<_> = whereabouts.of("e-1").into_iter().map(|known| known.source).collect();
    assert_eq!(sources, ["/a", "/b"]);
}

#[test]
fn events_of_one_id_and_source_and_different_types_are_told_apart() {
    let whereabouts = Whereabouts::new(100, 0);
    let of_type = |kind: &str, offset| Event { kind: kind.to_owned(), ..event("e-1", "/s", offset) };
    let (open, closed) = (of_type("open", 1), of_type("closed", 2));
    for event in [&open, &closed] {
        whereabouts.accepted(event, event.origin.clone(), 1);
        whereabouts.received(&calendar(), event, 1);
    }
    whereabouts.ended(&calendar(), &closed, 1, End::Settled("delivered"), 2);
    let states = whereabouts.of("e-1");
    let states: Vec<_> =
        states.iter().map(|known| (known.kind.as_str(), known.subscriptions[0].1.state)).collect();
    assert_eq!(states, [("open", State::Waiting), ("closed", State::Delivered)]);
}

#[test]
fn what_is_in_other_topics_is_left_out() {
    let whereabouts = Whereabouts::new(100, 0);
    let (written, mut copied) = (event("e-1", "/s", 7), event("e-1", "/s", 8));
    copied.origin.topic = "copies".into();
    whereabouts.accepted(&written, written.origin.clone(), 1);
    whereabouts.received(&calendar(), &copied, 1);
    let within = |topics: &[&str]| {
        let topics: Vec<_> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let known = whereabouts.of("e-1").remove(0).within(&topics)?;
        Some((known.accepted.is_some(), known.subscriptions.len()))
    };
    assert_eq!(whereabouts.of("e-1")[0].topics(), ["copies", "events"]);
    assert_eq!(within(&["events", "copies"]), Some((true, 1)));
    assert_eq!(within(&["events"]), Some((true, 0)));
    assert_eq!(within(&["copies"]), Some((false, 1)));
    assert_eq!(within(&["others"]), None);
}

#[test]
fn it_never_holds_more_than_it_may_and_the_oldest_goes_first() {
    let whereabouts = Whereabouts::new(160, 0);
    assert_eq!(whereabouts.extent(), Some((160, 0)));
    for number in 0..10_000 {
        whereabouts.received(&calendar(), &event(&number.to_string(), "/s", number), 1);
    }
    let shared = whereabouts.0.as_ref().unwrap();
    for part in &shared.parts {
        let part = part.lock().unwrap();
        assert_eq!((part.order.len(), part.by_id.len()), (10, 10));
    }
    assert_eq!(whereabouts.of("1"), []);
    assert_eq!(whereabouts.of("9999").len(), 1);
    whereabouts.received(&calendar(), &event(&"x".repeat(NAMES_BYTES), "/s", 1), 1);
    assert_eq!(whereabouts.of(&"x".repeat(NAMES_BYTES)), []);
}

#[test]
fn nothing_is_remembered_where_it_is_off() {
    let whereabouts = Whereabouts::new(0, 0);
    whereabouts.received(&calendar(), &event("e-1", "/s", 1), 1);
    assert_eq!((whereabouts.of("e-1"), whereabouts.is_on(), whereabouts.extent()), (Vec::new(), false, None));
}

/// Prints what remembering costs an event that is read and settled: a timing fails no test.
#[test]
#[expect(clippy::print_stderr, reason = "a figure for whoever asks for it")]
fn what_it_costs_is_told() {
    const EVENTS: i64 = 100_000;
    let whereabouts = Whereabouts::new(10_000, 0);
    let events: Vec<_> =
        (0..EVENTS).map(|number| event(&format!("event-{number:020}"), "/hr/policies", number)).collect();
    let began = std::time::Instant::now();
    for event in &events {
        whereabouts.received(&calendar(), event, 1);
        whereabouts.ended(&calendar(), event, 1, End::Settled("delivered"), 2);
    }
    let each = began.elapsed() / u32::try_from(EVENTS).unwrap();
    eprintln!("remembering an event takes {each:?}");
    assert_eq!(whereabouts.of(&events[events.len() - 1].id).len(), 1);
}
