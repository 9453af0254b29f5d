//! Servers on loopback that note what arrives. They end with the test's runtime.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::{ConfigBuilder, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use super::certificates::{CERTIFICATE, KEY};

/// One request as it arrived.
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server that answers every request with what `answer` makes of it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) accepted: Rc<Cell<usize>>,
    pub(super) seen: Rc<RefCell<Vec<Seen>>>,
    answer: Rc<Answer>,
}

type Answer = dyn Fn(&Seen) -> Response<Full<Bytes>>;

impl Server {
    pub(super) async fn plain(answer: impl Fn(&Seen) -> Response<Full<Bytes>> + 'static) -> Self {
        Self::start(Rc::new(answer), None).await
    }

    /// Speaks the first of these protocols that the client offers.
    pub(super) async fn tls(
        protocols: &[&[u8]],
        answer: impl Fn(&Seen) -> Response<Full<Bytes>> + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Self::start(Rc::new(answer), Some(Self::acceptor(builder, protocols))).await
    }

    /// Asks every client for a certificate of this CA.
    pub(super) async fn mutual(ca: CertificateDer<'static>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder =
            builder.with_safe_default_protocol_versions().unwrap().with_client_cert_verifier(verifier);
        Self::start(Rc::new(|_: &Seen| answer(200, "")), Some(Self::acceptor(builder, &[]))).await
    }

    fn acceptor(builder: ConfigBuilder<ServerConfig, WantsServerCert>, protocols: &[&[u8]]) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    async fn start(answer: Rc<Answer>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, accepted: Rc::default(), seen: Rc::default(), answer };
        let handle = server.clone();
        spawn_local(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                server.accepted.set(server.accepted.get() + 1);
                spawn_local(server.clone().serve(connection, acceptor.clone()));
            }
        });
        handle
    }

    async fn serve(self, connection: TcpStream, acceptor: Option<TlsAcceptor>) {
        let service = service_fn(|request| self.clone().note(request));
        // A client that breaks off is part of some tests.
        let Some(acceptor) = acceptor else {
            let http1 = hyper::server::conn::http1::Builder::new();
            return http1.serve_connection(TokioIo::new(connection), service).await.unwrap_or_default();
        };
        let Ok(stream) = acceptor.accept(connection).await else {
            return;
        };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let http2 = hyper::server::conn::http2::Builder::new(LocalExecutor);
            http2.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
        } else {
            let http1 = hyper::server::conn::http1::Builder::new();
            http1.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
        }
    }

    async fn note(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let line = format!("{} {} {:?}", head.method, head.uri, head.version);
        let body = body.collect().await.unwrap().to_bytes();
        let seen = Seen { line, headers: head.headers, body };
        let response = (self.answer)(&seen);
        self.seen.borrow_mut().push(seen);
        Ok(response)
    }
}

#[derive(Clone)]
pub(super) struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

pub(super) fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// A server that does with each connection what the test says, and counts them.
pub(super) async fn scripted<F>(script: impl Fn(TcpStream) -> F + 'static) -> (SocketAddr, Rc<Cell<usize>>)
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    spawn_local(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            count.set(count.get() + 1);
            spawn_local(script(connection));
        }
    });
    (address, accepted)
}

/// Reads one request that has no body. False where the client closed instead.
pub(super) async fn read_request(connection: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Reads one request and answers with these bytes.
pub(super) async fn reply_with(connection: &mut TcpStream, bytes: &[u8]) -> bool {
    read_request(connection).await && connection.write_all(bytes).await.is_ok()
}
