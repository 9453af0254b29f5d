//! The mistakes that `[intake]` can hold.

use super::*;

const INTAKE: &str = r#"[intake]
address = "127.0.0.1:9465"
[[intake.routes]]
topic = "policy-events"
[intake.clients.portal]
token = { env = "LONG" }
"#;

fn with(text: &str) -> Result<Checked, ConfigErrors> {
    let variable = |name: &str| match name {
        "LONG" => Some("a-token-that-nobody-guesses".to_owned()),
        "TOKEN" => Some("secret".to_owned()),
        _ => None,
    };
    read(&format!("{GOOD}{text}"), base(), &variable)
}

#[test]
fn what_is_not_written_is_the_default() {
    let intake = with(INTAKE).unwrap().config.intake.unwrap();
    assert_eq!(intake.limits, crate::config::IntakeLimits::default());
    assert_eq!(intake.routes, [crate::config::Route::to("policy-events")]);
    assert_eq!((intake.clients.len(), intake.remember), (1, 10_000));
    assert!(with("").unwrap().config.intake.is_none());
}

#[test]
fn each_mistake_names_its_place_and_mend() {
    #[rustfmt::skip] // a row a case
    let cases = [
        ("127.0.0.1:9465", "localhost", "line 12, column 1: intake.address: `localhost` is not an IP address with a port"),
        ("address = \"127.0.0.1:9465\"", "", "intake.address: missing; write such as"),
        ("[[intake.routes]]\ntopic = \"policy-events\"\n", "", "intake.routes: missing; add [[intake.routes]]"),
        ("[intake.clients.portal]\ntoken = { env = \"LONG\" }\n", "", "intake.clients: missing; add [intake.clients.NAME]"),
        ("topic = \"policy-events\"", "", "intake.routes[0].topic: missing; write where these events go"),
        ("policy-events", "no topic", "line 14, column 1: intake.routes[0].topic: `no topic` is not a topic"),
        ("\"policy-events\"", "\"liaison.dead-letters.calendar\"", "intake.routes[0].topic: `liaison.dead-letters.calendar` is the host's own"),
        ("\"policy-events\"", "\"policy-events\"\nschema = \"no.json\"", "intake.routes[0].schema: cannot read"),
        ("\"policy-events\"", "\"policy-events\"\nschema = \"Cargo.toml\"", "intake.routes[0].schema: …Cargo.toml is no JSON Schema that can be used"),
        ("\"policy-events\"", "\"policy-events\"\nkey = [\"id\", \"id\"]", "intake.routes[0].key[1]: …stands here twice"),
        ("\"policy-events\"", "\"policy-events\"\nkey = [\"ids\"]", "intake.routes[0].key[0]: unknown value; did you mean `id`?"),
        ("\"LONG\"", "\"TOKEN\"", "intake.clients.portal.token: is shorter than 16 characters"),
        ("clients.portal", "clients.Portal", "intake.clients.Portal: not a name"),
        ("token = {", "topics = [\"else\"]\ntoken = {", "intake.clients.portal.topics[0]: no route leads to `else`"),
        ("9465\"", "9465\"\nmax-head = \"1KiB\"", "intake.max-head: is no size for heads"),
        ("9465\"", "9465\"\nread-timeout = \"0s\"", "intake.read-timeout: must be longer than nothing"),
        ("9465\"", "9465\"\nmax-bdy = 3", "intake.max-bdy: unknown key; did you mean `max-body`?"),
        ("9465\"", "9465\"\nmax-requests = 5000", "intake.max-requests: …more than the 10,000 records that may be on their way to Kafka"),
    ];
    for (from, to, said) in cases {
        assert!(INTAKE.contains(from), "{from}");
        let text = INTAKE.replacen(from, to, 1);
        let errors = with(&text).expect_err(&text);
        assert_eq!(errors.len(), 1, "{errors}\nin\n{text}");
        assert_says(&errors.to_string(), said);
    }
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let text = INTAKE.replace("127.0.0.1:9465", "0.0.0.0:9465");
    let warnings = with(&text).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.text.contains("put a proxy before it")), "{warnings:?}");
}
