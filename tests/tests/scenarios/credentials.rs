//! Credentials that change while events go: access tokens and secrets in files, and that no trace of them is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::header::AUTHORIZATION;
use liaison::kafka::embedded::Embedded;
use liaison_tests::folder::Folder;
use liaison_tests::host::HostProcess;
use liaison_tests::port;
use liaison_tests::produce::produce;
use liaison_tests::system::{Answer, Behaviour, Request, System};
use liaison_tests::wait;
use serde_json::json;

use crate::fixture::{Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, event, letters};

fn sent<'a>(request: &'a Request<'_>) -> &'a str {
    request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Gives `…-1`, `…-2` and so on to whoever shows the secret that is right now, and notes each.
fn login(secret: Arc<Mutex<&'static str>>, given: Arc<AtomicUsize>) -> Behaviour {
    Behaviour::from_fn(move |request| {
        let form = String::from_utf8_lossy(request.body);
        let right = format!("client_secret={}", *secret.lock().expect("no holder panics"));
        let is_right = form.split('&').any(|pair| pair == right);
        if !is_right {
            let text = json!({ "error": "invalid_client", "error_description": format!("not {form}") });
            return Answer::status(401).with_body(text.to_string());
        }
        let number = given.fetch_add(1, Ordering::Relaxed) + 1;
        let token = json!({ "access_token": format!("token-8f3a-{number}"), "token_type": "bearer", "expires_in": 3600 });
        Answer::status(200).with_body(token.to_string())
    })
}

/// Takes the token with this number, and echoes what it was sent where it takes none.
fn system(right: Arc<AtomicUsize>) -> Behaviour {
    Behaviour::from_fn(move |request| {
        let right = format!("Bearer token-8f3a-{}", right.load(Ordering::Relaxed));
        match sent(request) {
            token if token != right => Answer::status(401).with_body(format!("not with {token}")),
            token if request.path.ends_with("bad") => {
                let header = token.parse().expect("it came as a header");
                Answer::status(422)
                    .with_body(format!("no: {token}"))
                    .with_header(http::header::WARNING, header)
            }
            _ => Answer::status(201),
        }
    })
}

#[test]
fn tokens_and_secrets_change_without_a_restart_and_leave_no_trace() -> anyhow::Result<()> {
    let folder = Folder::new("credentials")?;
    let file = folder.write("client", "secret-1f0c-old")?;
    let secret = Arc::new(Mutex::new("secret-1f0c-old"));
    let (given, right) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let login = System::start("login", login(secret.clone(), given.clone()))?;
    let system = System::start("calendar", system(right.clone()))?;
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let admin = port::free()?;
    let connector = &format!(
        r#"credential = {{ oauth2 = {{ token-url = "{}/token", client-id = "liaison", client-secret = {{ folder = {{ path = '{}', name = "client" }} }}, client-authentication = "body" }} }}"#,
        login.url(),
        folder.path().display(),
    );
    let text =
        Config { connector, tables: QUICK, ..Config::default() }.text(broker.bootstrap(), &system.url())?;
    let text = text.replace("address = false", &format!("address = \"{admin}\""));
    let mut host = HostProcess::start(&text, admin, &[("RUST_LOG", "liaison=debug")])?;
    host.wait_ready(LIMIT)?;
    let settled = |count: f64| {
        let is_there =
            || host.metrics().is_ok_and(|metrics| metrics.sum("liaison_events_settled_total", &[]) >= count);
        wait::until(LIMIT, "events that settle", is_there)
    };
    produce(broker.bootstrap(), (0..5).map(|number| event(&format!("e-{number}"), "k")).collect())?;
    settled(5.0)?;
    assert_eq!((given.load(Ordering::Relaxed), system.accepted()), (1, 5), "one token for all");

    // It is withdrawn, and the client's secret is another one by now.
    *secret.lock().expect("no holder panics") = "secret-2e7b-new";
    std::fs::write(folder.path().join("next"), "secret-2e7b-new")?;
    std::fs::rename(folder.path().join("next"), &file)?;
    right.store(2, Ordering::Relaxed);
    produce(broker.bootstrap(), vec![event("e-5", "k"), event("bad", "k")])?;
    settled(7.0)?;
    assert_eq!((given.load(Ordering::Relaxed), system.accepted()), (2, 6));
    let attempts = host.metrics()?.sum("liaison_attempts_total", &[]);
    assert_eq!(attempts, 7.0, "a token that is refused costs no attempt");

    // The token endpoint refuses: nothing is lost, the system counts as down, and the reason names the endpoint.
    *secret.lock().expect("no holder panics") = "another";
    right.store(3, Ordering::Relaxed);
    produce(broker.bootstrap(), vec![event("e-6", "k"), event("e-7", "other")])?;
    let line = host.wait_for_log("fetching an access token from", LIMIT)?;
    assert!(line.contains("it answered 401, invalid_client"), "{line}");
    *secret.lock().expect("no holder panics") = "secret-2e7b-new";
    settled(9.0)?;

    let found = letters(&broker)?;
    assert_eq!(found.len(), 1);
    assert!(found[0].message()?.contains("no: Bearer [secret]"), "{}", found[0].message()?);
    let headers = found[0].0.headers.iter().filter_map(|(_, value)| value.as_deref());
    let mut written: Vec<String> =
        headers.map(|value| String::from_utf8_lossy(value).into_owned()).chain(host.log()).collect();
    written.push(host.page("/metrics")?.1);
    written.push(host.page("/readyz")?.1);
    for text in &written {
        for secret in ["token-8f3a", "secret-1f0c", "secret-2e7b"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}
