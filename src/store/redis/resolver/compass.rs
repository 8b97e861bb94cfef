//! Where to look for the master, and which news to follow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::super::cluster::Board;
use super::super::link::Live;
use super::super::sentinel::{Hint, Sentinels};
use super::super::url::Address;
use crate::error::{Unavailable, UnavailableKind};

/// A hint alone is followed for this long; then the Sentinels are asked as well.
const ALONE: Duration = Duration::from_secs(3);
/// It is forgotten after this.
const STALE: Duration = Duration::from_secs(10);

/// Where to look for the master.
#[derive(Clone)]
pub(in super::super) enum Compass {
    /// Always there.
    Node(Address),
    /// Where the Sentinels say.
    Sentinels(Arc<Sentinels>),
    /// Where the nodes of a Cluster say.
    Shard(Course),
}

/// Where the master of a shard is.
#[derive(Clone)]
pub(in super::super) struct Course {
    /// There is always one.
    pub(in super::super) hints: watch::Receiver<Option<Hint>>,
    pub(in super::super) board: Arc<Board>,
}

impl Compass {
    /// Where to try next; asks, if need be.
    pub(super) async fn master(&self, limit: Duration) -> Result<Address, Unavailable> {
        match self {
            Self::Node(address) => Ok(address.clone()),
            Self::Sentinels(sentinels) => sentinels.master(limit).await,
            Self::Shard(course) => course.master().ok_or_else(|| UnavailableKind::Disconnected.into()),
        }
    }

    /// Whether this node is the master beyond doubt, and has these keys: others have to say so.
    pub(in super::super) async fn confirm(
        &self,
        node: &Address,
        keys: &[String],
        limit: Duration,
    ) -> Result<(), Unavailable> {
        match self {
            Self::Node(_) => Ok(()),
            Self::Sentinels(sentinels) => sentinels.confirm(node, limit).await,
            Self::Shard(course) => course.board.confirm(node, keys, limit).await,
        }
    }

    /// Whether a key is this master's.
    pub(super) fn has(&self, node: &Address, key: &str) -> bool {
        match self {
            Self::Node(_) | Self::Sentinels(_) => true,
            Self::Shard(course) => course.board.has(node, key),
        }
    }

    /// The link is down: there may be news.
    pub(super) fn stir(&self) {
        if let Self::Shard(course) = self {
            course.board.ask();
        }
    }

    /// Which of several masters it is about, to name it where it is told of.
    pub(super) fn shard(&self) -> Option<Address> {
        match self {
            Self::Node(_) | Self::Sentinels(_) => None,
            Self::Shard(course) => course.master(),
        }
    }

    pub(super) fn hints(&self) -> watch::Receiver<Option<Hint>> {
        match self {
            Self::Node(_) => watch::channel(None).1,
            Self::Sentinels(sentinels) => sentinels.hints(),
            Self::Shard(course) => course.hints.clone(),
        }
    }

    /// Whether there is news that another node is to take over from this one.
    pub(in super::super) fn leads_away_from(&self, live: &Live) -> bool {
        self.hints().borrow().as_ref().is_some_and(|hint| hint.leads_away_from(live))
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        match self {
            Self::Node(_) | Self::Shard(_) => watch::channel(()).1,
            Self::Sentinels(sentinels) => sentinels.changes(),
        }
    }

    /// Whether the master is known to be another.
    pub(super) fn elsewhere(&self, address: &Address) -> bool {
        match self {
            Self::Node(_) | Self::Shard(_) => false,
            Self::Sentinels(sentinels) => sentinels.elsewhere(address),
        }
    }
}

impl Course {
    fn master(&self) -> Option<Address> {
        self.hints.borrow().as_ref().map(|hint| hint.address.clone())
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
