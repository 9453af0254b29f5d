//! A network link that breaks on demand: a TCP proxy between one client and one server.
//!
//! In goes the server's address, out comes an address that leads to it, and orders that change what happens on the way.
//! It looks at no byte. What is on its way while nothing passes arrives when the link is open again, as TCP would have
//! it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes that are read at a time.
const CHUNK: usize = 16 << 10;

/// Chunks on their way in one direction of a connection; beyond them TCP itself holds the sender back.
const ON_THE_WAY: usize = 64;

/// The links of one run, on one thread. Dropped, all connections are gone.
#[derive(Debug)]
pub(super) struct Links {
    runtime: Runtime,
}

/// One way from a client to a server.
#[derive(Debug)]
pub(super) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    /// Connections stay, and nothing passes.
    Blackhole,
    /// Everything arrives that much later, in each direction.
    Delayed(Duration),
}

#[derive(Debug, Clone, Copy)]
struct State {
    passage: Passage,
    /// How often connections were reset, and how often half-opened.
    resets: u64,
    half_opens: u64,
}

impl Links {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { runtime })
    }

    /// Opens a link to this server, which need not be there yet.
    pub(super) fn open(&self, server: SocketAddr) -> io::Result<Link> {
        let (state, changes) = watch::channel(State { passage: Passage::Open, resets: 0, half_opens: 0 });
        let listener = self.runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        self.runtime.spawn(async move {
            loop {
                // One that is gone before it is taken is passed over.
                if let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(carry(near, server, changes.clone()));
                }
            }
        });
        Ok(Link { address, state })
    }
}

impl Link {
    /// Where the client is to connect to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn set(&self, passage: Passage) {
        self.state.send_modify(|state| state.passage = passage);
    }

    /// Resets all connections there are.
    pub(super) fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Closes the server's end of all connections there are, of which the client hears nothing: whatever it sends on
    /// them is swallowed until it closes them itself.
    pub(super) fn half_open(&self) {
        self.state.send_modify(|state| state.half_opens += 1);
    }
}

/// How a connection ended.
enum End {
    Closed,
    Reset,
    HalfOpen,
}

async fn carry(mut near: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let born = *state.borrow();
    passing(&mut state).await;
    // Dropped, the client's connection closes: the server is not there.
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    // Without it small messages wait for acknowledgements; a link that cannot be set so still works.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let end = {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        let there = pump(near_read, far_write, state.clone());
        let back = pump(far_read, near_write, state.clone());
        tokio::select! {
            _ = async { tokio::try_join!(there, back) } => End::Closed,
            end = broken(&mut state, born) => end,
        }
    };
    match end {
        End::Closed => {}
        End::Reset => {
            // Closed with this set, a connection is reset.
            let _ = (near.set_zero_linger(), far.set_zero_linger());
        }
        End::HalfOpen => {
            drop(far);
            swallow(near).await;
        }
    }
}

/// Waits until this connection is to break.
async fn broken(state: &mut watch::Receiver<State>, born: State) -> End {
    let changed = state.wait_for(|now| now.resets != born.resets || now.half_opens != born.half_opens).await;
    match changed {
        Ok(now) if now.resets == born.resets => End::HalfOpen,
        // Without its link a connection is gone too.
        Ok(_) | Err(_) => End::Reset,
    }
}

async fn swallow(mut near: TcpStream) {
    let mut chunk = vec![0; CHUNK];
    while near.read(&mut chunk).await.is_ok_and(|count| count > 0) {}
}

/// Carries one direction to its end. An error ends the other one too.
async fn pump(from: ReadHalf<'_>, to: WriteHalf<'_>, state: watch::Receiver<State>) -> io::Result<()> {
    let (sender, chunks) = mpsc::channel(ON_THE_WAY);
    tokio::try_join!(take(from, sender), give(to, chunks, state)).map(drop)
}

type Chunk = (Instant, Vec<u8>);

async fn take(mut from: ReadHalf<'_>, sender: mpsc::Sender<Chunk>) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = from.read(&mut chunk).await?;
        chunk.truncate(count);
        if count == 0 || sender.send((Instant::now(), chunk)).await.is_err() {
            return Ok(());
        }
    }
}

async fn give(
    mut to: WriteHalf<'_>,
    mut chunks: mpsc::Receiver<Chunk>,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    while let Some((taken, chunk)) = chunks.recv().await {
        let delay = passing(&mut state).await;
        tokio::time::sleep_until(taken + delay).await;
        to.write_all(&chunk).await?;
    }
    to.shutdown().await
}

/// Waits until something passes; how late it arrives.
async fn passing(state: &mut watch::Receiver<State>) -> Duration {
    let open = state.wait_for(|state| state.passage != Passage::Blackhole).await;
    match open.map(|state| state.passage) {
        Ok(Passage::Delayed(delay)) => delay,
        Ok(Passage::Open | Passage::Blackhole) | Err(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const LIMIT: Duration = Duration::from_secs(10);

    /// A server that answers each byte with itself, and a link to it.
    fn echo() -> (Links, Link) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        let links = Links::new().unwrap();
        let link = links.open(address).unwrap();
        (links, link)
    }

    fn connect(link: &Link) -> TcpStream {
        TcpStream::connect(link.address()).unwrap()
    }

    /// Sends a byte and reads it back within the limit.
    fn ask(stream: &mut TcpStream, byte: u8, limit: Duration) -> io::Result<u8> {
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(&[byte])?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    }

    #[test]
    fn a_blackhole_holds_everything_back_until_it_is_over() {
        let (_links, link) = echo();
        let mut stream = connect(&link);
        assert_eq!(ask(&mut stream, 1, LIMIT).unwrap(), 1);
        link.set(Passage::Blackhole);
        let mut later = connect(&link);
        assert_eq!(ask(&mut stream, 2, SHORT).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(ask(&mut later, 7, SHORT).unwrap_err().kind(), ErrorKind::WouldBlock);
        link.set(Passage::Open);
        assert_eq!(ask(&mut stream, 3, LIMIT).unwrap(), 2, "what was on its way arrives");
        assert_eq!(ask(&mut later, 8, LIMIT).unwrap(), 7);
    }

    #[test]
    fn a_delay_is_added_in_each_direction() {
        let (_links, link) = echo();
        let mut stream = connect(&link);
        assert_eq!(ask(&mut stream, 1, LIMIT).unwrap(), 1);
        link.set(Passage::Delayed(SHORT));
        let began = Instant::now();
        assert_eq!(ask(&mut stream, 2, LIMIT).unwrap(), 2);
        assert!(began.elapsed() >= 2 * SHORT, "{:?}", began.elapsed());
    }

    #[test]
    fn a_reset_breaks_what_is_there_and_nothing_later() {
        let (_links, link) = echo();
        let mut stream = connect(&link);
        assert_eq!(ask(&mut stream, 1, LIMIT).unwrap(), 1);
        link.reset();
        let mut answer = [0];
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(stream.read(&mut answer).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(ask(&mut connect(&link), 2, LIMIT).unwrap(), 2);
    }

    #[test]
    fn a_half_open_connection_swallows_what_is_sent_and_a_new_one_works() {
        let (_links, link) = echo();
        let mut stream = connect(&link);
        assert_eq!(ask(&mut stream, 1, LIMIT).unwrap(), 1);
        link.half_open();
        for byte in 2..5 {
            assert_eq!(ask(&mut stream, byte, SHORT).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        assert_eq!(ask(&mut connect(&link), 9, LIMIT).unwrap(), 9);
    }

    #[test]
    fn where_no_server_is_the_connection_closes() {
        let links = Links::new().unwrap();
        let nobody = crate::port::free().unwrap();
        let link = links.open(nobody).unwrap();
        assert!(ask(&mut connect(&link), 1, LIMIT).is_err());
    }
}
