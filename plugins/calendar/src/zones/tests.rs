//! Definitions of zones, and whether they say what the database says.

use super::*;

fn definition(zone: &str, year: i16) -> String {
    Zone::named(zone).unwrap().definition(Date::constant(year, 1, 1)).to_string().replace("\r\n", "\n")
}

#[test]
fn a_zone_with_summer_time_has_two_rules_for_ever() {
    assert_eq!(
        definition("Europe/Berlin", 2026),
        "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:20251026T030000\n\
         RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nTZNAME:CET\nEND:STANDARD\n\
         BEGIN:DAYLIGHT\nDTSTART:20260329T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZOFFSETFROM:+0100\n\
         TZOFFSETTO:+0200\nTZNAME:CEST\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
    );
}

#[test]
fn rules_are_found_whatever_their_shape() {
    for (zone, parts) in [
        ("America/New_York", &["BYMONTH=3;BYDAY=2SU", "BYMONTH=11;BYDAY=1SU"][..]),
        // The day after the first Saturday; the day before the last Sunday.
        ("America/Santiago", &["BYMONTH=9;BYMONTHDAY=2,3,4,5,6,7,8;BYDAY=SU"]),
        ("America/Nuuk", &["BYMONTH=3;BYMONTHDAY=24,25,26,27,28,29,30;BYDAY=SA"]),
        // Summer is the rule there by law, and daylight for every reader.
        ("Europe/Dublin", &["BEGIN:DAYLIGHT\nDTSTART:20260329T010000\nRRULE", "TZNAME:IST"]),
        ("Australia/Lord_Howe", &["TZOFFSETFROM:+1030\nTZOFFSETTO:+1100"]),
        // The last Thursday at midnight may be the next month: each change is named.
        ("Africa/Cairo", &["RDATE:20271029T000000", "BYMONTH=4;BYDAY=-1FR"]),
        (
            "Asia/Tokyo",
            &["BEGIN:STANDARD\nDTSTART:19510909T010000\nTZOFFSETFROM:+1000\nTZOFFSETTO:+0900\nTZNAME:JST"],
        ),
        ("Etc/GMT-5", &["BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0500\nTZOFFSETTO:+0500"]),
    ] {
        let definition = definition(zone, 2026);
        for part in parts {
            assert!(definition.contains(part), "{zone} has no {part}: {definition}");
        }
    }
    // By the moon, until it was given up.
    let casablanca = definition("Africa/Casablanca", 2020);
    assert!(casablanca.contains("RDATE:20210411T030000") && !casablanca.contains("RRULE"), "{casablanca}");
}

#[test]
fn what_held_before_a_rule_is_named_too() {
    // The rule of today began in 1996; until then summer ended in September.
    let definition = definition("Europe/Berlin", 1990);
    for part in [
        "DTSTART:19890924T030000",
        "RDATE:19950924T030000",
        "DTSTART:19961027T030000\nRRULE:FREQ=YEARLY;BYMONTH=10",
    ] {
        assert!(definition.contains(part), "{part}: {definition}");
    }
}

#[test]
fn a_name_is_found_in_any_case_and_nothing_else_is() {
    assert_eq!(Zone::named("EUROPE/berlin").unwrap().name, "Europe/Berlin");
    for name in ["", "Europe", "Europe/Atlantis", "W. Europe Standard Time", "../etc"] {
        assert!(Zone::named(name).is_none(), "{name}");
    }
}
