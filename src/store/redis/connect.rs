//! A fresh connection, and the questions that it must answer before anyone uses it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::clock::StoreClock;
use super::dial::Dial;
use super::script::Scripts;
use crate::error::{Unavailable, UnavailableKind};
use crate::store::retry;

/// Limit of dialling, and of the questions on a new connection.
pub(super) const CONNECT: Duration = Duration::from_millis(300);
/// Commands that may wait for the driver; beyond it senders wait their turn.
const QUEUE: usize = 1024;

/// What it takes to connect.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) dial: Dial,
    pub(super) settings: RedisConnectionInfo,
    pub(super) name: String,
    pub(super) scripts: Arc<Scripts>,
    pub(super) clock: Arc<StoreClock>,
}

/// What moves a connection's bytes; the connection ends with it.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(driver))
    }

    /// Returns when the connection is dead.
    pub(super) async fn ended(&mut self) {
        if !self.0.is_finished() {
            // How it ended, nobody needs to know.
            let _ = (&mut self.0).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Options of every connection: limits are those of whoever asks, and the queue is short.
pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE)
}

/// Dials, and presents user, password and database.
pub(super) async fn open(
    dial: &Dial,
    settings: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, Driver), Unavailable> {
    let stream = timeout(CONNECT, dial.dial()).await.map_err(late)?;
    let stream = stream.map_err(|error| Unavailable::new(UnavailableKind::Disconnected, error))?;
    let opened = MultiplexedConnection::new_with_config(settings, stream, config);
    let (connection, driver) = timeout(CONNECT, opened).await.map_err(late)?.map_err(retry::unavailable)?;
    Ok((connection, Driver::spawn(driver)))
}

/// Dials a master that answers on this very connection, or fails.
pub(super) async fn connect(route: &Route) -> Result<(MultiplexedConnection, Driver), Unavailable> {
    let (mut connection, driver) = open(&route.dial, &route.settings, config()).await?;
    timeout(CONNECT, question(route, &mut connection)).await.map_err(late).and_then(|asked| asked)?;
    Ok((connection, driver))
}

async fn question(route: &Route, connection: &mut MultiplexedConnection) -> Result<(), Unavailable> {
    let mut pipe = redis::pipe();
    pipe.cmd("CLIENT").arg("SETNAME").arg(&route.name).cmd("PING").cmd("ROLE").cmd("TIME");
    for script in route.scripts.all() {
        pipe.cmd("SCRIPT").arg("LOAD").arg(&script.code);
    }
    let replies = connection.send_packed_commands(&pipe, 0, pipe.len()).await.map_err(retry::unavailable)?;
    let [_, ping, role, time, ..] = replies.as_slice() else { return Err(UnavailableKind::Disconnected.into()) };
    // A name is a convenience, and a script is sent again where it is missing; these three must be answered.
    for reply in [ping, role, time] {
        reply.clone().extract_error().map_err(retry::unavailable)?;
    }
    if !is_master(role) {
        return Err(UnavailableKind::NotMaster.into());
    }
    route.clock.anchor_to_reply(time);
    Ok(())
}

/// Whether a reply of `ROLE` is a master's.
pub(super) fn is_master(role: &Value) -> bool {
    matches!(role, Value::Array(items) if matches!(items.first(), Some(Value::BulkString(role)) if role == b"master"))
}

pub(super) fn late(_: tokio::time::error::Elapsed) -> Unavailable {
    UnavailableKind::TimedOut.into()
}
