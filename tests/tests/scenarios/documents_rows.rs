//! The plugin `documents` against a real WebDAV server and a real server of the S3 API: the same of both, read back from
//! each.

use liaison_tests::s3::S3;
use liaison_tests::webdav::WebDav;

use crate::documents::{Repository, Stage, USUAL, Wants, policy, removal};
use crate::fixture::{LIMIT, by_event};

const PATH: &str = "/policies/p-1.pdf";
const FIRST: &str = "2020-05-01T12:00:00Z";
const SECOND: &str = "2020-05-02T12:00:00Z";
/// After anything that someone else may change while a test runs.
const LATER: &str = "2199-01-01T00:00:00Z";

/// One test for each kind of repository.
macro_rules! of_both {
    ($($scenario:ident: $webdav:ident, $s3:ident;)*) => {
        $(
            #[test]
            fn $webdav() -> anyhow::Result<()> {
                $scenario::<WebDav>(stringify!($webdav))
            }

            #[test]
            fn $s3() -> anyhow::Result<()> {
                $scenario::<S3>(stringify!($s3))
            }
        )*
    };
}

of_both! {
    life: a_document_is_created_changed_and_removed_in_webdav, a_document_is_created_changed_and_removed_in_s3;
    redelivery: the_same_event_five_times_is_one_document_in_webdav, the_same_event_five_times_is_one_document_in_s3;
    out_of_order: an_older_event_never_replaces_a_newer_one_in_webdav, an_older_event_never_replaces_a_newer_one_in_s3;
    conflict: what_someone_else_changed_is_decided_by_policy_in_webdav, what_someone_else_changed_is_decided_by_policy_in_s3;
    person: what_someone_else_changed_waits_for_a_person_in_webdav, what_someone_else_changed_waits_for_a_person_in_s3;
    outage: a_webdav_server_that_is_away_costs_no_event, an_s3_server_that_is_away_costs_no_event;
    bad_data: a_bad_document_is_one_dead_letter_and_others_go_on_in_webdav, a_bad_document_is_one_dead_letter_and_others_go_on_in_s3;
    versions: each_version_is_kept_under_its_own_name_in_webdav, each_version_is_kept_under_its_own_name_in_s3;
}

fn life<R: Repository>(test: &str) -> anyhow::Result<()> {
    let Some(stage) = Stage::<R>::start(test, USUAL)? else { return Ok(()) };
    stage.produce([policy("1", "p-1", FIRST, "Leave & pay", "%PDF-1.7 first")])?;
    stage.settled("delivered", 1.0)?;
    stage.holds(PATH, "%PDF-1.7 first", &escaped::<R>("Leave & pay"), FIRST)?;
    assert_eq!(stage.repository.record(PATH, "event-id")?.as_deref(), Some("1"));

    stage.produce([policy("2", "p-1", SECOND, "Leave", "%PDF-1.7 second")])?;
    stage.settled("delivered", 2.0)?;
    stage.holds(PATH, "%PDF-1.7 second", "Leave", SECOND)?;

    stage.produce([removal("3", "p-1"), removal("4", "p-1"), removal("5", "never-there")])?;
    stage.settled("delivered", 5.0)?;
    assert_eq!(stage.repository.content(PATH)?, None);
    stage.stop_without_dead_letters()
}

/// As the repository gives it back.
fn escaped<R: Repository>(text: &str) -> String {
    if R::TARGET == "webdav" { text.replace('&', "&amp;") } else { text.to_owned() }
}

fn redelivery<R: Repository>(test: &str) -> anyhow::Result<()> {
    let Some(stage) = Stage::<R>::start(test, USUAL)? else { return Ok(()) };
    let same = || policy("1", "p-1", FIRST, "Leave", "%PDF-1.7 first");
    stage.produce((0..5).map(|_| same()))?;
    stage.settled("delivered", 5.0)?;
    stage.holds(PATH, "%PDF-1.7 first", "Leave", FIRST)?;
    assert_eq!((stage.attempts("delivered"), stage.attempts("skipped")), (1.0, 4.0));
    assert_eq!(stage.repository.writes(PATH), 1);
    stage.stop_without_dead_letters()
}

fn out_of_order<R: Repository>(test: &str) -> anyhow::Result<()> {
    let Some(stage) = Stage::<R>::start(test, USUAL)? else { return Ok(()) };
    stage.produce([
        policy("2", "p-1", SECOND, "Leave", "%PDF-1.7 second"),
        policy("1", "p-1", FIRST, "Old", "%PDF-1.7 first"),
        // The same content under a newer version moves the version on: what lies between them comes too late.
        policy("4", "p-1", "2020-05-04T12:00:00+02:00", "Leave", "%PDF-1.7 second"),
        policy("3", "p-1", "2020-05-03T12:00:00Z", "Old", "%PDF-1.7 third"),
    ])?;
    stage.settled("delivered", 2.0)?;
    stage.settled("superseded", 2.0)?;
    stage.holds(PATH, "%PDF-1.7 second", "Leave", "2020-05-04T12:00:00+02:00")?;
    stage.stop_without_dead_letters()
}

fn conflict<R: Repository>(test: &str) -> anyhow::Result<()> {
    let Some(stage) = Stage::<R>::start(test, USUAL)? else { return Ok(()) };
    stage.produce([policy("1", "p-1", FIRST, "Leave", "%PDF-1.7 first")])?;
    stage.settled("delivered", 1.0)?;
    // Of the same length, and likely within the same second: no ETag of a file tells.
    stage.repository.change(PATH, b"%PDF-1.7 other")?;
    stage.produce([policy("2", "p-1", SECOND, "Leave", "%PDF-1.7 second")])?;
    stage.settled("superseded", 1.0)?;
    assert_eq!(
        stage.repository.content(PATH)?.as_deref(),
        Some(&b"%PDF-1.7 other"[..]),
        "it was changed later"
    );

    stage.produce([policy("3", "p-1", LATER, "Leave", "%PDF-1.7 third")])?;
    stage.settled("delivered", 2.0)?;
    stage.holds(PATH, "%PDF-1.7 third", "Leave", LATER)?;

    // What was there before anything was delivered.
    stage.repository.change("/policies/p-2.pdf", b"%PDF-1.7 theirs")?;
    stage.produce([
        policy("4", "p-2", FIRST, "Leave", "%PDF-1.7 ours"),
        policy("5", "p-2", LATER, "Leave", "%PDF-1.7 ours"),
    ])?;
    stage.settled("superseded", 2.0)?;
    stage.settled("delivered", 3.0)?;
    stage.holds("/policies/p-2.pdf", "%PDF-1.7 ours", "Leave", LATER)?;
    stage.stop_without_dead_letters()
}

fn person<R: Repository>(test: &str) -> anyhow::Result<()> {
    let wants = Wants { conflict: r#"{ policy = "manual" }"#, ..USUAL };
    let Some(stage) = Stage::<R>::start(test, wants)? else { return Ok(()) };
    stage.produce([policy("1", "p-1", FIRST, "Leave", "%PDF-1.7 first")])?;
    stage.settled("delivered", 1.0)?;
    stage.repository.change(PATH, b"%PDF-1.7 other")?;
    stage.produce([
        policy("2", "p-1", LATER, "Leave", "%PDF-1.7 second"),
        policy("3", "p-3", FIRST, "Other", "%PDF-1.7"),
    ])?;
    stage.settled("delivered", 2.0)?;
    stage.settled("dead-lettered", 1.0)?;
    let letters = stage.letters()?;
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("2", "conflict"));
    let message = letters[0].message()?;
    assert!(message.contains("/policies/p-1.pdf: someone else has changed it since"), "{message}");
    assert_eq!(stage.repository.content(PATH)?.as_deref(), Some(&b"%PDF-1.7 other"[..]));
    stage.host.stop()
}

fn outage<R: Repository>(test: &str) -> anyhow::Result<()> {
    const DOCUMENTS: usize = 20;
    let Some(mut stage) = Stage::<R>::start(test, USUAL)? else { return Ok(()) };
    let key = |number: usize| format!("p-{number}");
    let all = |version: &str, content: &str| -> Vec<_> {
        let one = |number| {
            policy(
                &format!("{content}-{number}"),
                &key(number),
                version,
                content,
                &format!("%PDF-1.7 {content} {number}"),
            )
        };
        (0..DOCUMENTS).map(one).collect()
    };
    stage.produce(all(FIRST, "first"))?;
    stage.settled("delivered", 5.0)?;
    stage.repository.kill()?;
    stage.produce(all(SECOND, "second"))?;
    let retried = [("outcome", "retry")];
    stage.host.wait_for_metric(LIMIT, "liaison_attempts_total", &retried, |count| count >= 1.0)?;
    stage.repository.start_again()?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    stage.settled("delivered", (2 * DOCUMENTS) as f64)?;
    for number in 0..DOCUMENTS {
        let path = format!("/policies/{}.pdf", key(number));
        stage.holds(&path, &format!("%PDF-1.7 second {number}"), "second", SECOND)?;
    }
    stage.stop_without_dead_letters()
}

fn bad_data<R: Repository>(test: &str) -> anyhow::Result<()> {
    let Some(stage) = Stage::<R>::start(test, USUAL)? else { return Ok(()) };
    let mut wrong = policy("wrong", "p-1", FIRST, "Leave", "%PDF-1.7 first");
    let other = policy("", "", FIRST, "Leave", "%PDF-1.7 other");
    // The document of one with the checksum of another.
    let json = |event: &liaison::kafka::producer::Outgoing| -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(event.value.as_deref().unwrap_or_default())?)
    };
    let mut data = json(&wrong)?;
    data["document"]["sha256"] = json(&other)?["document"]["sha256"].take();
    wrong.value = Some(data.to_string().into());
    let climbing = policy("climbing", "../p-1", FIRST, "Leave", "%PDF-1.7 first");
    stage.produce([
        policy("before", "p-1", FIRST, "Leave", "%PDF-1.7 first"),
        wrong,
        climbing,
        policy("after", "p-1", SECOND, "Leave", "%PDF-1.7 second"),
        policy("beside", "p-2", FIRST, "Leave", "%PDF-1.7 beside"),
    ])?;
    stage.settled("delivered", 3.0)?;
    stage.settled("dead-lettered", 2.0)?;
    let letters = stage.letters()?;
    let letters = by_event(&letters)?;
    assert_eq!(letters.keys().copied().collect::<Vec<_>>(), ["climbing", "wrong"]);
    let message = letters["wrong"].message()?;
    assert!(message.starts_with("the event's document: its sha256 is "), "{message}");
    let message = letters["climbing"].message()?;
    assert!(message.starts_with("\"../p-1.pdf\" cannot be a name in the path"), "{message}");
    stage.holds(PATH, "%PDF-1.7 second", "Leave", SECOND)?;
    stage.holds("/policies/p-2.pdf", "%PDF-1.7 beside", "Leave", FIRST)?;
    stage.host.stop()
}

fn versions<R: Repository>(test: &str) -> anyhow::Result<()> {
    let wants = Wants {
        path: "/a/b c/d/{key} 漢字.pdf",
        settings: "keep-versions = \"/versions/{key}/{version}.pdf\"\ncontent-type = \"application/pdf\"",
        ..USUAL
    };
    let Some(stage) = Stage::<R>::start(test, wants)? else { return Ok(()) };
    let key = "größer + 1%?#";
    stage.produce([
        policy("1", key, FIRST, "Leave", "%PDF-1.7 first"),
        policy("2", key, SECOND, "Leave", "%PDF-1.7 second"),
    ])?;
    stage.settled("delivered", 2.0)?;
    stage.holds(&format!("/a/b c/d/{key} 漢字.pdf"), "%PDF-1.7 second", "Leave", SECOND)?;
    stage.holds(&format!("/versions/{key}/{FIRST}.pdf"), "%PDF-1.7 first", "Leave", FIRST)?;
    stage.holds(&format!("/versions/{key}/{SECOND}.pdf"), "%PDF-1.7 second", "Leave", SECOND)?;
    // A removal leaves what is kept.
    stage.produce([removal("3", key)])?;
    stage.settled("delivered", 3.0)?;
    assert_eq!(stage.repository.content(&format!("/a/b c/d/{key} 漢字.pdf"))?, None);
    stage.holds(&format!("/versions/{key}/{SECOND}.pdf"), "%PDF-1.7 second", "Leave", SECOND)?;
    stage.stop_without_dead_letters()
}
