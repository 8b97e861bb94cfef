//! Who is in: the sessions of one user, atomically counted, with an epoch that ends all that were in before.
//!
//! A roster is one key of the store. It decides *admission*; the session's record decides *life*. So a log-in
//! [reserves](Act::Reserve) a place, writes its record, and [confirms](Act::Confirm): only then is its cookie sent.
//! [`Everywhere`](Act::Everywhere) lists all members and refuses, in the same step, the confirmation of whoever
//! reserved before it.
//!
//! A roster has a clock of its own: a *tick* is the store's time in milliseconds, or one more than the last tick. A
//! member's [`serial`](Member::serial) and the epoch are ticks, so "was it before?" is a comparison of two numbers,
//! and it stays right when the roster was forgotten meanwhile.
//!
//! A member whose deadline has passed is not gone: whoever wants to know asks its record, and says what it said with
//! [`Act::Leave`].

mod member;
pub(crate) mod memory;
mod name;
pub(crate) mod rules;

use std::future::Future;
use std::time::Duration;

pub use self::member::{Listed, Member, Membership};
pub use self::name::Name;
use super::{Budget, Endings, Reason};
use crate::error::Unavailable;
use crate::id::{Handle, WriteId};

/// A place that was reserved and not confirmed counts for this long: a log-in that crashed keeps nobody out for longer.
///
/// ```
/// assert_eq!(stickless::store::roster::PENDING.as_secs(), 30);
/// ```
pub const PENDING: Duration = Duration::from_secs(30);

/// A store of rosters.
///
/// An error means "cannot say": the act was carried out wholly or not at all, and is not carried out later.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
/// use stickless::store::{Budget, MemoryStore, roster::{Act, Name, Outcome, Roster}};
///
/// let members = MemoryStore::new().enrol(Name::of_user("alice"), &Act::List, &Budget::default()).await?;
/// assert!(matches!(members, Outcome::Members { members, .. } if members.is_empty()));
/// # Ok(()) }
/// ```
pub trait Roster: Send + Sync + 'static {
    /// Carries out one act on one roster, atomically and on the store's clock.
    ///
    /// * A reserved place counts against a [`Cap::Refuse`] for [`PENDING`]; a session that is in already keeps its place.
    /// * A confirmation is refused when the epoch is newer than the reservation, when the place was taken away, and
    ///   when the cap leaves none. Under [`Cap::Evict`] the latest reservations win.
    /// * Nobody stays when all others end whom an earlier end of all has ended: the epoch is newer.
    /// * The same act once more has the same result.
    /// * Nobody is removed but by name, and not when they have come in anew since they were listed.
    /// * A roster is forgotten when nobody in it can be alive, and no session from before its epoch either.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::store::{Budget, MemoryStore, roster::{Act, Name, Outcome, Roster}};
    ///
    /// let list = MemoryStore::new().enrol(Name::of_user("alice"), &Act::List, &Budget::default()).await?;
    /// assert_eq!(list, Outcome::Members { epoch: 0, members: Vec::new() });
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store cannot say whether it was done; or the roster is corrupt, or of a newer version.
    fn enrol(
        &self,
        name: Name,
        act: &Act,
        budget: &Budget,
    ) -> impl Future<Output = Result<Outcome, Unavailable>> + Send;

    /// Tells all who listen, on any instance, that these sessions have ended. A repeated attempt may be heard twice.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// use stickless::{Reason, store::{Budget, MemoryStore, Roster}};
    ///
    /// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
    /// MemoryStore::new().announce(&[handle], Reason::Ended, &Budget::default()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Some may not have heard of it.
    fn announce(
        &self,
        handles: &[Handle],
        reason: Reason,
        budget: &Budget,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Listens to what is announced, from now on.
    ///
    /// ```
    /// use stickless::{store::{MemoryStore, Roster}, users::News};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = MemoryStore::new();
    /// assert_eq!(store.endings().next().await, Some(News::Gap));
    /// # }
    /// ```
    fn endings(&self) -> Endings;
}

/// How many sessions a user may have, and who gives way.
///
/// ```
/// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
/// // The oldest of six gives way.
/// let builder = builder.cap(stickless::Cap::Evict(5));
/// # builder.build()?; Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cap {
    /// So many; the oldest end when a new one begins.
    Evict(u32),
    /// So many; a new one is refused when they are there.
    Refuse(u32),
}

/// What is done to a roster.
///
/// ```
/// use stickless::{Cap, store::roster::Act};
///
/// let handle = "47DEQpj8HBSa-_TImW-5JA".parse()?;
/// let reserve = Act::Reserve { handle, cap: Some(Cap::Refuse(5)), gone: Vec::new() };
/// # Ok::<(), stickless::ParseHandleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Act {
    /// Ask for a place, after removing who was found gone.
    Reserve {
        /// For whom.
        handle: Handle,
        /// The cap.
        cap: Option<Cap>,
        /// Found gone since they were listed.
        gone: Vec<Listed>,
    },
    /// Take the reserved place, after removing who was found gone or was ended.
    Confirm {
        /// Who.
        handle: Handle,
        /// What the reservation said.
        serial: u64,
        /// How long the session lives if it is not used again.
        life: Duration,
        /// The cap.
        cap: Option<Cap>,
        /// Found gone, or ended to make room.
        gone: Vec<Listed>,
    },
    /// Give a reserved place back.
    Withdraw(Listed),
    /// Say that a session is in use. One that is not in comes in: it began before there were rosters, or its roster
    /// was lost.
    Touch {
        /// Who.
        handle: Handle,
        /// Under which serial; of a session that has none, when it was born.
        serial: u64,
        /// How long it lives if it is not used again.
        life: Duration,
    },
    /// Remove those whose record is gone.
    Leave(Vec<Listed>),
    /// Begin a new epoch, and list all members but one.
    Everywhere {
        /// Who stays, as its record says, and how long that session lives if it is not used again.
        keep: Option<(Listed, Duration)>,
        /// By which a second delivery is recognised.
        id: WriteId,
    },
    /// List all members.
    List,
}

/// What became of an act.
///
/// ```
/// use stickless::store::roster::Outcome;
///
/// let came_in = |outcome: &Outcome| matches!(outcome, Outcome::Confirmed);
/// assert!(!came_in(&Outcome::Overtaken));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The place is reserved under this serial.
    Reserved {
        /// To be noted in the record, and shown at the confirmation.
        serial: u64,
        /// Under [`Cap::Evict`] where the cap is reached: those who are in, oldest first.
        rivals: Vec<Member>,
        /// Some whose deadline has passed.
        passed: Vec<Member>,
    },
    /// The cap is reached; these are in, oldest first. Nothing is reserved.
    Full(Vec<Member>),
    /// The session is in.
    Confirmed,
    /// The cap is exceeded by those who reserved earlier, oldest first: end as many as are too many, and confirm again.
    Over(Vec<Member>),
    /// Later log-ins have taken all places.
    Overtaken,
    /// The place was taken away.
    Missing,
    /// The roster does not know that the place was ever reserved: a failover lost that, or the roster was forgotten, as
    /// one is that has no members.
    Lost,
    /// The epoch is newer.
    Outdated {
        /// Sessions from before this tick have ended.
        epoch: u64,
    },
    /// The session is in, and its deadline moved.
    Touched,
    /// It was removed, or was not in.
    Left,
    /// The members.
    Members {
        /// Sessions from before this tick have ended.
        epoch: u64,
        /// In no order.
        members: Vec<Member>,
    },
}
