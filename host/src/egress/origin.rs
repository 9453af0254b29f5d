//! Where a connector may send requests: its endpoint's origin and those it was granted, each prepared for dialling.
//!
//! In come the settings, and later the URL of a request; out goes which origin it is for and the path to ask there, or
//! why it is refused. Nothing here touches the network.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::HeaderValue;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::grant::Permission;
use super::spelling::{check_characters, check_relative_path, has_dot_segment};
use super::{EgressError, tls};
use crate::config::{Egress, Grant};
use crate::contract::Failure;

/// One origin (RFC 6454) that the connector may reach.
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Without the port where it is the scheme's own.
    pub(super) authority: Authority,
    /// `authority`, for HTTP/1.1.
    pub(super) host_header: HeaderValue,
    /// Set for https.
    pub(super) security: Option<Security>,
    /// What may be asked of it; any one of them is enough.
    permissions: Box<[Permission]>,
}

/// How to speak TLS with an origin.
pub(super) struct Security {
    pub(super) connector: TlsConnector,
    /// What its certificate must be for.
    pub(super) name: ServerName<'static>,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)
    }
}

impl Origin {
    fn new(
        origin: &url::Origin,
        permissions: Box<[Permission]>,
        connector: Option<TlsConnector>,
    ) -> Result<Self, EgressError> {
        let refused = || EgressError::Origin { origin: origin.ascii_serialization() };
        let url::Origin::Tuple(scheme, host, port) = origin else {
            return Err(refused());
        };
        let text = origin.ascii_serialization();
        let (_, authority) = text.split_once("://").ok_or_else(refused)?;
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| refused())?,
            Host::Ipv4(address) => ServerName::IpAddress((*address).into()),
            Host::Ipv6(address) => ServerName::IpAddress((*address).into()),
        };
        Ok(Self {
            scheme: scheme.parse().map_err(|_| refused())?,
            host: host.clone(),
            port: *port,
            authority: authority.parse().map_err(|_| refused())?,
            host_header: authority.parse().map_err(|_| refused())?,
            security: connector.map(|connector| Security { connector, name }),
            permissions,
        })
    }

    /// Are there requests to it that are not granted?
    pub(super) fn is_narrowed(&self) -> bool {
        !self.permissions.iter().any(Permission::is_all)
    }

    /// It, and what of it is granted unless that is all.
    fn granted(&self) -> String {
        if !self.is_narrowed() {
            return self.to_string();
        }
        let permissions: Vec<String> = self.permissions.iter().map(Permission::to_string).collect();
        format!("{self} ({})", permissions.join("; "))
    }

    fn is(&self, url: &Url) -> bool {
        self.scheme.as_str() == url.scheme()
            && url.port_or_known_default() == Some(self.port)
            && url.host().is_some_and(|host| host == self.host)
    }
}

/// What a connector may reach.
pub(super) struct Grants {
    /// The endpoint's own comes first, unless that is a database.
    origins: Box<[Origin]>,
    /// `None` where the endpoint is a database.
    endpoint: Option<EndpointPath>,
}

/// The endpoint's path, for what is asked without an origin.
struct EndpointPath {
    /// Without the slash at its end: what a path is appended to.
    prefix: String,
    /// As it is: what is asked where no path is given.
    path: String,
}

/// Where one request goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) origin: OriginIndex,
    pub(super) path: PathAndQuery,
}

/// One of the origins of a connector's grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OriginIndex(pub(super) usize);

impl OriginIndex {
    /// The credential is for this one alone.
    pub(super) const ENDPOINT: Self = Self(0);
}

impl Grants {
    pub(super) fn new(settings: &Egress) -> Result<Self, EgressError> {
        let endpoint = &settings.endpoint;
        if let Some(reason) = endpoint_mistake(endpoint) {
            return Err(EgressError::Endpoint { reason });
        }
        let mut tls = Tls { settings, roots: None, shared: None };
        let mut origins: Vec<Origin> = Vec::new();
        let is_database = settings.database.is_some();
        for (origin, permissions) in permissions((!is_database).then(|| endpoint.origin()), &settings.allow) {
            let connector = match &origin {
                url::Origin::Tuple(scheme, ..) if scheme == "http" => None,
                // The client certificate is for the endpoint, which comes first.
                url::Origin::Tuple(scheme, ..) if scheme == "https" => {
                    Some(match &settings.client_certificate {
                        Some(client) if origins.is_empty() && !is_database => {
                            tls::connector(tls.roots()?, Some(client))?
                        }
                        Some(_) | None => tls.shared()?,
                    })
                }
                url::Origin::Tuple(..) | url::Origin::Opaque(_) => {
                    return Err(EgressError::Origin { origin: origin.ascii_serialization() });
                }
            };
            origins.push(Origin::new(&origin, permissions, connector)?);
        }
        let path = endpoint.path().to_owned();
        let prefix = path.strip_suffix('/').unwrap_or(&path).to_owned();
        Ok(Self {
            origins: origins.into(),
            endpoint: (!is_database).then_some(EndpointPath { prefix, path }),
        })
    }

    pub(super) fn origin(&self, index: OriginIndex) -> &Origin {
        &self.origins[index.0]
    }

    pub(super) fn len(&self) -> usize {
        self.origins.len()
    }

    /// Where a request for this URL goes. A path, which may be empty or a query alone, is appended to the endpoint's
    /// without parsing a URL; anything else must be absolute and of a granted origin.
    pub(super) fn target(&self, method: &Method, url: &str) -> Result<Target, Failure> {
        check_characters(url)?;
        let (origin, path) = match url.as_bytes().first() {
            None | Some(b'?') => (OriginIndex::ENDPOINT, join(&self.endpoint(url)?.path, url)),
            Some(b'/') => {
                check_relative_path(url)?;
                (OriginIndex::ENDPOINT, join(&self.endpoint(url)?.prefix, url))
            }
            Some(_) => self.absolute(url)?,
        };
        let path = PathAndQuery::from_maybe_shared(path)
            .map_err(|error| Failure::Invalid(format!("url `{url}`: {error}")))?;
        let permissions = &self.origin(origin).permissions;
        if !permissions.iter().any(|permission| permission.covers(method, path.path())) {
            let asked = format!("{method} {}{}", self.origin(origin), path.path());
            return Err(self.not_granted(&asked));
        }
        Ok(Target { origin, path })
    }

    /// Is a request for this URL one to the endpoint's origin, granted or not?
    pub(super) fn is_to_endpoint(&self, url: &str) -> bool {
        self.endpoint.is_some()
            && match url.as_bytes().first() {
                None | Some(b'?' | b'/') => true,
                Some(_) => Url::parse(url).is_ok_and(|url| self.origin(OriginIndex::ENDPOINT).is(&url)),
            }
    }

    fn endpoint(&self, url: &str) -> Result<&EndpointPath, Failure> {
        self.endpoint.as_ref().ok_or_else(|| {
            Failure::Invalid(format!(
                "url `{url}`: the connector's endpoint is a database, which speaks no HTTP"
            ))
        })
    }

    fn absolute(&self, text: &str) -> Result<(OriginIndex, Bytes), Failure> {
        let invalid = |why: &str| Failure::Invalid(format!("url `{text}`: {why}"));
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                invalid("neither absolute nor a path that starts with `/`")
            }
            error => invalid(&error.to_string()),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("only http and https can be asked"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::Invalid("url: a user name or password in it is refused".to_owned()));
        }
        if has_dot_segment(url.path()) {
            return Err(invalid("a `.` or `..` segment that is encoded is refused"));
        }
        let index = self.origins.iter().position(|origin| origin.is(&url));
        let index = index.ok_or_else(|| self.not_granted(&url.origin().ascii_serialization()))?;
        Ok((OriginIndex(index), Bytes::copy_from_slice(url[url::Position::BeforePath..].as_bytes())))
    }

    fn not_granted(&self, asked: &str) -> Failure {
        let granted: Vec<String> = self.origins.iter().map(Origin::granted).collect();
        Failure::NotAllowed(format!("asked {asked}, granted {}", granted.join(", ")))
    }
}

/// What the origins of one connector have in common, made when the first of them needs it.
struct Tls<'a> {
    settings: &'a Egress,
    roots: Option<Arc<RootCertStore>>,
    shared: Option<TlsConnector>,
}

impl Tls<'_> {
    fn roots(&mut self) -> Result<Arc<RootCertStore>, EgressError> {
        if let Some(roots) = &self.roots {
            return Ok(roots.clone());
        }
        let roots = Arc::new(tls::trusted(self.settings.ca_file.as_deref())?);
        Ok(self.roots.insert(roots).clone())
    }

    /// Without a client certificate.
    fn shared(&mut self) -> Result<TlsConnector, EgressError> {
        if let Some(connector) = &self.shared {
            return Ok(connector.clone());
        }
        let connector = tls::connector(self.roots()?, None)?;
        Ok(self.shared.insert(connector).clone())
    }
}

/// Each origin once, the endpoint's first, with all that is granted of it: of the endpoint's all, unless it is named.
fn permissions(endpoint: Option<url::Origin>, allow: &[Grant]) -> Vec<(url::Origin, Box<[Permission]>)> {
    let has_endpoint = endpoint.is_some();
    let mut origins: Vec<_> = endpoint.into_iter().map(|origin| (origin, Vec::new())).collect();
    for grant in allow {
        let permission = Permission::of(grant);
        match origins.iter_mut().find(|(origin, _)| *origin == grant.origin) {
            Some((_, permissions)) => permissions.push(permission),
            None => origins.push((grant.origin.clone(), vec![permission])),
        }
    }
    if has_endpoint && origins[0].1.is_empty() {
        origins[0].1.push(Permission::all());
    }
    origins.into_iter().map(|(origin, permissions)| (origin, permissions.into())).collect()
}

fn endpoint_mistake(endpoint: &Url) -> Option<&'static str> {
    if !endpoint.username().is_empty() || endpoint.password().is_some() {
        Some("holds a user name or password: give them as the connector's credential")
    } else if endpoint.query().is_some() || endpoint.fragment().is_some() {
        Some("holds a query or fragment, and paths are appended to it: give its path alone")
    } else {
        None
    }
}

fn join(prefix: &str, rest: &str) -> Bytes {
    let mut path = Vec::with_capacity(prefix.len() + rest.len());
    path.extend_from_slice(prefix.as_bytes());
    path.extend_from_slice(rest.as_bytes());
    path.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::egress::tests::settings;

    fn grants(endpoint: &str, allow: &[&str]) -> Grants {
        let allow = allow.iter().map(|origin| Grant::all(Url::parse(origin).unwrap().origin())).collect();
        Grants::new(&Egress { allow, ..settings(endpoint) }).unwrap()
    }

    fn ask(grants: &Grants, url: &str) -> Result<String, String> {
        let target = grants.target(&Method::GET, url).map_err(|failure| failure.to_string())?;
        Ok(format!("{}{}", grants.origin(target.origin), target.path))
    }

    #[test]
    fn a_path_is_appended_to_the_endpoint() {
        let cases = [
            ("http://h/api", "/events/1", "http://h/api/events/1"),
            ("http://h/api/", "/events/1?a=b&c", "http://h/api/events/1?a=b&c"),
            ("http://h", "/events/1", "http://h/events/1"),
            ("http://h:80", "/x", "http://h/x"),
            ("http://h:8080/a%20b", "/x%2Fy", "http://h:8080/a%20b/x%2Fy"),
            ("http://[::1]:8080/", "/x", "http://[::1]:8080/x"),
            ("http://h/hook", "", "http://h/hook"),
            ("http://h/hook/", "", "http://h/hook/"),
            ("http://h/hook", "?token=1", "http://h/hook?token=1"),
            ("http://h", "/a..b/.c/...", "http://h/a..b/.c/..."),
            ("http://h", "/x?path=../..", "http://h/x?path=../.."),
            ("http://h", "/a//b", "http://h/a//b"),
            ("http://h", "/x?filter[id]=1", "http://h/x?filter[id]=1"),
        ];
        for (endpoint, url, expected) in cases {
            assert_eq!(ask(&grants(endpoint, &[]), url).as_deref(), Ok(expected), "{endpoint} + {url}");
        }
    }

    #[test]
    fn an_absolute_url_needs_a_granted_origin() {
        let grants = grants("http://h/api", &["http://other:8080", "http://127.0.0.1"]);
        let cases = [
            ("http://h/x?y", Ok("http://h/x?y")),
            ("HTTP://H:80/x", Ok("http://h/x")),
            ("http://h", Ok("http://h/")),
            ("http://h?q", Ok("http://h/?q")),
            ("http://other:8080/a/../b", Ok("http://other:8080/b")),
            ("http://2130706433/x", Ok("http://127.0.0.1/x")),
            ("http://0177.0.0.1/x", Ok("http://127.0.0.1/x")),
            (
                "http://other/",
                Err("not allowed: asked http://other, granted http://h, http://other:8080, http://127.0.0.1"),
            ),
            ("https://h/x", Err("not allowed: asked https://h, granted")),
            ("http://h:81/x", Err("not allowed: asked http://h:81, granted")),
            ("http://h.evil.example/", Err("not allowed: asked http://h.evil.example, granted")),
            ("http://h@other:8080/", Err("a user name or password")),
            ("http://h/..%2fadmin", Err("a `.` or `..` segment that is encoded")),
            ("http://h/%252e%252e/admin", Err("a `.` or `..` segment that is encoded")),
            ("http://[::ffff:127.0.0.1]/x", Err("not allowed: asked http://[::ffff:7f00:1], granted")),
            ("http://2130706433@h/", Err("a user name or password")),
            ("http://0x7f.1/x", Ok("http://127.0.0.1/x")),
            ("http://h:080/x", Ok("http://h/x")),
            ("http:h/x", Ok("http://h/x")),
            ("http:///h/x", Ok("http://h/x")),
            ("http://user@h/", Err("a user name or password")),
            ("http://h:80@evil.example/", Err("a user name or password")),
            ("ftp://h/x", Err("only http and https")),
            ("file:///etc/passwd", Err("only http and https")),
            ("events/1", Err("neither absolute nor a path")),
            ("http://", Err("empty host")),
        ];
        for (url, expected) in cases {
            match (ask(&grants, url), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{url}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{url}: {found}"),
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_request_is_to_the_endpoint_by_its_origin_whatever_its_path() {
        let granted = grants("http://h/api", &["http://other:8080", "http://h:8080"]);
        for (url, expected) in [
            ("", true),
            ("?a", true),
            ("/x", true),
            ("HTTP://H:80/elsewhere", true),
            ("http://h:8080/api", false),
            ("https://h/api", false),
            ("http://other:8080/api", false),
            ("nowhere", false),
        ] {
            assert_eq!(granted.is_to_endpoint(url), expected, "{url}");
        }
    }

    #[test]
    fn a_narrowed_origin_takes_only_what_is_granted() {
        let grant = |origin: &str, paths: &[&str], methods: &[Method]| Grant {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            methods: methods.to_vec(),
            ..Grant::all(Url::parse(origin).unwrap().origin())
        };
        let allow = vec![
            grant("http://h", &["/api/events"], &[Method::GET, Method::PUT]),
            grant("http://h", &["/api/health"], &[Method::GET]),
            grant("http://files", &["/public"], &[]),
        ];
        let grants = Grants::new(&Egress { allow, ..settings("http://h/api") }).unwrap();
        let granted =
            "granted http://h (GET, PUT of /api/events; GET of /api/health), http://files (/public)";
        for (method, url, expected) in [
            (Method::PUT, "/events/1?x=/admin", Ok("http://h/api/events/1?x=/admin")),
            (Method::GET, "/health", Ok("http://h/api/health")),
            (Method::GET, "http://h/api/events", Ok("http://h/api/events")),
            (Method::DELETE, "http://files/public/x", Ok("http://files/public/x")),
            (Method::PUT, "/health", Err("asked PUT http://h/api/health, ")),
            (Method::DELETE, "/events/1", Err("asked DELETE http://h/api/events/1, ")),
            (Method::GET, "", Err("asked GET http://h/api, ")),
            (Method::GET, "http://files/private?/public", Err("asked GET http://files/private, ")),
            (Method::GET, "http://files/public/../private", Err("asked GET http://files/private, ")),
        ] {
            match (grants.target(&method, url), expected) {
                (Ok(target), Ok(expected)) => {
                    assert_eq!(format!("{}{}", grants.origin(target.origin), target.path), expected);
                }
                (Err(Failure::NotAllowed(found)), Err(asked)) => {
                    assert_eq!(found, format!("{asked}{granted}"))
                }
                (found, _) => panic!("{method} {url}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_url_without_end_is_refused() {
        let url = format!("/{}", "a".repeat(70_000));
        assert!(matches!(grants("http://h", &[]).target(&Method::GET, &url), Err(Failure::Invalid(_))));
    }

    #[test]
    fn an_endpoint_that_cannot_be_appended_to_is_a_mistake() {
        let cases = [
            ("http://h/?a=b", "query or fragment"),
            ("http://h/#a", "query or fragment"),
            ("http://me:hush@h/", "user name or password"),
            ("ftp://h/", "must be http or https"),
            ("data:text/plain,x", "must be http or https"),
        ];
        for (endpoint, expected) in cases {
            let message =
                Grants::new(&settings(endpoint)).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains(expected) && !message.contains("hush"), "{endpoint}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_url_reaches_an_origin_that_was_not_granted(url in "(/|//|https?:|http://|)[-a-z0-9@:/?.%\\[\\]#\\\\]{0,20}") {
            let grants = grants("http://h/api", &[]);
            if let Ok(target) = grants.target(&Method::GET, &url) {
                prop_assert_eq!(target.origin, OriginIndex::ENDPOINT);
                if url.starts_with('/') {
                    prop_assert!(target.path.as_str().starts_with("/api/"));
                }
            }
        }

        /// As a server would see it that decodes twice and then takes `..` as the way up.
        #[test]
        fn no_url_reaches_a_path_that_was_not_granted(url in "(/|http://h/)(pub|%70ub|%2e|%252E|\\.|%2f|/|;|\\?|%5c|x){0,8}") {
            let paths = vec!["/pub".to_owned()];
            let grant = Grant { paths, ..Grant::all(Url::parse("http://h").unwrap().origin()) };
            let grants = Grants::new(&Egress { allow: vec![grant], ..settings("http://h") }).unwrap();
            if let Ok(target) = grants.target(&Method::GET, &url) {
                let decode = |text: &str| -> String {
                    let pairs = [("%25", "%"), ("%2e", "."), ("%2E", "."), ("%2f", "/"), ("%5c", "/"), ("%70", "p")];
                    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
                };
                let seen = decode(&decode(target.path.path()));
                let mut segments = Vec::new();
                for segment in seen.split('/') {
                    match segment.split(';').next() {
                        Some("..") => drop(segments.pop()),
                        Some("." | "") => {}
                        _ => segments.push(segment),
                    }
                }
                prop_assert_eq!(segments.first(), Some(&"pub"), "{}", target.path);
            }
        }
    }
}
