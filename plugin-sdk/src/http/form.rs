//! Bodies as a web page's form has them: `application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578), as the
//! HTML standard writes them.

use super::Request;

/// What tells the parts of a form apart is this and a number.
const BOUNDARY: &str = "liaison-part-5f0c9e27b81d";

impl Request<'_> {
    /// Carries these fields as `application/x-www-form-urlencoded`. A name may come more than once.
    ///
    /// ```
    /// # use liaison_sdk::prelude::*;
    /// # fn request<'http>(http: &'http Http, event: &Event) -> Request<'http> {
    /// http.post("/bookings").form([("room", "blue"), ("id", event.id.as_str())])
    /// # }
    /// ```
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut text = String::new();
        for (name, value) in fields {
            if !text.is_empty() {
                text.push('&');
            }
            push_encoded(&mut text, name.as_ref());
            text.push('=');
            push_encoded(&mut text, value.as_ref());
        }
        self.body(text).header("content-type", "application/x-www-form-urlencoded")
    }

    /// Carries this form as `multipart/form-data`. The same form has the same bytes, on every attempt.
    pub fn multipart(self, form: Multipart) -> Self {
        let (content_type, body) = form.written();
        self.body(body).header("content-type", content_type)
    }
}

/// A form of fields and files, in their order.
///
/// ```
/// # use liaison_sdk::prelude::*;
/// # fn request<'http>(http: &'http Http, pdf: Vec<u8>) -> Request<'http> {
/// let form = Multipart::new().field("title", "Leave").file("document", "leave.pdf", "application/pdf", pdf);
/// http.post("/documents").multipart(form)
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "it is carried once `Request::multipart` has it"]
pub struct Multipart {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// Its headers, with the empty line behind them.
    head: String,
    content: Vec<u8>,
}

impl Multipart {
    /// A form without any part.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A name may come more than once.
    pub fn field(self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(name.as_ref()));
        self.with(head, value.into().into_bytes())
    }

    /// Adds a file.
    pub fn file(
        self,
        name: impl AsRef<str>,
        file_name: impl AsRef<str>,
        content_type: impl AsRef<str>,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            quoted(name.as_ref()),
            quoted(file_name.as_ref()),
            // Nothing that it holds may begin another header.
            content_type.as_ref().replace(['\r', '\n'], " "),
        );
        self.with(head, content.into())
    }

    fn with(mut self, head: String, content: Vec<u8>) -> Self {
        self.parts.push(Part { head, content });
        self
    }

    /// Content type and bytes.
    fn written(&self) -> (String, Vec<u8>) {
        let boundary = self.boundary();
        let length: usize = self.parts.iter().map(|part| part.head.len() + part.content.len() + 64).sum();
        let mut body = Vec::with_capacity(length + 64);
        for part in &self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{}", part.head).as_bytes());
            body.extend_from_slice(&part.content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// The first that stands in no part. A random one would be another on every attempt.
    fn boundary(&self) -> String {
        let is_in = |content: &[u8], boundary: &str| {
            content.windows(boundary.len()).any(|window| window == boundary.as_bytes())
        };
        let mut number = 0_u64;
        loop {
            let boundary = format!("{BOUNDARY}-{number}.");
            if !self.parts.iter().any(|part| is_in(&part.content, &boundary)) {
                return boundary;
            }
            number += 1;
        }
    }
}

/// A name between quotes: what would end it or its line is percent-encoded, as browsers do.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// <https://url.spec.whatwg.org/#application/x-www-form-urlencoded>
fn push_encoded(text: &mut String, part: &str) {
    use std::fmt::Write as _;
    for byte in part.bytes() {
        match byte {
            b' ' => text.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                text.push(char::from(byte))
            }
            other => write!(text, "%{other:02X}").expect("memory takes it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Http;
    use crate::outcome::{Delivery, Outcome};
    use crate::raw::connector::liaison::plugin::effects::{Body, HttpRequest};
    use crate::testing;

    fn sent(write: impl for<'http> Fn(Request<'http>) -> Request<'http>) -> HttpRequest {
        let deliver = async |_: &Delivery, http: &Http| match write(http.post("/")).send().await {
            Ok(response) => Outcome::from_response(&response),
            Err(failure) => failure.into(),
        };
        let run =
            testing::endpoint().expect("POST /", testing::reply(200)).deliver(deliver, testing::event("t"));
        run.requests.into_iter().next().unwrap()
    }

    fn text(request: &HttpRequest) -> &str {
        let Body::Bytes(bytes) = &request.body else { panic!("{request:?}") };
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn fields_are_encoded_as_a_form() {
        let request = sent(|request| request.form([("a b", "1&2=3"), ("a b", "ü*-._~"), ("empty", "")]));
        assert_eq!(text(&request), "a+b=1%262%3D3&a+b=%C3%BC*-._%7E&empty=");
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(text(&sent(|request| request.form(Vec::<(String, String)>::new()))), "");
    }

    #[test]
    fn a_form_of_parts_is_written_alike_each_time_and_no_part_ends_it() {
        fn write(request: Request<'_>) -> Request<'_> {
            let form = Multipart::new()
                .field("title", "Überstunden\r\n")
                .field("a\"b\r\n", format!("--{BOUNDARY}-0.\r\n"))
                .file("pdf", "a\".pdf", "application/pdf\r\nx-evil: 1", *b"%PDF");
            request.multipart(form)
        }
        let request = sent(write);
        let boundary = format!("{BOUNDARY}-1.");
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nÜberstunden\r\n\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"a%22b%0D%0A\"\r\n\r\n--{BOUNDARY}-0.\r\n\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"pdf\"; filename=\"a%22.pdf\"\r\n\
             Content-Type: application/pdf  x-evil: 1\r\n\r\n%PDF\r\n--{boundary}--\r\n"
        );
        assert_eq!(text(&request), expected);
        let content_type = format!("multipart/form-data; boundary={boundary}");
        assert_eq!(request.header("content-type"), Some(content_type.as_str()));
        assert_eq!(sent(write), request);
    }
}
