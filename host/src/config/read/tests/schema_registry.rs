//! The mistakes that `[kafka.schema-registry]` can hold.

use super::*;

fn with(table: &str) -> Result<Checked, ConfigErrors> {
    check(&format!("{GOOD}[kafka.schema-registry]\n{table}"))
}

#[test]
fn what_is_not_written_is_the_default() {
    let registry =
        with("url = \"https://registry.example.gov\"").unwrap().config.kafka.schema_registry.unwrap();
    assert_eq!(registry, crate::config::SchemaRegistry::new("https://registry.example.gov".parse().unwrap()));
    assert_eq!(check(GOOD).unwrap().config.kafka.schema_registry, None);
}

#[test]
fn each_mistake_names_its_place_and_mend() {
    for (table, said) in [
        ("cache = 3", "kafka.schema-registry.url: missing; write such as"),
        ("url = \"registry:8081\"", "kafka.schema-registry.url: `registry` is not spoken here"),
        ("url = \"https://r.example.gov/?x=1\"", "kafka.schema-registry.url: must hold no query"),
        (
            "url = \"https://r.example.gov\"\ntimeout = \"0s\"",
            "kafka.schema-registry.timeout: must be longer than nothing",
        ),
        ("url = \"https://r.example.gov\"\ntopics = []", "kafka.schema-registry.topics: names no topic"),
        (
            "url = \"https://r.example.gov\"\ntopics = [\"a b\"]",
            "kafka.schema-registry.topics[0]: `a b` is not a topic",
        ),
        (
            "url = \"https://r.example.gov\"\nchache = 3",
            "kafka.schema-registry.chache: unknown key; did you mean `cache`?",
        ),
        (
            "url = \"https://r.example.gov\"\ncredential = { bearer = { env = \"NONE\" } }",
            "kafka.schema-registry.credential.bearer.env: the environment variable NONE is not set",
        ),
    ] {
        let errors = with(table).expect_err(table);
        assert_eq!(errors.len(), 1, "{errors}\nin\n{table}");
        assert_says(&errors.to_string(), said);
    }
}

#[test]
fn a_credential_in_the_clear_is_warned_of() {
    let table = "url = \"http://r.example.gov\"\ncredential = { bearer = { env = \"TOKEN\" } }";
    let warnings = with(table).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.text.contains("as plain text")), "{warnings:?}");
}
