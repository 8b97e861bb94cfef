//! Messages between instances: one connection for all channels, opened when somebody listens, that follows the link.
//!
//! Redis forgets a message that nobody heard. So a listener is told when something may have been missed, at a moment
//! from which on it hears everything: what it reads elsewhere after a [`Heard::Gap`] misses nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{ProtocolVersion, PushInfo, PushKind, Value};
use tokio::runtime::Handle;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::connect::{Door, Drivers, ask, config, late, open};
use super::link::{Live, State};
use super::url::Address;
use crate::clock::jitter;
use crate::error::{Unavailable, UnavailableKind};
use crate::event::{self, Throttle};
use crate::store::retry;

/// Messages that wait for a slow listener; beyond them the oldest are dropped, and it hears of a gap.
const WAITING: usize = 256;
/// How often a quiet connection is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The longest pause between two dials.
const PAUSE_MOST: Duration = Duration::from_millis(250);

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message, as it was published.
    Message(Vec<u8>),
    /// From here on everything is heard; before it, something may have been missed. It comes first, after each switch
    /// of the connection, and when the listener was too slow.
    Gap,
}

/// One listener on one channel.
#[derive(Debug)]
pub(crate) struct Subscription {
    receiver: broadcast::Receiver<Heard>,
    /// It came to a channel that was listened to already, whose first gap it did not hear.
    joined: bool,
    _leave: Leave,
}

impl Subscription {
    /// What comes next; none when the store was dropped. Dropping this future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        if std::mem::take(&mut self.joined) {
            return Some(Heard::Gap);
        }
        match self.receiver.recv().await {
            Ok(heard) => Some(heard),
            Err(RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Tells, after the receiver is gone, that somebody has left.
#[derive(Debug)]
struct Leave(Weak<Hall>);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(hall) = self.0.upgrade() {
            hall.changed.notify_one();
        }
    }
}

/// The channels, and the task that listens to them. Dropping it ends the task and all subscriptions.
pub(super) struct PubSub {
    hall: Arc<Hall>,
    door: Door,
    state: watch::Receiver<State>,
    runtime: Handle,
    task: OnceLock<JoinHandle<()>>,
}

impl PubSub {
    /// Must be called in a Tokio runtime. Nothing is dialled before somebody listens.
    pub(super) fn new(mut door: Door, state: watch::Receiver<State>) -> Self {
        // The newer protocol lets one connection listen and be asked.
        door.settings = door.settings.set_protocol(ProtocolVersion::RESP3);
        Self { hall: Arc::default(), door, state, runtime: Handle::current(), task: OnceLock::new() }
    }

    pub(super) fn subscribe(&self, channel: String) -> Subscription {
        let (receiver, joined) = self.hall.enter(channel);
        self.hall.changed.notify_one();
        let start = || self.runtime.spawn(listen(self.hall.clone(), self.door.clone(), self.state.clone()));
        self.task.get_or_init(start);
        Subscription { receiver, joined, _leave: Leave(Arc::downgrade(&self.hall)) }
    }
}

impl Drop for PubSub {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Who listens to what.
#[derive(Debug, Default)]
struct Hall {
    channels: Mutex<HashMap<String, Channel>>,
    changed: Notify,
    refusals: Throttle,
}

#[derive(Debug)]
struct Channel {
    sender: broadcast::Sender<Heard>,
    /// Whether the server has confirmed that it is listened to.
    joined: bool,
}

impl Hall {
    fn channels(&self) -> MutexGuard<'_, HashMap<String, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, channel: String) -> (broadcast::Receiver<Heard>, bool) {
        match self.channels().entry(channel) {
            Entry::Occupied(entry) => (entry.get().sender.subscribe(), entry.get().joined),
            Entry::Vacant(entry) => {
                let (sender, receiver) = broadcast::channel(WAITING);
                entry.insert(Channel { sender, joined: false });
                (receiver, false)
            }
        }
    }

    /// Channels to join, and those to leave because nobody listens any more.
    fn changes(&self) -> (Vec<String>, Vec<String>) {
        let (mut join, mut leave) = (Vec::new(), Vec::new());
        self.channels().retain(|name, channel| {
            let wanted = channel.sender.receiver_count() > 0;
            match (wanted, channel.joined) {
                (true, false) => join.push(name.clone()),
                (false, true) => leave.push(name.clone()),
                _ => {}
            }
            wanted
        });
        (join, leave)
    }

    fn joined(&self, names: &[String]) {
        let mut channels = self.channels();
        for name in names {
            if let Some(channel) = channels.get_mut(name) {
                channel.joined = true;
                // Nobody may be left to hear it.
                let _ = channel.sender.send(Heard::Gap);
            }
        }
    }

    fn deaf(&self) {
        self.channels().values_mut().for_each(|channel| channel.joined = false);
    }

    /// Passes a message on; never waits.
    fn hear(&self, push: &PushInfo) {
        let (PushKind::Message, [Value::BulkString(channel), Value::BulkString(message)]) =
            (&push.kind, push.data.as_slice())
        else {
            return;
        };
        let Ok(name) = std::str::from_utf8(channel) else { return };
        if let Some(channel) = self.channels().get(name) {
            let _ = channel.sender.send(Heard::Message(message.clone()));
        }
    }
}

/// Listens for as long as the store lives, on a connection to whatever node is published.
async fn listen(hall: Arc<Hall>, door: Door, mut state: watch::Receiver<State>) {
    let mut pause = Duration::from_millis(10);
    while let Some((address, generation)) = published(&mut state).await {
        match stay(&hall, &door, &address, &mut state, generation).await {
            Ok(()) => pause = Duration::from_millis(10),
            Err(unavailable) => {
                // A node that cannot be reached is told of already.
                if matches!(unavailable.kind(), UnavailableKind::Denied | UnavailableKind::Refused) {
                    event::store_refuses(&hall.refusals, "SUBSCRIBE", &unavailable);
                }
                pause = (pause * 2).min(PAUSE_MOST);
            }
        }
        hall.deaf();
        sleep(pause / 2 + jitter(pause / 2)).await;
    }
}

/// The node that is published, and under which generation, once one is.
async fn published(state: &mut watch::Receiver<State>) -> Option<(Address, u64)> {
    let state = state.wait_for(|state| matches!(state, State::Up(_))).await.ok()?;
    if let State::Up(live) = &*state { Some((live.address().clone(), live.generation())) } else { None }
}

/// One connection, until it or the published one ends. An error when it could not be used at all.
async fn stay(
    hall: &Arc<Hall>,
    door: &Door,
    address: &Address,
    state: &mut watch::Receiver<State>,
    generation: u64,
) -> Result<(), Unavailable> {
    let ear = hall.clone();
    let config = config().set_push_sender(move |push: PushInfo| {
        ear.hear(&push);
        Ok::<_, SendError>(())
    });
    let mut drivers = Drivers::default();
    let mut connection = open(door, address, config, &mut drivers).await?;
    let mut named = redis::pipe();
    named.cmd("CLIENT").arg("SETNAME").arg(&door.name);
    ask(door, &mut connection, &named).await?;
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        timeout(door.limit, follow(hall, &mut connection)).await.map_err(late)??;
        tokio::select! {
            () = drivers.one_ended() => return Ok(()),
            () = hall.changed.notified() => {}
            changed = state.changed() => {
                let stays = |live: &Live| live.generation() == generation;
                if changed.is_err() || !matches!(&*state.borrow(), State::Up(live) if stays(live)) {
                    return Ok(());
                }
            }
            _ = ping.tick() => {
                let ping = redis::cmd("PING");
                if timeout(door.limit, connection.send_packed_command(&ping)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Leaves and joins channels until the connection listens to what is wanted.
async fn follow(hall: &Hall, connection: &mut MultiplexedConnection) -> Result<(), Unavailable> {
    let (join, leave) = hall.changes();
    if !leave.is_empty() {
        connection.unsubscribe(leave).await.map_err(retry::unavailable)?;
    }
    if !join.is_empty() {
        connection.subscribe(&join).await.map_err(retry::unavailable)?;
        hall.joined(&join);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
