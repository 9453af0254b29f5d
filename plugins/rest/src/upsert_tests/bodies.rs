//! What is sent: patches made of what is held, and forms.

use super::*;

#[test]
fn a_patch_is_made_of_what_is_held_and_what_should_be() {
    let patched = |settings: Value, found: Reply| {
        lookup_first(settings);
        let run = endpoint()
            .expect("GET /policies/7", found)
            .expect("PATCH /policies/7", reply(200))
            .deliver(deliver, policy(NEW));
        let request = run.requests.into_iter().nth(1).unwrap();
        (request.header("content-type").unwrap().to_owned(), request.json())
    };
    let title = json!({ "op": "replace", "path": "/title", "value": "ours" });
    let time = json!({ "op": "replace", "path": "/updatedAt", "value": NEW });
    assert_eq!(
        patched(json!({ "body": "json-patch" }), held(OLD, "theirs")),
        ("application/json-patch+json".to_owned(), json!([title, time]))
    );
    let untagged = reply(200).json(&json!({ "title": "theirs", "updatedAt": OLD }));
    let test = |path: &str, value: &str| json!({ "op": "test", "path": path, "value": value });
    assert_eq!(
        patched(json!({ "body": "json-patch" }), untagged).1,
        json!([test("/title", "theirs"), title, test("/updatedAt", OLD), time])
    );
    let (kind, patch) = patched(json!({ "body": "merge-patch", "patch-keeps": [] }), held(OLD, "ours"));
    assert_eq!(
        (kind.as_str(), patch),
        ("application/merge-patch+json", json!({ "id": null, "updatedAt": NEW }))
    );
    let (_, patch) =
        patched(json!({ "body": "merge-patch", "patch-keeps": ["/id", "/none/there"] }), held(OLD, "ours"));
    assert_eq!(patch, json!({ "updatedAt": NEW }));
    let wrapped =
        reply(200).header("etag", "\"3\"").json(&json!({ "data": { "title": "theirs", "updatedAt": NEW } }));
    let (_, patch) = patched(json!({ "body": "json-patch", "wrap": "/data", "version": false }), wrapped);
    assert_eq!(patch, json!([{ "op": "replace", "path": "/data/title", "value": "ours" }]));

    // Where nothing differs nothing is asked; and a record that is created is sent whole.
    lookup_first(json!({ "body": "json-patch", "version": false }));
    let run = endpoint().expect("GET /policies/7", held(NEW, "ours")).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, there());
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("PUT /policies/7", reply(201))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.requests[1].header("content-type"), Some("application/json"));
}

#[test]
fn forms_carry_the_data_or_what_is_named() {
    use liaison_sdk::raw::connector::liaison::plugin::effects::{Body, HttpRequest};
    let body = |request: &HttpRequest| match &request.body {
        Body::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    let sent = |settings: Value| {
        testing::settings(settings);
        let data = json!({ "title": "A & B", "n": 1.5, "no": null, "tags": ["x", null, true], "file": "JVBERi0=", "o": { "p": 1 } });
        let run = endpoint().expect("POST /p", reply(201)).deliver(deliver, event("t").id("e").data(data));
        run.requests.into_iter().next().unwrap()
    };
    let form =
        sent(json!({ "path": "/p", "method": "POST", "body": "form", "headers": { "Content-Type": "x/y" } }));
    assert_eq!(body(&form), "file=JVBERi0%3D&n=1.5&o=%7B%22p%22%3A1%7D&tags=x&tags=true&title=A+%26+B");
    let types: Vec<_> =
        form.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type")).collect();
    assert_eq!(types, [&("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())]);
    let form = sent(
        json!({ "path": "/p", "method": "POST", "body": "form", "fields": { "a": "{/title}!", "b": "{id}" } }),
    );
    assert_eq!(body(&form), "a=A+%26+B%21&b=e");

    let form = sent(json!({
        "path": "/p", "method": "POST", "body": "multipart", "fields": { "title": "{/title}" },
        "files": [
            { "name": "doc", "file-name": "{id}.pdf", "content-type": "application/pdf", "content": "/file" },
            { "name": "note", "file-name": "n.txt", "content": "/title", "encoding": "text" },
        ],
    }));
    let text = body(&form);
    assert!(form.header("content-type").unwrap().starts_with("multipart/form-data; boundary="), "{form:?}");
    for part in [
        "name=\"title\"\r\n\r\nA & B\r\n",
        "name=\"doc\"; filename=\"e.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-\r\n",
        "name=\"note\"; filename=\"n.txt\"\r\nContent-Type: application/octet-stream\r\n\r\nA & B\r\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let form = sent(
        json!({ "path": "/p", "method": "POST", "body": "multipart", "files": [{ "name": "all", "file-name": "a", "content": "data" }] }),
    );
    assert!(body(&form).contains("\r\n\r\n{\"file\":") && !body(&form).contains("name=\"title\""));
}

#[test]
fn a_form_that_cannot_be_made_rejects_the_event() {
    for (settings, data, expected) in [
        (json!({ "body": "form" }), json!([1]), "the event's data is not a JSON object, whose members"),
        (
            json!({ "body": "form", "fields": { "a": "{/x}" } }),
            json!({}),
            "the event's data has no text, number or boolean at `/x`",
        ),
        (
            json!({ "body": "multipart", "files": [{ "name": "a", "file-name": "a", "content": "/f" }] }),
            json!({}),
            "the event's data has no text at `/f`, which is to be a file",
        ),
        (
            json!({ "body": "multipart", "files": [{ "name": "a", "file-name": "a", "content": "/f" }] }),
            json!({ "f": "%" }),
            "the event's data has at `/f` what is no base64: ",
        ),
    ] {
        let mut settings = settings;
        settings["path"] = json!("/p");
        testing::settings(settings);
        let reason = reason(endpoint().deliver(deliver, event("t").data(data)).outcome);
        assert!(reason.starts_with(expected), "{reason}");
    }
}
