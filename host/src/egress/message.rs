//! From a request as a plugin wrote it to one that may be sent: method, headers and body checked, ours added.
//!
//! Pure: a request, its call and the connector's constant headers in, an HTTP message out, or which part is wrong. The
//! credential comes later, see [`super::credential`].

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use super::Call;
use super::grant::overrides;
use super::origin::{Origin, Target};
use super::outgoing::Outgoing;
use super::standard_webhooks;
use crate::config::{Credential, Egress};
use crate::contract::{Body, Content, Failure, HttpRequest, Kept, Reply};

/// What is sent.
pub(super) type Message = Request<Outgoing>;

/// More than any system asks for; servers refuse about as many.
const MAX_HEADERS: usize = 100;

pub(super) const USER_AGENT_VALUE: HeaderValue =
    HeaderValue::from_static(concat!("liaison/", env!("CARGO_PKG_VERSION")));
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What the messages of one connector have in common.
pub(super) struct Composer {
    /// The header of the connector's credential, which is added later.
    credential: Option<HeaderName>,
    idempotency: Option<HeaderName>,
    idempotency_quoted: bool,
    /// What is sent is a webhook, which has an id.
    is_webhook: bool,
}

impl Composer {
    pub(super) fn new(settings: &Egress, credential: Option<HeaderName>) -> Self {
        Self {
            credential,
            idempotency: settings.idempotency_header.clone(),
            idempotency_quoted: settings.idempotency_quoted,
            is_webhook: matches!(settings.credential, Some(Credential::StandardWebhooks(_))),
        }
    }

    /// The message in HTTP/1.1's form; see [`shape`].
    pub(super) fn compose(
        &self,
        request: &HttpRequest,
        call: &Call<'_>,
        origin: &Origin,
        method: Method,
        target: Target,
    ) -> Result<Message, Failure> {
        let body = body(&request.body, call)?;
        let mut headers = self.headers(&request.headers, origin)?;
        self.add_ours(&mut headers, &method, call)?;
        // RFC 9110, 8.6: said even of an empty body where the method is about one; some servers answer 411 otherwise.
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut message = Request::new(body);
        *message.method_mut() = method;
        *message.uri_mut() = target.path.into();
        *message.headers_mut() = headers;
        Ok(message)
    }

    /// Idempotency key and trace, where the plugin gave none.
    pub(super) fn add_ours(
        &self,
        headers: &mut HeaderMap,
        method: &Method,
        call: &Call<'_>,
    ) -> Result<(), Failure> {
        if let (Some(name), Some(key)) = (&self.idempotency, call.idempotency_key)
            && !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
            && !headers.contains_key(name)
        {
            headers.insert(name, idempotency_value(key, self.idempotency_quoted)?);
        }
        if self.is_webhook {
            standard_webhooks::add_id(headers, method, call.idempotency_key);
        }
        if let Some(traceparent) = call.traceparent
            && !headers.contains_key(TRACEPARENT)
        {
            let value = HeaderValue::from_str(traceparent)
                .map_err(|_| Failure::Other("the event's traceparent is no header value".to_owned()))?;
            headers.insert(TRACEPARENT, value);
        }
        Ok(())
    }

    /// `host` first, as RFC 9110, 7.2 asks, then those of the plugin, with our user agent where it gave none.
    pub(super) fn headers(&self, given: &[(String, String)], origin: &Origin) -> Result<HeaderMap, Failure> {
        if given.len() > MAX_HEADERS {
            return Err(Failure::Invalid(format!("headers: more than {MAX_HEADERS}")));
        }
        let mut headers = HeaderMap::with_capacity(given.len() + 6);
        headers.insert(header::HOST, origin.host_header.clone());
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Failure::Invalid(format!("header {name:?}: not a name (RFC 9110, 5.1)")))?;
            self.check_name(&name, origin)?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
                Failure::Invalid(format!("header `{name}`: a line break or control character in its value"))
            })?;
            headers.append(name, value);
        }
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT_VALUE);
        Ok(headers)
    }

    fn check_name(&self, name: &HeaderName, origin: &Origin) -> Result<(), Failure> {
        if is_host_header(name) {
            return Err(Failure::Invalid(format!("header `{name}`: the host sets it")));
        }
        if self.credential.as_ref() == Some(name) {
            return Err(Failure::Invalid(format!("header `{name}`: it is for the connector's credential")));
        }
        if origin.is_narrowed() && overrides(name) {
            let why = "a server may take another method or path from it than what is granted";
            return Err(Failure::NotAllowed(format!("header `{name}`: {why}")));
        }
        Ok(())
    }
}

/// Puts the message into the form of the connection it goes over: HTTP/1.1 wants a path and `host`, HTTP/2 the whole
/// URI and no `host` (RFC 9113, 8.3.1). A message may be shaped again for another connection.
pub(super) fn shape(message: &mut Message, origin: &Origin, is_http2: bool) {
    if message.uri().authority().is_some() == is_http2 {
        return;
    }
    let mut parts = std::mem::take(message.uri_mut()).into_parts();
    if is_http2 {
        parts.scheme = Some(origin.scheme.clone());
        parts.authority = Some(origin.authority.clone());
        message.headers_mut().remove(header::HOST);
    } else {
        parts.scheme = None;
        parts.authority = None;
        message.headers_mut().insert(header::HOST, origin.host_header.clone());
    }
    *message.uri_mut() = Uri::from_parts(parts).expect("all three parts or the path alone are a URI");
}

/// Any token but those that are not about a resource.
pub(super) fn method(text: &str) -> Result<Method, Failure> {
    if text.eq_ignore_ascii_case("CONNECT") || text.eq_ignore_ascii_case("TRACE") {
        return Err(Failure::Invalid(format!("method `{text}`: refused")));
    }
    Method::from_bytes(text.as_bytes())
        .map_err(|_| Failure::Invalid(format!("method {text:?}: not a token (RFC 9110, 9.1)")))
}

/// Headers that say how the message is carried: a plugin that could set them could smuggle a second request.
fn is_host_header(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::TE
            | header::TRAILER
            | header::UPGRADE
            | header::EXPECT
    ) || matches!(name.as_str(), "keep-alive" | "http2-settings")
        || name.as_str().starts_with("proxy-")
}

fn body(body: &Body, call: &Call<'_>) -> Result<Outgoing, Failure> {
    match body {
        Body::None => Ok(Bytes::new().into()),
        Body::Bytes(bytes) => Ok(bytes.clone().into()),
        Body::EventData => {
            let data = call.event_data.cloned();
            let data = data.ok_or_else(|| Failure::Invalid("body: the event has no data".to_owned()))?;
            Ok(data.into())
        }
        Body::OfReply { round, position } => {
            match call.rounds.get(*round).and_then(|replies| replies.get(*position)) {
                Some(Reply::Http(response)) => match &response.kept {
                    None => Ok(response.body.clone().into()),
                    Some(Kept { content: Content::Memory(bytes), .. }) => Ok(bytes.clone().into()),
                    Some(Kept { content: Content::File(file), length, sha256 }) => {
                        Ok(Outgoing::of_file(file.clone(), *length, *sha256))
                    }
                    Some(Kept { content: Content::Lost, .. }) => Err(Failure::Invalid(format!(
                        "body: that of reply ({round}, {position}) was too large for the journal, and is gone"
                    ))),
                },
                Some(Reply::Grpc(_) | Reply::Sql(_)) => {
                    Err(Failure::Invalid(format!("body: reply ({round}, {position}) is not one of HTTP")))
                }
                Some(Reply::Failed(_)) => {
                    Err(Failure::Invalid(format!("body: reply ({round}, {position}) has none, it failed")))
                }
                None => Err(Failure::Invalid(format!("body: there is no reply ({round}, {position})"))),
            }
        }
    }
}

/// Bare, or as a structured string (RFC 9651, 3.3.3).
fn idempotency_value(key: &str, quoted: bool) -> Result<HeaderValue, Failure> {
    let invalid = || Failure::Other("the idempotency key is not printable ASCII".to_owned());
    if !quoted {
        return HeaderValue::from_str(key).map_err(|_| invalid());
    }
    let mut value = BytesMut::with_capacity(key.len() + 2);
    value.put_u8(b'"');
    for byte in key.bytes() {
        match byte {
            b'"' | b'\\' => value.put_slice(&[b'\\', byte]),
            b' '..=b'~' => value.put_u8(byte),
            _ => return Err(invalid()),
        }
    }
    value.put_u8(b'"');
    HeaderValue::from_maybe_shared(value.freeze()).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use hyper::body::Body as _;
    use tokio::time::Instant;

    use super::*;
    use crate::contract::HttpResponse;
    use crate::egress::origin::{Grants, OriginIndex};
    use crate::egress::tests::{request, secret_file, settings};

    fn call() -> Call<'static> {
        Call {
            event_data: None,
            idempotency_key: None,
            traceparent: None,
            rounds: &[],
            deadline: Instant::now() + Duration::from_secs(1),
        }
    }

    fn compose(settings: &Egress, request: &HttpRequest, call: &Call<'_>) -> Result<Message, Failure> {
        let grants = Grants::new(settings).unwrap();
        let method = method(&request.method)?;
        let target = grants.target(&method, &request.url)?;
        let composer = Composer::new(settings, Some(HeaderName::from_static("x-api-key")));
        composer.compose(request, call, grants.origin(target.origin), method, target)
    }

    fn headers(message: &Message) -> BTreeMap<&str, &str> {
        message.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    fn with_header(name: &str, value: &str) -> HttpRequest {
        HttpRequest { headers: vec![(name.to_owned(), value.to_owned())], ..request("PUT", "/x") }
    }

    #[test]
    fn methods_are_tokens_and_never_connect_or_trace() {
        for (text, fits) in [
            ("GET", true),
            ("PROPFIND", true),
            ("M-SEARCH", true),
            ("CONNECT", false),
            ("TRACE", false),
            ("trace", false),
            ("", false),
            ("GET ", false),
            ("GET / HTTP/1.1\r\nx:", false),
            ("G\u{e4}T", false),
        ] {
            assert_eq!(matches!(method(text), Ok(found) if found == text), fits, "{text:?}");
        }
    }

    #[test]
    fn headers_that_frame_or_forge_are_refused() {
        let settings = settings("http://h");
        let refused = [
            ("host", "evil.example"),
            ("Content-Length", "0"),
            ("transfer-encoding", "chunked"),
            ("connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("Proxy-Connection", "keep-alive"),
            ("expect", "100-continue"),
            ("http2-settings", "x"),
            ("X-Api-Key", "mine"),
            ("x", "a\r\nhost: evil.example"),
            ("x", "a\nb"),
            ("x", "a\r"),
            ("x", "a\0b"),
            ("x y", "a"),
            ("x:", "a"),
            ("x\r\ny", "a"),
            (":authority", "evil.example"),
            ("", "a"),
        ];
        for (name, value) in refused {
            let found = compose(&settings, &with_header(name, value), &call());
            assert!(matches!(found, Err(Failure::Invalid(_))), "{name:?}: {value:?}");
        }
        let many = HttpRequest { headers: vec![("x".into(), "y".into()); 101], ..request("PUT", "/x") };
        assert!(matches!(compose(&settings, &many, &call()), Err(Failure::Invalid(_))));
    }

    #[test]
    fn a_header_that_means_another_request_is_refused_where_not_all_is_granted() {
        let headers = ["X-HTTP-Method-Override", "x-original-url", "X-Rewrite-URL"];
        let origin = url::Url::parse("http://h").unwrap().origin();
        let narrow = crate::config::Grant { methods: vec![Method::PUT], ..crate::config::Grant::all(origin) };
        let narrowed = Egress { allow: vec![narrow], ..settings("http://h") };
        for name in headers {
            let request = with_header(name, "DELETE");
            assert!(compose(&settings("http://h"), &request, &call()).is_ok(), "{name}");
            let found = compose(&narrowed, &request, &call());
            assert!(matches!(found, Err(Failure::NotAllowed(_))), "{name}: {found:?}");
        }
    }

    #[test]
    fn our_headers_are_added_where_the_plugin_gave_none() {
        let quoted = Egress { idempotency_quoted: true, ..settings("http://h:8080/api") };
        let bare = settings("http://h:8080/api");
        let call = Call { idempotency_key: Some("k\"1"), traceparent: Some("00-1-2-01"), ..call() };
        let agent = concat!("liaison/", env!("CARGO_PKG_VERSION"));
        let common = [("host", "h:8080"), ("user-agent", agent), ("traceparent", "00-1-2-01")];
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(&Egress, HttpRequest, Headers); 6] = [
            (&quoted, request("PUT", "/x"), &[("idempotency-key", "\"k\\\"1\""), ("content-length", "0")]),
            (&bare, request("DELETE", "/x"), &[("idempotency-key", "k\"1")]),
            (&bare, request("GET", "/x"), &[]),
            (&bare, request("HEAD", "/x"), &[]),
            (&bare, request("OPTIONS", "/x"), &[]),
            (
                &bare,
                HttpRequest {
                    headers: [("Idempotency-Key", "own"), ("traceparent", "own"), ("user-agent", "own")]
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                    ..request("DELETE", "/x")
                },
                &[("idempotency-key", "own"), ("traceparent", "own"), ("user-agent", "own")],
            ),
        ];
        for (settings, request, own) in cases {
            let message = compose(settings, &request, &call).unwrap();
            let mut expected = BTreeMap::from(common);
            expected.extend(own.iter().copied());
            assert_eq!(headers(&message), expected, "{request:?}");
        }
    }

    #[tokio::test]
    async fn bodies_come_from_where_the_plugin_says() {
        let data = Bytes::from_static(b"data");
        let http =
            |body, kept| Reply::from(HttpResponse { status: 200, headers: HeaderMap::new(), body, kept });
        let kept = |content| {
            let kept = Kept { length: 4, sha256: [0; 32], content };
            http(Bytes::new(), Some(kept))
        };
        let file = secret_file("kept-body", "file, and more");
        let rounds = [
            vec![http(Bytes::from_static(b"0,0"), None)],
            vec![Reply::Failed(Failure::TimedOut), http(Bytes::from_static(b"1,1"), None)],
            vec![
                kept(Content::Memory(Bytes::from_static(b"kept"))),
                kept(Content::File(std::fs::File::open(&file.path).unwrap().into())),
                kept(Content::Lost),
            ],
        ];
        let call = Call { event_data: Some(&data), rounds: &rounds, ..call() };
        let cases = [
            (Body::None, Some("")),
            (Body::Bytes(Bytes::from_static(b"own")), Some("own")),
            (Body::EventData, Some("data")),
            (Body::OfReply { round: 0, position: 0 }, Some("0,0")),
            (Body::OfReply { round: 1, position: 1 }, Some("1,1")),
            (Body::OfReply { round: 1, position: 0 }, None),
            (Body::OfReply { round: 1, position: 2 }, None),
            (Body::OfReply { round: 2, position: 0 }, Some("kept")),
            (Body::OfReply { round: 2, position: 1 }, Some("file")),
            (Body::OfReply { round: 2, position: 2 }, None),
            (Body::OfReply { round: 3, position: 0 }, None),
        ];
        for (source, expected) in cases {
            let found = match body(&source, &call) {
                Ok(body) => {
                    assert_eq!(
                        body.size_hint().exact(),
                        expected.map(|text| text.len() as u64),
                        "{source:?}"
                    );
                    Some(body.clone().collect().await.unwrap().to_bytes())
                }
                Err(_) => None,
            };
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{source:?}");
        }
        let tombstone = Call { event_data: None, ..call };
        assert!(matches!(body(&Body::EventData, &tombstone), Err(Failure::Invalid(_))));
    }

    #[tokio::test]
    async fn a_message_is_shaped_for_either_protocol_and_back() {
        let settings = settings("http://h:8080/api");
        let grants = Grants::new(&settings).unwrap();
        let origin = grants.origin(OriginIndex::ENDPOINT);
        let mut message = compose(&settings, &request("GET", "/x?y"), &call()).unwrap();
        assert_eq!((message.uri().to_string().as_str(), headers(&message)["host"]), ("/api/x?y", "h:8080"));
        shape(&mut message, origin, true);
        assert_eq!(message.uri().to_string(), "http://h:8080/api/x?y");
        assert!(!message.headers().contains_key("host"));
        shape(&mut message, origin, false);
        assert_eq!((message.uri().to_string().as_str(), headers(&message)["host"]), ("/api/x?y", "h:8080"));
        assert!(message.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
