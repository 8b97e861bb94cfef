//! A write to one record as a value: what it asks, and what became of it.
//!
//! All that it depends on is in it or in the record, so that a store decides it alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Reason;
use super::roster::Membership;
use crate::clock::Timestamp;
use crate::delta::Delta;
use crate::id::{Handle, WriteId};
use crate::record::{Drifted, Limits, Note, Sighting};

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
    pub data: BTreeMap<String, String>,
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
