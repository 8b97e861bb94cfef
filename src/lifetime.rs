//! How long a session lives: an idle limit that slides, and an absolute one that does not, both at once.
//!
//! The record's time to live in the store is the session's life; there is no second deadline. Everything here is
//! pure: the moment is a parameter, and it is the store's.

use std::time::Duration;

use crate::clock::{Timestamp, millis};
use crate::error::ConfigError;
use crate::record::{Life, Record};

/// The longest time that browsers keep a cookie (RFC 6265bis, section 5.5).
const COOKIE_CAP: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Longer limits are mistakes, and would not fit every store.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Near the absolute limit a slide that would gain less than this is not worth a write.
const GRAIN: Duration = Duration::from_millis(100);

/// The layer's limits, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) idle: Duration,
    /// The TTL slides when less than this is left.
    pub(crate) refresh_within: Duration,
    pub(crate) absolute: Option<Duration>,
    /// A shorter idle limit until log-in.
    pub(crate) idle_anonymous: Option<Duration>,
}

impl Lifetime {
    /// Refuses limits that cannot work together.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        in_range("idle", self.idle)?;
        if let Some(absolute) = self.absolute {
            in_range("absolute", absolute)?;
        }
        if let Some(idle) = self.idle_anonymous {
            in_range("idle_anonymous", idle)?;
            if idle > self.idle {
                return Err(refuse("idle_anonymous", idle, "must not be longer than idle"));
            }
        }
        if self.refresh_within.is_zero() || self.refresh_within > self.idle {
            return Err(refuse("refresh_within", self.refresh_within, "must be above zero and at most idle"));
        }
        Ok(self)
    }

    /// The life of a session that begins at `now`.
    pub(crate) fn begin(&self, now: Timestamp, user: bool, own: Option<Duration>) -> Life {
        let shared = if user { self.idle } else { self.idle_anonymous.unwrap_or(self.idle) };
        Life { idle: own.unwrap_or(shared), own: own.is_some(), end: self.absolute.map(|absolute| now.plus(absolute)) }
    }

    /// Below which remaining life this session slides: the same share of its own idle limit as
    /// `refresh_within` is of the layer's.
    fn within(&self, life: &Life) -> Duration {
        if life.idle == self.idle {
            return self.refresh_within;
        }
        let share =
            u128::from(millis(self.refresh_within)) * u128::from(millis(life.idle)) / u128::from(millis(self.idle));
        Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// How long a session is used without a write: from its idle limit down to the threshold. At least a second.
    pub(crate) fn interval(&self, life: &Life) -> Duration {
        life.idle.saturating_sub(self.within(life)).max(Duration::from_secs(1))
    }

    /// Whether reading this record at `now` is to slide its life, and below which remaining life the store shall do
    /// it. None outside the threshold, and none where the absolute limit leaves nothing to gain.
    pub(crate) fn due(&self, record: &Record, now: Timestamp) -> Option<Duration> {
        let within = self.within(&record.life);
        let span = record.life.span(now);
        let gains = span == record.life.idle || span.saturating_sub(record.expires_in) >= GRAIN;
        (record.expires_in < within && gains).then_some(within)
    }
}

impl Life {
    /// How long the session may live from `now` if it is not used again.
    pub(crate) fn span(&self, now: Timestamp) -> Duration {
        self.end.map_or(self.idle, |end| self.idle.min(end.since(now)))
    }

    /// Max-Age of a cookie that must not die before this session can: up to the absolute limit, else as long as
    /// browsers keep one.
    pub(crate) fn max_age(&self, now: Timestamp) -> Duration {
        let longest = self.end.map_or(COOKIE_CAP, |end| end.since(now).min(COOKIE_CAP));
        // Zero would remove the cookie, which only a log-out may.
        Duration::from_secs(longest.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
            .max(Duration::from_secs(1))
    }
}

/// Whether a session can have this idle limit of its own.
pub(crate) fn is_possible(life: Duration) -> bool {
    (Duration::from_secs(1)..=LONGEST).contains(&life)
}

fn in_range(setting: &'static str, value: Duration) -> Result<(), ConfigError> {
    if value < Duration::from_secs(1) {
        return Err(refuse(setting, value, "must be at least one second"));
    }
    if value > LONGEST {
        return Err(refuse(setting, value, "must be at most a hundred years"));
    }
    Ok(())
}

fn refuse(setting: &'static str, value: Duration, reason: &str) -> ConfigError {
    ConfigError::new(setting, format_args!("{}s", value.as_secs_f64()), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn lifetime() -> Lifetime {
        Lifetime { idle: HOUR, refresh_within: HOUR * 4 / 5, absolute: Some(HOUR * 8), idle_anonymous: None }
    }

    fn record(life: Life, left: Duration) -> Record {
        Record { life, expires_in: left, ..Record::default() }
    }

    #[test]
    fn a_session_slides_below_the_threshold_only() {
        let life = lifetime().begin(NOW, true, None);
        assert_eq!(lifetime().due(&record(life, HOUR * 4 / 5), NOW), None);
        assert_eq!(lifetime().due(&record(life, HOUR * 3 / 4), NOW), Some(HOUR * 4 / 5));
    }

    #[test]
    fn a_short_session_slides_like_a_long_one() {
        let second = Duration::from_secs(1);
        let short = Lifetime { idle: second, refresh_within: second * 4 / 5, ..lifetime() };
        let life = short.begin(NOW, true, None);
        assert_eq!(short.due(&record(life, second * 3 / 4), NOW), Some(second * 4 / 5));
    }

    #[test]
    fn a_session_with_its_own_idle_limit_slides_at_the_same_share_of_it() {
        let life = lifetime().begin(NOW, true, Some(HOUR / 2));
        assert_eq!(lifetime().due(&record(life, HOUR * 2 / 5), NOW), None);
        assert_eq!(lifetime().due(&record(life, HOUR / 4), NOW), Some(HOUR * 2 / 5));
    }

    #[test]
    fn near_the_absolute_end_there_is_nothing_to_gain() {
        let life = lifetime().begin(NOW, true, None);
        let late = NOW.plus(HOUR * 31 / 4);
        assert_eq!(lifetime().due(&record(life, HOUR / 4), late), None);
        assert_eq!(lifetime().due(&record(life, HOUR / 8), late), Some(HOUR * 4 / 5));
    }

    #[test]
    fn the_cookie_covers_the_longest_life_and_no_browser_keeps_it_longer() {
        let day = HOUR * 24;
        let life = |absolute| Lifetime { absolute, ..lifetime() }.begin(NOW, true, None);
        assert_eq!(life(Some(HOUR)).max_age(NOW), HOUR);
        assert_eq!(life(Some(HOUR)).max_age(NOW.plus(HOUR * 2)), Duration::from_secs(1));
        assert_eq!(life(Some(HOUR)).max_age(NOW.plus(Duration::from_millis(1))), HOUR);
        assert_eq!(life(None).max_age(NOW), day * 400);
        assert_eq!(life(Some(day * 1000)).max_age(NOW), day * 400);
    }

    #[test]
    fn limits_that_cannot_work_are_refused_by_name() {
        let cases = [
            (Lifetime { idle: Duration::ZERO, ..lifetime() }, "idle = 0s: must be at least one second"),
            (
                Lifetime { refresh_within: HOUR * 2, ..lifetime() },
                "refresh_within = 7200s: must be above zero and at most idle",
            ),
            (
                Lifetime { refresh_within: Duration::ZERO, ..lifetime() },
                "refresh_within = 0s: must be above zero and at most idle",
            ),
            (
                Lifetime { idle_anonymous: Some(HOUR * 2), ..lifetime() },
                "idle_anonymous = 7200s: must not be longer than idle",
            ),
            (
                Lifetime { absolute: Some(LONGEST * 2), ..lifetime() },
                "absolute = 6307200000s: must be at most a hundred years",
            ),
        ];
        for (limits, message) in cases {
            assert_eq!(limits.check().expect_err("refused").to_string(), message);
        }
    }
}
