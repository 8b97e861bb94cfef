//! A faulty wire between an instance and its store, or between the store's own nodes.

mod pump;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::pump::pump;
use super::error::{Error, or_panic};

/// Passes TCP connections on to a port, as well or as badly as its [`Mode`] says.
#[derive(Debug)]
pub(crate) struct TcpProxy {
    port: u16,
    wire: Arc<Wire>,
    accepts: JoinHandle<()>,
}

/// Takes effect at once, for open connections and new ones. Requests flow from who connects, replies back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Forward,
    /// Everything arrives this much later, in each direction: twice that for a round trip.
    Delay(Duration),
    DelayRequests(Duration),
    DelayReplies(Duration),
    /// Connections are accepted and stay open, nothing passes. What was held is delivered when the mode
    /// changes, as TCP delivers after an outage; [`Mode::Reset`] loses it.
    Swallow,
    /// Replies to earlier requests arrive, further requests are held.
    SwallowRequests,
    /// Requests arrive, their replies are held.
    SwallowReplies,
    /// Connections are reset, new ones at once.
    Reset,
    /// Each connection is closed after so many more bytes of requests.
    CutRequests(u64),
    /// Each connection is closed after so many more bytes of replies; with 0, when a reply begins.
    CutReplies(u64),
    /// The same for the first connection that gets so far; then [`Mode::Forward`].
    CutOnce(u64),
}

impl TcpProxy {
    /// Listens on a free loopback port, in mode [`Mode::Forward`].
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let bound = listener.and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let (port, listener) = or_panic(bound.map_err(|error| Error::io("tcp proxy", &error)));
        let wire = Arc::new(Wire {
            target: AtomicU16::new(target),
            setting: watch::channel(Setting { number: 0, mode: Mode::Forward, sources: Vec::new() }).0,
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            replies: AtomicU64::new(0),
        });
        let accepts = tokio::spawn(accept(listener, Arc::clone(&wire)));
        Self { port, wire, accepts }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:<port>`
    pub(crate) fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// For everybody, also those whom [`set_for`](Self::set_for) had set apart.
    pub(crate) fn set(&self, mode: Mode) {
        self.wire.setting.send_modify(|setting| {
            *setting = Setting { number: setting.number + 1, mode, sources: Vec::new() };
        });
    }

    /// For those who connect from this address alone: one side of a partition.
    pub(crate) fn set_for(&self, source: Ipv4Addr, mode: Mode) {
        self.wire.setting.send_modify(|setting| {
            setting.number += 1;
            setting.sources.retain(|(other, _)| *other != source);
            setting.sources.push((source, mode));
        });
    }

    pub(crate) fn mode(&self) -> Mode {
        self.wire.setting.borrow().mode
    }

    /// New connections lead to this port.
    pub(crate) fn aim(&self, target: u16) {
        self.wire.target.store(target, Ordering::Relaxed);
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.wire.connections.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(crate) fn open_connections(&self) -> u64 {
        self.wire.open.load(Ordering::Relaxed)
    }

    /// Bytes passed on to the target.
    pub(crate) fn request_bytes(&self) -> u64 {
        self.wire.requests.load(Ordering::Relaxed)
    }

    /// Bytes passed back.
    pub(crate) fn reply_bytes(&self) -> u64 {
        self.wire.replies.load(Ordering::Relaxed)
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        // Its connections are tasks in a set of this one's, and end with it.
        self.accepts.abort();
    }
}

#[derive(Debug)]
struct Wire {
    target: AtomicU16,
    setting: watch::Sender<Setting>,
    connections: AtomicU64,
    open: AtomicU64,
    requests: AtomicU64,
    replies: AtomicU64,
}

#[derive(Debug)]
struct Setting {
    /// Tells one setting from the next.
    number: u64,
    mode: Mode,
    /// Addresses that have a mode of their own.
    sources: Vec<(Ipv4Addr, Mode)>,
}

impl Setting {
    fn mode(&self, source: Ipv4Addr) -> Mode {
        let own = self.sources.iter().find(|(address, _)| *address == source);
        own.map_or(self.mode, |(_, mode)| *mode)
    }
}

impl Wire {
    /// Whether this connection is the one that [`Mode::CutOnce`] cuts.
    fn take_cut(&self, number: u64) -> bool {
        self.setting.send_if_modified(|setting| {
            let ours = setting.number == number;
            if ours {
                setting.number += 1;
                setting.mode = Mode::Forward;
            }
            ours
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

impl Mode {
    fn holds(self, direction: Direction) -> bool {
        match self {
            Self::Swallow => true,
            Self::SwallowRequests => direction == Direction::Request,
            Self::SwallowReplies => direction == Direction::Reply,
            _ => false,
        }
    }

    fn delay(self, direction: Direction) -> Duration {
        match (self, direction) {
            (Self::Delay(delay), _)
            | (Self::DelayRequests(delay), Direction::Request)
            | (Self::DelayReplies(delay), Direction::Reply) => delay,
            _ => Duration::ZERO,
        }
    }

    /// After how many bytes the connection is closed.
    fn cut(self, direction: Direction) -> Option<u64> {
        match (self, direction) {
            (Self::CutRequests(limit), Direction::Request)
            | (Self::CutReplies(limit) | Self::CutOnce(limit), Direction::Reply) => Some(limit),
            _ => None,
        }
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    let mut connections = JoinSet::new();
    while let Ok((client, from)) = listener.accept().await {
        wire.connections.fetch_add(1, Ordering::Relaxed);
        let IpAddr::V4(source) = from.ip() else { continue };
        connections.spawn(serve(client, source, Arc::clone(&wire)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, source: Ipv4Addr, wire: Arc<Wire>) {
    let _open = Open::count(&wire.open);
    let mut setting = wire.setting.subscribe();
    let target = (Ipv4Addr::LOCALHOST, wire.target.load(Ordering::Relaxed));
    // Connecting is interrupted too; a target that refuses shows as a connection closed at once.
    let target = tokio::select! {
        biased;
        _ = setting.wait_for(|setting| setting.mode(source) == Mode::Reset) => None,
        target = TcpStream::connect(target) => Some(target),
    };
    let reset = match target {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(mut target)) => {
            let _ = client.set_nodelay(true).and(target.set_nodelay(true));
            let (from_client, to_client) = client.split();
            let (from_target, to_target) = target.split();
            let requests = pump(from_client, to_target, Direction::Request, source, &wire);
            let replies = pump(from_target, to_client, Direction::Reply, source, &wire);
            tokio::select! {
                _ = setting.wait_for(|setting| setting.mode(source) == Mode::Reset) => true,
                _ = async { tokio::try_join!(requests, replies) } => false,
            }
        }
    };
    if reset {
        // Lingering for no time makes the close a reset; the target sees an ordinary close.
        let _ = client.set_zero_linger();
    }
}

/// Counts an open connection for as long as it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn count(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
