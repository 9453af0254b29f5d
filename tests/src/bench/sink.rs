//! The external system of the benchmark: an HTTP/1.1 server that does as little as it can, and counts.
//!
//! In come requests whose path ends in an event's number, out go empty answers, and a list of what arrived and when.
//! Leaner than [`crate::system`], for it shares the machine with what is measured: it reads of a request just the path
//! and the length, keeps 40 bytes of it, and has no timer of a millisecond's accuracy but a thread that is accurate to
//! some 50 µs.

mod delays;
mod request;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::workload::{Latency, SEED};
use crate::port;
use delays::{Delayed, Delays};
use request::Request;

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const REFUSED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The number at the end of its path.
    pub event: u32,
    /// When the whole of it was there.
    pub at: Instant,
    /// From then until it was answered; zero until that is so, and where there is no latency.
    pub took: Duration,
    pub is_accepted: bool,
}

/// A running sink. Dropped, it is gone.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Closed to end the server.
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    latency: Latency,
    /// By event: answered 503 for ever.
    is_refused: Vec<bool>,
    arrivals: Mutex<Arrivals>,
    /// Different events that were accepted.
    delivered: AtomicUsize,
    /// Requests that are none of ours, or none at all.
    strangers: AtomicUsize,
    delays: Delays,
}

#[derive(Debug)]
struct Arrivals {
    all: Vec<Arrival>,
    is_delivered: Vec<bool>,
    random: fastrand::Rng,
}

impl Sink {
    /// Starts one for as many events as `is_refused` has; it answers 503 where that says so.
    pub fn start(latency: Latency, is_refused: Vec<bool>) -> anyhow::Result<Self> {
        let listener = port::listen()?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let arrivals = Arrivals {
            all: Vec::with_capacity(is_refused.len() * 2),
            is_delivered: vec![false; is_refused.len()],
            random: fastrand::Rng::with_seed(SEED),
        };
        let shared = Arc::new(Shared {
            latency,
            is_refused,
            arrivals: Mutex::new(arrivals),
            delivered: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            delays: Delays::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let (server, timer) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::Builder::new().name("sink".into()).spawn(move || serve(server, listener, stopped))?,
            thread::Builder::new().name("sink delays".into()).spawn(move || answer_late(&timer))?,
        ];
        Ok(Self { address, shared, stop: Some(stop), threads })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far that name one of our events.
    pub fn count(&self) -> usize {
        self.shared.arrivals().all.len()
    }

    /// Different events that were accepted so far.
    pub fn delivered(&self) -> usize {
        self.shared.delivered.load(Ordering::Relaxed)
    }

    /// Requests that are none of ours.
    pub fn strangers(&self) -> usize {
        self.shared.strangers.load(Ordering::Relaxed)
    }

    /// Every request so far, in the order in which they arrived.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.arrivals().all.clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.shared.delays.close();
        for thread in self.threads.drain(..) {
            // Its panic, if any, was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().expect("no holder panics")
    }

    /// Writes a request down: its number among the arrivals, and how long its answer waits.
    fn arrived(&self, event: u32) -> Option<(usize, Duration)> {
        let Some(is_refused) = self.is_refused.get(event as usize) else {
            self.strangers.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let mut arrivals = self.arrivals();
        let latency = match self.latency {
            Latency::None => Duration::ZERO,
            Latency::Always(latency) => latency,
            Latency::UpTo(most) => most.mul_f64(arrivals.random.f64()),
        };
        let is_accepted = !is_refused;
        arrivals.all.push(Arrival { event, at: Instant::now(), took: Duration::ZERO, is_accepted });
        if is_accepted && !std::mem::replace(&mut arrivals.is_delivered[event as usize], true) {
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
        Some((arrivals.all.len() - 1, latency))
    }

    fn answer(&self, event: u32) -> &'static [u8] {
        if self.is_refused[event as usize] { REFUSED } else { ACCEPTED }
    }
}

/// The thread of the server.
fn serve(shared: Arc<Shared>, listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime needs a few file descriptors").block_on(async {
        let listener = TcpListener::from_std(listener).expect("the socket does not block");
        tokio::select! {
            () = accept(shared, listener) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(Arc::clone(&shared), Arc::new(stream)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A client may go away at any time: what it had asked is among the arrivals.
async fn connection(shared: Arc<Shared>, stream: Arc<TcpStream>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(16 * 1024);
    loop {
        let Request { event, bytes } = loop {
            match request::parse(&read) {
                Ok(Some(request)) => break request,
                Ok(None) => {}
                Err(error) => {
                    shared.strangers.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
            }
            stream.readable().await?;
            match stream.try_read_buf(&mut read) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        };
        read.drain(..bytes);
        let Some((arrival, latency)) = shared.arrived(event) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let answer = shared.answer(event);
        if latency.is_zero() {
            write(&stream, answer).await?;
        } else {
            // The client sends nothing more before it has its answer: the connection's task has only to read on.
            let at = Instant::now() + latency;
            shared.delays.add(Delayed { at, arrival, answer, stream: Arc::clone(&stream) });
        }
    }
}

async fn write(stream: &TcpStream, answer: &[u8]) -> io::Result<()> {
    loop {
        match stream.try_write(answer) {
            // A socket buffer that has no room for 38 bytes belongs to a client that reads nothing.
            Ok(written) if written < answer.len() => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
}

/// The thread that gives the answers that wait.
fn answer_late(shared: &Shared) {
    while let Some(Delayed { arrival, answer, stream, .. }) = shared.delays.next() {
        // Written first: the time of the answer is when it left. A client that is gone needs none.
        let _ = stream.try_write(answer);
        let mut arrivals = shared.arrivals();
        let arrival = &mut arrivals.all[arrival];
        arrival.took = arrival.at.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// Several requests on one connection: their statuses.
    fn ask(sink: &Sink, events: &[u32]) -> Vec<u16> {
        let mut stream = TcpStream::connect(sink.address).unwrap();
        let ask = |event: &u32| {
            write!(stream, "PUT /events/{event} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
                .unwrap();
            let mut answer = [0_u8; 1024];
            let length = stream.read(&mut answer).unwrap();
            let text = std::str::from_utf8(&answer[..length]).unwrap();
            text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
        };
        events.iter().map(ask).collect()
    }

    #[test]
    fn each_request_is_written_down_and_each_event_counted_once() {
        let sink = Sink::start(Latency::None, vec![false, true, false]).unwrap();
        assert_eq!(ask(&sink, &[2, 1, 0, 2]), [200, 503, 200, 200]);
        let events: Vec<_> = sink.arrivals().iter().map(|arrival| arrival.event).collect();
        assert_eq!(events, [2, 1, 0, 2]);
        assert_eq!((sink.count(), sink.delivered(), sink.strangers()), (4, 2, 0));
    }

    #[test]
    fn an_answer_waits_for_as_long_as_it_says() {
        let latency = Duration::from_millis(30);
        let sink = Sink::start(Latency::Always(latency), vec![false; 2]).unwrap();
        let begun = Instant::now();
        assert_eq!(ask(&sink, &[0, 1]), [200, 200]);
        assert!(begun.elapsed() >= latency * 2);
        drop(sink);
    }

    #[test]
    fn what_is_none_of_ours_is_counted() {
        let sink = Sink::start(Latency::None, vec![false; 2]).unwrap();
        assert_eq!(ask(&sink, &[2]), [0]);
        assert_eq!((sink.count(), sink.strangers()), (0, 1));
    }
}
