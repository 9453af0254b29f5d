//! Which of two versions is the newer, and what that comes to.

use serde_json::json;

use super::*;
use crate::outcome::{Merged, Resolution};
use crate::testing;

#[test]
fn integers_and_times_are_compared() {
    use Ordering::{Equal, Greater, Less};
    for (one, other, expected) in [
        (json!(10), json!(9), Some(Greater)),
        (json!(-3), json!(u64::MAX), Some(Less)),
        (json!(7), json!(7), Some(Equal)),
        (json!("2026-11-22T10:00:01Z"), json!("2026-11-22T10:00:00Z"), Some(Greater)),
        (json!("2026-11-22T10:00:00.001Z"), json!("2026-11-22t10:00:00z"), Some(Greater)),
        (json!("2026-11-22T11:00:00+02:00"), json!("2026-11-22T10:00:00Z"), Some(Less)),
        (json!("2026-11-22 12:00:00.0+02:00"), json!("2026-11-22T10:00:00Z"), Some(Equal)),
        (json!("2026-01-01T00:30:00+01:00"), json!("2025-12-31T23:30:00Z"), Some(Equal)),
        (json!("2024-02-29T23:59:60Z"), json!("2024-03-01T00:00:00Z"), Some(Equal)),
        (json!("0000-01-01T00:00:00Z"), json!("1970-01-01T00:00:00-23:59"), Some(Less)),
        (json!("\"v7\""), json!("\"v7\""), Some(Equal)),
        (json!("b"), json!("a"), None),
        (json!("2026-02-29T00:00:00Z"), json!("2026-02-28T00:00:00Z"), None),
        (json!("2026-11-22"), json!("2026-11-21"), None),
        (json!("2026-11-22T10:00:00"), json!("2026-11-22T10:00:00Z"), None),
        (json!("2026-11-22T10:00:00.Z"), json!("2026-11-22T10:00:00Z"), None),
        (json!("2026-11-22T24:00:00Z"), json!("2026-11-22T10:00:00Z"), None),
        (json!("2026-11-22T10:00:00+2:00"), json!("2026-11-22T10:00:00Z"), None),
        (json!(1.5), json!(1.5), None),
        (json!(true), json!(true), None),
        (json!(1), json!("1"), None),
        (json!("9"), json!("10"), None),
        (json!(null), json!(null), None),
        (json!(""), json!(""), None),
    ] {
        assert_eq!(compare(&one, &other), expected, "{one} {other}");
        assert_eq!(compare(&other, &one), expected.map(Ordering::reverse), "{other} {one}");
    }
}

#[test]
fn what_was_kept_as_text_is_read_as_what_it_is_compared_with() {
    use Ordering::{Equal, Greater, Less};
    for (kept, offered, expected, shown) in [
        ("9", json!(10), Some(Less), json!(9)),
        (" 07 ", json!(7), Some(Equal), json!("07")),
        ("7", json!("7"), Some(Equal), json!("7")),
        ("9", json!("10"), None, json!("9")),
        ("18446744073709551615", json!(-1), Some(Greater), json!(u64::MAX)),
        (
            "2026-05-01T12:00:00.5Z",
            json!("2026-05-01T14:00:00+02:00"),
            Some(Greater),
            json!("2026-05-01T12:00:00.5Z"),
        ),
        ("2026-05-01T12:00:00Z", json!(7), None, json!("2026-05-01T12:00:00Z")),
        ("draft", json!("draft"), Some(Equal), json!("draft")),
        ("1.5", json!(1.5), None, json!("1.5")),
    ] {
        let (kept, offered) = (Version::kept(kept).unwrap(), Version::of(Some(&offered)).unwrap());
        assert_eq!(kept.compare(&offered), expected, "{kept} {offered}");
        assert_eq!(kept.to_json(Some(&offered)), shown, "{kept} {offered}");
    }
    let kept = |text| Version::kept(text).unwrap();
    assert_eq!(kept("9").compare(&kept("10")), Some(Less));
    assert_eq!(kept("9").to_json(None), json!(9));
    assert_eq!(Version::kept(" "), None);
}

#[test]
fn a_version_comes_back_as_it_was() {
    for value in
        [json!(7), json!(-7), json!(u64::MAX), json!("7"), json!("2026-05-01T11:00:00.5+02:00"), json!("a,b")]
    {
        let version = Version::of(Some(&value)).unwrap();
        assert!(version.is_comparable());
        assert_eq!(version.to_json(None), value);
    }
    for none in [json!(null), json!(""), json!("  ")] {
        assert_eq!(Version::of(Some(&none)), None, "{none}");
    }
    assert_eq!(Version::of(None), None);
    for odd in [json!(1.5), json!(true), json!([1]), json!({ "at": 1 })] {
        let version = Version::of(Some(&odd)).unwrap();
        assert!(!version.is_comparable() && version.compare(&version.clone()).is_none(), "{odd}");
    }
}

#[test]
fn an_event_stands_to_what_is_held_by_one_table() {
    use Standing::{Equal, Incomparable, Newer, Older, Unversioned};
    let early = json!("2026-05-01T12:00:00Z");
    let late = json!("2026-05-01T14:00:01+02:00");
    for (offered, held, expected) in [
        (&late, &early, Newer),
        (&early, &late, Older),
        (&early, &json!("2026-05-01T14:00:00+02:00"), Equal),
        (&json!(null), &early, Unversioned),
        (&json!(""), &early, Unversioned),
        (&json!(null), &json!([]), Unversioned),
        (&json!(7), &early, Incomparable),
        (&json!(1.5), &json!(1.5), Incomparable),
        (&early, &json!(null), Newer),
        (&early, &json!(""), Newer),
        (&json!(null), &json!(null), Newer),
        (&json!([]), &json!(null), Newer),
    ] {
        let offered = Offered::record(&json!({ "updatedAt": offered }), &Pointer::updated_at());
        let standing = offered.against(Version::of(Some(held)).as_ref());
        assert_eq!(standing, expected, "{offered:?} {held}");
        assert_eq!(standing.objection().is_none(), matches!(expected, Newer | Equal));
    }
}

#[test]
fn a_tombstone_is_as_old_as_its_event() {
    use Standing::{Newer, Older};
    // 2026-05-01T12:00:00Z
    let noon = Some(1_777_636_800_000);
    for (time, held, expected) in [
        (noon, json!("2026-05-01T14:00:00.001+02:00"), Older),
        (noon, json!("2026-05-01T12:00:00Z"), Newer),
        (noon, json!("2026-05-01T11:59:59Z"), Newer),
        // What is no time, and what nobody knows, speaks against nothing.
        (noon, json!(7), Newer),
        (noon, json!("draft"), Newer),
        (noon, json!([]), Newer),
        (noon, json!(null), Newer),
        (None, json!("2026-05-01T14:00:00.001+02:00"), Newer),
    ] {
        let mut delivery = Delivery::from(testing::event("t").tombstone());
        delivery.event.time = time;
        let offered = Offered::of(&delivery, &Pointer::updated_at()).unwrap();
        assert_eq!(offered.against(Version::of(Some(&held)).as_ref()), expected, "{time:?} {held}");
    }
    let kept = Version::kept("2026-05-01T12:00:01Z");
    assert_eq!(Offered::tombstone(noon).against(kept.as_ref()), Older);
}

#[test]
fn what_is_offered_is_what_is_to_be_written() {
    let delivery = Delivery::from(testing::event("t").data(json!({ "rev": 7 })));
    let at = |text| Pointer::parse(text).unwrap();
    assert_eq!(Offered::of(&delivery, &at("/rev")).unwrap().version().map(Version::as_str), Some("7"));
    assert_eq!(Offered::of(&delivery, &at("/none")), Ok(Offered::Record(None)));
    let broken = Delivery::from(testing::event("t").bytes("<x/>", None));
    let error = Offered::of(&broken, &at("/rev")).unwrap_err().to_string();
    assert!(error.starts_with("the event's data is not JSON: expected value"), "{error}");
}

#[test]
fn a_decision_about_what_is_gone_is_a_conflict_without_anything_held() {
    let event = || testing::event("t").data(json!({ "rev": 7 }));
    let over = |version: Option<&str>| Resolution::Overwrite(version.map(str::to_owned));
    let merged = |version: Option<&str>| {
        Resolution::Merged(Merged { data: Vec::new(), version: version.map(str::to_owned) })
    };
    let conflict = Outcome::conflict(None, None, "rooms/7: what it was decided to write over is gone");
    for (resolution, is_conflict) in [
        (over(Some("7")), true),
        (merged(Some("7")), true),
        // It was decided upon nothing, or nobody knows upon what.
        (over(None), false),
        (over(Some("")), false),
        (merged(None), false),
    ] {
        let delivery = Delivery::from(event().resolution(resolution.clone()));
        let expected = is_conflict.then(|| conflict.clone());
        assert_eq!(gone(&delivery, "rooms/7"), expected, "{resolution:?}");
    }
    assert_eq!(gone(&Delivery::from(event()), "rooms/7"), None);
    let removal = testing::event("t").tombstone().resolution(over(Some("7")));
    assert_eq!(gone(&Delivery::from(removal), "rooms/7"), None);
}

#[test]
fn a_late_tombstone_is_for_the_policies_where_they_can_tell_that_it_is_late() {
    // 2026-05-01T12:00:00Z
    let noon = Some(1_777_636_800_000);
    for (held, skipping, asking) in [
        (
            "2026-05-01T12:00:01Z",
            Late::Conflict { shows_version: true },
            Late::Conflict { shows_version: true },
        ),
        // By its time it would remove what is newer by its own version.
        ("2026-05-01T11:59:59Z", Late::Skipped, Late::Conflict { shows_version: false }),
        ("7", Late::Skipped, Late::Conflict { shows_version: false }),
    ] {
        let held = Version::kept(held);
        assert_eq!(LateTombstone::Skip.judge(noon, held.as_ref()), skipping, "{held:?}");
        assert_eq!(LateTombstone::Conflict.judge(noon, held.as_ref()), asking, "{held:?}");
    }
}
