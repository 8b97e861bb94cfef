//! The slot with the live connection, and the task that fills it.
//!
//! One multiplexed connection serves all requests. A resolver task dials, checks that the node is a master which
//! answers, and publishes the connection under a generation number; reports about older generations are ignored, so a
//! flood of errors makes one reconnect. Requests wait for a connection within their own budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connect::{CONNECT, Driver, Route, connect};
use super::pubsub::{PubSub, Subscription};
use crate::clock::jitter;
use crate::error::{Unavailable, UnavailableKind};
use crate::event::{self, Throttle};

/// The longest pause between two dials.
const PAUSE_MOST: Duration = Duration::from_millis(250);
/// How often the clock is anchored anew.
const ANCHOR_EVERY: Duration = Duration::from_secs(60);
/// The longest that an attempt under way keeps an old connection.
const RETIRE: Duration = Duration::from_secs(10);
/// So many time-outs in a row, and the connection is taken for dead.
const TIMEOUTS_MOST: u32 = 3;

/// Whether the store can be reached, as the application may watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// A connection to a master that answers is there.
    Up,
    /// There is none, for this reason.
    Down(UnavailableKind),
}

/// A published connection.
pub(super) struct Live {
    generation: u64,
    connection: MultiplexedConnection,
    timeouts: AtomicU32,
}

impl Live {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }
}

#[derive(Clone)]
pub(super) enum State {
    Up(Arc<Live>),
    Down { since: Instant, cause: Unavailable },
}

/// The slot. Dropping it ends its tasks.
pub(super) struct Link {
    state: watch::Receiver<State>,
    reports: mpsc::Sender<(u64, Unavailable)>,
    resolver: JoinHandle<()>,
    pubsub: PubSub,
    /// What a node that answers refuses is told, but not for each request.
    pub(super) refusals: Throttle,
}

impl Link {
    /// Starts the resolver; must be called in a Tokio runtime.
    pub(super) fn start(route: Route) -> Self {
        let down = State::Down { since: Instant::now(), cause: UnavailableKind::Disconnected.into() };
        let (publish, state) = watch::channel(down);
        // Reports of one cause come in crowds; the first few are enough.
        let (reports, inbox) = mpsc::channel(16);
        let pubsub = PubSub::new(route.clone(), state.clone());
        let resolver = tokio::spawn(resolve(route, publish, inbox));
        Self { state, reports, resolver, pubsub, refusals: Throttle::default() }
    }

    /// The live connection, waiting for one until `deadline`. Fails at once when there was none for as long as a
    /// request may wait (`patience`).
    pub(super) async fn live(&self, deadline: Instant, patience: Duration) -> Result<Arc<Live>, Unavailable> {
        let mut state = self.state.clone();
        loop {
            let cause = match &*state.borrow_and_update() {
                State::Up(live) => return Ok(live.clone()),
                State::Down { since, cause } if since.elapsed() > patience => return Err(cause.clone()),
                // A wrong password does not mend itself while a request waits.
                State::Down { cause, .. } if cause.kind() == UnavailableKind::Denied => return Err(cause.clone()),
                State::Down { cause, .. } => cause.clone(),
            };
            match timeout_at(deadline, state.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(cause),
            }
        }
    }

    /// An attempt on this connection succeeded.
    pub(super) fn succeeded(live: &Live) {
        live.timeouts.store(0, Ordering::Relaxed);
    }

    /// An attempt on this connection timed out.
    pub(super) fn timed_out(&self, live: &Live) {
        if live.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_MOST {
            self.broken(live, UnavailableKind::TimedOut.into());
        }
    }

    /// This connection is of no use any more.
    pub(super) fn broken(&self, live: &Live, cause: Unavailable) {
        // A full inbox already holds the same news.
        let _ = self.reports.try_send((live.generation, cause));
    }

    /// What is published on a channel from now on.
    pub(super) fn subscribe(&self, channel: String) -> Subscription {
        self.pubsub.subscribe(channel)
    }

    /// The state now, and what it becomes.
    pub(super) fn watch(&self) -> watch::Receiver<LinkState> {
        let mut state = self.state.clone();
        let now = public(&state.borrow_and_update());
        let (send, receive) = watch::channel(now);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = send.closed() => return,
                    changed = state.changed() => if changed.is_err() { return },
                }
                send.send_replace(public(&state.borrow_and_update()));
            }
        });
        receive
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.resolver.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&public(&self.state.borrow())).finish()
    }
}

fn public(state: &State) -> LinkState {
    match state {
        State::Up(_) => LinkState::Up,
        State::Down { cause, .. } => LinkState::Down(cause.kind()),
    }
}

/// Keeps the slot filled for as long as anyone can look into it.
async fn resolve(route: Route, publish: watch::Sender<State>, mut inbox: mpsc::Receiver<(u64, Unavailable)>) {
    static GENERATIONS: AtomicU64 = AtomicU64::new(1);
    let mut cause = Unavailable::from(UnavailableKind::Disconnected);
    let mut was_up = false;
    // An old connection stays until those who are using it are done.
    let mut retired = JoinSet::new();
    loop {
        while retired.try_join_next().is_some() {}
        let since = Instant::now();
        publish.send_replace(State::Down { since, cause: cause.clone() });
        if was_up {
            event::store_down(&cause);
        }
        let (connection, mut driver) = dial_until_up(&route, &publish, since, was_up).await;
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(Live { generation, connection, timeouts: AtomicU32::new(0) });
        event::store_up(since.elapsed());
        publish.send_replace(State::Up(live.clone()));
        was_up = true;
        cause = until_broken(&route, &live, &mut driver, &mut inbox).await;
        retired.spawn(async move { drop(timeout(RETIRE, driver.ended()).await) });
    }
}

async fn dial_until_up(
    route: &Route,
    publish: &watch::Sender<State>,
    since: Instant,
    mut told: bool,
) -> (MultiplexedConnection, Driver) {
    let mut pause = Duration::from_millis(10);
    loop {
        match connect(route).await {
            Ok(up) => return up,
            Err(cause) => {
                if !told {
                    event::store_down(&cause);
                    told = true;
                }
                publish.send_replace(State::Down { since, cause });
            }
        }
        sleep(pause / 2 + jitter(pause / 2)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// Waits for the end of a connection, anchoring the clock now and then; why it ended.
async fn until_broken(
    route: &Route,
    live: &Live,
    driver: &mut Driver,
    inbox: &mut mpsc::Receiver<(u64, Unavailable)>,
) -> Unavailable {
    let mut anchor = tokio::time::interval_at(Instant::now() + ANCHOR_EVERY, ANCHOR_EVERY);
    loop {
        tokio::select! {
            () = driver.ended() => return UnavailableKind::Disconnected.into(),
            Some((generation, cause)) = inbox.recv() => if generation == live.generation { return cause },
            _ = anchor.tick() => {
                let mut connection = live.connection();
                if let Ok(Ok(time)) = timeout(CONNECT, connection.send_packed_command(&redis::cmd("TIME"))).await {
                    route.clock.anchor_to_reply(&time);
                }
            }
        }
    }
}
