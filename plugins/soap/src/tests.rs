//! The plugin against an endpoint that follows a script, with the operations of `compliance.wsdl`.

use liaison_sdk::failure::Unanswered;
use liaison_sdk::raw::connector::liaison::plugin::effects::{Body, HttpRequest};
use liaison_sdk::testing::{self, EventBuilder, endpoint, event, reply};
use serde_json::json;

use super::*;
use crate::envelope::Version;

mod faults;
mod lookups;

const WSDL: &str = include_str!("../compliance.wsdl");
const POST: &str = "POST ";

/// Settings for the service of records, with more of them.
fn set(more: Value) {
    let mut settings = json!({
        "wsdl": WSDL,
        "write": { "operation": "PutRecord", "fields": { "record": "{data}", "overRevision": "{etag}" } },
        "delete": { "operation": "DeleteRecord", "fields": { "id": "{key}" } },
        "etag": "/revision",
        "external-id": "/id",
        "faults": { "ResourceNotFound": "missing", "Client.Stale": "conflict" },
    });
    settings.as_object_mut().expect("a table").extend(more.as_object().expect("a table").clone());
    testing::settings(settings);
}

fn record() -> EventBuilder {
    let data = json!({ "updatedAt": 7, "title": "A & <B>", "id": "r-1", "tags": ["x", "y"], "seats": null,
                       "note": { "text": "ü", "nobody": 1 }, "nobody": { "knows": [1] } });
    event("record.changed").key("r-1").data(data)
}

fn lookup(when: &str) -> Value {
    json!({ "lookup": { "operation": "GetRecord", "fields": { "id": "{key}" }, "when": when } })
}

fn body(request: &HttpRequest) -> String {
    match &request.body {
        Body::Bytes(bytes) => {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let (_, rest) = text.split_once("<soap:Body>").unwrap();
            rest.strip_suffix("</soap:Body></soap:Envelope>").unwrap().to_owned()
        }
        other => panic!("{other:?}"),
    }
}

fn answered(version: Version, body: &str) -> testing::Reply {
    reply(200).text(&version.envelope("", body))
}

fn held(updated_at: i64) -> testing::Reply {
    let body = format!(
        "<t:GetRecordResponse xmlns:t='urn:agency:compliance'><t:GetRecordResult><t:id>r-1</t:id><t:title>theirs</t:title>\
         <t:tags>x</t:tags><t:updatedAt>{updated_at}</t:updatedAt><t:revision>4</t:revision></t:GetRecordResult></t:GetRecordResponse>"
    );
    answered(Version::V11, &body)
}

/// What the service holds where it holds [`record`].
fn same(title: &str) -> testing::Reply {
    let body = format!(
        "<t:GetRecordResponse xmlns:t='urn:agency:compliance'><t:GetRecordResult><t:id>r-1</t:id><t:title>{}</t:title>\
         <t:tags>x</t:tags><t:tags>y</t:tags><t:note><t:text>ü</t:text></t:note><t:updatedAt>7</t:updatedAt><t:revision>4\
         </t:revision></t:GetRecordResult></t:GetRecordResponse>",
        xml::escaped(title)
    );
    answered(Version::V11, &body)
}

fn put(revision: u32) -> testing::Reply {
    let body = format!(
        "<PutRecordResponse xmlns='urn:agency:compliance'><PutRecordResult><id>r-1</id><revision>{revision}</revision>\
         </PutRecordResult></PutRecordResponse>"
    );
    answered(Version::V11, &body)
}

fn fault(status: u16, code: &str, reason: &str) -> testing::Reply {
    let fault = format!(
        "<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{reason}</faultstring></soap:Fault>"
    );
    reply(status).text(&Version::V11.envelope("", &fault))
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(reason) | Outcome::Denied(reason) | Outcome::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn fields_stand_in_the_order_and_the_namespace_of_the_wsdl() {
    set(json!({}));
    let run = endpoint().expect(POST, put(5)).deliver(deliver, record());
    let receipt = Receipt { external_id: Some("r-1".into()), version: Some("5".into()) };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
    let [request] = &run.requests[..] else { panic!("{:?}", run.requests) };
    assert_eq!(request.header("content-type"), Some("text/xml; charset=utf-8"));
    assert_eq!(request.header("soapaction"), Some("\"PutRecord\""));
    let expected = "<PutRecord xmlns=\"urn:agency:compliance\"><record><id>r-1</id><title>A &amp; &lt;B&gt;</title><seats \
                    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/><tags>x</tags><tags>y</tags><note>\
                    <text>ü</text></note><updatedAt>7</updatedAt></record></PutRecord>";
    assert_eq!(body(request), expected);
}

#[test]
fn soap_1_2_says_the_action_in_the_media_type() {
    set(json!({ "soap": "1.2" }));
    let answer = answered(
        Version::V12,
        "<r xmlns='urn:agency:compliance'><PutRecordResult><id>r-1</id></PutRecordResult></r>",
    );
    let run = endpoint().expect(POST, answer).deliver(deliver, record());
    let kind = "application/soap+xml; charset=utf-8; action=\"PutRecord\"";
    assert_eq!(run.requests[0].header("content-type"), Some(kind));
    assert_eq!(run.requests[0].header("soapaction"), None);
    let Body::Bytes(bytes) = &run.requests[0].body else { panic!("{:?}", run.requests[0].body) };
    assert!(String::from_utf8_lossy(bytes).contains("http://www.w3.org/2003/05/soap-envelope"));
}

#[test]
fn a_template_is_a_body_with_its_fields_escaped() {
    testing::settings(json!({
        "write": { "action": "urn:put", "body": "<p:put xmlns:p='urn:p'><p:id kind='{type}'>{key}</p:id><p:title>{/title}</p:title></p:put>" },
        "header": "<h:tenant xmlns:h='urn:h'>{attributes.tenant}</h:tenant>",
        "external-id": "/number",
    }));
    let answer = answered(Version::V11, "<done><receipt><number>7</number><n>1</n></receipt></done>");
    let run =
        endpoint().expect(POST, answer).deliver(deliver, record().key("a'<b").attribute("tenant", "n&n"));
    let receipt = Receipt { external_id: Some("7".into()), version: None };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
    let expected = "<p:put xmlns:p='urn:p'><p:id kind='record.changed'>a&apos;&lt;b</p:id><p:title>A &amp; &lt;B&gt;</p:title></p:put>";
    assert_eq!(body(&run.requests[0]), expected);
    let Body::Bytes(bytes) = &run.requests[0].body else { panic!("{:?}", run.requests[0].body) };
    assert!(
        String::from_utf8_lossy(bytes)
            .contains("<soap:Header><h:tenant xmlns:h='urn:h'>n&amp;n</h:tenant></soap:Header>")
    );
    assert_eq!(run.requests[0].header("soapaction"), Some("\"urn:put\""));
}

#[test]
fn an_event_that_does_not_fit_is_rejected() {
    let with = |data: Value| record().data(data);
    for (more, event, expected) in [
        (
            json!({}),
            with(json!({ "id": "r-1", "updatedAt": 1 })),
            "the event does not fit the operation, at `PutRecord/record`: it has no `title`",
        ),
        (
            json!({}),
            with(json!({ "id": null, "title": "A", "updatedAt": 1 })),
            "the event does not fit the operation, at `PutRecord/record/id`: it is null",
        ),
        (
            json!({}),
            with(json!({ "id": "r-1", "title": ["A"], "updatedAt": 1 })),
            "the event does not fit the operation, at `PutRecord/record/title`: it is no text",
        ),
        (
            json!({}),
            with(json!({ "id": "r-1", "title": "A", "note": "x", "updatedAt": 1 })),
            "the event does not fit the operation, at `PutRecord/record/note`: it is no object",
        ),
        (
            json!({ "unknown-fields": "reject" }),
            record(),
            "the event does not fit the operation, at `PutRecord/record/note`: it has a field `nobody`",
        ),
        (
            json!({}),
            with(json!({ "id": "r-1", "title": "a\u{1}", "updatedAt": 1 })),
            "the event holds '\\u{1}', which no XML may hold",
        ),
        (json!({}), record().bytes("<x/>", None), "the event's data is not JSON: "),
        (
            json!({ "delete": null }),
            record().tombstone(),
            "the event deletes, and the settings have no `delete`",
        ),
    ] {
        set(more);
        let reason = reason(endpoint().deliver(deliver, event).outcome);
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn a_deletion_of_what_is_gone_is_delivered() {
    set(json!({}));
    for reply in [answered(Version::V11, "<r/>"), fault(500, "Client.ResourceNotFound", "none")] {
        let run = endpoint().expect(POST, reply).deliver(deliver, record().tombstone());
        assert_eq!(run.outcome.kind(), OutcomeKind::Delivered);
        assert_eq!(
            body(&run.requests[0]),
            "<DeleteRecord xmlns=\"urn:agency:compliance\"><id>r-1</id></DeleteRecord>"
        );
    }
}

#[test]
fn a_check_calls_an_operation_or_asks_for_a_path() {
    set(json!({ "check": { "operation": "GetRecord", "fields": { "id": "0" } } }));
    for (reply, is_usable) in [
        (held(1), true),
        (fault(500, "Client.ResourceNotFound", "none"), true),
        (fault(500, "Client.FailedAuthentication", "who"), false),
        (fault(500, "Server", "locked"), false),
        (reply(200).text("<html/>"), false),
        (reply(503), false),
    ] {
        let run = endpoint().expect(POST, reply).check(check);
        assert_eq!(matches!(run.outcome, Check::Usable(_)), is_usable, "{:?}", run.outcome);
    }
    set(json!({ "check-path": "?wsdl" }));
    let run = endpoint().expect("GET ?wsdl", reply(200)).check(check);
    assert!(matches!(run.outcome, Check::Usable(_)));
    set(json!({}));
    let run = endpoint().check(check);
    assert!(matches!(run.outcome, Check::Usable(how) if how.starts_with("cannot tell")));
}

#[test]
fn a_mistake_in_the_settings_pauses_and_names_the_key() {
    let rpc = WSDL.replace("style=\"document\"", "style=\"rpc\"");
    let one_way =
        WSDL.replace(r#"<wsdl:output name="GetRecordResponse" message="tns:GetRecordResponse"/>"#, "");
    for (more, expected) in [
        (json!({ "wsdl": "<html/>" }), "settings: wsdl: is no WSDL 1.1: it begins with `html`"),
        (
            json!({ "wsdl": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>" }),
            "settings: wsdl: is not XML that can be read: ",
        ),
        (json!({ "wsdl": rpc }), "settings: wsdl: has no binding of document style"),
        (
            json!({ "wsdl": null }),
            "settings: write: operation: there is no `wsdl`; give it by `settings-files",
        ),
        (
            json!({ "write": { "operation": "Put" } }),
            "settings: write: operation: the WSDL has no operation `Put`; it has DeleteRecord, GetRecord, ",
        ),
        (json!({ "write": {} }), "settings: write: give either the `operation` of a WSDL, or a `body`"),
        (json!({ "write": { "body": "<a>" } }), "settings: write: body: is not XML: "),
        (json!({ "write": { "body": "{key}" } }), "settings: write: body: has no element"),
        (
            json!({ "write": { "body": "<a/>", "fields": {} } }),
            "settings: write: fields: are those of an `operation`",
        ),
        (json!({ "header": "x" }), "settings: header: has no element"),
        (json!({ "etag": "revision" }), "settings: etag: `revision` is no JSON pointer"),
        (json!({ "faults": { "m:Stale": "conflict" } }), "settings: faults: `m:Stale` has a prefix"),
        (
            json!({ "wsdl": one_way, "lookup": { "operation": "GetRecord", "fields": { "id": "{key}" } } }),
            "settings: lookup: operation: `GetRecord` answers with nothing",
        ),
        (json!({ "faults": { "Server": "ignore" } }), "settings: faults.Server: unknown variant `ignore`"),
        (json!({ "check": { "operation": "GetRecord", "fields": { "nr": 1 } } }), "settings: check: "),
        (json!({ "soap": "1.3" }), "settings: soap: unknown variant `1.3`"),
        (json!({ "mehtod": "/x" }), "settings: mehtod: unknown field `mehtod`"),
    ] {
        set(more);
        let outcome = endpoint().deliver(deliver, record()).outcome;
        assert!(
            matches!(&outcome, Outcome::Denied(reason) if reason.starts_with(expected)),
            "{expected}: {outcome:?}"
        );
        assert!(matches!(endpoint().check(check).outcome, Check::Unusable(_)));
    }
}
