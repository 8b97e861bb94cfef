//! A store in this process's memory: for one instance, examples and tests.

mod builder;
mod sessions;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

pub use self::builder::MemoryStoreBuilder;
use self::sessions::Sessions;
use super::roster::memory::Rosters;
use super::roster::{self, Name, Roster};
use super::rules::{carry_out, loaded};
use super::{Budget, Endings, Loaded, News, Outcome, Reason, Store, Timestamp, Write};
use crate::error::Unavailable;
use crate::id::Handle;

/// Records in memory, bounded, shared by its clones.
///
/// Expired records are cleared away by later writes; there is no timer. When it is full, the anonymous session that
/// is nearest to its end goes first, then the oldest note of a log-out. A logged-in user's session never goes: when
/// there is nothing else, new sessions are refused with [`UnavailableKind::Refused`](crate::UnavailableKind::Refused).
///
/// ```
/// use stickless::{KeyRing, SessionLayer, store::MemoryStore};
///
/// let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?;
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: usize,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    kept: Mutex<Sessions>,
    rosters: Mutex<Rosters>,
    news: broadcast::Sender<News>,
}

impl MemoryStore {
    /// A store for 100,000 sessions.
    ///
    /// ```
    /// assert!(stickless::store::MemoryStore::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with its own capacity or clock.
    ///
    /// ```
    /// let store = stickless::store::MemoryStore::builder().capacity(1000).build();
    /// ```
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::new()
    }

    /// How many records and tombstones it holds now, expired ones that are not cleared away included.
    ///
    /// ```
    /// assert_eq!(stickless::store::MemoryStore::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.sessions().entries.len()
    }

    /// Whether it holds nothing.
    ///
    /// ```
    /// assert!(stickless::store::MemoryStore::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The guard is never held across an await: everything under it is synchronous.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, write: &Write) -> Result<Outcome, Unavailable> {
        let now = Store::now(self);
        let mut sessions = self.sessions();
        sessions.sweep(now);
        let (outcome, kept) = carry_out(sessions.live(write.handle, now), write, now);
        if let Some(kept) = kept {
            if !sessions.entries.contains_key(&write.handle) {
                sessions.make_room(self.shared.capacity)?;
            }
            sessions.insert(write.handle, kept);
        }
        Ok(outcome)
    }
}

impl Store for MemoryStore {
    async fn load(&self, handles: &[Handle], _: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        let now = Store::now(self);
        let sessions = self.sessions();
        Ok(handles.iter().map(|handle| loaded(sessions.live(*handle, now), now)).collect())
    }

    async fn apply(&self, write: &Write, _: &Budget) -> Result<Outcome, Unavailable> {
        self.write(write)
    }

    fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    async fn ping(&self, _: &Budget) -> Result<(), Unavailable> {
        Ok(())
    }
}

impl Roster for MemoryStore {
    async fn enrol(&self, name: Name, act: &roster::Act, _: &Budget) -> Result<roster::Outcome, Unavailable> {
        let mut rosters = self.shared.rosters.lock().unwrap_or_else(PoisonError::into_inner);
        rosters.enrol(name, act, Store::now(self), self.shared.capacity)
    }

    async fn announce(&self, handles: &[Handle], reason: Reason, _: &Budget) -> Result<(), Unavailable> {
        for handle in handles {
            // Nobody may listen.
            let _ = self.shared.news.send(News::Ended { handle: *handle, reason });
        }
        Ok(())
    }

    fn endings(&self) -> Endings {
        Endings::here(self.shared.news.subscribe())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).field("capacity", &self.shared.capacity).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::error::UnavailableKind;
    use crate::id::WriteId;
    use crate::store::{Act, Create, Sighting};

    /// A store for so many sessions, and its clock in seconds.
    fn store(capacity: usize) -> (MemoryStore, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(1_000_000));
        let clock = seconds.clone();
        let now = move || Timestamp::from_millis(clock.load(Ordering::Relaxed) * 1000);
        (MemoryStore::builder().capacity(capacity).clock(now).build(), seconds)
    }

    fn handle(number: u8) -> Handle {
        crate::id::Id::from_bytes([number; 16]).handle()
    }

    fn act(store: &MemoryStore, number: u8, act: Act) -> Result<Outcome, Unavailable> {
        let id = WriteId::random().expect("random numbers");
        store.write(&Write { handle: handle(number), generation: 1, id, act })
    }

    fn create(store: &MemoryStore, number: u8, user: Option<&str>, idle: u64) -> Result<Outcome, Unavailable> {
        let idle = (Duration::from_secs(idle), false);
        let user = user.map(str::to_owned);
        let seen = Sighting::default();
        let create = Create { user, membership: None, idle, absolute: None, seen, data: [].into() };
        act(store, number, Act::Create(create))
    }

    fn holds(store: &MemoryStore, number: u8) -> bool {
        store.sessions().live(handle(number), Store::now(store)).is_some()
    }

    #[test]
    fn a_full_store_drops_the_anonymous_session_that_ends_first_then_tombstones_and_never_a_user() {
        let (store, _) = store(4);
        create(&store, 1, Some("ada"), 10).expect("room");
        create(&store, 2, None, 200).expect("room");
        create(&store, 3, None, 100).expect("room");
        create(&store, 4, None, 300).expect("room");
        act(&store, 4, Act::Destroy).expect("done");
        create(&store, 5, Some("bob"), 100).expect("room is made");
        assert_eq!([1, 2, 3, 4, 5].map(|number| holds(&store, number)), [true, true, false, true, true]);
        create(&store, 6, Some("eve"), 100).expect("room is made");
        create(&store, 7, Some("dan"), 100).expect("room is made");
        assert_eq!([1, 2, 4, 5, 6, 7].map(|number| holds(&store, number)), [true, false, false, true, true, true]);
        let refused = create(&store, 8, None, 100).expect_err("users only");
        assert_eq!((refused.kind(), store.len()), (UnavailableKind::Refused, 4));
    }

    #[test]
    fn expired_sessions_are_cleared_away_by_later_writes() {
        let (store, seconds) = store(1000);
        for number in 0..100 {
            create(&store, number, None, 10).expect("room");
        }
        seconds.fetch_add(11, Ordering::Relaxed);
        assert!(!holds(&store, 7));
        for number in 100..120 {
            create(&store, number, None, 10).expect("room");
        }
        assert_eq!(store.len(), 20);
    }
}
