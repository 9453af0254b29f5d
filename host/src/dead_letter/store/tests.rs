//! Dead letters through a real topic, and their names.

use super::super::mark::Resolution;
use super::super::reason::Reason;
use super::super::record::tests::letter;
use super::*;
use crate::kafka::client::test_settings;
use crate::kafka::embedded::Embedded;
use crate::kafka::producer::Producer;

const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const TOPIC: &str = "calendar-dead-letters";

fn id(text: &str) -> LetterId {
    text.parse().unwrap()
}

/// A broker whose dead-letter topic holds these records.
pub(crate) async fn with(outgoing: Vec<Outgoing>) -> Embedded {
    let broker = Embedded::start(&[(TOPIC, 1), ("policy-events", 4)]).unwrap();
    let producer = Producer::new(&test_settings(&[]), broker.bootstrap()).unwrap();
    for record in outgoing {
        producer.send(record).await.unwrap();
    }
    broker
}

/// What is done with the store of that broker.
pub(crate) fn in_store<T>(broker: &Embedded, topic: &str, act: impl FnOnce(Store<'_>) -> T) -> T {
    let (settings, subscription) = (test_settings(&[]), SubscriptionName::new("calendar"));
    let bootstrap = broker.bootstrap();
    act(Store { settings: &settings, bootstrap, subscription: &subscription, topic, limit: LIMIT })
}

pub(crate) fn full(letter: &DeadLetter) -> Outgoing {
    outgoing(letter, TOPIC, Shape::Full)
}

pub(crate) fn marked(offset: i64, resolution: Resolution) -> Outgoing {
    outgoing_mark(0, &Mark { offset, resolution, at: 5, note: None }, TOPIC)
}

fn found(broker: &Embedded, wanted: &str) -> Result<Letter, StoreError> {
    in_store(broker, TOPIC, |store| store.find(&id(wanted)))
}

#[tokio::test]
async fn a_dead_letter_comes_back_from_kafka_as_it_went() {
    let broker = with(vec![full(&letter())]).await;
    let back = found(&broker, "calendar/0/0").unwrap();
    assert_eq!(format!("{:?}", back.letter), format!("{:?}", letter()));
    assert_eq!((back.id, back.marks), (id("calendar/0/0"), vec![]));
}

#[tokio::test]
async fn a_letter_is_found_with_all_that_was_done_with_it() {
    let other = DeadLetter { reason: Reason::GaveUp, ..letter() };
    let broker = with(vec![
        full(&letter()),
        full(&other),
        marked(0, Resolution::Superseded),
        marked(1, Resolution::Discarded),
        marked(0, Resolution::Redriven),
    ])
    .await;
    let done: Vec<_> =
        found(&broker, "calendar/0/0").unwrap().marks.iter().map(|mark| mark.resolution).collect();
    assert_eq!(done, [Resolution::Superseded, Resolution::Redriven]);
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let foreign = Outgoing { topic: TOPIC.to_owned(), value: Some("x".into()), ..Outgoing::default() };
    let broker = with(vec![full(&letter()), marked(0, Resolution::Redriven), foreign]).await;
    for wanted in ["calendar/0/7", "calendar/3/0"] {
        assert!(matches!(found(&broker, wanted), Err(StoreError::NoSuchLetter(_))), "{wanted}");
    }
    assert!(matches!(found(&broker, "calendar/0/1"), Err(StoreError::IsMark(_))));
    assert!(matches!(found(&broker, "calendar/0/2"), Err(StoreError::Foreign(_))));
}

#[tokio::test]
async fn a_pointer_is_followed_to_the_original() {
    let mut original = letter();
    original.record.origin.offset = 0;
    let source = Outgoing {
        topic: original.record.origin.topic.to_string(),
        partition: Some(original.record.origin.partition),
        key: original.record.key.clone(),
        value: original.record.value.clone(),
        headers: original.record.headers.clone(),
        timestamp: original.record.timestamp,
    };
    let gone = letter();
    let pointers = [&original, &gone].map(|letter| outgoing(letter, TOPIC, Shape::Pointer));
    let broker = with([vec![source], pointers.into()].concat()).await;
    let resolved = |wanted: &str| {
        let pointer = found(&broker, wanted).unwrap().letter;
        assert!(pointer.is_pointer && pointer.record.value.is_none());
        in_store(&broker, TOPIC, |store| store.resolved(pointer))
    };
    let back = resolved("calendar/0/0").unwrap();
    assert_eq!(format!("{:?}", back.record), format!("{:?}", original.record));
    assert!(!back.is_pointer);
    assert!(
        matches!(resolved("calendar/0/1"), Err(StoreError::Gone(origin)) if origin == gone.record.origin)
    );
}

#[test]
fn an_id_is_read_as_it_is_shown() {
    for text in ["calendar/0/42", "a/b/7/1"] {
        assert_eq!(id(text).to_string(), text);
    }
    for wrong in ["", "calendar", "calendar/0", "/0/1", "calendar/x/1", "calendar/0/-1", "calendar/0/1/"] {
        assert_eq!(wrong.parse::<LetterId>(), Err(LetterIdError(wrong.to_owned())), "{wrong}");
    }
}
