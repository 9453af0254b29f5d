//! The HTTP server of an external system: connections in, answers out, by its behaviour.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use super::behaviour::{Reply, Request};
use super::{Answer, Shared};

/// What the server is told. It ends when nobody can tell it anything any more.
#[derive(Debug)]
pub(super) enum Order {
    Listen(std::net::TcpListener),
    /// Close the port and every connection, then say so.
    Refuse(mpsc::Sender<()>),
}

/// Serves on this thread until the orders end.
pub(super) fn run(shared: Arc<Shared>, orders: Receiver<Order>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime needs a few file descriptors").block_on(serve(shared, orders));
}

async fn serve(shared: Arc<Shared>, mut orders: Receiver<Order>) {
    let mut listener = None;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Listen(fresh)) => listener = Some(adopted(fresh)),
                Some(Order::Refuse(done)) => {
                    listener = None;
                    connections.shutdown().await;
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                None => return,
            },
            stream = accept(listener.as_ref()) => {
                connections.spawn(connection(Arc::clone(&shared), stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn adopted(listener: std::net::TcpListener) -> TcpListener {
    listener.set_nonblocking(true).expect("a listening socket can be made non-blocking");
    TcpListener::from_std(listener).expect("the runtime takes any socket that does not block")
}

/// The next connection; never, without a listener. A connection that is gone before it is taken is passed over.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Without it a small reply may wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(&shared, request));
    // A client may go away at any time: what it had asked is in the ledger.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: &Shared, request: hyper::Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let received = Instant::now();
    let Answer { delay, reply } = shared.taken(&Request {
        method: &head.method,
        path: head.uri.path_and_query().map_or("", |path| path.as_str()),
        headers: &head.headers,
        body: &body,
        received,
    });
    drop((head, body));
    if !delay.is_zero() {
        tokio::time::sleep_until((received + delay).into()).await;
    }
    match reply {
        Reply::Http { status, headers, body } => {
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        }
        Reply::Silence => std::future::pending().await,
        Reply::Break => anyhow::bail!("the behaviour breaks the connection"),
    }
}

impl Shared {
    /// Decides on the answer and writes the request down.
    fn taken(&self, request: &Request<'_>) -> Answer {
        let behaviour = self.behaviour.lock().expect("no holder panics").clone();
        let answer = behaviour.answer(request);
        let status = match &answer.reply {
            Reply::Http { status, .. } => Some(status.as_u16()),
            Reply::Silence | Reply::Break => None,
        };
        self.ledger.write(request, status);
        answer
    }
}
