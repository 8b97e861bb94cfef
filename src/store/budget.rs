//! The time that one request has spent in store calls.
//!
//! It only grows, and whoever has nothing left of its limit makes no call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
