//! Time as the store tells it: milliseconds since 1970, never an instance's own wall clock.

use std::time::Duration;

/// A moment on the store's clock, in milliseconds since 1970-01-01 UTC.
///
/// Instances may disagree about the time; the store is one, so every limit is judged on its clock.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::Timestamp;
///
/// let login = Timestamp::from_millis(1_000);
/// assert_eq!(login.plus(Duration::from_secs(2)).since(login), Duration::from_secs(2));
/// assert_eq!(login.since(login.plus(Duration::from_secs(2))), Duration::ZERO);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A moment from milliseconds since 1970.
    ///
    /// ```
    /// use stickless::store::Timestamp;
    ///
    /// const LAUNCH: Timestamp = Timestamp::from_millis(1_790_000_000_000);
    /// ```
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    ///
    /// ```
    /// use stickless::store::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_millis(5).as_millis(), 5);
    /// ```
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, as a token carries them; stands still at the year 2106.
    pub(crate) fn as_token_secs(self) -> u32 {
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// This moment and `duration` later.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_millis(5).plus(Duration::from_secs(1)).as_millis(), 1005);
    /// ```
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_millis(1005).since(Timestamp::from_millis(5)), Duration::from_secs(1));
    /// ```
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Whole milliseconds of a duration, at most `u64::MAX`.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A random time up to `limit`.
pub(crate) fn jitter(limit: Duration) -> Duration {
    Duration::from_micros(fastrand::u64(0..=u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)))
}
