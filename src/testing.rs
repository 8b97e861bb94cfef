//! For tests of applications, and of stores.
//!
//! [`TestStore`] is a store in memory whose clock you turn, which fails on demand and writes down what it is asked.
//! [`contract::check`] holds a store of your own to the contract.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::post};
//! use stickless::{Error, KeyRing, Session, SessionLayer, UnavailableKind};
//! use stickless::testing::{Operation, TestStore};
//! use tower::ServiceExt;
//!
//! async fn vote(session: Session) -> Result<String, Error> {
//!     Ok(session.incr("votes", 1).await?.to_string())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = TestStore::new();
//! let layer = SessionLayer::builder(store.clone(), KeyRing::random()?).idle(Duration::from_secs(60)).build()?;
//! let app: Router = Router::new().route("/vote", post(vote)).layer(layer);
//! let vote = |cookie: &str| app.clone().oneshot(
//!     Request::post("/vote").header("cookie", cookie).body(Body::empty()).expect("a request"));
//!
//! let first = vote("").await?;
//! let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default().to_owned();
//! assert_eq!(store.operations(), [Operation::Create]);
//!
//! // The store is away: 503, and not a word about the cookie.
//! store.fail(UnavailableKind::Disconnected);
//! let second = vote(&cookie).await?;
//! assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert!(!second.headers().contains_key("set-cookie"));
//!
//! // A minute later the session is over.
//! store.fail(None);
//! store.advance(Duration::from_secs(61));
//! assert!(vote(&cookie).await?.headers().contains_key("set-cookie"));
//! # Ok(()) }
//! ```

pub mod contract;
mod operation;
#[doc(hidden)]
pub mod parts;

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::operation::Operation;
use crate::clock::millis;
use crate::error::{Unavailable, UnavailableKind};
use crate::id::Handle;
use crate::store::roster::{self, Name, Roster};
use crate::store::{Budget, Endings, Loaded, MemoryStore, Outcome, Reason, Store, Timestamp, Write};

/// A store in memory with a clock that stands until it is turned, a switch to make it fail, and a log. Its clones are the
/// same store.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::Store;
/// use stickless::testing::TestStore;
///
/// let store = TestStore::new();
/// let before = store.now();
/// store.advance(Duration::from_secs(3600));
/// assert_eq!(store.now().since(before), Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct TestStore {
    store: MemoryStore,
    state: Arc<Mutex<State>>,
}

struct State {
    now: Timestamp,
    failing: Option<UnavailableKind>,
    failing_on: Option<(Operation, UnavailableKind)>,
    writes_hang: bool,
    operations: Vec<Operation>,
}

impl TestStore {
    /// A store with nothing in it.
    ///
    /// ```
    /// use stickless::testing::TestStore;
    ///
    /// let store = TestStore::new();
    /// assert!(store.inner().is_empty());
    /// ```
    pub fn new() -> Self {
        // Some day in 2020: a clock at zero would hide what goes wrong with real times.
        let now = Timestamp::from_millis(1_600_000_000_000);
        let state = State { now, failing: None, failing_on: None, writes_hang: false, operations: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let clock = state.clone();
        let now = move || clock.lock().unwrap_or_else(PoisonError::into_inner).now;
        Self { store: MemoryStore::builder().clock(now).build(), state }
    }

    /// Turns the clock on. Sessions whose life is over by then are gone.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::testing::TestStore;
    ///
    /// TestStore::new().advance(Duration::from_secs(60));
    /// ```
    pub fn advance(&self, time: Duration) {
        self.look(|state| state.now = Timestamp::from_millis(state.now.as_millis().saturating_add(millis(time))));
    }

    /// From now on everything fails for this reason; with `None`, nothing any more. What fails changes nothing.
    ///
    /// ```
    /// use stickless::{UnavailableKind, testing::TestStore};
    ///
    /// let store = TestStore::new();
    /// store.fail(UnavailableKind::TimedOut);
    /// store.fail(None); // it is back
    /// ```
    pub fn fail(&self, reason: impl Into<Option<UnavailableKind>>) {
        self.look(|state| state.failing = reason.into());
    }

    /// From now on this one operation fails for this reason, and no other; with `None`, none any more.
    ///
    /// ```
    /// use stickless::UnavailableKind;
    /// use stickless::testing::{Operation, TestStore};
    ///
    /// // Sessions can be read, and not ended.
    /// TestStore::new().fail_on(Operation::Destroy, UnavailableKind::Refused);
    /// ```
    pub fn fail_on(&self, operation: Operation, reason: impl Into<Option<UnavailableKind>>) {
        self.look(|state| state.failing_on = reason.into().map(|reason| (operation, reason)));
    }

    /// From now on writes are neither done nor answered, or are again.
    ///
    /// ```
    /// use stickless::testing::TestStore;
    ///
    /// let store = TestStore::new();
    /// store.hang_writes(true);
    /// store.hang_writes(false);
    /// ```
    pub fn hang_writes(&self, hang: bool) {
        self.look(|state| state.writes_hang = hang);
    }

    /// What it was asked since this was called last, in order; also what failed.
    ///
    /// ```
    /// use stickless::testing::TestStore;
    ///
    /// assert!(TestStore::new().operations().is_empty());
    /// ```
    pub fn operations(&self) -> Vec<Operation> {
        self.look(|state| std::mem::take(&mut state.operations))
    }

    /// The store behind it: what is asked there is not written down, and does not fail.
    ///
    /// ```
    /// use stickless::testing::TestStore;
    ///
    /// assert_eq!(TestStore::new().inner().len(), 0);
    /// ```
    pub fn inner(&self) -> &MemoryStore {
        &self.store
    }

    fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, operation: Operation) -> Result<(), Unavailable> {
        self.look(|state| {
            state.operations.push(operation);
            let failing_on = state.failing_on.filter(|(on, _)| *on == operation).map(|(_, reason)| reason);
            state.failing.or(failing_on).map_or(Ok(()), |reason| Err(reason.into()))
        })
    }
}

impl Store for TestStore {
    async fn load(&self, handles: &[Handle], budget: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        self.note(Operation::Load)?;
        Store::load(&self.store, handles, budget).await
    }

    async fn apply(&self, write: &Write, budget: &Budget) -> Result<Outcome, Unavailable> {
        self.note(Operation::of(&write.act))?;
        if self.look(|state| state.writes_hang) {
            pending::<()>().await;
        }
        Store::apply(&self.store, write, budget).await
    }

    fn now(&self) -> Timestamp {
        Store::now(&self.store)
    }

    async fn ping(&self, budget: &Budget) -> Result<(), Unavailable> {
        self.look(|state| state.failing.map_or(Ok(()), |reason| Err(Unavailable::from(reason))))?;
        Store::ping(&self.store, budget).await
    }
}

impl Roster for TestStore {
    async fn enrol(&self, name: Name, act: &roster::Act, budget: &Budget) -> Result<roster::Outcome, Unavailable> {
        self.note(Operation::on_roster(act))?;
        Roster::enrol(&self.store, name, act, budget).await
    }

    async fn announce(&self, handles: &[Handle], reason: Reason, budget: &Budget) -> Result<(), Unavailable> {
        Roster::announce(&self.store, handles, reason, budget).await
    }

    fn endings(&self) -> Endings {
        Roster::endings(&self.store)
    }
}

impl Default for TestStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStore").field("store", &self.store).finish_non_exhaustive()
    }
}
