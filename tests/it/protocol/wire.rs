//! An in-memory pipe to a Redis server, command by command, with a fault for each where a test wants one.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use stickless::store::{Budget, Dial, RedisStore, RedisStoreBuilder, Store as _};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, sink};
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::harness::RedisServer;

/// Commands of one connection are passed on one after another, each with its fault.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Shared>);

struct Shared {
    /// The server's socket; none where the wire itself answers the questions of a new connection, and nothing else.
    server: Option<PathBuf>,
    /// By the command's name.
    faults: Mutex<HashMap<&'static str, Faults>>,
    seen: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

#[derive(Default)]
struct Faults {
    /// One for each of the next commands.
    next: VecDeque<Fault>,
    /// For all after them.
    always: Option<Fault>,
}

#[derive(Clone)]
pub(crate) enum Fault {
    Pass,
    /// The server carries it out; the connection is closed before the reply.
    LoseReply,
    /// The server carries it out; the connection is closed in the middle of the reply.
    HalfReply,
    /// The server never sees it; this is the reply.
    Answer(String),
    /// The server gets it so much later, even when the sender has gone.
    Hold(Duration),
    /// The server carries it out; the reply comes so much later.
    HoldReply(Duration),
    /// The connection is closed before the server sees it.
    Close,
    /// Nothing comes back, and nothing more passes.
    Silence,
}

impl Wire {
    pub(crate) fn to(server: &RedisServer) -> Self {
        Self::new(Some(server.socket()))
    }

    /// Without a server: for tests that stop the clock, which no real server would notice.
    pub(crate) fn to_nowhere() -> Self {
        Self::new(None)
    }

    fn new(server: Option<PathBuf>) -> Self {
        Self(Arc::new(Shared {
            server,
            faults: Mutex::default(),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        let wire = self.clone();
        RedisStore::builder("redis://wire").dial(Dial::new(move || {
            let stream = wire.connect();
            async { Ok(stream) }
        }))
    }

    /// A connection over this wire.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(serve(self.0.clone(), far));
        near
    }

    /// A store that is connected.
    pub(crate) async fn store(&self) -> RedisStore {
        connected(self.builder()).await
    }

    /// The next commands of this name meet these faults, one each.
    pub(crate) fn next<const N: usize>(&self, name: &'static str, faults: [Fault; N]) {
        lock(&self.0.faults).entry(name).or_default().next.extend(faults);
    }

    /// All further commands of this name meet this fault.
    pub(crate) fn always(&self, name: &'static str, fault: Fault) {
        lock(&self.0.faults).insert(name, Faults { always: Some(fault), ..Faults::default() });
    }

    /// How many commands of this name came, whatever became of them.
    pub(crate) fn seen(&self, name: &str) -> usize {
        lock(&self.0.seen).iter().filter(|seen| *seen == name).count()
    }

    /// Connections made so far.
    pub(crate) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }
}

/// Its first connection is there: tests of time begin after it.
pub(crate) async fn connected(builder: RedisStoreBuilder) -> RedisStore {
    let store = builder.build().expect("a store");
    store.ping(&Budget::default()).await.expect("the store answers");
    store
}

impl Shared {
    fn fault(&self, name: &str) -> Fault {
        lock(&self.seen).push(name.to_owned());
        let mut faults = lock(&self.faults);
        let fault = faults.get_mut(name).and_then(|faults| faults.next.pop_front().or_else(|| faults.always.clone()));
        fault.unwrap_or(Fault::Pass)
    }
}

async fn serve(shared: Arc<Shared>, client: DuplexStream) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    shared.open.fetch_add(1, Ordering::Relaxed);
    // However it ends, both sides see a closed connection.
    let _ = pass_on(&shared, BufReader::new(client)).await;
    shared.open.fetch_sub(1, Ordering::Relaxed);
}

async fn pass_on(shared: &Shared, mut client: BufReader<DuplexStream>) -> io::Result<()> {
    let mut server = match &shared.server {
        Some(socket) => Some(BufReader::new(UnixStream::connect(socket).await?)),
        None => None,
    };
    loop {
        let command = frame(&mut client).await?;
        let name = name(&command);
        let fault = shared.fault(&name);
        match &fault {
            Fault::Answer(reply) => {
                client.write_all(reply.as_bytes()).await?;
                continue;
            }
            Fault::Close => return Ok(()),
            Fault::Silence => return swallow(client).await,
            Fault::Hold(time) => sleep(*time).await,
            _ => {}
        }
        let reply = match &mut server {
            Some(server) => {
                server.write_all(&command).await?;
                frame(server).await?
            }
            None => match greeting(&name) {
                Some(reply) => reply.into_bytes(),
                None => return swallow(client).await,
            },
        };
        match fault {
            Fault::LoseReply => return Ok(()),
            Fault::HalfReply => return client.write_all(&reply[..reply.len() / 2]).await,
            Fault::HoldReply(time) => sleep(time).await,
            _ => {}
        }
        client.write_all(&reply).await?;
    }
}

async fn swallow(mut client: BufReader<DuplexStream>) -> io::Result<()> {
    tokio::io::copy(&mut client, &mut sink()).await.map(|_| ())
}

/// What a master says to the questions of a new connection.
fn greeting(name: &str) -> Option<String> {
    match name {
        "CLIENT" | "SCRIPT" => Some("+OK\r\n".into()),
        "PING" => Some("+PONG\r\n".into()),
        "ROLE" => Some("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".into()),
        "TIME" => Some(time(SystemTime::now())),
        "INFO" | "CONFIG" => Some("-NOPERM not here\r\n".into()),
        _ => None,
    }
}

/// A reply of `TIME`.
pub(crate) fn time(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let (seconds, micros) = (since.as_secs().to_string(), since.subsec_micros().to_string());
    format!("*2\r\n${}\r\n{seconds}\r\n${}\r\n{micros}\r\n", seconds.len(), micros.len())
}

/// One whole RESP2 value, as it came.
pub(super) async fn frame(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let (mut frame, mut left) = (Vec::new(), 1);
    while left > 0 {
        left -= 1;
        let start = frame.len();
        if from.read_until(b'\n', &mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&frame[start..]).into_owned();
        // -1 stands for null: nothing follows.
        let length = || line[1..].trim_end().parse::<usize>().ok();
        match line.as_bytes()[0] {
            b'*' => left += length().unwrap_or(0),
            b'$' => {
                if let Some(length) = length() {
                    let body = frame.len();
                    frame.resize(body + length + 2, 0);
                    from.read_exact(&mut frame[body..]).await?;
                }
            }
            _ => {}
        }
    }
    Ok(frame)
}

fn name(command: &[u8]) -> String {
    let word = command.split(|byte| *byte == b'\n').nth(2).unwrap_or_default();
    String::from_utf8_lossy(word).trim_end().to_uppercase()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
