//! Files that a connector's plugin is given among its settings.

use super::*;
use crate::config::TransformerName;

/// This crate's folder holds files of all sorts; `lines` are of a connector whose plugin has a setting `path`.
fn connector(lines: &str) -> String {
    format!("{GOOD}[connectors.c]\nplugin = \"rest\"\nendpoint = \"https://c\"\n{lines}\n")
}

#[test]
fn each_mistake_of_a_settings_file_is_named() {
    #[rustfmt::skip] // a row a case
    let cases = [
        ("settings-files = { a = {} }", "connectors.c.settings-files.a.path: missing; write where the file is"),
        ("settings-files = { a = { path = \"no.wsdl\" } }", "line 14, column 26: connectors.c.settings-files.a.path: cannot read …no.wsdl (No such file …); mend the path or its rights"),
        ("settings-files = { a = { path = \"src\" } }", "connectors.c.settings-files.a.path: cannot read …src (not a file)"),
        ("settings-files = { a = { path = \"Cargo.toml\", as = \"hex\" } }", "connectors.c.settings-files.a.as: unknown value; known are `text`, `base64`"),
        ("settings-files = { a = { pth = \"Cargo.toml\" } }", "connectors.c.settings-files.a.pth: unknown key; did you mean `path`?"),
        ("settings-files = { a = \"Cargo.toml\" }", "connectors.c.settings-files.a: invalid type: string \"Cargo.toml\", expected a table"),
        ("settings = { a = 1 }\nsettings-files = { a = { path = \"Cargo.toml\" } }", "line 15, column 20: connectors.c.settings-files.a: stands in `settings` too; leave one out"),
    ];
    for (lines, said) in cases {
        assert_says(&only_mistake(&connector(lines)), said);
    }
}

#[test]
fn files_stand_among_the_settings_of_connectors_and_transformers() {
    let lines = "settings = { path = \"/x\" }\n\
                 settings-files = { toml = { path = \"Cargo.toml\" }, binary = { path = \"Cargo.toml\", as = \"base64\" } }\n\
                 [transformers.t]\nplugin = \"rest\"\nsettings-files.toml.path = \"Cargo.toml\"";
    let config = check(&connector(lines)).unwrap().config;
    let settings = &config.connectors[&ConnectorName::new("c")].settings;
    let text = std::fs::read_to_string(base().join("Cargo.toml")).unwrap();
    assert_eq!((&settings["path"], &settings["toml"]), (&"/x".into(), &text.clone().into()));
    let encoded = settings["binary"].as_str().unwrap();
    assert!(encoded.len() > text.len() && !encoded.contains('\n'), "{encoded}");
    assert_eq!(config.transformers[&TransformerName::new("t")].settings["toml"], text);
}

#[test]
fn another_content_is_another_connector() {
    let folder = std::env::temp_dir().join(format!("liaison-settings-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("service.wsdl");
    let text = connector(&format!("settings-files.wsdl.path = '{}'", file.display()));
    let connectors = |content: &str| {
        std::fs::write(&file, content).unwrap();
        check(&text).unwrap().config.connectors
    };
    let first = connectors("<one/>");
    assert_eq!(first, connectors("<one/>"));
    assert_ne!(first, connectors("<two/>"));
    std::fs::remove_dir_all(folder).unwrap();
}
