//! Refusals, as servers word them.

use liaison_sdk::testing::{self, Reply, endpoint, event, reply};

use super::*;

async fn put(_: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    Ok(of_write(&http.put("/c/a.ics").send().await?))
}

fn outcome(answer: Reply) -> (OutcomeKind, String) {
    let outcome = endpoint().expect("PUT /c/a.ics", answer).deliver(put, event("t")).outcome;
    let kind = outcome.kind();
    let reason = match outcome {
        Outcome::Rejected(reason) | Outcome::Denied(reason) | Outcome::Skipped(reason) => reason,
        Outcome::Retry(retry) | Outcome::Throttled(retry) => retry.reason,
        Outcome::Conflict(conflict) => conflict.reason,
        Outcome::Delivered(_) => String::new(),
    };
    (kind, reason)
}

fn condition(status: u16, name: &str) -> testing::Reply {
    let text = format!(
        "<?xml version='1.0'?><error xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><C:{name} /></error>"
    );
    reply(status).text(&text)
}

#[test]
fn a_condition_says_what_is_wrong_with_the_appointment() {
    for (status, name, expected) in [
        (
            403,
            "valid-calendar-data",
            "PUT /c/a.ics answered 403 Forbidden, valid-calendar-data: the server does not take",
        ),
        (409, "no-uid-conflict", "no-uid-conflict: another resource of the calendar has this UID"),
        (403, "max-resource-size", "max-resource-size: it is larger"),
        (412, "supported-calendar-component", "this calendar takes no appointments"),
    ] {
        let (kind, reason) = outcome(condition(status, name));
        assert_eq!(kind, OutcomeKind::Rejected);
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_uid_that_is_taken_says_by_what() {
    let text = "<D:error xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><C:no-uid-conflict>\n<D:href>/c/other.ics</D:href>\n\
                </C:no-uid-conflict></D:error>";
    for status in [403, 409, 412] {
        let (kind, reason) = outcome(reply(status).text(text));
        assert_eq!(kind, OutcomeKind::Rejected, "{status}");
        let expected = "no-uid-conflict: another resource of the calendar has this UID: /c/other.ics";
        assert!(reason.ends_with(expected), "{reason}");
    }
}

#[test]
fn what_is_the_calendar_s_state_costs_no_event() {
    let sabre = "<d:error xmlns:d='DAV:' xmlns:s='http://sabredav.org/ns'><s:exception>Conflict</s:exception>\
                 <s:message>Files can only be created as children of collections</s:message></d:error>";
    for (answer, kind, expected) in [
        (
            reply(409).text("Conflict in the request."),
            OutcomeKind::Retry,
            "409 Conflict, and the calendar is there",
        ),
        (
            reply(409).text(sabre),
            OutcomeKind::Retry,
            "(`Files can only be created as children of collections`)",
        ),
        (reply(404), OutcomeKind::Retry, "404 Not Found, and the calendar is there"),
        (condition(403, "need-privileges"), OutcomeKind::Denied, "may not write"),
        (reply(403), OutcomeKind::Denied, "403 Forbidden"),
        (reply(423), OutcomeKind::Retry, "somebody has locked it"),
        (reply(507), OutcomeKind::Retry, "no room left"),
        (condition(403, "quota-not-exceeded"), OutcomeKind::Retry, "no room left"),
        (reply(503), OutcomeKind::Retry, "503"),
        (reply(429), OutcomeKind::Throttled, "429"),
        (reply(413), OutcomeKind::Rejected, "413"),
        (reply(400).text("Bad Request"), OutcomeKind::Rejected, "400 Bad Request: Bad Request"),
    ] {
        let (found, reason) = outcome(answer);
        assert_eq!(found, kind, "{reason}");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn names_of_elements_are_found_in_any_xml() {
    let text = "<?xml version=\"1.0\"?><d:error xmlns:d='DAV:'><d:a/><C:b x=\"1\">t</C:b></d:error>";
    assert_eq!(elements(text), ["error", "a", "b"]);
    assert_eq!((content(text, "b"), content(text, "a"), content(text, "c")), (Some("t"), None, None));
    for text in ["", "<", "no xml", "a < b", "<ü"] {
        assert!(elements(text).iter().all(|name| name.is_empty() || !name.is_ascii()), "{text}");
    }
}
