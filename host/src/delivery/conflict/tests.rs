//! Which side wins by each policy, and what is left to a person.

use super::*;
use crate::config::Owner;

fn conflict(current: Option<&str>) -> Conflict {
    Conflict {
        version: Some("\"v7\"".to_owned()),
        current: current.map(|current| Bytes::copy_from_slice(current.as_bytes())),
        reason: "412".to_owned(),
    }
}

fn newest(event: Option<&str>, current: Option<&str>) -> Decision {
    let policy = ConflictPolicy::NewestWins { version: "/meta/at".to_owned() };
    decide(&policy, offer(event), &conflict(current), 0)
}

/// Of an event at no known time.
fn offer(event: Option<&str>) -> Offer<'_> {
    Offer { data: event.map(str::as_bytes), time: None }
}

fn at(value: &str) -> String {
    format!(r#"{{"meta":{{"at":{value}}}}}"#)
}

#[test]
fn the_newer_of_two_times_or_integers_wins() {
    let overwrite = Decision::Again(Resolution::Overwrite(Some("\"v7\"".to_owned())));
    let older = Decision::Superseded("the external system holds a newer `/meta/at`".to_owned());
    let same = Decision::AlreadyThere;
    for (event, current, expected) in [
        (r#""2026-11-22T10:00:01Z""#, r#""2026-11-22T10:00:00Z""#, &overwrite),
        (r#""2026-11-22T10:00:00.001Z""#, r#""2026-11-22T10:00:00Z""#, &overwrite),
        (r#""2026-11-22T09:00:00Z""#, r#""2026-11-22T10:00:00Z""#, &older),
        // Later by the letters, earlier by the clock.
        (r#""2026-11-22T11:00:00+02:00""#, r#""2026-11-22T10:00:00Z""#, &older),
        (r#""2026-11-22T12:00:00+02:00""#, r#""2026-11-22T10:00:00Z""#, &same),
        ("10", "9", &overwrite),
        ("-3", "18446744073709551615", &older),
        ("18446744073709551615", "9223372036854775807", &overwrite),
        ("7", "7", &same),
        (r#""etag""#, r#""etag""#, &same),
        (r#""2026-11-22t10:00:00z""#, r#""2026-11-22T10:00:00.000+00:00""#, &same),
    ] {
        assert_eq!(&newest(Some(&at(event)), Some(&at(current))), expected, "{event} {current}");
    }
}

#[test]
fn a_tombstone_is_as_new_as_its_time() {
    let policy = ConflictPolicy::NewestWins { version: "/meta/at".to_owned() };
    // 2026-11-22T10:00:00Z
    let time = Some(1_795_341_600_000);
    let gone = |time, held: &str| decide(&policy, Offer { data: None, time }, &conflict(Some(&at(held))), 0);
    let remove = Decision::Again(Resolution::Overwrite(Some("\"v7\"".to_owned())));
    let late = Decision::Superseded("the external system holds a newer `/meta/at`".to_owned());
    for (held, expected) in [
        (r#""2026-11-22T09:59:59.999Z""#, &remove),
        (r#""2026-11-22T10:00:00Z""#, &remove),
        // Within the millisecond that is all an event knows of its time.
        (r#""2026-11-22T10:00:00.000999Z""#, &remove),
        (r#""2026-11-22T10:00:00.001Z""#, &late),
        (r#""2026-11-22T11:00:00+02:00""#, &remove),
        (r#""2026-11-22T09:00:00-02:00""#, &late),
    ] {
        assert_eq!(&gone(time, held), expected, "{held}");
    }
    for (time, held, says) in [
        (time, "7", "whose version is its time, and at `/meta/at` is 7, no RFC 3339 time"),
        (time, "null", "what the external system holds has nothing at `/meta/at`"),
        (None, r#""2026-11-22T10:00:00Z""#, "the event is a tombstone without a time"),
    ] {
        let Decision::Manual(reason) = gone(time, held) else { panic!("{held}") };
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn a_person_decides_what_cannot_be_compared() {
    let good = at("1");
    for (event, current, expected) in [
        (None, Some(good.as_str()), "the event is a tombstone without a time"),
        (Some(good.as_str()), None, "what the external system holds has no data to compare"),
        (Some("{"), Some(good.as_str()), "the event is not JSON: "),
        (Some(good.as_str()), Some("<xml/>"), "what the external system holds is not JSON: "),
        (Some("{}"), Some(good.as_str()), "the event has nothing at `/meta/at`"),
        (Some(&at("null")), Some(good.as_str()), "the event has nothing at `/meta/at`"),
        (Some(good.as_str()), Some(&at("[]")), "what the external system holds has no single value"),
        (Some(good.as_str()), Some(&at(r#""1""#)), "at `/meta/at` are 1 and \"1\", not two RFC 3339 times"),
        (Some(&at("1.5")), Some(&at("1.6")), "at `/meta/at` are 1.5 and 1.6"),
        (Some(&at("7")), Some(&at("7.0")), "at `/meta/at` are 7 and 7.0"),
        (Some(&at("true")), Some(&at("false")), "at `/meta/at` are true and false"),
        (Some(&at(r#""2026-11-22T10:00:00Z""#)), Some(&at("1")), "at `/meta/at` are \"2026"),
        (Some(&at(r#""2026-11-22T10:00:00""#)), Some(&at(r#""2026-11-22T10:00:00Z""#)), "at `/meta/at` are "),
        (Some(&at(r#""b""#)), Some(&at(r#""a""#)), "at `/meta/at` are \"b\" and \"a\""),
        (Some(&at(r#""2026-11-22""#)), Some(&at(r#""2026-11-21""#)), "at `/meta/at` are "),
    ] {
        let Decision::Manual(reason) = newest(event, current) else { panic!("{event:?} {current:?}") };
        let expected = format!("cannot tell which is newer: {expected}");
        assert!(reason.starts_with(&expected), "{reason}");
    }
}

#[test]
fn the_other_policies_do_not_look_at_the_data() {
    for (policy, expected) in [
        (ConflictPolicy::SourceWins, Decision::Again(Resolution::Overwrite(Some("\"v7\"".to_owned())))),
        (ConflictPolicy::TargetWins, Decision::Superseded("the external system wins by policy".to_owned())),
        (ConflictPolicy::Manual, Decision::Manual("a person decides by policy: 412".to_owned())),
    ] {
        assert_eq!(decide(&policy, offer(None), &conflict(None), 0), expected);
    }
}

fn owned(owners: &[(&str, Owner)], version: Option<&str>) -> ConflictPolicy {
    let fields = owners.iter().map(|(field, owner)| ((*field).to_owned(), *owner)).collect();
    let owners = Owners { default: Owner::Target, fields };
    ConflictPolicy::Merge { owners, version: version.map(str::to_owned) }
}

fn merge_policy(version: Option<&str>) -> ConflictPolicy {
    owned(&[("/date", Owner::Source), ("/revision", Owner::Source)], version)
}

fn decided(policy: &ConflictPolicy, event: Option<&str>, current: Option<&str>) -> Decision {
    decide(policy, offer(event), &conflict(current), 0)
}

#[test]
fn what_is_merged_is_written_over_the_version_it_was_made_from() {
    let event = r#"{"date":"2","room":"B","revision":4}"#;
    let held = r#"{"date":"1","room":"A","revision":3}"#;
    let Decision::Again(Resolution::Merged { data, version }) =
        decided(&merge_policy(Some("/revision")), Some(event), Some(held))
    else {
        panic!("it is merged")
    };
    assert_eq!(data, &br#"{"date":"2","room":"A","revision":4}"#[..]);
    assert_eq!(version.as_deref(), Some("\"v7\""));
    // Once it is there, there is nothing to write.
    let there = std::str::from_utf8(&data).unwrap();
    assert_eq!(decided(&merge_policy(None), Some(event), Some(there)), Decision::AlreadyThere);
}

#[test]
fn an_older_event_of_the_source_is_not_merged() {
    let policy = merge_policy(Some("/revision"));
    let older = decided(&policy, Some(r#"{"date":"1","revision":3}"#), Some(r#"{"date":"2","revision":4}"#));
    assert_eq!(older, Decision::Superseded("the external system holds a newer `/revision`".to_owned()));
    for (event, held, goes) in [
        // What the source has never written to.
        (r#"{"date":"1","revision":3}"#, r#"{"date":"2"}"#, true),
        (r#"{"date":"1","revision":3}"#, r#"{"date":"2","revision":null}"#, true),
        (r#"{"date":"1","revision":3}"#, r#"{"date":"2","revision":3}"#, true),
        (r#"{"date":"1"}"#, r#"{"date":"2","revision":3}"#, false),
        (r#"{"date":"1","revision":"x"}"#, r#"{"date":"2","revision":3}"#, false),
    ] {
        let decision = decided(&policy, Some(event), Some(held));
        assert_eq!(matches!(decision, Decision::Again(_)), goes, "{event} {held}: {decision:?}");
        assert_eq!(matches!(decision, Decision::Manual(_)), !goes, "{event} {held}: {decision:?}");
    }
}

#[test]
fn a_person_decides_what_cannot_be_merged() {
    let policy = merge_policy(None);
    for (event, held, expected) in [
        (None, Some("{}"), "the event has no data: it is a tombstone"),
        (Some("{}"), None, "the connector does not say what the external system holds"),
        (Some("<a/>"), Some("{}"), "the event is not JSON: "),
        (Some("{}"), Some("<a/>"), "what the external system holds is not JSON: "),
        (Some(r#"{"date":1}"#), Some(r#"{"key":"[secret]"}"#), "the external system holds a secret"),
    ] {
        let Decision::Manual(reason) = decided(&policy, event, held) else { panic!("{event:?} {held:?}") };
        assert!(reason.starts_with(&format!("cannot merge: {expected}")), "{reason}");
    }
}

#[test]
fn where_both_say_the_same_there_is_nothing_to_decide() {
    for policy in [
        ConflictPolicy::SourceWins,
        ConflictPolicy::TargetWins,
        ConflictPolicy::Manual,
        ConflictPolicy::NewestWins { version: "/none".to_owned() },
        merge_policy(None),
    ] {
        let decision = decided(&policy, Some(r#"{"a":1,"b":"x"}"#), Some("{ \"b\": \"x\", \"a\": 1 }"));
        assert_eq!(decision, Decision::AlreadyThere, "{policy:?}");
    }
}

/// A connector is asked for nothing that is gone more than once: it is made anew, or a person is told that it is gone.
#[test]
fn what_is_gone_since_it_was_decided_is_written_anew_or_left_to_a_person() {
    let gone = Conflict { version: None, current: None, reason: "/a: it is gone".to_owned() };
    let event = offer(Some(r#"{"date":"2","meta":{"at":2}}"#));
    let decided = |policy: &ConflictPolicy, tries| decide(policy, event, &gone, tries);
    let newest = ConflictPolicy::NewestWins { version: "/meta/at".to_owned() };
    let again = Decision::Again(Resolution::Overwrite(None));
    assert_eq!(decided(&ConflictPolicy::SourceWins, 1), again);
    assert!(matches!(decided(&ConflictPolicy::SourceWins, MAX_RESOLUTIONS), Decision::Endless(_)));
    assert!(matches!(decided(&ConflictPolicy::TargetWins, 1), Decision::Superseded(_)));
    for policy in [newest, merge_policy(None), ConflictPolicy::Manual] {
        let Decision::Manual(reason) = decided(&policy, 1) else { panic!("{policy:?}") };
        assert!(reason.ends_with("/a: it is gone"), "{reason}");
    }
    assert!(
        matches!(after_a_person(event.data, &gone), Decision::Manual(why) if why.ends_with("it is gone"))
    );
}

#[test]
fn tries_are_bounded_whatever_the_policy() {
    let event = offer(Some(r#"{"date":"2","meta":{"at":2}}"#));
    let held = conflict(Some(r#"{"date":"1","meta":{"at":1}}"#));
    for policy in [
        ConflictPolicy::SourceWins,
        ConflictPolicy::NewestWins { version: "/meta/at".to_owned() },
        merge_policy(None),
    ] {
        assert!(
            matches!(decide(&policy, event, &held, MAX_RESOLUTIONS - 1), Decision::Again(_)),
            "{policy:?}"
        );
        let expected = "the external system changed at each of 5 tries: 412".to_owned();
        assert_eq!(decide(&policy, event, &held, MAX_RESOLUTIONS), Decision::Endless(expected), "{policy:?}");
    }
    // What needs no further try is decided all the same.
    assert!(matches!(decide(&ConflictPolicy::TargetWins, event, &held, 99), Decision::Superseded(_)));
}

#[test]
fn a_change_after_a_person_decided_is_decided_by_a_person() {
    let held = conflict(Some(r#"{"a":1}"#));
    let changed = Decision::Manual("the external system has changed since a person decided: 412".to_owned());
    assert_eq!(after_a_person(Some(br#"{"a":2}"#), &held), changed);
    assert_eq!(after_a_person(None, &held), changed);
    assert_eq!(after_a_person(Some(br#"{ "a": 1 }"#), &held), Decision::AlreadyThere);
}
