//! Where records live: the contract of a store, and its writes as values.
//!
//! A store decides each write alone, atomically and on its own clock. The sentences at the methods are the contract;
//! one suite of tests runs them on every store in this crate.

mod any;
mod budget;
mod endings;
mod loaded;
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod retry;
pub mod roster;
pub(crate) mod rules;
mod write;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

pub use crate::clock::Timestamp;
pub use crate::delta::{Change, Delta};
use crate::error::Unavailable;
use crate::id::Handle;
pub use crate::id::WriteId;
pub use crate::record::{Changed, Drifted, FORMAT_VERSION, Lately, Life, Limits, Note, Record, Seen, Sighting, Size};

pub(crate) use self::any::AnyStore;
pub use self::budget::Budget;
pub use self::endings::{Endings, News};
pub use self::loaded::{Loaded, Reason};
pub use self::roster::Roster;
pub(crate) use self::rules::integer;
pub use self::write::{Act, Add, Apply, Create, Done, Intent, Outcome, Write};

pub use self::memory::{MemoryStore, MemoryStoreBuilder};
#[cfg(feature = "redis")]
pub(crate) use self::redis::{Address, Advice};
#[cfg(feature = "redis")]
pub use self::redis::{Dial, Durability, LinkState, RedisStore, RedisStoreBuilder, Stream, Unmet};
#[cfg(feature = "tls")]
pub use self::redis::{Pem, Tls};

/// How long a destroyed session is remembered, and a superseded cookie counts as stale: requests that were under way
/// say nothing in that time.
///
/// ```
/// assert_eq!(stickless::store::GRACE.as_secs(), 60);
/// ```
pub const GRACE: Duration = Duration::from_secs(60);

/// A store of session records.
///
/// An error always means "cannot say", never "not there".
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
/// use stickless::store::{Act, Budget, Loaded, MemoryStore, Outcome, Store, Write, WriteId};
///
/// let store = MemoryStore::new();
/// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
/// let budget = Budget::default();
/// assert_eq!(Store::load(&store, &[handle], &budget).await?, [Loaded::Missing]);
/// let write = Write { handle, generation: 1, id: WriteId::random()?, act: Act::Destroy };
/// assert_eq!(Store::apply(&store, &write, &budget).await?, Outcome::Gone);
/// # Ok(()) }
/// ```
pub trait Store: Send + Sync + 'static {
    /// Reads records, one answer for each handle, in one round trip when they are there.
    ///
    /// * A record whose life is over is missing.
    /// * A miss is certain: a store that may have been asked at the wrong node looks twice, and errs when in doubt.
    /// * A read changes nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::store::{Budget, Loaded, MemoryStore, Store};
    ///
    /// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
    /// let loaded = Store::load(&MemoryStore::new(), &[handle], &Budget::default()).await?;
    /// assert_eq!(loaded, [Loaded::Missing]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store cannot say of any of them. What is wrong with one record alone is its answer: [`Loaded::Unreadable`].
    fn load(
        &self,
        handles: &[Handle],
        budget: &Budget,
    ) -> impl Future<Output = Result<Vec<Loaded>, Unavailable>> + Send;

    /// Carries out one write, whole or not at all, on the newest record.
    ///
    /// * Nothing but [`Act::Create`] makes a record, and it refuses a handle that has a record or a tombstone.
    /// * A write under a lower generation than the record's is [`Outcome::Superseded`]; under a higher one, the
    ///   record adopts it.
    /// * The same write once more (the same [`WriteId`], within five seconds) changes nothing and has the first result.
    /// * When the future is dropped or the answer is an error, the write was done wholly or not at all, and it is not
    ///   done later.
    /// * A destroyed record leaves a tombstone for [`GRACE`]: everything but `Bury` is [`Outcome::Gone`] on it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::store::{Act, Budget, MemoryStore, Outcome, Store, Write, WriteId};
    ///
    /// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
    /// let write = Write { handle, generation: 1, id: WriteId::random()?, act: Act::Destroy };
    /// let outcome = Store::apply(&MemoryStore::new(), &write, &Budget::default()).await?;
    /// assert_eq!(outcome, Outcome::Gone);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store cannot say whether it was done, or has refused it: a record that is corrupt, or of a newer version.
    fn apply(&self, write: &Write, budget: &Budget) -> impl Future<Output = Result<Outcome, Unavailable>> + Send;

    /// Carries out one write that the application asked to be sure of: as [`apply`](Self::apply), and where the store can
    /// lose what it has acknowledged, and may be told to take care that it does not, it does so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::store::{Act, Budget, MemoryStore, Outcome, Store, Write, WriteId};
    ///
    /// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
    /// let write = Write { handle, generation: 1, id: WriteId::random()?, act: Act::Destroy };
    /// let outcome = Store::save(&MemoryStore::new(), &write, &Budget::default()).await?;
    /// assert_eq!(outcome, Outcome::Gone);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply); or it was done, and the store cannot say that it is safe: the same write may be sent
    /// once more.
    fn save(&self, write: &Write, budget: &Budget) -> impl Future<Output = Result<Outcome, Unavailable>> + Send {
        self.apply(write, budget)
    }

    /// The store's time, as well as it is known here without asking.
    ///
    /// ```
    /// use stickless::store::{MemoryStore, Store, Timestamp};
    ///
    /// assert!(MemoryStore::new().now() > Timestamp::from_millis(0));
    /// ```
    fn now(&self) -> Timestamp;

    /// The limit of all time that one request spends in calls of this store. Default: one second.
    ///
    /// ```
    /// use stickless::store::{MemoryStore, Store};
    ///
    /// assert_eq!(MemoryStore::new().budget().as_secs(), 1);
    /// ```
    fn budget(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Posts what an instance needs the others to agree with, and answers with what all have posted, this one
    /// included; none when no other instance can use this store.
    ///
    /// * A card replaces the earlier one of the same instance.
    /// * A card that was not posted again for [`CARD_LIFE`] is gone.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::store::{Budget, Card, MemoryStore, Store};
    ///
    /// let card = Card { instance: "web-3".to_owned(), settings: [].into() };
    /// assert_eq!(MemoryStore::new().post(&card, &Budget::default()).await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store cannot say what others have posted. It is tried again later.
    fn post(
        &self,
        card: &Card,
        budget: &Budget,
    ) -> impl Future<Output = Result<Option<Vec<Card>>, Unavailable>> + Send {
        let _ = (card, budget);
        std::future::ready(Ok(None))
    }

    /// Whether the store answers now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::store::{Budget, MemoryStore, Store};
    ///
    /// Store::ping(&MemoryStore::new(), &Budget::default()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// It does not, and why.
    fn ping(&self, budget: &Budget) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// How long what an instance posted is believed.
///
/// ```
/// assert_eq!(stickless::store::CARD_LIFE.as_secs(), 150);
/// ```
pub const CARD_LIFE: Duration = Duration::from_secs(150);

/// What an instance posts: settings that must agree with the others', as text that opens nothing.
///
/// ```
/// use stickless::store::Card;
///
/// let settings = [("idle".to_owned(), "3600".to_owned())].into();
/// let card = Card { instance: "web-3".to_owned(), settings };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub instance: String,
    /// Settings by name.
    pub settings: BTreeMap<String, String>,
}
