//! Ports on loopback that stay free while their server is away.
//!
//! A port given out by the system for port 0 comes from the range of outgoing connections: while a server on it is
//! down, another connection may take it, and a client that keeps trying may even connect to itself. These ports are
//! below that range (32768 and up on Linux).

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::bail;

const RANGE: std::ops::Range<u16> = 20_000..32_000;

const TRIES: usize = 100;

/// Listens on a port that was free.
pub fn listen() -> anyhow::Result<TcpListener> {
    for _ in 0..TRIES {
        let address = (Ipv4Addr::LOCALHOST, fastrand::u16(RANGE));
        if let Ok(listener) = TcpListener::bind(address) {
            return Ok(listener);
        }
    }
    bail!("no free port on loopback in {RANGE:?} after {TRIES} tries")
}

/// An address that was free a moment ago, for a server that wants to be told.
pub fn free() -> anyhow::Result<SocketAddr> {
    Ok(listen()?.local_addr()?)
}

/// As [`free`], so many that differ from each other.
pub fn free_many(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let held = (0..count).map(|_| listen()).collect::<anyhow::Result<Vec<_>>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_address_can_be_listened_on() {
        let address = free().unwrap();
        assert!(address.ip().is_loopback());
        assert!(RANGE.contains(&address.port()));
        assert_eq!(TcpListener::bind(address).unwrap().local_addr().unwrap(), address);
    }

    #[test]
    fn many_free_addresses_differ() {
        let addresses = free_many(200).unwrap();
        let different: std::collections::BTreeSet<_> = addresses.iter().collect();
        assert_eq!(different.len(), 200);
    }
}
