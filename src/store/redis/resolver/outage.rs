//! A time without a connection: since when, why, and whether it was told.

use tokio::time::Instant;

use super::super::link::State;
use super::super::url::Address;
use crate::error::{Unavailable, UnavailableKind};
use crate::event::{self, Throttle};

/// A time without a connection.
pub(super) struct Outage {
    pub(super) since: Instant,
    cause: Unavailable,
    pub(super) told: bool,
    /// What was told of that only a person can mend.
    lasting: Vec<UnavailableKind>,
}

impl Outage {
    /// It is told now unless it was lately, or when it turns out to last. `shard` names the master, where there are several.
    pub(super) fn begin(cause: Unavailable, throttle: Option<&Throttle>, shard: Option<&Address>) -> Self {
        let told = throttle.is_some_and(|throttle| event::store_lost(throttle, &cause, shard));
        Self { since: Instant::now(), cause, told, lasting: Vec::new() }
    }

    /// It goes on, now for this reason. One that only a person can mend is told even when another was told before.
    pub(super) fn goes_on(&mut self, cause: Unavailable, shard: Option<&Address>) -> State {
        let lasts = cause.kind().needs_a_person() && !self.lasting.contains(&cause.kind());
        if lasts {
            self.lasting.push(cause.kind());
        }
        if !std::mem::replace(&mut self.told, true) || lasts {
            event::store_down(&cause, shard);
        }
        self.cause = cause;
        self.state()
    }

    pub(super) fn state(&self) -> State {
        State::Down { since: self.since, cause: self.cause.clone() }
    }
}
