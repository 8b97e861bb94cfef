//! Free loopback ports.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::{fs, process};

use super::error::{Error, Result};

/// A port that nobody listens on, and that is handed out once in this process.
///
/// It lies below the range from which the system takes the ports of outgoing connections. A port of that
/// range could be taken by any client while a killed server is away from it; and a client that keeps dialling
/// a dead server there is in the end connected to itself, so that the server cannot come back.
pub(crate) fn free_port() -> Result<u16> {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let range = server_ports();
    let random = RandomState::new();
    (0..1000)
        .map(|attempt| {
            let number = random.hash_one((process::id(), attempt)) % range.len() as u64;
            range.start + u16::try_from(number).unwrap_or_default()
        })
        .find(|port| check(*port).is_ok() && given.insert(*port))
        .ok_or_else(|| Error::new("no free port on 127.0.0.1"))
}

/// Whether a chosen port can be had.
pub(crate) fn check(port: u16) -> Result<()> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Err(Error::new(format!("port {port} is taken: choose another")))
        }
        Err(error) => Err(Error::io(format!("port {port}"), &error)),
    }
}

/// Starts something on fresh ports until one is not lost between its choice and the bind.
pub(crate) async fn on_free_port<T, F>(start: impl Fn(u16) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for _ in 0..4 {
        match start(free_port()?).await {
            Err(error) if error.lost_the_port() => {}
            done => return done,
        }
    }
    start(free_port()?).await
}

fn server_ports() -> Range<u16> {
    const LOWEST: u16 = 10_000;
    let first_outgoing = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768);
    if first_outgoing >= LOWEST + 1000 { LOWEST..first_outgoing } else { LOWEST..u16::MAX }
}
