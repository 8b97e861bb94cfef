//! Where records live: the contract of a store, and its writes as values.
//!
//! A store decides each write alone, atomically and on its own clock. The sentences at the methods are the contract;
//! one suite of tests runs them on every store in this crate.

mod endings;
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod retry;
pub mod roster;
pub(crate) mod rules;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use crate::clock::Timestamp;
pub use crate::delta::{Change, Delta};
use crate::error::Unavailable;
use crate::id::Handle;
pub use crate::id::WriteId;
pub use crate::record::{Changed, Drifted, FORMAT_VERSION, Lately, Life, Limits, Note, Record, Seen, Sighting, Size};

pub use self::endings::{Endings, News};
use self::roster::Membership;
pub use self::roster::Roster;
pub(crate) use self::rules::integer;

pub use self::memory::{MemoryStore, MemoryStoreBuilder};
#[cfg(feature = "redis")]
pub(crate) use self::redis::{Address, Advice};
#[cfg(feature = "redis")]
pub use self::redis::{Dial, LinkState, RedisStore, RedisStoreBuilder, Stream};

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
    fn apply(&self, write: &Write, budget: &Budget) -> impl Future<Output = Result<Outcome, Unavailable>> + Send;

    /// The store's time, as well as it is known here without asking.
    fn now(&self) -> Timestamp;

    /// The limit of all time that one request spends in calls of this store.
    fn budget(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Posts what an instance needs the others to agree with, and answers with what all have posted, this one
    /// included; none when no other instance can use this store.
    ///
    /// * A card replaces the earlier one of the same instance.
    /// * A card that was not posted again for [`CARD_LIFE`] is gone.
    fn post(
        &self,
        card: &Card,
        budget: &Budget,
    ) -> impl Future<Output = Result<Option<Vec<Card>>, Unavailable>> + Send {
        let _ = (card, budget);
        std::future::ready(Ok(None))
    }

    /// Whether the store answers now.
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
    pub settings: std::collections::BTreeMap<String, String>,
}

/// What a store has under a handle.
///
/// ```
/// use stickless::store::Loaded;
///
/// let is_there = |loaded: &Loaded| matches!(loaded, Loaded::Found(_));
/// assert!(!is_there(&Loaded::Missing) && !is_there(&Loaded::Tombstone));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// A record.
    Found(Box<Record>),
    /// A session that was destroyed less than [`GRACE`] ago.
    Tombstone,
    /// A session that others ended. It is remembered for as long as it could have lived.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// Nothing.
    Missing,
    /// Something that this version cannot read; it is left as it is.
    Unreadable(Unavailable),
}

/// Why a session was ended.
///
/// ```
/// assert_eq!(stickless::Reason::Evicted.as_str(), "evicted");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its own log-out.
    LogOut,
    /// It was ended by name: from another device, or by an administrator.
    Ended,
    /// All sessions of its user, or all others, were ended.
    Everywhere,
    /// Its user logged in elsewhere, and may have so many sessions and no more.
    Evicted,
}

impl Reason {
    /// One word for it.
    ///
    /// ```
    /// assert_eq!(stickless::Reason::LogOut.as_str(), "log_out");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogOut => "log_out",
            Self::Ended => "ended",
            Self::Everywhere => "everywhere",
            Self::Evicted => "evicted",
        }
    }

    /// The reason of this word; of one that a later version wrote, that it was ended.
    #[cfg(feature = "redis")]
    pub(crate) fn of(word: &str) -> Self {
        [Self::LogOut, Self::Everywhere, Self::Evicted]
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .unwrap_or(Self::Ended)
    }
}

/// One write to one record.
///
/// ```
/// use stickless::store::{Act, Write, WriteId};
///
/// let handle = "47DEQpj8HBSa-_TImW-5JA".parse()?;
/// let write = Write { handle, generation: 1, id: WriteId::random()?, act: Act::Destroy };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Whose record.
    pub handle: Handle,
    /// The generation that it was decided under.
    pub generation: u32,
    /// By which a second delivery is recognised.
    pub id: WriteId,
    /// What to do.
    pub act: Act,
}

/// What a write does.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::Act;
///
/// let slide = Act::Slide { within: Duration::from_secs(2880), seen: None };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Make the record.
    Create(Create),
    /// Change it.
    Apply(Apply),
    /// Set its life to its idle limit (or what the absolute one leaves), when less than `within` is left; note what it
    /// was seen with. What is new is told to one write only: [`Outcome::Drifted`].
    Slide {
        /// The refresh threshold.
        within: Duration,
        /// What the session was seen with, where that is to be noted.
        seen: Option<Note>,
    },
    /// End it, leaving a tombstone.
    Destroy,
    /// End it on behalf of its user, whatever its generation, leaving a tombstone that says why. It is [`Outcome::Gone`]
    /// when the record is another's, [`Outcome::Superseded`] when it came into its roster at or after `before`. One that
    /// was ended under the default [`WriteId`] for [`Reason::Everywhere`] can be ended for it once more: so it is counted.
    End {
        /// Whose it must be.
        user: String,
        /// A tick of their roster.
        before: Option<u64>,
        /// Why.
        reason: Reason,
    },
    /// Note the session's place in its user's roster, under exactly this generation.
    Place(Membership),
    /// Leave a tombstone where no session lives; note the time on a record of a higher generation.
    Bury,
}

/// A new record. Its life and data were checked by whoever made it.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::{Act, Create, Sighting};
///
/// let create = Act::Create(Create {
///     user: None,
///     membership: None,
///     idle: (Duration::from_secs(3600), false),
///     absolute: None,
///     seen: Sighting::default(),
///     data: [("theme".to_owned(), "\"dark\"".to_owned())].into(),
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// The user who is logged in with it.
    pub user: Option<String>,
    /// Its place in their roster.
    pub membership: Option<Membership>,
    /// Its idle limit, and whether that is its own.
    pub idle: (Duration, bool),
    /// The absolute limit, from now on.
    pub absolute: Option<Duration>,
    /// What it is seen with.
    pub seen: Sighting,
    /// Its values.
    pub data: std::collections::BTreeMap<String, String>,
}

/// Changes to a record.
///
/// ```
/// use stickless::store::{Act, Apply, Delta, Intent, Limits};
///
/// let rotate = Act::Apply(Apply {
///     delta: Delta::default(),
///     add: None,
///     expect: None,
///     intent: Intent::Rotate,
///     limits: Limits::default(),
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// Removals, new values and a new life.
    pub delta: Delta,
    /// Add to one integer, that the delta neither changes nor clears.
    pub add: Option<Add>,
    /// Do it only if one key has this JSON text, or is absent.
    pub expect: Option<(String, Option<String>)>,
    /// A privilege change along with it.
    pub intent: Intent,
    /// Above which it is refused.
    pub limits: Limits,
}

/// An addition to an integer; an absent one is zero.
///
/// ```
/// let add = stickless::store::Add { key: "visits".to_owned(), by: 1 };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// Under which key.
    pub key: String,
    /// How much, down as well as up.
    pub by: i64,
}

/// A privilege change.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::Intent;
///
/// let (user, idle) = ("alice".to_owned(), Duration::from_secs(3600));
/// let log_in = Intent::LogIn { user, idle, absolute: None, reissue: true, membership: None };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// None.
    Keep,
    /// Raise the generation.
    Rotate,
    /// Raise the generation, bind the user, begin the absolute limit anew. The data of another user are dropped.
    /// On a record that is already this user's under a higher generation, the generation stays, if at all: the
    /// current cookie is issued again.
    LogIn {
        /// Whom.
        user: String,
        /// The idle limit, for a session that has none of its own.
        idle: Duration,
        /// The absolute limit, from now on.
        absolute: Option<Duration>,
        /// Whether a record that is already this user's, under a higher generation, is to be bound again.
        reissue: bool,
        /// The session's place in the user's roster.
        membership: Option<Membership>,
    },
}

/// What became of a write. Everything but `Done` and `Drifted` changed nothing.
///
/// ```
/// use stickless::store::Outcome;
///
/// let was_done = |outcome: &Outcome| matches!(outcome, Outcome::Done(_) | Outcome::Drifted(..));
/// assert!(!was_done(&Outcome::Gone));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied.
    Done(Done),
    /// It was applied, and the session was seen with something new. No other write is told of it.
    Drifted(Done, Drifted),
    /// There is no record, or a tombstone.
    Gone,
    /// The record's generation is higher.
    Superseded,
    /// The expectation does not hold; this is what the key has.
    Conflict(Option<String>),
    /// The value to add to is not an integer.
    NotANumber,
    /// The sum does not fit into 64 bits.
    Overflow,
    /// The record would be larger than its limits.
    TooLarge,
    /// There is a record or a tombstone already.
    Exists,
}

/// The state after a write.
///
/// ```
/// use stickless::store::{Done, Timestamp};
///
/// let done = Done { at: Timestamp::from_millis(1), generation: 1, end: None, value: Some(3) };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// The record's generation.
    pub generation: u32,
    /// Its absolute end.
    pub end: Option<Timestamp>,
    /// The sum, of an addition.
    pub value: Option<i64>,
}

/// Time that one request has spent in store calls.
///
/// A store adds what each call took, and refuses a call that has nothing left of its own limit.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::Budget;
///
/// let budget = Budget::default();
/// budget.spend(Duration::from_millis(300));
/// assert_eq!(budget.left(Duration::from_secs(1)), Duration::from_millis(700));
/// ```
#[derive(Debug, Default)]
pub struct Budget(AtomicU64);

impl Budget {
    /// What was spent.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// What is left of `limit`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert_eq!(stickless::store::Budget::default().left(Duration::from_secs(1)), Duration::from_secs(1));
    /// ```
    pub fn left(&self, limit: Duration) -> Duration {
        limit.saturating_sub(self.spent())
    }

    /// Adds the time of one call.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::Budget;
    ///
    /// let budget = Budget::default();
    /// budget.spend(Duration::from_millis(300));
    /// assert_eq!(budget.left(Duration::from_secs(1)), Duration::from_millis(700));
    /// ```
    pub fn spend(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// A store without its type, so that no handler names it.
pub(crate) trait AnyStore: Send + Sync {
    fn load<'a>(&'a self, handles: &'a [Handle], budget: &'a Budget) -> Boxed<'a, Vec<Loaded>>;
    fn apply<'a>(&'a self, write: &'a Write, budget: &'a Budget) -> Boxed<'a, Outcome>;
    fn enrol<'a>(&'a self, name: roster::Name, act: &'a roster::Act, budget: &'a Budget) -> Boxed<'a, roster::Outcome>;
    fn announce<'a>(&'a self, handles: &'a [Handle], reason: Reason, budget: &'a Budget) -> Boxed<'a, ()>;
    fn endings(&self) -> Endings;
    fn post<'a>(&'a self, card: &'a Card, budget: &'a Budget) -> Boxed<'a, Option<Vec<Card>>>;
    fn now(&self) -> Timestamp;
    fn budget(&self) -> Duration;
}

impl<S: Store + Roster> AnyStore for S {
    fn load<'a>(&'a self, handles: &'a [Handle], budget: &'a Budget) -> Boxed<'a, Vec<Loaded>> {
        Box::pin(Store::load(self, handles, budget))
    }

    fn apply<'a>(&'a self, write: &'a Write, budget: &'a Budget) -> Boxed<'a, Outcome> {
        Box::pin(Store::apply(self, write, budget))
    }

    fn enrol<'a>(&'a self, name: roster::Name, act: &'a roster::Act, budget: &'a Budget) -> Boxed<'a, roster::Outcome> {
        Box::pin(Roster::enrol(self, name, act, budget))
    }

    fn announce<'a>(&'a self, handles: &'a [Handle], reason: Reason, budget: &'a Budget) -> Boxed<'a, ()> {
        Box::pin(Roster::announce(self, handles, reason, budget))
    }

    fn endings(&self) -> Endings {
        Roster::endings(self)
    }

    fn post<'a>(&'a self, card: &'a Card, budget: &'a Budget) -> Boxed<'a, Option<Vec<Card>>> {
        Box::pin(Store::post(self, card, budget))
    }

    fn now(&self) -> Timestamp {
        Store::now(self)
    }

    fn budget(&self) -> Duration {
        Store::budget(self)
    }
}

impl fmt::Debug for dyn AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
