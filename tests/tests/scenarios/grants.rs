//! What a connector may ask: origins, paths and methods, by the real plugin `rest` and a real system.

use http::Method;
use liaison::kafka::producer::Outgoing;
use liaison_tests::system::Behaviour;

use crate::fixture::{Config, Fixture, by_event, event};

#[test]
fn a_narrowed_endpoint_takes_what_is_granted_and_nothing_else() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let url = fixture.system.url();
    let connector = &format!(
        r#"allow = [{{ origin = "{url}", paths = ["/events"], methods = ["PUT"] }}]
        settings = {{ path = "/{{attributes.folder}}/{{id}}" }}"#
    );
    let fixture = fixture.restarted_with(&Config { connector, ..Config::default() })?;
    let to = |id: &str, folder: &str| {
        let mut event = event(id, id);
        event.headers.push(("ce_folder".into(), Some(folder.to_owned().into())));
        event
    };
    fixture.produce([
        to("good", "events"),
        Outgoing { value: None, ..to("delete", "events") },
        to("elsewhere", "admin"),
        to("beside", "events-of-others"),
        to("encoded", "events/../admin"),
    ])?;
    let letters = fixture.dead_letters(4)?;
    fixture.settled("delivered", 1)?;
    let granted = format!("granted {url} (PUT of /events)");
    for (id, letter) in by_event(&letters)? {
        let asked = match id {
            "delete" => format!("asked DELETE {url}/events/delete, {granted}"),
            "elsewhere" => format!("asked PUT {url}/admin/elsewhere, {granted}"),
            "beside" => format!("asked PUT {url}/events-of-others/beside, {granted}"),
            _ => "a `.` or `..` segment is refused".to_owned(),
        };
        assert_eq!(letter.reason()?, "rejected");
        assert!(letter.message()?.contains(&asked), "{}", letter.message()?);
    }
    let ledger = fixture.system.ledger();
    let asked: Vec<_> = ledger.iter().map(|entry| (&entry.method, entry.path.as_str())).collect();
    assert_eq!(asked, [(&Method::PUT, "/events/good")]);
    fixture.host.stop()
}
