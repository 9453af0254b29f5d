//! Which requests to one origin are granted: by method and by the beginning of the path.
//!
//! Pure. A path is compared as it is written, by whole segments; [`super::spelling`] has refused before whatever a
//! server could read as another path than it looks like.

use std::fmt;

use http::{HeaderName, Method};

use crate::config::Grant;

/// One grant of an origin.
pub(super) struct Permission {
    paths: Box<[String]>,
    methods: Box<[Method]>,
}

impl Permission {
    pub(super) fn of(grant: &Grant) -> Self {
        Self { paths: grant.paths.as_slice().into(), methods: grant.methods.as_slice().into() }
    }

    /// Every request.
    pub(super) fn all() -> Self {
        Self { paths: Box::default(), methods: Box::default() }
    }

    pub(super) fn is_all(&self) -> bool {
        self.paths.is_empty() && self.methods.is_empty()
    }

    /// Is this one? `path` is without its query.
    pub(super) fn covers(&self, method: &Method, path: &str) -> bool {
        let is_method = self.methods.is_empty() || self.methods.contains(method);
        is_method && (self.paths.is_empty() || self.paths.iter().any(|prefix| is_below(path, prefix)))
    }
}

/// `/api` holds `/api` and `/api/x`; `/api/` holds `/api/x` alone.
fn is_below(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        match (methods.as_slice(), &*self.paths) {
            ([], []) => formatter.write_str("all"),
            (methods, []) => formatter.write_str(&methods.join(", ")),
            ([], paths) => formatter.write_str(&paths.join(", ")),
            (methods, paths) => write!(formatter, "{} of {}", methods.join(", "), paths.join(", ")),
        }
    }
}

/// Headers by which some servers take another method or path than the request's own: refused where not all is granted.
pub(super) fn overrides(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-method"
            | "x-original-uri"
            | "x-original-url"
            | "x-rewrite-url"
            | "x-forwarded-method"
            | "x-forwarded-path"
            | "x-forwarded-prefix"
            | "x-forwarded-uri"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission(methods: &[&str], paths: &[&str]) -> Permission {
        Permission {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            methods: methods.iter().map(|method| method.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_request_needs_its_method_and_whole_segments_of_its_path() {
        let some = permission(&["GET", "PROPFIND"], &["/api/public", "/files/"]);
        for (method, path, expected) in [
            ("GET", "/api/public", true),
            ("GET", "/api/public/", true),
            ("GET", "/api/public/x/y", true),
            ("PROPFIND", "/files/x", true),
            ("GET", "/files/", true),
            ("GET", "/files", false),
            ("PUT", "/api/public", false),
            ("get", "/api/public", false),
            ("GET", "/api/publics", false),
            ("GET", "/api/public;x", false),
            ("GET", "/api/public%2fx", false),
            ("GET", "/API/public", false),
            ("GET", "/api", false),
            ("GET", "//api/public", false),
            ("GET", "/", false),
        ] {
            assert_eq!(some.covers(&method.parse().unwrap(), path), expected, "{method} {path}");
        }
        for one in [Permission::all(), permission(&[], &["/"]), permission(&["PUT"], &[])] {
            assert!(one.covers(&Method::PUT, "/anything"), "{one}");
        }
    }

    #[test]
    fn a_permission_says_what_it_holds() {
        for (one, expected) in [
            (Permission::all(), "all"),
            (permission(&["GET", "PUT"], &[]), "GET, PUT"),
            (permission(&[], &["/a", "/b"]), "/a, /b"),
            (permission(&["GET"], &["/a"]), "GET of /a"),
        ] {
            assert_eq!(one.to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_begins_with_the_prefix(path in "/[a-c/%;.]{0,8}", prefix in "/[a-c/]{0,4}") {
            let covers = permission(&[], &[&prefix]).covers(&Method::GET, &path);
            let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (found, wanted) = (segments(&path), segments(prefix.trim_end_matches('/')));
            prop_assert!(!covers || found.starts_with(&wanted));
        }
    }
}
