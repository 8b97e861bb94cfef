//! Where to look for the master, and which news to follow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::super::link::Live;
use super::super::sentinel::{Hint, Sentinels};
use super::super::url::Address;

/// A hint alone is followed for this long; then the Sentinels are asked as well.
const ALONE: Duration = Duration::from_secs(3);
/// It is forgotten after this.
const STALE: Duration = Duration::from_secs(10);

/// Where to look for the master.
pub(in super::super) enum Compass {
    /// Always there.
    Node(Address),
    /// Where the Sentinels say.
    Sentinels(Arc<Sentinels>),
}

impl Compass {
    pub(super) fn hints(&self) -> watch::Receiver<Option<Hint>> {
        match self {
            Self::Node(_) => watch::channel(None).1,
            Self::Sentinels(sentinels) => sentinels.hints(),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        match self {
            Self::Node(_) => watch::channel(()).1,
            Self::Sentinels(sentinels) => sentinels.changes(),
        }
    }

    /// Whether the master is known to be another.
    pub(super) fn elsewhere(&self, address: &Address) -> bool {
        match self {
            Self::Node(_) => false,
            Self::Sentinels(sentinels) => sentinels.elsewhere(address),
        }
    }
}

impl Hint {
    /// Whether this attempt follows it: at first all do, then every other.
    pub(super) fn guides(&self, turn: u32) -> bool {
        let age = self.at.elapsed();
        age < ALONE || age < STALE && turn.is_multiple_of(2)
    }

    pub(super) fn leads_away_from(&self, live: &Live) -> bool {
        self.address != *live.address() && self.at.elapsed() < STALE
    }
}

/// Returns when there is something new; never, when nothing can be any more.
pub(super) async fn told<T>(news: &mut watch::Receiver<T>) {
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
