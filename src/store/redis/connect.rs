//! Fresh connections, and the questions that a node must answer before anyone uses it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisResult, Value};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::advice::{self, Advice};
use super::clock::StoreClock;
use super::dial::{Dial, Stream};
use super::durability::Quorum;
use super::script::Scripts;
use super::url::Address;
use super::waiter::Waiter;
use super::whole::Whole;
use crate::error::{Unavailable, UnavailableKind};
use crate::store::retry;

/// Commands that may wait for a driver; beyond it senders wait their turn.
const QUEUE: usize = 1024;
/// How often a replica that is being promoted is asked whether it is the master yet.
const ROLE_EVERY: Duration = Duration::from_millis(2);

/// What it takes to connect to a server, wherever it is.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) dial: Dial,
    pub(super) settings: RedisConnectionInfo,
    /// The connection's name in `CLIENT LIST`.
    pub(super) name: String,
    /// Of dialling, of the TLS handshake, of presenting oneself, and of the first questions, each.
    pub(super) limit: Duration,
}

/// What it takes to connect to a node.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) door: Door,
    pub(super) connections: usize,
    pub(super) scripts: Arc<Scripts>,
    pub(super) clock: Arc<StoreClock>,
    /// How many replicas writes wait for, where they do.
    pub(super) quorum: Option<Quorum>,
    /// Whether to ask each master if the Cluster is up.
    pub(super) cluster: bool,
}

/// A master that answered on each of these connections.
pub(super) struct Connected {
    pub(super) address: Address,
    pub(super) connections: Vec<MultiplexedConnection>,
    pub(super) waiter: Option<Waiter>,
    pub(super) drivers: Drivers,
    /// The node's replication id, where it tells: another after each restart and each promotion.
    pub(super) history: Option<String>,
    /// How far its clock was from what was expected.
    pub(super) clock_off: Duration,
    pub(super) advice: Vec<Advice>,
}

/// What moves the bytes of connections; they end with it.
#[derive(Default)]
pub(super) struct Drivers(JoinSet<()>);

impl Drivers {
    /// Returns when one of the connections is dead.
    pub(super) async fn one_ended(&mut self) {
        // How it ended, nobody needs to know.
        let _ = self.0.join_next().await;
    }

    /// Returns when all are.
    pub(super) async fn all_ended(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Options of every connection: limits are those of whoever asks, and the queue is short.
pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE)
}

/// Dials, and presents user, password and database.
pub(super) async fn open(
    door: &Door,
    address: &Address,
    config: AsyncConnectionConfig,
    drivers: &mut Drivers,
) -> Result<MultiplexedConnection, Unavailable> {
    let stream = door.dial.dial(address, door.limit).await?;
    present(door, stream, config, drivers).await
}

/// [`open`], for a connection that records are read from.
async fn open_for_records(
    door: &Door,
    address: &Address,
    drivers: &mut Drivers,
) -> Result<MultiplexedConnection, Unavailable> {
    let stream = Whole::new(door.dial.dial(address, door.limit).await?);
    present(door, stream, config(), drivers).await
}

async fn present(
    door: &Door,
    stream: impl Stream,
    config: AsyncConnectionConfig,
    drivers: &mut Drivers,
) -> Result<MultiplexedConnection, Unavailable> {
    let opened = MultiplexedConnection::new_with_config(&door.settings, stream, config);
    let (connection, driver) = timeout(door.limit, opened).await.map_err(late)?.map_err(retry::unavailable)?;
    drivers.0.spawn(driver);
    Ok(connection)
}

/// Sends a pipeline on a fresh connection; the replies one by one.
pub(super) async fn ask(
    door: &Door,
    connection: &mut MultiplexedConnection,
    pipe: &Pipeline,
) -> Result<Vec<Value>, Unavailable> {
    timeout(door.limit, send(connection, pipe)).await.map_err(late)?.map_err(retry::unavailable)
}

/// The first command alone, and the others behind it without waiting: a connection that ends tells a single command why,
/// and a pipeline only that it did.
pub(super) async fn send(connection: &mut MultiplexedConnection, pipe: &Pipeline) -> RedisResult<Vec<Value>> {
    let mut commands = pipe.cmd_iter();
    let Some(first) = commands.next() else { return Ok(Vec::new()) };
    let mut rest = redis::pipe();
    for command in commands {
        rest.add_command(command.clone());
    }
    let mut behind = connection.clone();
    let others = async {
        if rest.is_empty() { Ok(Vec::new()) } else { behind.send_packed_commands(&rest, 0, rest.len()).await }
    };
    // Whichever ends first, the first one's error is the reason.
    let (first, others) = join(connection.send_packed_command(first), others).await;
    Ok([vec![first?], others?].concat())
}

/// Connects to a master that answers on these very connections, or fails.
pub(super) async fn connect(route: &Route, address: &Address) -> Result<Connected, Unavailable> {
    let mut drivers = Drivers::default();
    let mut connection = open_for_records(&route.door, address, &mut drivers).await?;
    let answers = question(route, &mut connection).await?;
    let mut connections = vec![connection];
    while connections.len() < route.connections {
        connections.push(another(&route.door, address, &mut drivers).await?);
    }
    let waiter = match route.quorum {
        Some(quorum) => Some(Waiter::start(another(&route.door, address, &mut drivers).await?, quorum)),
        None => None,
    };
    Ok(Connected {
        address: address.clone(),
        connections,
        waiter,
        drivers,
        history: answers.history,
        clock_off: answers.clock_off,
        advice: answers.advice,
    })
}

async fn another(door: &Door, address: &Address, drivers: &mut Drivers) -> Result<MultiplexedConnection, Unavailable> {
    let mut connection = open_for_records(door, address, drivers).await?;
    greeted(&ask(door, &mut connection, &greeting(door)).await?)?;
    Ok(connection)
}

struct Answers {
    history: Option<String>,
    clock_off: Duration,
    advice: Vec<Advice>,
}

async fn question(route: &Route, connection: &mut MultiplexedConnection) -> Result<Answers, Unavailable> {
    let mut pipe = greeting(&route.door);
    pipe.cmd("TIME").cmd("INFO").arg("replication");
    advice::ask(&mut pipe);
    for script in route.scripts.all() {
        pipe.cmd("SCRIPT").arg("LOAD").arg(&script.code);
    }
    if route.cluster {
        pipe.cmd("CLUSTER").arg("INFO");
    }
    let replies = ask(&route.door, connection, &pipe).await?;
    greeted(&replies)?;
    if route.cluster {
        serves(replies.last())?;
    }
    let [_, _, _, time, replication, rest @ ..] = replies.as_slice() else {
        return Err(UnavailableKind::Disconnected.into());
    };
    time.clone().extract_error().map_err(retry::unavailable)?;
    let clock_off = route.clock.anchor_to_reply(time);
    let replication = advice::text(replication);
    let history = advice::field(&replication, "master_replid").map(str::to_owned);
    let mut advice = advice::of(&replication, rest);
    // One of a Cluster stops by itself.
    advice.retain(|advice| !(route.cluster && *advice == Advice::WritesAlone));
    Ok(Answers { history, clock_off, advice })
}

fn greeting(door: &Door) -> Pipeline {
    let mut pipe = redis::pipe();
    pipe.cmd("CLIENT").arg("SETNAME").arg(&door.name).cmd("PING").cmd("ROLE");
    pipe
}

/// A name is a convenience; the other two must be answered, and by a master. `ROLE` alone would be answered by a node
/// that is still loading, too.
fn greeted(replies: &[Value]) -> Result<(), Unavailable> {
    let [_, ping, role, ..] = replies else { return Err(UnavailableKind::Disconnected.into()) };
    for reply in [ping, role] {
        reply.clone().extract_error().map_err(retry::unavailable)?;
    }
    if is_master(role) { Ok(()) } else { Err(UnavailableKind::NotMaster.into()) }
}

/// A master of a Cluster that does not see a majority of the others, or misses slots that it insists on, refuses all.
fn serves(info: Option<&Value>) -> Result<(), Unavailable> {
    match info.map(advice::text) {
        Some(info) if advice::field(&info, "cluster_state") == Some("fail") => {
            Err(Unavailable::new(UnavailableKind::Busy, "the Cluster is down, says the master"))
        }
        _ => Ok(()),
    }
}

/// Waits until a replica is the master. The promotion kills the connections of ordinary clients, so the one that watches
/// is not the one that is used.
pub(super) async fn promoted(door: &Door, address: &Address) {
    while watch_role(door, address).await.is_err() {
        sleep(ROLE_EVERY).await;
    }
}

async fn watch_role(door: &Door, address: &Address) -> Result<(), Unavailable> {
    let mut drivers = Drivers::default();
    let mut connection = open(door, address, config(), &mut drivers).await?;
    let mut pipe = redis::pipe();
    pipe.cmd("ROLE");
    loop {
        match ask(door, &mut connection, &pipe).await?.as_slice() {
            [role] if is_master(role) => return Ok(()),
            _ => sleep(ROLE_EVERY).await,
        }
    }
}

/// Whether a reply of `ROLE` is a master's.
pub(super) fn is_master(role: &Value) -> bool {
    matches!(role, Value::Array(items) if matches!(items.first(), Some(Value::BulkString(role)) if role == b"master"))
}

pub(super) fn late(_: tokio::time::error::Elapsed) -> Unavailable {
    UnavailableKind::TimedOut.into()
}
