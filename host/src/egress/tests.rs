//! The gateway against real local servers.

mod certificates;
mod credentials;
mod grpc;
mod hostile;
mod server;
mod sql;

use std::cell::RefCell;
use std::future::pending;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, timeout};
use url::Url;

use self::certificates::{CA, CERTIFICATE};
use self::server::{Server, answer, read_request, reply_with, scripted};
use super::{Call, Gateway};
use crate::config::mask::Mask;
use crate::config::{Credential, Database, Egress, Grant, SecretRef};
use crate::contract::{Body, Content, Effect, Failure, HttpRequest, HttpResponse, Reply};

/// No test waits longer for anything.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn settings(endpoint: &str) -> Egress {
    Egress {
        endpoint: Url::parse(endpoint).unwrap(),
        database: Database::of(&Url::parse(endpoint).unwrap()),
        credential: None,
        client_certificate: None,
        allow: Vec::new(),
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(60),
        max_reply_bytes: 1024 * 1024,
        max_kept_reply_bytes: 1024 * 1024,
        idempotency_header: Some(http::HeaderName::from_static("idempotency-key")),
        idempotency_quoted: false,
        ca_file: None,
    }
}

pub(super) fn request(method: &str, url: &str) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Body::None,
        timeout: None,
        keep_body: false,
    }
}

/// A file with a secret; it goes with the value.
pub(super) struct SecretFile {
    pub(super) path: PathBuf,
}

pub(super) fn secret_file(name: &str, content: &str) -> SecretFile {
    let path = std::env::temp_dir().join(format!("liaison-egress-{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    SecretFile { path }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn call() -> Call<'static> {
    Call {
        event_data: None,
        idempotency_key: None,
        traceparent: None,
        rounds: &[],
        deadline: Instant::now() + LIMIT,
    }
}

async fn perform(gateway: &Gateway, request: &HttpRequest) -> Result<HttpResponse, Failure> {
    match gateway.perform(&request.clone().into(), &call()).await {
        Reply::Http(response) => Ok(*response),
        reply @ (Reply::Grpc(_) | Reply::Sql(_)) => panic!("{reply:?}"),
        Reply::Failed(failure) => Err(failure),
    }
}

fn gateway(address: std::net::SocketAddr) -> Gateway {
    Gateway::new(&settings(&format!("http://{address}")), Mask::default(), &std::env::temp_dir()).unwrap()
}

async fn local<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_put_arrives_with_body_credential_and_idempotency_key() {
    local(async {
        let server = Server::plain(|_| answer(201, "made")).await;
        let token = secret_file("put", "hush");
        let settings = Egress {
            credential: Some(Credential::Bearer(SecretRef::File(token.path.clone()))),
            idempotency_quoted: true,
            ..settings(&format!("http://{}/api", server.address))
        };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        let data = Bytes::from_static(b"{\"id\":1}");
        let request = HttpRequest {
            headers: vec![("content-type".into(), "application/json".into())],
            body: Body::EventData,
            keep_body: true,
            ..request("PUT", "/events/1?full")
        };
        let call = Call {
            event_data: Some(&data),
            idempotency_key: Some("k1"),
            traceparent: Some("00-1-2-01"),
            ..call()
        };
        let Reply::Http(response) = gateway.perform(&request.clone().into(), &call).await else {
            panic!("no reply")
        };
        let Some(kept) = response.kept else { panic!("it is kept") };
        let Content::Memory(content) = kept.content else { panic!("{:?}", kept.content) };
        assert_eq!((response.status, &content[..], kept.length), (201, &b"made"[..], 4));
        assert!(response.body.is_empty());
        let kept: String = kept.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(kept, "ea0890697a77af0a2e054cccec587c8a42feb5cf38e778c6c6e2a96bfb945c0b");
        let seen = server.seen.borrow();
        let [seen] = &seen[..] else { panic!("{} requests", seen.len()) };
        assert_eq!(seen.line, "PUT /api/events/1?full HTTP/1.1");
        assert_eq!(seen.body, data);
        let expected = [
            ("host", server.address.to_string().as_str().to_owned()),
            ("authorization", "Bearer hush".to_owned()),
            ("idempotency-key", "\"k1\"".to_owned()),
            ("traceparent", "00-1-2-01".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("content-length", "8".to_owned()),
            ("user-agent", concat!("liaison/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        for (name, value) in &expected {
            assert_eq!(seen.header(name), Some(value.as_str()), "{name}");
        }
        assert_eq!(seen.headers.len(), expected.len());
    })
    .await;
}

#[tokio::test]
async fn no_proxy_is_asked() {
    local(async {
        let proxy = Server::plain(|_| answer(502, "proxy")).await;
        let url = format!("http://{}", proxy.address);
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "egress::tests::a_put_arrives_with_body_credential_and_idempotency_key"]);
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            child.env(name, &url);
        }
        let output = timeout(LIMIT, child.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        assert_eq!(proxy.accepted.get(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    local(async {
        let server = Server::plain(|_| {
            let mut response = answer(302, "");
            response.headers_mut().insert("location", "/elsewhere".parse().unwrap());
            response
        })
        .await;
        let response = perform(&gateway(server.address), &request("GET", "/x")).await.unwrap();
        assert_eq!((response.status, response.headers["location"].to_str().unwrap()), (302, "/elsewhere"));
        assert_eq!(server.seen.borrow().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_reply_over_the_limit_is_cut_off() {
    local(async {
        let sized = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345";
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n12\r\n3\r\n345\r\n0\r\n\r\n";
        let unending = b"HTTP/1.1 200 OK\r\n\r\n12345";
        for reply in [&sized[..], chunked, unending] {
            let (address, accepted) = scripted(move |mut connection| async move {
                while reply_with(&mut connection, reply).await && reply != unending {}
            })
            .await;
            let url = format!("http://{address}");
            let limited = Gateway::new(
                &Egress { max_reply_bytes: 4, ..settings(&url) },
                Mask::default(),
                &std::env::temp_dir(),
            )
            .unwrap();
            for connections in 1..3 {
                assert_eq!(perform(&limited, &request("GET", "/x")).await.unwrap_err(), Failure::TooLarge(4));
                assert_eq!(accepted.get(), connections);
            }
            let fits = Gateway::new(
                &Egress { max_reply_bytes: 5, ..settings(&url) },
                Mask::default(),
                &std::env::temp_dir(),
            )
            .unwrap();
            assert_eq!(perform(&fits, &request("GET", "/x")).await.unwrap().body, "12345");
        }
    })
    .await;
}

#[tokio::test]
async fn silence_is_bounded_by_the_request_and_by_the_attempt() {
    local(async {
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n123";
        for reply in [&b""[..], half] {
            let (address, _) = scripted(move |mut connection| async move {
                reply_with(&mut connection, reply).await;
                pending().await
            })
            .await;
            let gateway = gateway(address);
            let short = Duration::from_millis(30);
            let own = HttpRequest { timeout: Some(short), ..request("GET", "/x") };
            let longer = HttpRequest { timeout: Some(Duration::MAX), ..request("GET", "/x") };
            let soon = || Call { deadline: Instant::now() + short, ..call() };
            let over = Call { deadline: Instant::now(), ..call() };
            for (request, call) in
                [(&own, call()), (&longer, soon()), (&request("GET", "/x"), soon()), (&own, over)]
            {
                let reply = timeout(LIMIT, gateway.perform(&request.clone().into(), &call)).await.unwrap();
                assert!(matches!(reply, Reply::Failed(Failure::TimedOut)), "{reply:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn connections_are_used_again() {
    local(async {
        let server =
            Server::plain(|seen| answer(200, if seen.line.contains("empty") { "" } else { "body" })).await;
        let gateway = gateway(server.address);
        for url in ["/a", "/empty", "/b", "/empty", "/c"] {
            assert_eq!(perform(&gateway, &request("POST", url)).await.unwrap().status, 200);
        }
        assert_eq!(server.accepted.get(), 1);
        let (a, b) = (request("GET", "/a"), request("GET", "/b"));
        for _ in 0..2 {
            let (a, b) = tokio::join!(perform(&gateway, &a), perform(&gateway, &b));
            assert_eq!((a.unwrap().status, b.unwrap().status), (200, 200));
        }
        assert_eq!(server.accepted.get(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_chunked_reply_leaves_its_connection_usable() {
    local(async {
        let (address, accepted) = scripted(|mut connection| async move {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            while reply_with(&mut connection, head).await {
                for part in [&b"2\r\n12\r\n"[..], b"3\r\n345\r\n", b"0\r\n", b"x: y\r\n\r\n"] {
                    yield_now().await;
                    connection.write_all(part).await.unwrap();
                }
            }
        })
        .await;
        let gateway = gateway(address);
        for _ in 0..3 {
            assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().body, "12345");
        }
        assert_eq!(accepted.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_unnoticed() {
    local(async {
        let closed = Rc::new(Notify::new());
        let notify = Rc::clone(&closed);
        let (address, accepted) = scripted(move |mut connection| {
            let closed = Rc::clone(&notify);
            async move {
                reply_with(&mut connection, EMPTY).await;
                drop(connection);
                closed.notify_one();
            }
        })
        .await;
        let gateway = gateway(address);
        for connections in 1..4 {
            assert_eq!(perform(&gateway, &request("POST", "/x")).await.unwrap().status, 200);
            assert_eq!(accepted.get(), connections);
            closed.notified().await;
            // The runtime looks at its sockets before it comes back.
            yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_written_is_not_sent_again() {
    local(async {
        let requests = Rc::new(RefCell::new(0));
        let count = Rc::clone(&requests);
        let (address, _) = scripted(move |mut connection| {
            let count = Rc::clone(&count);
            async move {
                while read_request(&mut connection).await {
                    *count.borrow_mut() += 1;
                    if *count.borrow() > 1 {
                        return;
                    }
                    connection.write_all(EMPTY).await.unwrap();
                }
            }
        })
        .await;
        let gateway = gateway(address);
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 200);
        let failure = perform(&gateway, &request("GET", "/x")).await.unwrap_err();
        assert!(matches!(&failure, Failure::Connection(_)), "{failure}");
        assert_eq!(*requests.borrow(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_request_given_up_closes_its_connection() {
    local(async {
        let closed = Rc::new(Notify::new());
        let notify = Rc::clone(&closed);
        let (address, _) = scripted(move |mut connection| {
            let closed = Rc::clone(&notify);
            async move {
                read_request(&mut connection).await;
                assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
                closed.notify_one();
            }
        })
        .await;
        let gateway = gateway(address);
        let request = request("GET", "/x");
        timeout(Duration::from_millis(30), perform(&gateway, &request)).await.unwrap_err();
        timeout(LIMIT, closed.notified()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    local(async {
        let closed = Rc::new(Notify::new());
        let notify = Rc::clone(&closed);
        let (address, _) = scripted(move |mut connection| {
            let closed = Rc::clone(&notify);
            async move {
                while reply_with(&mut connection, EMPTY).await {}
                closed.notify_one();
            }
        })
        .await;
        let settings =
            Egress { idle_timeout: Duration::from_millis(30), ..settings(&format!("http://{address}")) };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        for _ in 0..2 {
            perform(&gateway, &request("GET", "/x")).await.unwrap();
            timeout(LIMIT, closed.notified()).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_not_public_must_be_granted() {
    local(async {
        let server = Server::plain(|_| answer(200, "")).await;
        for host in ["127.0.0.1", "localhost", "2130706433"] {
            let url = format!("http://{host}:{}", server.address.port());
            let gateway = Gateway::new(
                &Egress { allow_networks: Vec::new(), ..settings(&url) },
                Mask::default(),
                &std::env::temp_dir(),
            )
            .unwrap();
            let failure = perform(&gateway, &request("GET", "/x")).await.unwrap_err();
            assert!(matches!(&failure, Failure::NotAllowed(why) if why.contains("loopback")), "{failure}");
        }
        assert_eq!(server.accepted.get(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_credential_stays_with_the_endpoint() {
    local(async {
        let server = Server::plain(|_| answer(200, "")).await;
        let other = Server::plain(|_| answer(200, "")).await;
        let other_url = Url::parse(&format!("http://{}", other.address)).unwrap();
        let token = secret_file("stays", "hush");
        let settings = Egress {
            credential: Some(Credential::Bearer(SecretRef::File(token.path.clone()))),
            allow: vec![Grant::all(other_url.origin())],
            ..settings(&format!("http://{}", server.address))
        };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 200);
        assert_eq!(perform(&gateway, &request("GET", other_url.as_str())).await.unwrap().status, 200);
        assert_eq!(server.seen.borrow()[0].header("authorization"), Some("Bearer hush"));
        assert_eq!(other.seen.borrow()[0].header("authorization"), None);
    })
    .await;
}

#[tokio::test]
async fn nobody_listening_is_a_connection_failure() {
    local(async {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let failure = perform(&gateway(address), &request("GET", "/x")).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Connection(why) if why.contains("connecting to http://127")),
            "{failure}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_a_connection_failure() {
    local(async {
        let (address, _) = scripted(|mut connection| async move {
            reply_with(&mut connection, b"220 mail ready\r\n").await;
        })
        .await;
        let failure = perform(&gateway(address), &request("GET", "/x")).await.unwrap_err();
        assert!(matches!(&failure, Failure::Connection(_)), "{failure}");
    })
    .await;
}

#[tokio::test]
async fn tls_speaks_what_the_server_chooses_and_http2_is_shared() {
    local(async {
        let ca = secret_file("ca", CA);
        let cases: [(&[&[u8]], &str, usize); 3] =
            [(&[b"h2", b"http/1.1"], "HTTP/2.0", 1), (&[b"http/1.1"], "HTTP/1.1", 8), (&[], "HTTP/1.1", 8)];
        for (protocols, version, connections) in cases {
            let server = Server::tls(protocols, |_| answer(200, "secured")).await;
            let settings = Egress {
                ca_file: Some(ca.path.clone()),
                ..settings(&format!("https://localhost:{}/api", server.address.port()))
            };
            let gateway = Rc::new(Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap());
            for _ in 0..2 {
                let ask =
                    |gateway: Rc<Gateway>| async move { perform(&gateway, &request("GET", "/x")).await };
                let all: Vec<_> = (0..8).map(|_| spawn_local(ask(Rc::clone(&gateway)))).collect();
                for response in all {
                    assert_eq!(response.await.unwrap().unwrap().body, "secured");
                }
            }
            assert_eq!(server.accepted.get(), connections, "{version}");
            assert_eq!(server.seen.borrow().len(), 16);
            for seen in &*server.seen.borrow() {
                assert!(seen.line.ends_with(version) && seen.line.contains("/api/x"), "{}", seen.line);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_a_strange_ca_is_refused() {
    local(async {
        let server = Server::tls(&[b"h2"], |_| answer(200, "")).await;
        // Trusts the server's own certificate as a CA, but not the CA that signed it.
        let ca = secret_file("stranger", CERTIFICATE);
        let settings = Egress {
            ca_file: Some(ca.path.clone()),
            ..settings(&format!("https://localhost:{}", server.address.port()))
        };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        let failure = perform(&gateway, &request("GET", "/x")).await.unwrap_err();
        assert!(matches!(&failure, Failure::Connection(why) if why.contains("certificate")), "{failure}");
        assert!(server.seen.borrow().is_empty());
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_for_a_dial_that_fails_share_its_failure() {
    local(async {
        let (address, accepted) = scripted(|connection| async move { drop(connection) }).await;
        let ca = secret_file("dial", CA);
        let settings = Egress { ca_file: Some(ca.path.clone()), ..settings(&format!("https://{address}")) };
        let gateway = Rc::new(Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap());
        for dials in 1..3 {
            let ask = |gateway: Rc<Gateway>| async move { perform(&gateway, &request("GET", "/x")).await };
            let all: Vec<_> = (0..8).map(|_| spawn_local(ask(Rc::clone(&gateway)))).collect();
            for response in all {
                let failure = response.await.unwrap().unwrap_err();
                assert!(
                    matches!(&failure, Failure::Connection(why) if why.contains("TLS with")),
                    "{failure}"
                );
            }
            assert_eq!(accepted.get(), dials);
        }
    })
    .await;
}

#[test]
fn a_ca_file_without_certificates_is_a_mistake() {
    let empty = secret_file("no-ca", "nothing here");
    for (path, expected) in
        [(empty.path.clone(), "holds no certificate"), ("/nowhere/ca.pem".into(), "cannot be read")]
    {
        let settings = Egress { ca_file: Some(path), ..settings("https://localhost") };
        let message =
            Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
