//! gRPC calls to a server that nobody here wrote: grpcio, with its own health service.

use std::process::Command;

use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::grpc::GrpcServer;
use liaison_tests::host::liaison_binary;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::produce;
use liaison_tests::{is_quick, say_skipped};

use crate::fixture::{Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, event, letters, with_header};

fn errand(id: &str, errand: &str, subject: &str) -> Outgoing {
    with_header(with_header(event(id, id), "ce_errand", errand), "ce_subject", subject)
}

#[test]
fn calls_of_a_real_grpc_server_are_answered_timed_and_told_apart() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("calls_of_a_real_grpc_server_are_answered_timed_and_told_apart", "needs grpcio");
        return Ok(());
    }
    let server = GrpcServer::start()?;
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let folder = Folder::new("grpc-scenario")?;
    let token = folder.write("token", "secret-77aa")?;
    let connector = &format!(
        r#"credential = {{ bearer = {{ file = '{}' }} }}
        allow = [{{ origin = "{}", paths = ["/rooms.Rooms", "/grpc.health.v1.Health/Check"] }}]
        breaker = {{ failures = 64 }}"#,
        token.display(),
        server.url(),
    );
    let subscription = r#"conflict = { policy = "manual" }"#;
    let config = Config { plugin: "errand", connector, subscription, tables: QUICK, ..Config::default() };
    let text = config.text(broker.bootstrap(), &server.url())?;
    let file = folder.write("liaison.toml", &text)?;
    let checked = Command::new(liaison_binary()?).args(["check", "--live", "--config"]).arg(file).output()?;
    let shown = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && shown.contains("rooms.Rooms is serving"), "{checked:?}");
    let host = LocalHost::start(&text)?;
    produce(
        broker.bootstrap(),
        vec![
            errand("booked", "book", "blue"),
            errand("taken", "book", "taken"),
            errand("forbidden", "demolish", "x"),
            errand("large", "large", "x"),
            errand("slow", "wait", "x"),
        ],
    )?;
    let settled = |kind: &str, count: f64| {
        let labels = [("kind", kind)];
        host.wait_for_metric(LIMIT, "liaison_events_settled_total", &labels, |found| found >= count)
    };
    settled("delivered", 1.0)?;
    settled("dead-lettered", 3.0)?;
    // What does not answer is tried again, and is no dead letter: for all we know the system is down.
    let retried = [("outcome", "retry")];
    host.wait_for_metric(LIMIT, "liaison_attempts_total", &retried, |found| found >= 1.0)?;
    server.wait_for_line("cancelled", LIMIT)?;

    let calls = server.calls();
    let of = |name: &str| calls.iter().find(|line| line.contains(name)).cloned().unwrap_or_default();
    let booked = of("Book blue");
    for part in ["'x-tenant': 'north'", "'authorization': 'Bearer secret-77aa'", "'idempotency-key': "] {
        assert!(booked.contains(part), "{booked}");
    }
    let left = |line: &str| line.rsplit("left=").next().and_then(|left| left.parse::<f64>().ok());
    assert!(left(&booked).is_some_and(|left| left > 5.0 && left <= 10.0), "the attempt's own time: {booked}");
    assert!(
        left(&of("Wait")).is_some_and(|left| left > 0.0 && left <= 1.0),
        "the call's own: {}",
        of("Wait")
    );
    assert!(!calls.iter().any(|line| line.contains("Demolish")), "{calls:?}");
    let found = letters(&broker)?;
    for (id, message) in by_event(&found)? {
        let message = (message.message()?, message.header("liaison.recording")?);
        let expected = match id {
            "taken" => "gRPC /rooms.Rooms/Book answered ALREADY_EXISTS: der Raum ist vergeben: größer",
            "forbidden" => "gRPC /admin.Admin/Demolish is not allowed: asked POST ",
            "large" => "gRPC /rooms.Rooms/Large was answered with more than 1048576 bytes",
            other => anyhow::bail!("{other} is a dead letter: {message:?}"),
        };
        assert!(message.0.contains(expected), "{id}: {}", message.0);
        assert!(message.1.contains("\"grpc\":{\"method\":\"/"), "{}", message.1);
        assert!(!message.1.contains("secret-77aa"), "{}", message.1);
    }
    host.stop()
}
