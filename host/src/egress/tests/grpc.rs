//! Unary gRPC calls against servers that speak HTTP/2 on loopback.

use std::collections::VecDeque;

use futures_util::stream;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::server::{LocalExecutor, Seen};
use super::*;
use crate::contract::{GrpcRequest, GrpcResponse};

/// What a server answers a call with: its body, and the status in its trailers, which may depend on the credential. `None`
/// resets the stream.
type Script = VecDeque<(&'static [u8], Option<&'static str>)>;

/// A server that speaks HTTP/2 at once, and answers by the script.
struct GrpcServer {
    address: std::net::SocketAddr,
    accepted: Rc<std::cell::Cell<usize>>,
    seen: Rc<RefCell<Vec<Seen>>>,
}

impl GrpcServer {
    async fn start(script: impl Into<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, accepted: Rc::default(), seen: Rc::default() };
        let (accepted, seen) = (Rc::clone(&server.accepted), Rc::clone(&server.seen));
        let script = Rc::new(RefCell::new(script.into()));
        spawn_local(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                accepted.set(accepted.get() + 1);
                let (seen, script) = (Rc::clone(&seen), Rc::clone(&script));
                spawn_local(async move {
                    let service =
                        service_fn(|request| answer_call(request, Rc::clone(&seen), Rc::clone(&script)));
                    let http2 = hyper::server::conn::http2::Builder::new(LocalExecutor);
                    http2.serve_connection(TokioIo::new(connection), service).await.unwrap_or_default();
                });
            }
        });
        server
    }

    fn gateway(&self, settings_of: impl Fn(Egress) -> Egress) -> Gateway {
        let settings = settings_of(settings(&format!("http://{}", self.address)));
        Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap()
    }
}

async fn answer_call(
    request: Request<Incoming>,
    seen: Rc<RefCell<Vec<Seen>>>,
    script: Rc<RefCell<Script>>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = std::io::Error>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri);
    let body = body.collect().await.unwrap().to_bytes();
    seen.borrow_mut().push(Seen { line, headers: head.headers, body });
    let next = script.borrow_mut().pop_front();
    let Some((message, status)) = next else { return pending().await };
    let mut frames = vec![Ok(Frame::data(Bytes::from_static(message)))];
    let is_right =
        seen.borrow().last().and_then(|seen| seen.header("authorization")) == Some("Bearer second-one");
    let status = match status {
        Some("0 if right") => Some(if is_right { "0" } else { "16" }),
        status => status,
    };
    match status {
        Some(status) => {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static(status));
            trailers.insert("x-tail", HeaderValue::from_static("end"));
            frames.push(Ok(Frame::trailers(trailers)));
        }
        None => frames.push(Err(std::io::Error::other("reset"))),
    }
    let mut response = Response::new(StreamBody::new(stream::iter(frames)));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

fn request(method: &str) -> GrpcRequest {
    GrpcRequest {
        method: method.to_owned(),
        metadata: vec![("X-Tenant".to_owned(), "north".to_owned())],
        message: Bytes::from_static(b"ask"),
        timeout: None,
    }
}

async fn ask(gateway: &Gateway, request: &GrpcRequest) -> Result<GrpcResponse, Failure> {
    let call = Call { idempotency_key: Some("k1"), traceparent: Some("00-1-2-01"), ..call() };
    match gateway.perform(&request.clone().into(), &call).await {
        Reply::Grpc(response) => Ok(*response),
        Reply::Failed(failure) => Err(failure),
        reply @ (Reply::Http(_) | Reply::Sql(_)) => panic!("{reply:?}"),
    }
}

const BOOK: &str = "/rooms.Rooms/Book";
const YES: &[u8] = b"\0\0\0\0\x03yes";
const NOTHING: &[u8] = b"";
const BROKEN: &[u8] = b"\0";

#[tokio::test]
async fn a_call_is_framed_and_timed_and_its_answer_has_status_and_trailers() {
    local(async {
        let server = GrpcServer::start(vec![(YES, Some("0")), (YES, Some("0")), (NOTHING, Some("5"))]).await;
        let gateway = server.gateway(|settings| settings);
        let first = GrpcRequest { timeout: Some(Duration::from_millis(1500)), ..request(BOOK) };
        let (first, second) = tokio::join!(ask(&gateway, &first), ask(&gateway, &first));
        for response in [first.unwrap(), second.unwrap()] {
            assert_eq!((response.status, response.message.as_deref()), (0, Some(&b"yes"[..])));
            assert!(
                response.metadata.contains(&("x-tail".to_owned(), "end".to_owned())),
                "{:?}",
                response.metadata
            );
        }
        let third = ask(&gateway, &request(BOOK)).await.unwrap();
        assert_eq!((third.status, third.message), (5, None));
        assert_eq!(server.accepted.get(), 1, "the connection is shared");
        let seen = server.seen.borrow();
        assert_eq!(seen[0].line, format!("POST http://{}{BOOK}", server.address));
        assert_eq!(seen[0].body, &b"\0\0\0\0\x03ask"[..]);
        for (name, value) in [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("x-tenant", "north"),
            ("grpc-timeout", "1500m"),
            ("idempotency-key", "k1"),
            ("traceparent", "00-1-2-01"),
        ] {
            assert_eq!(seen[0].header(name), Some(value), "{name}");
        }
        let left = seen[2].header("grpc-timeout").unwrap().trim_end_matches('m').parse::<u64>().unwrap();
        assert!(left <= 10_000, "what is left of the attempt: {left}");
    })
    .await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    local(async {
        let large: &[u8] = b"\0\0\0\0\x10yyyyyyyyyyyyyyyy";
        let server = GrpcServer::start(vec![(large, Some("0")), (YES, None), (BROKEN, Some("0"))]).await;
        let gateway = server.gateway(|settings| Egress { max_reply_bytes: 15, ..settings });
        assert_eq!(ask(&gateway, &request(BOOK)).await, Err(Failure::TooLarge(15)));
        let failure = ask(&gateway, &request(BOOK)).await.unwrap_err();
        assert!(matches!(failure, Failure::Connection(_)), "{failure}");
        let failure = ask(&gateway, &request(BOOK)).await.unwrap_err();
        assert!(matches!(&failure, Failure::Other(why) if why.contains("no unary gRPC")), "{failure}");
        let silent = GrpcRequest { timeout: Some(Duration::from_millis(50)), ..request(BOOK) };
        assert_eq!(ask(&gateway, &silent).await, Err(Failure::TimedOut));
        let wrong = GrpcRequest { metadata: vec![("grpc-timeout".into(), "1S".into())], ..request(BOOK) };
        assert!(matches!(ask(&gateway, &wrong).await, Err(Failure::Invalid(_))));
        assert_eq!(server.seen.borrow().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn services_and_methods_are_granted_by_their_paths() {
    local(async {
        let server = GrpcServer::start(vec![(YES, Some("0")); 2]).await;
        let gateway = server.gateway(|settings| {
            let paths = vec![BOOK.to_owned(), "/health.Health".to_owned()];
            let grant = Grant { paths, ..Grant::all(settings.endpoint.origin()) };
            Egress { allow: vec![grant], ..settings }
        });
        for method in [BOOK, "/health.Health/Check"] {
            assert_eq!(ask(&gateway, &request(method)).await.unwrap().status, 0, "{method}");
        }
        for method in ["/rooms.Rooms/Demolish", "/health.Healthy/Check"] {
            let failure = ask(&gateway, &request(method)).await.unwrap_err();
            assert!(matches!(failure, Failure::NotAllowed(_)), "{method}: {failure}");
        }
        assert_eq!(server.seen.borrow().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_credential_that_is_refused_by_status_is_renewed() {
    local(async {
        let server = GrpcServer::start(vec![(NOTHING, Some("0 if right")); 3]).await;
        let file = secret_file("grpc-token", "first-one");
        let gateway = server.gateway(|settings| {
            let credential = Some(Credential::Bearer(SecretRef::File(file.path.clone())));
            Egress { credential, ..settings }
        });
        assert_eq!(ask(&gateway, &request(BOOK)).await.unwrap().status, 16);
        std::fs::write(&file.path, "second-one").unwrap();
        // Refused first with the old one, unless a second has passed meanwhile.
        assert_eq!(ask(&gateway, &request(BOOK)).await.unwrap().status, 0);
        let seen = server.seen.borrow();
        let sent: Vec<_> = seen.iter().map(|seen| seen.header("authorization").unwrap()).collect();
        assert_eq!((sent[0], sent[sent.len() - 1]), ("Bearer first-one", "Bearer second-one"));
    })
    .await;
}

#[tokio::test]
async fn without_http2_there_is_no_grpc() {
    local(async {
        let ca = secret_file("grpc-ca", CA);
        let server = Server::tls(&[b"http/1.1"], |_| answer(200, "")).await;
        let settings = Egress {
            ca_file: Some(ca.path.clone()),
            ..settings(&format!("https://localhost:{}", server.address.port()))
        };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        let failure = ask(&gateway, &request(BOOK)).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Connection(why) if why.contains("speaks no HTTP/2")),
            "{failure}"
        );
        let page = HttpRequest { timeout: None, ..super::request("GET", "/x") };
        assert_eq!(perform(&gateway, &page).await.unwrap().status, 200);
    })
    .await;
}
