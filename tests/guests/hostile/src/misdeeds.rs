//! What an event can ask for that does not come back, or should not: each tries one limit of the sandbox.

use std::hint::black_box;
use std::net::{Ipv4Addr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

pub(crate) use of_the_host::{ask_the_settings, hoard};

pub(crate) fn spin() {
    let mut count = 0_u64;
    while black_box(count) < u64::MAX {
        count = count.wrapping_add(1) & 0xffff;
    }
}

/// Each call keeps something that the next one needs, so that none can be left out.
pub(crate) fn descend() {
    fn further(depth: u64) -> u64 {
        let kept = black_box([depth; 4]);
        if kept[0] == u64::MAX { 0 } else { further(depth + 1) ^ black_box(kept)[3] }
    }
    black_box(further(0));
}

pub(crate) fn eat() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 24]));
    }
}

/// Does nothing: the harness puts a bomb in its place, which Rust has no word for. It knows it by the number.
#[inline(never)]
pub(crate) fn grow_a_table() -> u64 {
    black_box(0x7461_626c_6520_6c21)
}

pub(crate) fn ask_the_time() {
    while black_box(SystemTime::now()) < SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 4)
    {
    }
}

/// What only a host can be asked for.
#[cfg(target_family = "wasm")]
mod of_the_host {
    use liaison_sdk::raw::connector::wasi::config::store;

    /// The host has to remember each of them.
    pub(crate) fn hoard() {
        loop {
            std::mem::forget(wasip2::cli::stdout::get_stdout());
        }
    }

    pub(crate) fn ask_the_settings() {
        while store::get("settings").is_ok() {}
    }
}

/// What is done when an instance is made, if the connector's settings ask for it. The host tries each plugin without any.
#[cfg(target_family = "wasm")]
mod at_start {
    use liaison_sdk::raw::connector::wasi::config::store;

    #[used]
    #[expect(unsafe_code, reason = "the one way to run anything before the first call")]
    // SAFETY: what this section holds are functions of this type, which are called once each.
    #[unsafe(link_section = ".init_array")]
    static AT_START: extern "C" fn() = at_start;

    extern "C" fn at_start() {
        match store::get("at-start") {
            Ok(Some(misdeed)) if misdeed == "trap" => panic!("trapped at its start, as asked"),
            Ok(Some(misdeed)) if misdeed == "loop" => super::spin(),
            Ok(_) | Err(_) => {}
        }
    }
}

/// There is no host here.
#[cfg(not(target_family = "wasm"))]
mod of_the_host {
    pub(crate) fn hoard() {}

    pub(crate) fn ask_the_settings() {}
}

/// Another number at each call of an instance: what no connector may keep.
pub(crate) fn next_number() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

#[expect(clippy::disallowed_methods, reason = "the host must refuse it")]
pub(crate) fn sleep() {
    std::thread::sleep(Duration::from_secs(3600));
}

/// What comes of the network for one who just takes it.
pub(crate) fn reach_out() -> String {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, 9)).map(drop);
    let sent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop);
    let found = ("localhost", 9).to_socket_addrs().map(|addresses| addresses.count());
    format!("tcp {connected:?}, udp {sent:?}, name {found:?}")
}
