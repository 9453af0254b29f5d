//! Unary gRPC calls: from a call as a plugin wrote it to a message, and from what came back to its status.
//!
//! Pure: in go a call and the connector's constant headers, or a reply; the wire format is gRPC over HTTP/2 as its
//! protocol description has it. Nothing is compressed: no compression is offered, and none is accepted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};

use super::Call;
use super::exchange::{Received, ReceivedBody};
use super::message::{Composer, Message};
use super::origin::{Origin, Target};
use crate::contract::{Failure, GrpcRequest, GrpcResponse};

/// One byte says whether the message is compressed, four how long it is.
pub(super) const PREFIX_BYTES: usize = 5;

const UNAUTHENTICATED: u32 = 16;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const STATUS_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// Binary metadata comes with padding and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A call's method is a path of two segments, which is asked by POST.
pub(super) fn check_method(method: &str) -> Result<Method, Failure> {
    let is_name = |text: &str| !text.is_empty() && !text.contains(['/', '?', '%']);
    match method.strip_prefix('/').and_then(|path| path.split_once('/')) {
        Some((service, name)) if is_name(service) && is_name(name) => Ok(Method::POST),
        Some(_) | None => {
            Err(Failure::Invalid(format!("method {method:?}: not of the form `/package.Service/Method`")))
        }
    }
}

/// The message of a call, of which `timeout` is left: the server is told.
pub(super) fn compose(
    composer: &Composer,
    request: &GrpcRequest,
    call: &Call<'_>,
    origin: &Origin,
    target: Target,
    timeout: Duration,
) -> Result<Message, Failure> {
    for (name, value) in &request.metadata {
        check_metadata(name, value)?;
    }
    let mut headers = composer.headers(&request.metadata, origin)?;
    composer.add_ours(&mut headers, &Method::POST, call)?;
    headers.insert(header::CONTENT_TYPE, TYPE);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(TIMEOUT, timeout_value(timeout));
    let mut message = Request::new(framed(&request.message)?.into());
    *message.method_mut() = Method::POST;
    *message.uri_mut() = target.path.into();
    *message.headers_mut() = headers;
    Ok(message)
}

fn check_metadata(name: &str, value: &str) -> Result<(), Failure> {
    let invalid = |why: &str| Err(Failure::Invalid(format!("metadata `{name}`: {why}")));
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("grpc-") || lower == "content-type" {
        return invalid("the host sets it");
    }
    if lower.ends_with("-bin") && BASE64.decode(value).is_err() {
        return invalid("is binary, and its value is not base64");
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return invalid(
            "its value is not printable ASCII; give other bytes in base64, under a name that ends in `-bin`",
        );
    }
    Ok(())
}

/// At most eight digits and a unit; a day in milliseconds has eight.
fn timeout_value(timeout: Duration) -> HeaderValue {
    let milliseconds = timeout.as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{milliseconds}m")).expect("digits and a letter are a header value")
}

fn framed(message: &Bytes) -> Result<Bytes, Failure> {
    let length = u32::try_from(message.len());
    let length = length.map_err(|_| Failure::Invalid("message: larger than 4 GiB".to_owned()))?;
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Ok(framed.freeze())
}

/// Were our credentials refused?
pub(super) fn is_unauthenticated(reply: &Received) -> bool {
    is_grpc(&reply.headers) && status(reply) == Some(UNAUTHENTICATED)
}

/// What came back, told apart: an answer with its status, or something that is no gRPC.
pub(super) fn read(mut reply: Received) -> Result<GrpcResponse, Failure> {
    let status = match status(&reply) {
        Some(status) => status,
        None if is_grpc(&reply.headers) && reply.status.is_success() => {
            return Err(Failure::Connection("the reply ended without a status".to_owned()));
        }
        None => return Ok(not_grpc(&reply)),
    };
    let message = match std::mem::replace(&mut reply.body, ReceivedBody::Memory(Bytes::new())) {
        ReceivedBody::Memory(body) => unframed(body)?,
        ReceivedBody::Kept(_) => None,
    };
    let said = reply.trailers.get(STATUS_MESSAGE).or_else(|| reply.headers.get(STATUS_MESSAGE));
    let status_message = said.map(|said| percent_decoded(said.as_bytes())).unwrap_or_default();
    let is_own = |name: &HeaderName| *name == STATUS || *name == STATUS_MESSAGE;
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let metadata = reply.headers.iter().chain(&reply.trailers).filter(|(name, _)| !is_own(name));
    Ok(GrpcResponse { status, status_message, metadata: metadata.filter_map(text).collect(), message })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(TYPE.as_bytes())
}

/// In the trailers, or in the headers of a reply that has nothing else. What is no number is UNKNOWN.
fn status(reply: &Received) -> Option<u32> {
    let value = reply.trailers.get(STATUS).or_else(|| reply.headers.get(STATUS))?;
    Some(value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(2))
}

/// Something between us and the server has answered: gRPC's table for that ("HTTP to gRPC Status Code Mapping").
fn not_grpc(reply: &Received) -> GrpcResponse {
    let status = match reply.status.as_u16() {
        400 => 13,
        401 => UNAUTHENTICATED,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    };
    let status_message = format!("answered {} without gRPC", reply.status);
    GrpcResponse { status, status_message, metadata: Vec::new(), message: None }
}

/// The one message of the body, if there is any.
fn unframed(mut body: Bytes) -> Result<Option<Bytes>, Failure> {
    if body.is_empty() {
        return Ok(None);
    }
    let broken = |why: &str| Err(Failure::Other(format!("the reply is no unary gRPC: {why}")));
    if body.len() < PREFIX_BYTES {
        return broken("its message has no length");
    }
    if body.get_u8() != 0 {
        return broken("its message is compressed, which was not asked for");
    }
    let length = body.get_u32();
    match u64::from(length) == body.len() as u64 {
        true => Ok(Some(body)),
        false => broken(&format!("its message should have {length} bytes and {} came", body.len())),
    }
}

/// What is not UTF-8 is replaced, and what is not encoded rightly stays as it is.
fn percent_decoded(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

    fn reply(
        status: u16,
        head: &[(&'static str, &'static str)],
        body: &[u8],
        tail: &[(&'static str, &'static str)],
    ) -> Received {
        Received {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers(head),
            body: ReceivedBody::Memory(Bytes::copy_from_slice(body)),
            trailers: headers(tail),
        }
    }

    #[test]
    fn a_method_is_a_service_and_a_name() {
        for (method, fits) in [
            ("/helloworld.Greeter/SayHello", true),
            ("/Greeter/SayHello", true),
            ("helloworld.Greeter/SayHello", false),
            ("/Greeter", false),
            ("/Greeter/", false),
            ("//SayHello", false),
            ("/a/b/c", false),
            ("/a/b?c", false),
            ("/%2e%2e/b", false),
            ("http://h/a/b", false),
            ("", false),
        ] {
            assert_eq!(check_method(method).is_ok(), fits, "{method}");
        }
    }

    #[test]
    fn metadata_that_is_ours_or_no_text_is_refused() {
        for (name, value, fits) in [
            ("x-tenant", "a b", true),
            ("trace-bin", "AAEC/w==", true),
            ("trace-bin", "AAEC/w", true),
            ("Trace-Bin", "?", false),
            ("grpc-timeout", "1S", false),
            ("Grpc-Encoding", "gzip", false),
            ("content-type", "text/plain", false),
            ("x", "é", false),
            ("x", "a\r\nb", false),
        ] {
            assert_eq!(check_metadata(name, value).is_ok(), fits, "{name}: {value}");
        }
    }

    #[test]
    fn what_is_left_is_told_in_at_most_eight_digits() {
        for (timeout, expected) in [
            (Duration::from_millis(1500), "1500m"),
            (Duration::from_micros(1), "1m"),
            (Duration::from_secs(24 * 3600), "86400000m"),
            (Duration::MAX, "99999999m"),
        ] {
            assert_eq!(timeout_value(timeout), expected);
        }
    }

    #[test]
    fn an_answer_has_status_message_and_metadata_of_both_ends() {
        let found = read(reply(
            200,
            &[GRPC, ("x-a", "1")],
            b"\0\0\0\0\x02hi",
            &[("grpc-status", "0"), ("x-b", "2"), ("grpc-message", "")],
        ));
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = GrpcResponse {
            status: 0,
            status_message: String::new(),
            metadata: vec![text(GRPC.0, GRPC.1), text("x-a", "1"), text("x-b", "2")],
            message: Some(Bytes::from_static(b"hi")),
        };
        assert_eq!(found, Ok(expected));
        let only_headers =
            reply(200, &[GRPC, ("grpc-status", "6"), ("grpc-message", "no%20%C3%A4%zz")], b"", &[]);
        let found = read(only_headers).unwrap();
        assert_eq!((found.status, &found.status_message[..], found.message), (6, "no ä%zz", None));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let ok = &[("grpc-status", "0")];
        for (reply, expected) in [
            (reply(200, &[GRPC], b"\0\0\0\0\x01x", &[]), "without a status"),
            (reply(200, &[GRPC], b"\x01\0\0\0\x01x", ok), "compressed"),
            (reply(200, &[GRPC], b"\0\0\0\0\x02x", ok), "should have 2 bytes and 1 came"),
            (reply(200, &[GRPC], b"\0\0\0\0\x01xx", ok), "should have 1 bytes and 2 came"),
            (reply(200, &[GRPC], b"\0\0", ok), "no length"),
        ] {
            let failure = read(reply).unwrap_err().to_string();
            assert!(failure.contains(expected), "{failure}");
        }
        for (http, status) in
            [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (503, 14), (200, 2), (500, 2)]
        {
            let found = read(reply(http, &[("content-type", "text/html")], b"<html>", &[])).unwrap();
            assert_eq!((found.status, found.message), (status, None), "{http}");
            assert!(
                found.status_message.starts_with(&format!("answered {http}")),
                "{}",
                found.status_message
            );
        }
        assert_eq!(read(reply(200, &[GRPC], b"", &[("grpc-status", "x")])).unwrap().status, 2);
    }
}
