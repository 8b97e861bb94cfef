//! How much a failover may lose: which writes wait for replicas, and what becomes of one that waits in vain.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::attempts::Attempt;
use super::waiter::Waited;
use crate::error::{ConfigError, Unavailable, UnavailableKind};
use crate::event;
use crate::store::{Act, Apply, Create, Intent, roster};

/// No write waits longer.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// A replica that was selected takes over by then.
const HANDOVER: Duration = Duration::from_millis(500);

/// Which writes wait until replicas have them, and what becomes of one that waits in vain.
///
/// Redis answers a write before its replicas have it, so a failover may lose what was acknowledged last. By default
/// nothing waits for them. With [`replicas`](Self::replicas) these do:
///
/// * log-in, log-out, rotation, the ends of other sessions (of a device, of all, by a cap), and
///   [`save`](crate::Session::save);
/// * with [`all_writes`](Self::all_writes), all others that a request makes.
///
/// What is done beside a request (slides, what a session was seen with) never waits. The wait is over as soon as the
/// replicas have the write, and is made on a connection of its own, so nobody else waits.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::{Durability, Unmet};
///
/// // A log-in or log-out is answered when a replica has it; when none has it after 200 ms, with 503.
/// let log_ins = Durability::replicas(1, Duration::from_millis(200));
/// // Nothing else is answered before either, but goes on while there is no replica.
/// let all = log_ins.all_writes(Unmet::Tell);
/// ```
///
/// The replica that is promoted must be one that has the write. With a single replica it is. With several, either wait
/// for all that may be promoted (`replicas(2, …)` for two), or rely on Sentinels and Clusters to promote the one that has
/// most, which they do as far as they know it; a planned failover under Sentinel needs
/// [`early_switch`](super::RedisStoreBuilder::early_switch) as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durability(Option<Replicas>);

/// What becomes of a write that too few replicas have in time. It stands: it is not taken back.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::{Durability, Unmet};
///
/// let durability = Durability::replicas(2, Duration::from_millis(100)).unmet(Unmet::Tell);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// It is answered with [`NotReplicated`](UnavailableKind::NotReplicated), which is 503, and says nothing about the
    /// cookie: it was done, and a failover may lose it. Whoever asked can ask again: a log-in brings the current
    /// cookie, and a log-out finds that there is no session.
    Refuse,
    /// It is answered as if nothing were amiss, and there is an event, `too_few_replicas`. While replicas are known to
    /// be behind, such writes do not wait, so that a replica that is away costs one wait and not one for each write.
    Tell,
}

/// Of those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Replicas {
    quorum: Quorum,
    weighty: Unmet,
    others: Option<Unmet>,
}

/// How many replicas must have a write, and how long it waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quorum {
    pub(super) replicas: u32,
    pub(super) limit: Duration,
}

impl Durability {
    /// Nothing waits: the default.
    ///
    /// ```
    /// use stickless::store::Durability;
    ///
    /// assert_eq!(Durability::asynchronous(), Durability::default());
    /// ```
    pub fn asynchronous() -> Self {
        Self(None)
    }

    /// Log-ins, log-outs, rotations, ends and explicit saves wait until so many replicas have them, for `limit` at most,
    /// or half of the request's [`budget`](super::RedisStoreBuilder::budget). Waiting in vain, they are refused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::{Durability, RedisStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
    /// let store = RedisStore::builder("redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/main")
    ///     .durability(Durability::replicas(1, Duration::from_millis(200)))
    ///     .budget(Duration::from_secs(3))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn replicas(count: u32, limit: Duration) -> Self {
        Self(Some(Replicas { quorum: Quorum { replicas: count, limit }, weighty: Unmet::Refuse, others: None }))
    }

    /// What becomes of log-ins, log-outs, rotations, ends and explicit saves that wait in vain. Default:
    /// [`Unmet::Refuse`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::{Durability, Unmet};
    ///
    /// let durability = Durability::replicas(1, Duration::from_millis(200)).unmet(Unmet::Tell);
    /// ```
    #[must_use]
    pub fn unmet(self, unmet: Unmet) -> Self {
        Self(self.0.map(|replicas| Replicas { weighty: unmet, ..replicas }))
    }

    /// All other writes of requests wait too, and what becomes of those that wait in vain.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::{Durability, Unmet};
    ///
    /// let durability = Durability::replicas(1, Duration::from_millis(200)).all_writes(Unmet::Refuse);
    /// ```
    #[must_use]
    pub fn all_writes(self, unmet: Unmet) -> Self {
        Self(self.0.map(|replicas| Replicas { others: Some(unmet), ..replicas }))
    }

    /// Checked, and with a wait that leaves half of a request's budget for all else.
    pub(super) fn check(self, budget: Duration) -> Result<Self, ConfigError> {
        let Some(asked) = self.0 else { return Ok(self) };
        let Quorum { replicas, limit } = asked.quorum;
        let value = format!("{replicas} replicas within {limit:?}");
        if replicas == 0 {
            return Err(ConfigError::new("durability", value, "must be at least one replica"));
        }
        if limit < Duration::from_millis(1) || limit > LONGEST {
            return Err(ConfigError::new("durability", value, "must be from a millisecond to an hour"));
        }
        let quorum = Quorum { replicas, limit: limit.min(budget / 2) };
        Ok(Self(Some(Replicas { quorum, ..asked })))
    }

    pub(super) fn quorum(self) -> Option<Quorum> {
        self.0.map(|replicas| replicas.quorum)
    }

    /// Whether such a write waits, and what becomes of it in vain.
    pub(super) fn asks(self, weight: Weight) -> Option<Unmet> {
        let replicas = self.0?;
        match weight {
            Weight::Weighty => Some(replicas.weighty),
            Weight::Ordinary => replicas.others,
            Weight::Beside => None,
        }
    }
}

/// How much the loss of a write would hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Who is logged in would be another thing than was answered; or the application asked for it.
    Weighty,
    Ordinary,
    /// Best effort in any case.
    Beside,
}

impl Weight {
    pub(super) fn of(act: &Act) -> Self {
        match act {
            Act::Create(Create { user: None, .. }) | Act::Apply(Apply { intent: Intent::Keep, .. }) => Self::Ordinary,
            Act::Create(_) | Act::Apply(_) | Act::Destroy | Act::End { .. } => Self::Weighty,
            Act::Slide { .. } | Act::Place(_) | Act::Bury => Self::Beside,
        }
    }

    /// A place that is only reserved, or given back, is nothing that anybody was told of.
    pub(super) fn of_roster(act: &roster::Act) -> Self {
        match act {
            roster::Act::Confirm { .. } | roster::Act::Everywhere { .. } => Self::Weighty,
            _ => Self::Beside,
        }
    }
}

/// What is to be done about a write that a master answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It may be answered.
    Stands,
    /// It may be lost with that master: the next one recognises it, or does it.
    Again,
}

impl Shared {
    /// Waits until a write to this key is as durable as such writes are to be. Nothing is lost when it is dropped: the
    /// write stands.
    pub(super) async fn settle(
        &self,
        attempt: &Attempt,
        key: &str,
        weight: Weight,
        deadline: Instant,
    ) -> Result<Settled, Unavailable> {
        let link = &attempt.shard.link;
        if let Some(unmet) = self.durability.asks(weight)
            && let Some(waiter) = attempt.live.waiter()
        {
            let waited = if unmet == Unmet::Tell && waiter.is_behind() {
                waiter.look(key, attempt.is_asked());
                Waited::TooFew
            } else {
                let wait = waiter.wait(key, attempt.is_asked(), self.policy.timeout);
                tokio::select! {
                    waited = timeout_at(deadline, wait) => waited.unwrap_or(Waited::Silence),
                    // Whoever replicates it now is not who is promoted.
                    () = link.left(&attempt.live) => return Ok(Settled::Again),
                }
            };
            match waited {
                // Those that replicate it now are perhaps not the one that was selected, which may have stopped.
                Waited::Enough if link.is_leaving(&attempt.live) => {
                    let switched = timeout_at(deadline.min(Instant::now() + HANDOVER), link.left(&attempt.live));
                    // It does not, where nothing came of that.
                    let _ = switched.await;
                }
                Waited::Enough => {}
                Waited::TooFew => {
                    event::too_few_replicas(&link.refusals, waiter.quorum().replicas);
                    if unmet == Unmet::Refuse && !link.has_left(&attempt.live) {
                        return Err(UnavailableKind::NotReplicated.into());
                    }
                }
                Waited::Silence => {
                    link.timed_out(&attempt.live);
                    return Ok(Settled::Again);
                }
                Waited::Lost(cause) => {
                    link.broken(&attempt.live, cause);
                    return Ok(Settled::Again);
                }
                Waited::Moved => return Ok(Settled::Again),
                Waited::Denied(cause) => return Err(cause),
            }
        }
        // What a node acknowledges that all have left is lost.
        Ok(if link.has_left(&attempt.live) { Settled::Again } else { Settled::Stands })
    }
}
