//! The address of an older connector as an endpoint: what a configuration allows in it, and what has to go elsewhere.

use url::{Host, Url};

/// An address, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// As `endpoint` has it.
    pub(super) endpoint: String,
    /// The path, where the plugin has it as a setting of its own.
    pub(super) path: Option<String>,
    pub(super) username: Option<String>,
    pub(super) has_password: bool,
    pub(super) has_query: bool,
    /// Addresses of it that are not public, and that nothing reaches unless it is allowed.
    pub(super) networks: Vec<String>,
    /// What was changed or guessed, and should be looked at.
    pub(super) note: Option<&'static str>,
}

/// Takes it apart; the error says why it is none. `path_is_setting`: the plugin has its path in its settings.
pub(super) fn parse(text: &str, plugin: &str, path_is_setting: bool) -> Result<Address, &'static str> {
    let (text, note) = with_scheme(text.trim(), plugin)?;
    let url = Url::parse(&text).map_err(|_| "is no address that can be read")?;
    let is_database = matches!(url.scheme(), "postgresql" | "mysql" | "sqlite");
    if !is_database && !matches!(url.scheme(), "http" | "https") {
        return Err("is an address of a kind that no connector speaks: http, https or a database is wanted");
    }
    let mut bare = url.clone();
    // They fail where there is no host, and then there is no user either.
    let _ = (bare.set_username(""), bare.set_password(None));
    bare.set_query(None);
    bare.set_fragment(None);
    let mut address = Address {
        endpoint: bare.to_string(),
        path: None,
        username: Some(decoded(url.username())).filter(|name| !name.is_empty()),
        has_password: url.password().is_some(),
        has_query: url.query().is_some(),
        networks: networks(&url),
        note,
    };
    if path_is_setting && !is_database {
        address.path = Some(path_of(&text));
        address.endpoint = bare.origin().ascii_serialization();
    }
    Ok(address)
}

/// Of an address that is written as one, or of this machine: what a name resolves to is not asked.
fn networks(url: &Url) -> Vec<String> {
    let text = url.host_str().unwrap_or_default();
    if text.eq_ignore_ascii_case("localhost") {
        return vec!["127.0.0.1".to_owned(), "::1".to_owned()];
    }
    match Host::parse(text) {
        Ok(Host::Ipv4(address)) if address.is_private() || address.is_loopback() => vec![address.to_string()],
        Ok(Host::Ipv6(address)) if address.is_unique_local() || address.is_loopback() => {
            vec![address.to_string()]
        }
        Ok(Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_)) | Err(_) => Vec::new(),
    }
}

/// In the words of a configuration.
fn with_scheme(text: &str, plugin: &str) -> Result<(String, Option<&'static str>), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    let text = text.strip_prefix("jdbc:").unwrap_or(text);
    for (from, to) in [("postgres://", "postgresql://"), ("mariadb://", "mysql://")] {
        if let Some(rest) = text.strip_prefix(from) {
            return Ok((format!("{to}{rest}"), None));
        }
    }
    for (from, to) in [("caldav://", "http://"), ("caldavs://", "https://"), ("webdav://", "http://")] {
        if let Some(rest) = text.strip_prefix(from) {
            return Ok((
                format!("{to}{rest}"),
                Some("its scheme was not HTTP's; see whether this one is right"),
            ));
        }
    }
    if let Some(path) =
        text.strip_prefix("sqlite:").filter(|path| path.starts_with('/') && !path.starts_with("//"))
    {
        return Ok((format!("sqlite://{path}"), None));
    }
    if !text.contains("://") {
        if plugin == "database" || plugin == "warehouse" {
            return Err(
                "does not say which kind of database it is: begin it with postgresql://, mysql:// or sqlite://",
            );
        }
        return Ok((format!("https://{text}"), Some("it had no scheme; see whether https:// is right")));
    }
    Ok((text.to_owned(), None))
}

/// As it was written: a URL's own reading would encode the braces of a field.
fn path_of(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    // A query may have a `/` too, and stand where there is no path.
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.find('/').map_or("/", |start| &rest[start..]).to_owned()
}

/// A user as people write one, and not as it stands in an address.
fn decoded(user: &str) -> String {
    // To a form alone these two mean something else than themselves.
    let form = user.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(form.as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, plugin, endpoint, path) in [
            ("https://c.example.gov/api/events", "rest", "https://c.example.gov", Some("/api/events")),
            ("https://c.example.gov", "rest", "https://c.example.gov", Some("/")),
            ("https://c.example.gov/p/{id}?x=1", "rest", "https://c.example.gov", Some("/p/{id}")),
            ("https://c.example.gov?x=/a/b", "rest", "https://c.example.gov", Some("/")),
            ("https://c.example.gov:8443/ws", "soap", "https://c.example.gov:8443/ws", None),
            ("grpc.example.gov:443", "grpc", "https://grpc.example.gov/", None),
            ("jdbc:postgresql://db:5432/records", "database", "postgresql://db:5432/records", None),
            ("postgres://db/records", "database", "postgresql://db/records", None),
            ("jdbc:mariadb://db/records?user=me", "database", "mysql://db/records", None),
            ("jdbc:sqlite:/var/r.db", "database", "sqlite:///var/r.db", None),
            ("caldavs://cal.example.gov/u/", "calendar", "https://cal.example.gov/u/", None),
        ] {
            let address = parse(text, plugin, plugin == "rest").unwrap();
            assert_eq!((address.endpoint.as_str(), address.path.as_deref()), (endpoint, path), "{text}");
            assert_eq!(address.has_query, text.contains('?'), "{text}");
        }
    }

    #[test]
    fn a_user_is_told_and_a_password_is_in_nothing() {
        let address = parse("https://me:hush@c.example.gov/x", "soap", false).unwrap();
        assert_eq!((address.username.as_deref(), address.has_password), (Some("me"), true));
        assert!(!format!("{address:?}").contains("hush"));
        for (written, read) in [("me%40example.gov", "me@example.gov"), ("a+b&c", "a+b&c"), ("a%25b", "a%b")]
        {
            let address = parse(&format!("https://{written}:x@c.example.gov/"), "soap", false).unwrap();
            assert_eq!(address.username.as_deref(), Some(read));
        }
    }

    #[test]
    fn private_addresses_are_named_for_what_allows_them() {
        for (text, networks) in [
            ("http://127.0.0.1:8080/x", vec!["127.0.0.1"]),
            ("http://localhost", vec!["127.0.0.1", "::1"]),
            ("https://10.1.2.3", vec!["10.1.2.3"]),
            ("https://[fd00::1]/", vec!["fd00::1"]),
            // Where clouds keep the keys of a machine: nobody is let there by an import.
            ("http://169.254.169.254/", vec![]),
            ("https://9.9.9.9", vec![]),
            ("https://c.example.gov", vec![]),
        ] {
            assert_eq!(parse(text, "rest", true).unwrap().networks, networks, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (text, plugin, said) in [
            ("", "rest", "is empty"),
            ("ftp://x/y", "documents", "is an address of a kind"),
            ("https://", "rest", "is no address"),
            ("db.example.gov/records", "database", "does not say which kind of database"),
        ] {
            assert!(parse(text, plugin, false).unwrap_err().starts_with(said), "{text}");
        }
    }
}
