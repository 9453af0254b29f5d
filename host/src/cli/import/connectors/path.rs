//! The path of an older connector that stands apart from its address, with the query that it may have.

use url::form_urlencoded;

/// As the older file has it, fields and all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

/// Takes it apart; `None` where it is a whole address, or no text of a request line.
pub(super) fn read(text: &str) -> Option<Path> {
    let is_visible = |character: char| !character.is_whitespace() && !character.is_control();
    let (rest, fragment) = cut(text, '#');
    let (path, query) = cut(rest, '?');
    let is_path = text.chars().all(is_visible) && !path.contains("://") && !path.starts_with("//");
    let owned = |part: Option<&str>| part.map(str::to_owned);
    is_path.then(|| Path { path: path.to_owned(), query: owned(query), fragment: owned(fragment) })
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

impl Path {
    /// What a browser keeps for itself. Says whether there was any.
    pub(super) fn drop_fragment(&mut self) -> bool {
        self.fragment.take().is_some()
    }

    /// Takes out of the query what may be a secret by its name, and gives the names.
    pub(super) fn drop_secrets(&mut self, is_secret: impl Fn(&str) -> bool) -> Vec<String> {
        let Some(query) = self.query.take() else { return Vec::new() };
        let mut dropped = Vec::new();
        let kept: Vec<_> = query
            .split('&')
            .filter(|parameter| {
                let name = form_urlencoded::parse(parameter.as_bytes()).next().map(|(name, _)| name);
                // A value that is a field comes from each event.
                let value = parameter.split_once('=').map_or("", |(_, value)| value);
                let is_field = value.strip_prefix('{').and_then(|value| value.strip_suffix('}'));
                let is_field = is_field.is_some_and(|field| !field.contains(['{', '}']));
                let secret = name.filter(|name| !is_field && is_secret(name));
                dropped.extend(secret.as_deref().map(str::to_owned));
                secret.is_none()
            })
            .collect();
        self.query = Some(kept.join("&")).filter(|query| !query.is_empty());
        dropped
    }

    /// The whole, behind the path of the address.
    pub(super) fn behind(&self, address: &str) -> String {
        let mut whole = match self.path.trim_start_matches('/') {
            // A query alone is one of the address itself.
            "" if self.path.is_empty() && !address.is_empty() => address.to_owned(),
            path => format!("{}/{path}", address.trim_end_matches('/')),
        };
        if let Some(query) = &self.query {
            whole.push('?');
            whole.push_str(query);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_behind_the_path_of_the_address_with_its_query() {
        for (address, text, whole) in [
            ("/api/", "/notices/{id}", "/api/notices/{id}"),
            ("/", "notices", "/notices"),
            ("", "notices", "/notices"),
            ("/api", "?kind=a&id={id}", "/api?kind=a&id={id}"),
            ("/api", "/", "/api/"),
            ("/api", "/n?x=a/b", "/api/n?x=a/b"),
        ] {
            assert_eq!(read(text).unwrap().behind(address), whole, "{address} {text}");
        }
    }

    #[test]
    fn what_may_be_a_secret_or_is_never_sent_is_taken_out() {
        let mut path = read("/n?a=1&api%5Fkey=hush&key={id}&b=2#part").unwrap();
        assert!(path.drop_fragment());
        assert_eq!(path.drop_secrets(|name| name.contains("key")), ["api_key"]);
        assert_eq!(path.behind(""), "/n?a=1&key={id}&b=2");
        let mut path = read("/n?key=hush").unwrap();
        assert_eq!(path.drop_secrets(|name| name == "key"), ["key"]);
        assert_eq!((path.behind(""), path.drop_fragment()), ("/n".to_owned(), false));
    }

    #[test]
    fn another_address_is_no_path() {
        for text in ["https://c.example.gov/x", "//c.example.gov/x", "/a b", "/a\u{7}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
