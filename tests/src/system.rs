//! The external system: a real HTTP/1.1 server on loopback that writes down each request before it answers.
//!
//! In goes a [`Behaviour`], which may change while it runs, out comes a ledger of [`Entry`]s. It has a thread and a
//! single-threaded runtime of its own and does little a request, so that it serves as the sink of the benchmark too.
//! It judges nothing: that is [`crate::proof`]'s part.

mod behaviour;
mod ledger;
mod server;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::port;
pub use behaviour::{Answer, Behaviour, Reply, Request, RetryAfter};
use ledger::Ledger;
pub use ledger::{Entry, Keep};
use server::Order;

/// How long the server may take to close its port.
const CLOSED: Duration = Duration::from_secs(10);

/// Orders that may wait for the server.
const ORDERS: usize = 16;

/// A running external system. Dropped, it is gone.
#[derive(Debug)]
pub struct System {
    name: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Closed to end the server.
    orders: Option<tokio::sync::mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server and those who look at it have in common.
#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    ledger: Ledger,
}

impl System {
    /// Starts one that writes down everything.
    pub fn start(name: &str, behaviour: Behaviour) -> anyhow::Result<Self> {
        Self::start_keeping(name, Keep::Everything, behaviour)
    }

    /// Starts one that writes down what `keep` says.
    pub fn start_keeping(name: &str, keep: Keep, behaviour: Behaviour) -> anyhow::Result<Self> {
        let listener = port::listen()?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { behaviour: Mutex::new(behaviour), ledger: Ledger::new(keep) });
        let (orders, taken) = tokio::sync::mpsc::channel(ORDERS);
        let thread = thread::Builder::new().name(format!("system {name}")).spawn({
            let shared = Arc::clone(&shared);
            move || server::run(shared, taken)
        })?;
        let system =
            Self { name: name.to_owned(), address, shared, orders: Some(orders), thread: Some(thread) };
        system.order(Order::Listen(listener))?;
        Ok(system)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves like this from the next request on. Requests that it has already taken are answered as before.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("no holder panics") = behaviour;
    }

    /// Closes the port and every connection. Comes back when connections are refused.
    pub fn refuse_connections(&self) -> anyhow::Result<()> {
        let (done, wait) = mpsc::channel();
        self.order(Order::Refuse(done))?;
        wait.recv_timeout(CLOSED).with_context(|| format!("{} did not close its port", self.name))
    }

    /// Listens again, on the port it had.
    pub fn accept_connections(&self) -> anyhow::Result<()> {
        // The standard library sets SO_REUSEADDR on Unix: connections that are still closing are not in the way.
        let listener = TcpListener::bind(self.address)
            .with_context(|| format!("{} cannot listen on {} again", self.name, self.address))?;
        self.order(Order::Listen(listener))
    }

    /// Every request so far, in the order in which they were received.
    pub fn ledger(&self) -> Vec<Arc<Entry>> {
        self.shared.ledger.entries()
    }

    /// Empties the ledger and gives what it held. Counts begin at 0 again.
    pub fn take_ledger(&self) -> Vec<Arc<Entry>> {
        self.shared.ledger.take()
    }

    /// Requests received.
    pub fn count(&self) -> usize {
        self.shared.ledger.count()
    }

    /// Requests answered with success (2xx).
    pub fn accepted(&self) -> usize {
        self.shared.ledger.accepted()
    }

    /// Blocks until this many requests were received.
    pub fn wait_for(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let received = self.shared.ledger.wait_for(count, limit);
        received.map_err(|count_so_far| self.too_few(count_so_far, count, "requests", limit))
    }

    /// Blocks until this many requests were answered with success.
    pub fn wait_for_accepted(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let accepted = self.shared.ledger.wait_for_accepted(count, limit);
        accepted.map_err(|count_so_far| self.too_few(count_so_far, count, "accepted requests", limit))
    }

    /// Blocks until the ledger is as the condition wants it, which is asked anew for each request.
    pub fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl FnMut(&[Arc<Entry>]) -> bool,
    ) -> anyhow::Result<()> {
        let done = self.shared.ledger.wait_until(limit, condition);
        done.map_err(|count| anyhow!("{}: {what}: not within {limit:?}, after {count} requests", self.name))
    }

    fn too_few(&self, so_far: usize, count: usize, what: &str, limit: Duration) -> anyhow::Error {
        anyhow!("{}: {so_far} of {count} {what} within {limit:?}", self.name)
    }

    fn order(&self, order: Order) -> anyhow::Result<()> {
        let orders = self.orders.as_ref().context("the server has ended")?;
        orders.try_send(order).with_context(|| format!("the server of {} takes no orders", self.name))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, was printed when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::wait;

    const LIMIT: Duration = Duration::from_secs(10);

    mod client {
        //! One request on one connection, read until the server closes it.

        use std::io::{Read, Write};
        use std::net::{SocketAddr, TcpStream};

        pub(super) fn send(
            address: SocketAddr,
            path: &str,
            headers: &str,
            body: &str,
        ) -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            let length = body.len();
            write!(
                stream,
                "PUT {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            Ok(reply)
        }
    }

    fn send(system: &System, path: &str) -> String {
        client::send(system.address(), path, "", "").unwrap()
    }

    fn status(reply: &str) -> u16 {
        reply.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn the_ledger_holds_the_request() {
        let system = System::start("calendar", Behaviour::status(201)).unwrap();
        let headers = "Idempotency-Key: one\r\nce-id: event-1\r\n";
        let reply = client::send(system.address(), "/events/1?x=y", headers, "{\"a\":1}").unwrap();
        assert_eq!(status(&reply), 201);
        let ledger = system.ledger();
        assert_eq!(ledger.len(), 1);
        let entry = &ledger[0];
        assert_eq!((entry.method.as_str(), entry.path.as_str()), ("PUT", "/events/1?x=y"));
        assert_eq!(entry.idempotency_key.as_deref(), Some("one"));
        assert_eq!(entry.event_id.as_deref(), Some("event-1"));
        assert_eq!(entry.headers["host"], "test");
        assert_eq!(&entry.body[..], b"{\"a\":1}");
        assert_eq!(entry.body_bytes, 7);
        assert_eq!(entry.status, Some(201));
        assert!(entry.is_accepted());
    }

    #[test]
    fn an_outline_tells_bodies_apart_without_keeping_them() {
        let system = System::start_keeping("sink", Keep::Outline, Behaviour::ok()).unwrap();
        for body in ["same", "same", "else"] {
            client::send(system.address(), "/", "idempotency-key: k\r\n", body).unwrap();
        }
        let ledger = system.take_ledger();
        assert_eq!(ledger.len(), 3);
        assert!(ledger.iter().all(|entry| entry.body.is_empty() && entry.headers.is_empty()));
        assert!(ledger.iter().all(|entry| entry.body_bytes == 4));
        assert!(ledger.iter().all(|entry| entry.idempotency_key.as_deref() == Some("k")));
        assert_eq!(ledger[0].body_hash, ledger[1].body_hash);
        assert_ne!(ledger[0].body_hash, ledger[2].body_hash);
        assert_eq!((system.count(), system.accepted(), system.ledger().len()), (0, 0, 0));
    }

    #[test]
    fn the_ledger_is_written_before_the_reply() {
        let never = Behaviour::from_fn(|_| Answer::silence());
        let system = System::start("silent", never).unwrap();
        let address = system.address();
        let client = thread::spawn(move || client::send(address, "/asked", "", ""));
        system.wait_for(1, LIMIT).unwrap();
        assert_eq!(system.ledger()[0].status, None);
        assert!(!client.is_finished());
        drop(system);
        assert!(!client.join().unwrap().unwrap_or_default().contains("HTTP"));
    }

    #[test]
    fn a_slow_system_is_slow_for_each_request_and_writes_it_down_at_once() {
        let slow =
            Behaviour::ok().with_latency_by(|request| Duration::from_millis(request.path.len() as u64 * 10));
        let system = System::start("slow", slow).unwrap();
        let begun = Instant::now();
        assert_eq!(status(&send(&system, "/2345678901")), 200);
        assert!(begun.elapsed() >= Duration::from_millis(110));
        let written = system.ledger()[0].received.duration_since(begun);
        assert!(written < begun.elapsed() - Duration::from_millis(100), "{written:?}");
    }

    #[test]
    fn a_slow_request_holds_up_no_other() {
        let system = System::start("slow", Behaviour::ok().with_latency(LIMIT * 100)).unwrap();
        let address = system.address();
        let clients: Vec<_> =
            (0..20).map(|_| thread::spawn(move || client::send(address, "/", "", ""))).collect();
        system.wait_for(20, LIMIT).unwrap();
        drop(system);
        clients.into_iter().for_each(|client| drop(client.join()));
    }

    #[test]
    fn a_system_that_asks_to_slow_down_says_for_how_long() {
        let seconds = Behaviour::too_many(RetryAfter::Seconds(2));
        let system = System::start("busy", seconds).unwrap();
        let reply = send(&system, "/");
        assert_eq!(status(&reply), 429);
        assert!(reply.contains("retry-after: 2\r\n"), "{reply}");
        system.behave(Behaviour::too_many(RetryAfter::At(std::time::UNIX_EPOCH)));
        let reply = send(&system, "/");
        assert!(reply.contains("retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), "{reply}");
    }

    #[test]
    fn a_system_can_go_away_and_come_back_on_its_port() {
        let system = System::start("away", Behaviour::ok()).unwrap();
        assert_eq!(status(&send(&system, "/")), 200);
        system.refuse_connections().unwrap();
        let error = client::send(system.address(), "/", "", "").unwrap_err();
        // A process that another test starts at this moment holds the port until it has become another program.
        let (refused, reset) = (std::io::ErrorKind::ConnectionRefused, std::io::ErrorKind::ConnectionReset);
        assert!([refused, reset].contains(&error.kind()), "{error}");
        system.accept_connections().unwrap();
        assert_eq!(status(&send(&system, "/")), 200);
        assert_eq!(system.count(), 2);
    }

    #[test]
    fn a_broken_connection_gives_no_reply_and_leaves_an_entry() {
        let system = System::start("broken", Behaviour::from_fn(|_| Answer::broken())).unwrap();
        assert!(!client::send(system.address(), "/", "", "").unwrap_or_default().contains("HTTP"));
        assert_eq!(system.ledger()[0].status, None);
    }

    #[test]
    fn waiting_ends_with_the_last_request_or_says_how_many_came() {
        let system = System::start("counted", Behaviour::ok().for_first(1, Behaviour::status(503))).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|_| drop(send(&system, "/"))));
            system.wait_for(3, LIMIT).unwrap();
        });
        system.wait_for_accepted(2, Duration::ZERO).unwrap();
        system.wait_until("a 503", Duration::ZERO, |ledger| ledger[0].status == Some(503)).unwrap();
        let limit = Duration::from_millis(10);
        for (error, text) in [
            (system.wait_for(4, limit), "counted: 3 of 4 requests within 10ms"),
            (system.wait_for_accepted(3, limit), "counted: 2 of 3 accepted requests within 10ms"),
            (
                system.wait_until("a sign", limit, |_| false),
                "counted: a sign: not within 10ms, after 3 requests",
            ),
        ] {
            assert_eq!(error.unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn a_dropped_system_is_gone() {
        let system = System::start("gone", Behaviour::ok()).unwrap();
        let address = system.address();
        drop(system);
        let refused = || client::send(address, "/", "", "").is_err();
        wait::until(LIMIT, "the port to be closed", refused).unwrap();
    }
}
