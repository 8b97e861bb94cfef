//! The settings of a store in memory, and the clock that it has by default.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use tokio::sync::broadcast;

use super::{MemoryStore, Shared};
use crate::clock::{Timestamp, millis};

/// Endings that wait for a slow listener; beyond them the oldest are dropped, and it hears of a gap.
const NEWS: usize = 1024;

/// Settings of a [`MemoryStore`].
///
/// ```
/// use stickless::store::{MemoryStore, Store as _, Timestamp};
///
/// // A clock that stands still.
/// let store = MemoryStore::builder().capacity(1000).clock(|| Timestamp::from_millis(7)).build();
/// assert_eq!(store.now(), Timestamp::from_millis(7));
/// ```
pub struct MemoryStoreBuilder {
    capacity: usize,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl MemoryStoreBuilder {
    /// The defaults.
    pub(super) fn new() -> Self {
        Self { capacity: 100_000, clock: Box::new(steady_clock()) }
    }

    /// How many sessions it holds at most. Default: 100,000.
    ///
    /// ```
    /// let store = stickless::store::MemoryStore::builder().capacity(1000).build();
    /// ```
    #[must_use]
    pub fn capacity(mut self, sessions: usize) -> Self {
        self.capacity = sessions;
        self
    }

    /// The clock that its limits are judged by. Default: this machine's, without its jumps.
    ///
    /// ```
    /// use stickless::store::{MemoryStore, Store as _, Timestamp};
    ///
    /// // A clock that stands still.
    /// let store = MemoryStore::builder().capacity(1000).clock(|| Timestamp::from_millis(7)).build();
    /// assert_eq!(store.now(), Timestamp::from_millis(7));
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The store.
    ///
    /// ```
    /// let store = stickless::store::MemoryStore::builder().build();
    /// ```
    pub fn build(self) -> MemoryStore {
        let shared = Shared {
            capacity: self.capacity,
            clock: self.clock,
            kept: Mutex::default(),
            rosters: Mutex::default(),
            news: broadcast::Sender::new(NEWS),
        };
        MemoryStore { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for MemoryStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStoreBuilder").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// The wall clock once, and steady from then on: a clock that is set does not end sessions.
fn steady_clock() -> impl Fn() -> Timestamp + Send + Sync {
    let start = Instant::now();
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    move || Timestamp::from_millis(millis(wall + start.elapsed()))
}
