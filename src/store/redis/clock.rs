//! The store's clock, carried on by this process's monotonic one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use redis::Value;

use crate::clock::{Timestamp, millis};

/// A script that tells another time than expected by more than this moves the anchor.
const TOLERANCE: Duration = Duration::from_secs(1);

/// An estimate of the store's time. Before the first anchor it is this machine's.
#[derive(Debug)]
pub(super) struct StoreClock {
    start: Instant,
    /// The store's time, in milliseconds, at `start`.
    offset: AtomicU64,
}

impl StoreClock {
    pub(super) fn new() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), offset: AtomicU64::new(millis(wall)) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// What it was at an instant, perhaps one before `start`: each shard has a clock of its own, begun when it was found.
    pub(super) fn at(&self, instant: Instant) -> Timestamp {
        let offset = self.offset.load(Ordering::Relaxed);
        Timestamp::from_millis(match instant.checked_duration_since(self.start) {
            Some(since) => offset.saturating_add(millis(since)),
            // Not rounded up to `start`: that would be later than it was.
            None => offset.saturating_sub(millis(self.start - instant).saturating_add(1)),
        })
    }

    /// What it was at an instant, or a little earlier.
    pub(super) fn before(&self, instant: Instant) -> Timestamp {
        Timestamp::from_millis(self.at(instant).as_millis().saturating_sub(1))
    }

    /// The store said that it is `now`.
    pub(super) fn anchor(&self, now: Timestamp) {
        self.offset.store(now.as_millis().saturating_sub(millis(self.start.elapsed())), Ordering::Relaxed);
    }

    /// A script said that it is `now`: this machine may have been suspended, or the store's clock been set.
    pub(super) fn compare(&self, now: Timestamp) {
        let expected = self.now();
        if now.since(expected).max(expected.since(now)) > TOLERANCE {
            self.anchor(now);
        }
    }

    /// Anchors to a reply of `TIME`: seconds and microseconds as text. How far it was from what was expected.
    pub(super) fn anchor_to_reply(&self, reply: &Value) -> Duration {
        let Value::Array(items) = reply else { return Duration::ZERO };
        let number = |index: usize| match items.get(index) {
            Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).ok()?.parse::<u64>().ok(),
            _ => None,
        };
        let (Some(seconds), Some(micros)) = (number(0), number(1)) else { return Duration::ZERO };
        let (now, expected) = (Timestamp::from_millis(seconds * 1000 + micros / 1000), self.now());
        self.anchor(now);
        now.since(expected).max(expected.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_the_clock_began_is_not_taken_for_a_later_one() {
        let clock = StoreClock::new();
        let (second, began) = (Duration::from_secs(1), clock.at(clock.start));
        assert_eq!(clock.at(clock.start + second).since(began), second);
        assert!(clock.start.checked_sub(second).is_none_or(|before| began.since(clock.at(before)) >= second));
    }
}
