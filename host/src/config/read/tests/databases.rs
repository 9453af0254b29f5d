//! A connector whose endpoint is a database.

use super::*;
use crate::config::{Access, Database, Engine};

const POSTGRES: &str = "endpoint = \"postgresql://db.example.gov/records\"";
const BASIC: &str = "credential = { basic = { username = \"u\", password = { env = \"TOKEN\" } } }";

fn connector(lines: &str) -> String {
    format!("{GOOD}[connectors.c]\nplugin = \"rest\"\n{lines}\n")
}

#[test]
fn each_mistake_of_a_database_is_named() {
    let missing = "line 11, column 13: connectors.c.credential: missing; no database is logged in to without; write { basic";
    #[rustfmt::skip] // a row a case
    let cases = [
        ("endpoint = \"postgresql://u:p@h/d\"", "line 13, column 1: connectors.c.endpoint: must hold no user and password; name them in `credential = { basic"),
        ("endpoint = \"postgresql://h/d?sslmode=require\"", "connectors.c.endpoint: must hold no query and no fragment"),
        ("endpoint = \"postgresql://h\"", "connectors.c.endpoint: must name one database after the server"),
        ("endpoint = \"mysql:///d\"", "connectors.c.endpoint: names no server"),
        ("endpoint = \"sqlite://records.db\"", "connectors.c.endpoint: must name a file by its absolute path"),
        ("endpoint = \"oracle://h/d\"", "connectors.c.endpoint: `oracle` is not spoken here"),
        ("endpoint = \"https://c\"\ndatabase = {}", "line 14, column 1: connectors.c.database: is for an endpoint that is a database, and this one is not"),
        (POSTGRES, missing),
        (&format!("{POSTGRES}\ncredential = {{ bearer = {{ env = \"TOKEN\" }} }}"), "line 14, column 1: connectors.c.credential: no database takes it; write { basic"),
        (&format!("{POSTGRES}\n{BASIC}\ndatabase = {{ acess = \"read\" }}"), "line 15, column 14: connectors.c.database.acess: unknown key; did you mean `access`?"),
        (&format!("{POSTGRES}\n{BASIC}\ndatabase = {{ access = \"reed\" }}"), "connectors.c.database.access: unknown value; did you mean `read`?"),
        (&format!("{POSTGRES}\n{BASIC}\ndatabase = {{ tables = [] }}"), "connectors.c.database.tables: an empty list allows nothing"),
        (&format!("{POSTGRES}\n{BASIC}\ndatabase = {{ tables = [\"a\", \"b.\"] }}"), "connectors.c.database.tables[1]: `b.` is not the name of a table"),
        (&format!("{POSTGRES}\n{BASIC}\ndatabase = {{ max-rows = 0 }}"), "connectors.c.database.max-rows: invalid value: integer `0`"),
        (&format!("{POSTGRES}\n{BASIC}\nca-file = \"none.pem\""), "connectors.c.ca-file: cannot read"),
        ("endpoint = \"sqlite:///d.db\"\ndatabase = { tls = \"require\" }", "connectors.c.database.tls: is for a server, and the endpoint is a file"),
        (&format!("endpoint = \"sqlite:///d.db\"\n{BASIC}"), "connectors.c.credential: is for a server, and the endpoint is a file"),
    ];
    for (lines, said) in cases {
        assert_says(&only_mistake(&connector(lines)), said);
    }
}

#[test]
fn a_database_has_defaults_and_what_is_in_the_clear_is_a_warning() {
    let read = |lines: &str| {
        let checked = check(&connector(lines)).unwrap_or_else(|errors| panic!("{errors}"));
        let warnings: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
        (checked.config.connectors[&ConnectorName::new("c")].egress.database.clone().unwrap(), warnings)
    };
    let (database, warnings) = read(&format!("{POSTGRES}\n{BASIC}"));
    let expected = Database {
        engine: Engine::Postgres,
        access: Access::Write,
        tables: Vec::new(),
        max_rows: 1_000,
        connections: 8,
        tls: true,
    };
    assert_eq!(database, expected);
    assert!(!warnings.iter().any(|text| text.contains("plain text")), "{warnings:?}");
    let written =
        "database = { access = \"read\", tables = [\"a\"], max-rows = 5, connections = 2, tls = \"off\" }";
    let (database, warnings) = read(&format!("{POSTGRES}\n{BASIC}\n{written}"));
    let expected = Database {
        access: Access::Read,
        tables: vec!["a".into()],
        max_rows: 5,
        connections: 2,
        tls: false,
        ..expected
    };
    assert_eq!(database, expected);
    assert!(warnings.iter().any(|text| text.contains("database.tls: what is asked")), "{warnings:?}");
    let (here, warnings) = read(&format!("endpoint = \"mysql://127.0.0.1/d\"\n{BASIC}"));
    assert_eq!((here.engine, here.tls), (Engine::MySql, false));
    assert!(!warnings.iter().any(|text| text.contains("plain text")), "{warnings:?}");
}
