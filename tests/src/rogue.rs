//! An external system that means harm: what it answers is written byte by byte, and breaks HTTP where it wants to.
//!
//! In comes a request for `/events/TRICK-N`, out goes what the trick is; to any other request an empty success.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const WELL: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// Between two bytes of a drip.
const DROP: Duration = Duration::from_millis(20);

/// A server on loopback. Dropped, it is gone with all its connections.
#[derive(Debug)]
pub struct Rogue {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Rogue {
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let accept = move || {
            let mut connections = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let over = over.clone();
                connections.push(thread::spawn(move || drop(serve(&stream, &over))));
                connections.retain(|connection| !connection.is_finished());
            }
            connections.into_iter().for_each(|connection| drop(connection.join()));
        };
        let thread = thread::Builder::new().name("rogue".into()).spawn(accept)?;
        Ok(Self { address, is_over, thread: Some(thread) })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// One connection, to its end or to ours.
fn serve(stream: &TcpStream, is_over: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    let mut reader = BufReader::new(stream);
    while let Some(path) = request(&mut reader, is_over)? {
        let name = path.strip_prefix("/events/").and_then(|id| id.rsplit_once('-')).map(|(name, _)| name);
        trick(name.unwrap_or_default(), stream, is_over)?;
    }
    Ok(())
}

/// Reads a request to the end of its body and gives its path; `None` at the end of the connection.
fn request(reader: &mut BufReader<&TcpStream>, is_over: &AtomicBool) -> io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match reader.read_line(&mut head) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_over.load(Ordering::Relaxed) => {}
            Err(error) => return Err(error),
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    io::copy(&mut reader.take(length.unwrap_or(0)), &mut io::sink())?;
    Ok(head.split(' ').nth(1).map(str::to_owned))
}

fn trick(name: &str, mut stream: &TcpStream, is_over: &AtomicBool) -> io::Result<()> {
    match name {
        "drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
            for_ever(b"x", DROP, stream, is_over)
        }
        "bomb" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            for_ever(&chunk, Duration::ZERO, stream, is_over)
        }
        "packed-bomb" => {
            // What it would be unpacked does not matter: nobody unpacks it. It is too large as it comes.
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\x02\x03")?;
            for_ever(&[0; 0x10000], Duration::ZERO, stream, is_over)
        }
        "endless-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            for_ever(b"x-more: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", Duration::ZERO, stream, is_over)
        }
        "two-lengths" => stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nok123"),
        "smuggled" => stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nevil",
        ),
        "redirect" => stream.write_all(
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data\r\ncontent-length: 0\r\n\r\n",
        ),
        _ => stream.write_all(WELL),
    }
}

/// Writes this again and again, until nobody takes it any more.
fn for_ever(bytes: &[u8], pause: Duration, mut stream: &TcpStream, is_over: &AtomicBool) -> io::Result<()> {
    while !is_over.load(Ordering::Relaxed) {
        stream.write_all(bytes)?;
        thread::park_timeout(pause);
    }
    Ok(())
}
