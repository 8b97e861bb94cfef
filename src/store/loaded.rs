//! What a read says of a record.
//!
//! That nothing is there, and that it cannot be read, stay apart: the first is [`Loaded::Missing`], and certain.

use crate::clock::Timestamp;
use crate::error::Unavailable;
use crate::record::Record;

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
    /// A session that was destroyed less than [`GRACE`](super::GRACE) ago.
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
