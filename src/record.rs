//! What the store keeps of one session.

mod seen;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use self::seen::Asks;
pub use self::seen::{Changed, Drifted, Lately, Note, Seen, Sighting};
use crate::clock::Timestamp;
use crate::store::roster::Membership;

/// The version of the record's format that this crate writes. A record of a newer one is kept and reported, never
/// overwritten; fields that this version does not know are left alone.
///
/// ```
/// assert_eq!(stickless::store::FORMAT_VERSION, 1);
/// ```
pub const FORMAT_VERSION: u32 = 1;

/// One session as the store has it.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::{Record, Timestamp};
///
/// // As a store makes it of what it holds.
/// let record = Record {
///     generation: 1,
///     born: Timestamp::from_millis(1_790_000_000_000),
///     data: [("theme".to_owned(), "\"dark\"".to_owned())].into(),
///     expires_in: Duration::from_secs(3600),
///     ..Record::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Raised by one at every privilege change. A request under a lower one is superseded.
    pub generation: u32,
    /// When the record was created.
    pub born: Timestamp,
    /// When the generation was last raised, or the current cookie issued again.
    pub rotated: Option<Timestamp>,
    /// The limits that end it.
    pub life: Life,
    /// The user who is logged in.
    pub user: Option<String>,
    /// What it was seen with lately.
    pub seen: Seen,
    /// The session's place in their roster. None where the record is of a version without rosters.
    pub membership: Option<Membership>,
    /// The application's values, each as JSON text.
    pub data: BTreeMap<String, String>,
    /// What was left of its life when it was read.
    pub expires_in: Duration,
}

impl Record {
    /// When the session came into its roster, as a tick; of one that was never in, when it was born.
    pub(crate) fn serial(&self) -> u64 {
        self.membership.map_or(self.born.as_millis(), |membership| membership.serial)
    }
}

/// The limits of one session.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::Life;
///
/// let life = Life { idle: Duration::from_secs(3600), own: false, end: None };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Life {
    /// It ends when it was not used for this long.
    pub idle: Duration,
    /// Whether `idle` was set for this session alone, and so survives a log-in.
    pub own: bool,
    /// It ends then in any case.
    pub end: Option<Timestamp>,
}

/// Limits of a record's size, each checked before anything is sent and again where it is applied.
///
/// ```
/// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
/// let builder = builder.limits(stickless::store::Limits { fields: 50, ..Default::default() });
/// # builder.build()?; Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one key.
    pub key: usize,
    /// Bytes of one value as JSON text.
    pub value: usize,
    /// Keys of one session.
    pub fields: usize,
    /// Bytes of all keys and values of one session.
    pub record: usize,
}

impl Default for Limits {
    /// 200 bytes a key, 64 KiB a value, 1,000 keys, 256 KiB in all.
    fn default() -> Self {
        Self { key: 200, value: 64 * 1024, fields: 1000, record: 256 * 1024 }
    }
}

/// Fields and bytes that data take, as the limits count them.
///
/// ```
/// use stickless::store::Size;
///
/// assert_eq!(Size::of([("a", "1"), ("bc", "22")]), Size { fields: 2, bytes: 6 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// The number of keys.
    pub fields: usize,
    /// The bytes of all keys and values.
    pub bytes: usize,
}

impl Size {
    /// Measures keys and values.
    ///
    /// ```
    /// assert_eq!(stickless::store::Size::of([("n", "7")]).bytes, 2);
    /// ```
    pub fn of<'a>(data: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        data.into_iter().fold(Self::default(), |size, (key, value)| Self {
            fields: size.fields + 1,
            bytes: size.bytes + key.len() + value.len(),
        })
    }

    /// Whether a change to `after` is allowed: within the limits, or not further beyond them than before.
    ///
    /// ```
    /// use stickless::store::{Limits, Size};
    ///
    /// let limits = Limits { fields: 1, ..Limits::default() };
    /// let (one, two) = (Size { fields: 1, bytes: 2 }, Size { fields: 2, bytes: 4 });
    /// assert!(two.may_become(one, &limits) && !one.may_become(two, &limits));
    /// ```
    pub fn may_become(self, after: Self, limits: &Limits) -> bool {
        (after.fields <= limits.fields || after.fields <= self.fields)
            && (after.bytes <= limits.record || after.bytes <= self.bytes)
    }
}
