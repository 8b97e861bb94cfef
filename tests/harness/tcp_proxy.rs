//! A faulty wire between an instance and its store.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::error::{Error, or_panic};

/// Passes TCP connections on to a port, as well or as badly as its [`Mode`] says.
#[derive(Debug)]
pub(crate) struct TcpProxy {
    port: u16,
    wire: Arc<Wire>,
    accepts: JoinHandle<()>,
}

/// Takes effect at once, for open connections and new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Forward,
    /// Everything arrives this much later, in each direction: twice that for a round trip.
    Delay(Duration),
    /// Connections are accepted and stay open, nothing passes. What was held is delivered when the mode
    /// changes, as TCP delivers after an outage; [`Mode::Reset`] loses it.
    Swallow,
    /// Requests arrive, their replies are held.
    SwallowReplies,
    /// Connections are reset, new ones at once.
    Reset,
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
            target,
            mode: watch::channel((0, Mode::Forward)).0,
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

    pub(crate) fn set(&self, mode: Mode) {
        self.wire.set(mode);
    }

    pub(crate) fn mode(&self) -> Mode {
        self.wire.mode.borrow().1
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
    target: u16,
    /// With a number that tells one setting of a mode from the next.
    mode: watch::Sender<(u64, Mode)>,
    connections: AtomicU64,
    open: AtomicU64,
    requests: AtomicU64,
    replies: AtomicU64,
}

impl Wire {
    fn set(&self, mode: Mode) {
        self.mode.send_modify(|(number, current)| {
            *number += 1;
            *current = mode;
        });
    }

    /// Whether this connection is the one that [`Mode::CutOnce`] cuts.
    fn take_cut(&self, setting: u64) -> bool {
        self.mode.send_if_modified(|(number, mode)| {
            let ours = *number == setting;
            if ours {
                *number += 1;
                *mode = Mode::Forward;
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
        self == Self::Swallow || self == Self::SwallowReplies && direction == Direction::Reply
    }

    fn delay(self) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            _ => Duration::ZERO,
        }
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        wire.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(client, Arc::clone(&wire)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, wire: Arc<Wire>) {
    let _open = Open::count(&wire.open);
    let mut mode = wire.mode.subscribe();
    // Connecting is interrupted too; a target that refuses shows as a connection closed at once.
    let target = tokio::select! {
        biased;
        _ = mode.wait_for(|(_, mode)| *mode == Mode::Reset) => None,
        target = TcpStream::connect((Ipv4Addr::LOCALHOST, wire.target)) => Some(target),
    };
    let reset = match target {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(mut target)) => {
            let _ = client.set_nodelay(true).and(target.set_nodelay(true));
            let (from_client, to_client) = client.split();
            let (from_target, to_target) = target.split();
            let requests = pump(from_client, to_target, Direction::Request, &wire);
            let replies = pump(from_target, to_client, Direction::Reply, &wire);
            tokio::select! {
                _ = mode.wait_for(|(_, mode)| *mode == Mode::Reset) => true,
                _ = async { tokio::try_join!(requests, replies) } => false,
            }
        }
    };
    if reset {
        // Lingering for no time makes the close a reset; the target sees an ordinary close.
        let _ = client.set_zero_linger();
    }
}

/// An end of the connection that is no half-close: an error, or a cut.
struct Broken;

async fn pump(from: ReadHalf<'_>, to: WriteHalf<'_>, direction: Direction, wire: &Wire) -> Result<(), Broken> {
    // A queue between reading and writing, so that a delay is latency and does not limit the rate.
    let (queue, queued) = mpsc::channel(256);
    tokio::try_join!(fill(from, queue, wire), drain(queued, to, direction, wire))?;
    Ok(())
}

type Chunk = (Instant, Vec<u8>);

async fn fill(mut from: ReadHalf<'_>, queue: mpsc::Sender<Chunk>, wire: &Wire) -> Result<(), Broken> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await.map_err(|_| Broken)?;
        if length == 0 {
            return Ok(());
        }
        let due = Instant::now() + wire.mode.borrow().1.delay();
        let chunk = (due, buffer[..length].to_vec());
        queue.send(chunk).await.map_err(|_| Broken)?;
    }
}

async fn drain(
    mut queued: mpsc::Receiver<Chunk>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    wire: &Wire,
) -> Result<(), Broken> {
    let mut modes = wire.mode.subscribe();
    // Bytes since the mode was set.
    let (mut setting, mut passed) = (0, 0);
    while let Some((due, mut chunk)) = queued.recv().await {
        tokio::time::sleep_until(due).await;
        let open = modes.wait_for(|(_, mode)| !mode.holds(direction)).await;
        let (number, mode) = *open.map_err(|_| Broken)?;
        if number != setting {
            (setting, passed) = (number, 0);
        }
        let mut cut = false;
        if let (Mode::CutReplies(limit) | Mode::CutOnce(limit), Direction::Reply) = (mode, direction) {
            let room = usize::try_from(limit - passed).unwrap_or(usize::MAX);
            let reached = chunk.len() >= room;
            cut = reached && (mode == Mode::CutReplies(limit) || wire.take_cut(number));
            if cut {
                chunk.truncate(room);
            }
        }
        to.write_all(&chunk).await.map_err(|_| Broken)?;
        passed += chunk.len() as u64;
        let counter = match direction {
            Direction::Request => &wire.requests,
            Direction::Reply => &wire.replies,
        };
        counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if cut {
            return Err(Broken);
        }
    }
    // The other direction may go on: this is a half-close.
    to.shutdown().await.map_err(|_| Broken)
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
