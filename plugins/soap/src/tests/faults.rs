//! What faults mean, and what is no envelope at all.

use super::*;

#[test]
fn faults_and_what_is_no_envelope_are_told_apart() {
    use OutcomeKind::{Conflict, Delivered, Denied, Rejected, Retry, Throttled};
    set(json!({}));
    let html = "<!doctype html><title>Bad gateway</title>";
    for (reply, kind) in [
        (fault(500, "Client.Invalid", "no"), Rejected),
        (fault(500, "Server", "locked"), Retry),
        (fault(500, "MustUnderstand", "what"), Rejected),
        (fault(500, "VersionMismatch", "what"), Rejected),
        (fault(500, "Client.FailedAuthentication", "who"), Denied),
        (fault(500, "Client.Stale", "newer"), Conflict),
        (fault(500, "Client.ResourceNotFound", "gone"), Rejected),
        (fault(200, "Server", "a service that says 200"), Retry),
        (reply(500), Retry),
        (reply(502).text(html), Retry),
        (reply(200).text(html), Retry),
        (reply(200).text("<a/>"), Retry),
        (reply(200), Retry),
        (reply(202), Delivered),
        (reply(401).text(html), Denied),
        (reply(404).text(html), Rejected),
        (reply(409), Conflict),
        (reply(429).header("retry-after", "7"), Throttled),
    ] {
        let shown = format!("{reply:?}");
        let run = endpoint().expect(POST, reply).deliver(deliver, record());
        assert_eq!(run.outcome.kind(), kind, "{shown}: {:?}", run.outcome);
    }
    let run =
        endpoint().expect(POST, fault(500, "Client.Invalid", "no\nsuch title")).deliver(deliver, record());
    assert_eq!(
        run.outcome,
        Outcome::rejected("SOAP PutRecord was answered with the fault Client.Invalid: no such title")
    );
    let slow = fault(503, "Server", "later").header("retry-after", "30");
    let run = endpoint().expect(POST, slow).deliver(deliver, record());
    let why = "SOAP PutRecord was answered with the fault Server: later";
    assert_eq!(run.outcome, Outcome::retry_after(std::time::Duration::from_secs(30), why));
    let run = endpoint().expect(POST, Unanswered::TimedOut).deliver(deliver, record());
    assert_eq!(run.outcome.kind(), Retry);
}

#[test]
fn a_fault_is_known_by_its_detail_whatever_the_prefix_there() {
    let detailed = |inner: &str| {
        let fault = format!(
            "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>no</faultstring><detail>{inner}</detail></soap:Fault>"
        );
        reply(500).text(&Version::V11.envelope("", &fault))
    };
    let coded = |inner: &str| {
        let fault = format!(
            "<soap:Fault xmlns:m='urn:agency:compliance'><soap:Code><soap:Value>soap:Sender</soap:Value><soap:Subcode>\
             <soap:Value>{inner}</soap:Value></soap:Subcode></soap:Code></soap:Fault>"
        );
        reply(400).text(&Version::V12.envelope("", &fault))
    };
    set(
        json!({ "faults": { "{urn:agency:compliance}Stale": "conflict", "Busy": "throttled", "Sender.Locked": "retry" } }),
    );
    for (reply, kind) in [
        (detailed("<a:Stale xmlns:a='urn:agency:compliance'/>"), OutcomeKind::Conflict),
        (detailed("<Stale xmlns='urn:agency:compliance'><at>7</at></Stale>"), OutcomeKind::Conflict),
        (detailed("<a:Stale xmlns:a='urn:other'/>"), OutcomeKind::Retry),
        (detailed("<b:Busy xmlns:b='urn:other'/>"), OutcomeKind::Throttled),
        // The service's own `Client` is not SOAP's.
        (detailed("<a:Client xmlns:a='urn:agency:compliance'>7</a:Client>"), OutcomeKind::Retry),
        (coded("m:Stale"), OutcomeKind::Conflict),
        (coded("m:Busy"), OutcomeKind::Throttled),
        (coded("m:Locked"), OutcomeKind::Retry),
        (coded("m:FailedCheck"), OutcomeKind::Rejected),
    ] {
        let shown = format!("{reply:?}");
        let run = endpoint().expect(POST, reply).deliver(deliver, record());
        assert_eq!(run.outcome.kind(), kind, "{shown}: {:?}", run.outcome);
    }
}
