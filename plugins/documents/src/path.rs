//! Where a document is kept: the names of its folders, and its own, with fields of the event in them.
//!
//! Each field stays within its name, whatever is in it.

use liaison_sdk::failure::Failure;
use liaison_sdk::push_segment;
use liaison_sdk::template::{FieldTemplate, Source};

/// Where a document is kept, with fields in it.
#[derive(Debug)]
pub(crate) struct PathTemplate(Vec<FieldTemplate>);

/// Where a document is kept: names of folders, and its own. None is empty, `.` or `..`, nor has a `/` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentPath(Vec<String>);

impl PathTemplate {
    /// Reads one as it is set; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` must begin with `/`: it follows the connector's endpoint"));
        };
        let segments = segments(rest).into_iter().map(|segment| match segment {
            "" => Err(format!("`{text}` has an empty name in it")),
            "." | ".." => Err(format!("`{text}` would lead to another folder: it has a `.` or `..` in it")),
            name => FieldTemplate::try_from(name.to_owned()),
        });
        segments.collect::<Result<_, _>>().map(Self)
    }

    /// The path for one event. What could lead elsewhere is refused and not mended: a server may decode a `/` or take `..`
    /// for the folder above, and one document would be written over another.
    pub(crate) fn render(&self, source: &Source<'_>) -> Result<DocumentPath, Failure> {
        let segments = self.0.iter().map(|template| {
            let name = template.render(source)?;
            match name.as_str() {
                "" => Err(Failure::Event("a name in the path is empty".to_owned())),
                "." | ".." => {
                    Err(Failure::Event(format!("`{name}` in the path would lead to another folder")))
                }
                text if text.contains(['/', '\\']) || text.contains(char::is_control) => {
                    let why = "a name has no `/`, `\\` or control character";
                    Err(Failure::Event(format!("{text:?} cannot be a name in the path: {why}")))
                }
                _ => Ok(name),
            }
        });
        segments.collect::<Result<_, _>>().map(DocumentPath)
    }
}

impl DocumentPath {
    /// As a request asks for it, after the connector's endpoint.
    pub(crate) fn url(&self) -> String {
        encoded(&self.0)
    }

    /// The folders that it lies in, the outermost first, each as a request asks for it.
    pub(crate) fn folders(&self) -> Vec<String> {
        (1..self.0.len()).map(|count| encoded(&self.0[..count])).collect()
    }
}

fn encoded(segments: &[String]) -> String {
    let mut url = String::with_capacity(96);
    for segment in segments {
        url.push('/');
        push_segment(&mut url, segment);
    }
    url
}

/// Divided at each `/` that is not within a field.
fn segments(path: &str) -> Vec<&str> {
    let mut is_in_field = false;
    let is_end = |character: char| {
        is_in_field = character == '{' || (is_in_field && character != '}');
        character == '/' && !is_in_field
    };
    path.split(is_end).collect()
}

#[cfg(test)]
mod tests {
    use liaison_sdk::outcome::Delivery;
    use liaison_sdk::testing::event;
    use serde_json::json;

    use super::*;

    fn rendered(template: &str, subject: &str) -> Result<DocumentPath, String> {
        let data =
            json!({ "policy": { "id": "ü#?%+", "rank": 3, "final": true }, "updatedAt": 7, "gone": null });
        let event = event("t").subject(subject).key("k 1").attribute("tenant", "süd").data(data);
        let delivery = Delivery::from(event);
        let template = PathTemplate::parse(template)?;
        template.render(&Source::new(&delivery)).map_err(|failure| failure.to_string())
    }

    fn path(template: &str, subject: &str) -> Result<String, String> {
        rendered(template, subject).map(|path| path.url())
    }

    #[test]
    fn each_name_of_a_path_is_encoded_and_stays_one() {
        for (template, expected) in [
            ("/a b/Übersicht.pdf", "/a%20b/%C3%9Cbersicht.pdf"),
            ("/{type}/{key}.pdf", "/t/k%201.pdf"),
            ("/{attributes.tenant}/{/policy/id}", "/s%C3%BCd/%C3%BC%23%3F%25%2B"),
            ("/{/policy/rank}-{/policy/final}/v{/updatedAt}.pdf", "/3-true/v7.pdf"),
            ("/{subject}", "/%D7%A2%D7%91%E2%80%AE%20%F0%9F%9C%9A"),
        ] {
            assert_eq!(path(template, "עב\u{202e} 🜚").as_deref(), Ok(expected), "{template}");
        }
        assert_eq!(rendered("/a/b c/{key}", "").unwrap().folders(), ["/a", "/a/b%20c"]);
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_refused() {
        for subject in ["..", ".", "", "a/b", "../b", "a\\b", "a\0b", "a\nb"] {
            assert!(path("/all/{subject}", subject).is_err(), "{subject:?}");
        }
        assert!(path("/all/{subject}{subject}", ".").unwrap_err().contains("another folder"));
        assert_eq!(path("/all/{subject}.pdf", "..").as_deref(), Ok("/all/...pdf"));
        for (template, expected) in [
            ("a", "`a` must begin with `/`"),
            ("/a//b", "`/a//b` has an empty name in it"),
            ("/a/", "`/a/` has an empty name in it"),
            ("/a/../b", "`/a/../b` would lead to another folder"),
            ("/{id", "`{id` has a `{` without its `}`"),
            ("/{name}", "`{name}` is no field of an event"),
            ("/{attributes.}", "`{attributes.}` is no field of an event"),
            ("/{/gone}", "the event's data has no text, number or boolean at `/gone`"),
            ("/{attributes.x}", "the event has no `attributes.x`"),
        ] {
            let error = path(template, "s").unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
