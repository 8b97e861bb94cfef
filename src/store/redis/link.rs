//! The slot with the live connection.
//!
//! A few multiplexed connections to one node serve all requests. The [resolver](super::resolver) publishes them under a
//! generation number; reports about older generations are ignored, so a flood of errors makes one reconnect. Requests
//! wait for a connection within their own budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::connect::{Connected, Route};
use super::repeat::Ended;
use super::resolver::{Compass, Resolver};
use super::url::Address;
use super::waiter::Waiter;
use crate::clock::jitter;
use crate::error::{Unavailable, UnavailableKind};
use crate::event::Throttle;
use crate::store::retry::Retries;

/// So many time-outs in a row, and the connection is taken for dead.
const TIMEOUTS_MOST: u32 = 3;
/// Requests that waited come back within this share of the time that they waited, and no later than that.
const SPREAD: (u32, Duration) = (4, Duration::from_millis(100));

/// Whether the store can be reached, as the application may watch it.
///
/// ```
/// use stickless::store::{LinkState, RedisStore};
///
/// async fn tell(store: RedisStore) {
///     let mut state = store.watch();
///     while state.changed().await.is_ok() {
///         match &*state.borrow() {
///             LinkState::Up => println!("the store is there"),
///             other => println!("{other:?}"),
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// A connection to a master that answers is there.
    Up,
    /// There is none, for this reason.
    Down(UnavailableKind),
}

/// A generation of connections, and why it is of no use any more.
pub(super) type Report = (u64, Unavailable);

/// The connections that are published.
pub(super) struct Live {
    generation: u64,
    address: Address,
    /// The node's replication id.
    history: Option<String>,
    connections: Vec<MultiplexedConnection>,
    next: AtomicUsize,
    /// Where writes wait for replicas.
    waiter: Option<Waiter>,
    timeouts: AtomicU32,
}

impl Live {
    pub(super) fn new(connected: &Connected) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
        Self {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            address: connected.address.clone(),
            history: connected.history.clone(),
            connections: connected.connections.clone(),
            next: AtomicUsize::new(0),
            waiter: connected.waiter.clone(),
            timeouts: AtomicU32::new(0),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// One of the connections, in turn.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        let index = match self.connections.len() {
            1 => 0,
            count => self.next.fetch_add(1, Ordering::Relaxed) % count,
        };
        self.connections[index].clone()
    }

    /// By which writes to this node wait for its replicas.
    pub(super) fn waiter(&self) -> Option<&Waiter> {
        self.waiter.as_ref()
    }
}

#[derive(Clone)]
pub(super) enum State {
    Up(Arc<Live>),
    Down { since: Instant, cause: Unavailable },
}

impl State {
    fn has_left(&self, live: &Live) -> bool {
        match self {
            Self::Up(now) => now.address != live.address || now.history != live.history,
            Self::Down { cause, .. } => cause.kind() == UnavailableKind::NotMaster,
        }
    }
}

/// What happened to calls since the last connection ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    failed: AtomicU64,
    retried: AtomicU64,
}

impl Tally {
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        self.failed.store(0, Ordering::Relaxed);
        self.retried.store(0, Ordering::Relaxed);
    }

    /// Calls that failed, and attempts that were repeated.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.failed.load(Ordering::Relaxed), self.retried.load(Ordering::Relaxed))
    }
}

/// The slot. Dropping it ends its tasks.
pub(super) struct Link {
    state: watch::Receiver<State>,
    reports: mpsc::Sender<Report>,
    resolver: JoinHandle<()>,
    compass: Compass,
    pub(super) tally: Arc<Tally>,
    pub(super) retries: Retries,
    /// What a node that answers refuses is told, but not for each request.
    pub(super) refusals: Throttle,
}

impl Link {
    /// Starts the resolver; must be called in a Tokio runtime.
    pub(super) fn start(route: Route, compass: Compass, ended: Arc<Ended>) -> Self {
        let down = State::Down { since: Instant::now(), cause: UnavailableKind::Disconnected.into() };
        let (publish, state) = watch::channel(down);
        // Reports of one cause come in crowds; the first few are enough.
        let (reports, inbox) = mpsc::channel(16);
        let (to, tally) = (compass.clone(), Arc::<Tally>::default());
        let resolver = Resolver { route, compass: to, publish, reports: inbox, ended, tally: tally.clone() };
        Self {
            state,
            reports,
            resolver: tokio::spawn(resolver.run()),
            compass,
            tally,
            retries: Retries::default(),
            refusals: Throttle::default(),
        }
    }

    /// The live connection, if there is one.
    pub(super) fn up(&self) -> Option<Arc<Live>> {
        match &*self.state.borrow() {
            State::Up(live) => Some(live.clone()),
            State::Down { .. } => None,
        }
    }

    /// The live connection, waiting for one until `deadline`; to this node, where it must be. Fails at once when there
    /// was none for as long as a request may wait (`patience`).
    pub(super) async fn live(
        &self,
        at: Option<&Address>,
        deadline: Instant,
        patience: Duration,
    ) -> Result<Arc<Live>, Unavailable> {
        let is_there = |live: &Live| at.is_none_or(|at| at == live.address());
        let (mut state, mut waiting) = (self.state.clone(), None);
        loop {
            let up = match &*state.borrow_and_update() {
                State::Up(live) if is_there(live) => Ok(live.clone()),
                State::Up(_) => Err(UnavailableKind::NotMaster.into()),
                State::Down { since, cause } if since.elapsed() > patience => return Err(cause.clone()),
                // A wrong password or certificate does not mend itself while a request waits.
                State::Down { cause, .. } if cause.kind().needs_a_person() => return Err(cause.clone()),
                State::Down { cause, .. } => Err(cause.clone()),
            };
            match (up, waiting) {
                (Ok(live), None) => return Ok(live),
                (Ok(_), Some(since)) => {
                    sleep(spread(Instant::now() - since, deadline - Instant::now())).await;
                    waiting = None;
                }
                (Err(cause), since) => {
                    waiting = since.or_else(|| Some(Instant::now()));
                    match timeout_at(deadline, state.changed()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) | Err(_) => return Err(cause),
                    }
                }
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

    /// Whether the master is another by now, or the same after a restart, or this one said that it is none.
    pub(super) fn has_left(&self, live: &Live) -> bool {
        self.state.borrow().has_left(live)
    }

    /// Whether another node is to take over from this one.
    pub(super) fn is_leaving(&self, live: &Live) -> bool {
        self.compass.leads_away_from(live)
    }

    /// Returns when the master is another, or this one said that it is none.
    pub(super) async fn left(&self, live: &Live) {
        let mut state = self.state.clone();
        if state.wait_for(|state| state.has_left(live)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether this node is the master beyond doubt, and has these keys.
    pub(super) async fn confirm(&self, node: &Address, keys: &[String], limit: Duration) -> Result<(), Unavailable> {
        self.compass.confirm(node, keys, limit).await
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    /// The state now, and what it becomes.
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
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

/// All who waited are woken at once; each comes in a little later than the other.
fn spread(waited: Duration, left: Duration) -> Duration {
    jitter((waited / SPREAD.0).min(SPREAD.1).min(left / 2))
}

/// What the application may know of it.
pub(super) fn public(state: &State) -> LinkState {
    match state {
        State::Up(_) => LinkState::Up,
        State::Down { cause, .. } => LinkState::Down(cause.kind()),
    }
}
