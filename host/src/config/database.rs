//! The database of a connector whose endpoint is one, and how its address is read.
//!
//! Values and pure readings of a URL; nothing here connects.

use std::net::IpAddr;
use std::path::PathBuf;

use url::{Host, Url};

/// What a connector may do in the database that its endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub engine: Engine,
    pub access: Access,
    /// As statements write them, such as `records` or `hr.records`; empty: every one that the database user may use.
    pub tables: Vec<String>,
    /// The most rows that one statement may give.
    pub max_rows: usize,
    /// The most connections of one subscription.
    pub connections: usize,
    /// Encrypted, and the server's certificate verified. It has no meaning for SQLite.
    pub tls: bool,
}

/// Which database is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    Sqlite,
}

/// What a connector may do to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

impl Engine {
    /// The engine that this address names; `None` where it is none of a database.
    pub fn of(endpoint: &Url) -> Option<Self> {
        match endpoint.scheme() {
            "postgresql" | "postgres" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::MySql),
            "sqlite" => Some(Self::Sqlite),
            _ => None,
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::MySql => 3306,
            Self::Sqlite => 0,
        }
    }
}

/// The host that a database's address names. Schemes that the URL standard does not know leave IP addresses as text.
pub(crate) fn host(endpoint: &Url) -> Option<Host> {
    let text = endpoint.host_str().filter(|text| !text.is_empty())?;
    Host::parse(text).ok()
}

/// The name of the database: all of the address's path, which is one segment.
pub(crate) fn name(endpoint: &Url) -> Option<String> {
    let name = decoded(endpoint.path().strip_prefix('/')?)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// The file that an address such as `sqlite:///var/lib/records.db` names.
pub(crate) fn file(endpoint: &Url) -> Option<PathBuf> {
    let is_path = endpoint.host_str().is_none_or(str::is_empty) && endpoint.path().len() > 1;
    let url = Url::parse(&format!("file://{}", endpoint.path())).ok().filter(|_| is_path)?;
    url.to_file_path().ok().filter(|path| !endpoint.path().ends_with('/') && path.file_name().is_some())
}

fn decoded(text: &str) -> Option<String> {
    // A form's decoding is that of a path but for `+`.
    let pair = format!("x={}", text.replace('+', "%2B"));
    let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
    (!text.contains('&') && !value.contains('\u{fffd}')).then(|| value.into_owned())
}

pub(crate) fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).to_canonical().is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_database_of_which_server() {
        for (text, engine, server, database) in [
            ("postgresql://db.example.gov:5432/records", Engine::Postgres, "db.example.gov", "records"),
            ("postgres://127.0.0.1/a%20b+c", Engine::Postgres, "127.0.0.1", "a b+c"),
            ("mysql://[::1]:3307/records", Engine::MySql, "[::1]", "records"),
            ("mariadb://DB.example.gov/r", Engine::MySql, "db.example.gov", "r"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(Engine::of(&url), Some(engine), "{text}");
            assert_eq!(host(&url).unwrap().to_string(), server, "{text}");
            assert_eq!(name(&url).as_deref(), Some(database), "{text}");
        }
        for text in
            ["postgresql://h", "postgresql://h/", "postgresql://h/a/b", "mysql://h/a%2Fb", "mysql://h/a&b"]
        {
            assert_eq!(name(&Url::parse(text).unwrap()), None, "{text}");
        }
        assert_eq!(host(&Url::parse("postgresql:///records").unwrap()), None);
        assert_eq!(Engine::of(&Url::parse("https://h/").unwrap()), None);
    }

    #[test]
    fn the_address_of_a_file_is_absolute_and_of_no_server() {
        for (text, expected) in [
            ("sqlite:///var/lib/records.db", Some("/var/lib/records.db")),
            ("sqlite:///a%20b.db", Some("/a b.db")),
            ("sqlite://host/records.db", None),
            ("sqlite:///", None),
            ("sqlite:///folder/", None),
            ("sqlite:records.db", None),
        ] {
            let found = file(&Url::parse(text).unwrap());
            assert_eq!(found, expected.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn only_this_machine_may_be_spoken_to_in_the_clear_by_default() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost", true),
            ("localhost.example.gov", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Host::parse(text).unwrap()), expected, "{text}");
        }
    }
}
