//! The attempts of one call: each on the live connection, within its own limit, until one succeeds, none can, or the
//! time is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, Timeout, sleep, timeout_at};

use super::cluster::{self, REDIRECTS_MOST, Redirect};
use super::link::{Link, Live};
use super::nodes::{Nodes, Shard, Target};
use super::repeat;
use super::url::Address;
use crate::error::{Unavailable, UnavailableKind};
use crate::event;
use crate::store::Budget;
use crate::store::retry::{self, Policy, Remedy};

/// Why an attempt failed.
pub(super) enum Failure {
    Redis(RedisError),
    Store(Unavailable),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Store(unavailable)
    }
}

impl From<UnavailableKind> for Failure {
    fn from(kind: UnavailableKind) -> Self {
        Self::Store(kind.into())
    }
}

/// A call under way. Its time is added to the request's budget when it ends, also when it is dropped.
pub(super) struct Attempts<'a> {
    nodes: &'a Nodes,
    target: Target<'a>,
    policy: Policy,
    budget: &'a Budget,
    started: Instant,
    deadline: Instant,
    count: u32,
    last: Unavailable,
    /// Of the last attempt.
    shard: Option<Arc<Shard>>,
    /// What the last node said, and how often in a row nodes said so.
    redirect: Option<Redirect>,
    redirects: u32,
}

/// One attempt: the connection, and how long it may take.
pub(super) struct Attempt {
    pub(super) shard: Arc<Shard>,
    pub(super) live: Arc<Live>,
    /// When it began, and how long it may take.
    pub(super) begun: Instant,
    pub(super) limit: Duration,
    /// The owner of the slot, which is on its way to this node.
    asked_by: Option<Address>,
}

impl Attempt {
    /// Carries out work within the attempt's limit. A reply that comes later is thrown away by the connection's driver; it
    /// reaches nobody. The work is pinned where it is: to move it is to copy it, and it is large.
    pub(super) fn within<'w, W: Future>(&self, work: Pin<&'w mut W>) -> Timeout<Pin<&'w mut W>> {
        timeout_at(self.begun + self.limit, work)
    }

    /// Sends a command; the reply may be an error of the server.
    pub(super) async fn call(&self, cmd: Cmd) -> Result<Value, RedisError> {
        if self.asked_by.is_none() {
            return self.live.connection().send_packed_command(&cmd).await;
        }
        // Seldom: so it takes no room in the future of every call.
        let replies = Box::pin(self.call_all(vec![cmd])).await?;
        Ok(replies.into_iter().next().unwrap_or(Value::Nil))
    }

    /// Sends commands in one pipeline; their replies one by one.
    pub(super) async fn call_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, RedisError> {
        let asking = usize::from(self.asked_by.is_some());
        let mut pipe = Pipeline::with_capacity(commands.len() * (1 + asking));
        for command in commands {
            if asking > 0 {
                pipe.cmd("ASKING");
            }
            pipe.add_command(command);
        }
        let replies = self.live.connection().send_packed_commands(&pipe, 0, pipe.len()).await?;
        if asking == 0 { Ok(replies) } else { Ok(replies.into_iter().skip(1).step_by(2).collect()) }
    }

    /// Whether the slot is on its way to this node.
    pub(super) fn is_asked(&self) -> bool {
        self.asked_by.is_some()
    }

    /// The node that has the slot, which is on its way while another one is asked.
    pub(super) fn owner(&self) -> &Address {
        self.asked_by.as_ref().unwrap_or(self.live.address())
    }
}

impl<'a> Attempts<'a> {
    pub(super) fn begin(nodes: &'a Nodes, target: Target<'a>, policy: Policy, budget: &'a Budget) -> Self {
        let started = Instant::now();
        let deadline = started + budget.left(policy.budget);
        let last = UnavailableKind::TimedOut.into();
        let (shard, redirect) = (None, None);
        Self { nodes, target, policy, budget, started, deadline, count: 0, last, shard, redirect, redirects: 0 }
    }

    /// The next attempt, after a pause if there was one before. Waiting for a connection is no attempt, nor is being sent
    /// on by a node.
    pub(super) async fn next(&mut self) -> Result<Attempt, Unavailable> {
        let next = self.try_next().await;
        if let (Err(_), Some(shard)) = (&next, &self.shard) {
            shard.link.tally.failed();
        }
        next
    }

    async fn try_next(&mut self) -> Result<Attempt, Unavailable> {
        let redirect = self.redirect.take();
        if redirect.is_none() {
            self.pause().await?;
            (self.count, self.redirects) = (self.count + 1, 0);
        }
        let (deadline, patience) = (self.deadline, self.policy.budget);
        let (way, live, now) = loop {
            let way = self.nodes.way(self.target, redirect.as_ref(), deadline, patience).await?;
            if self.shard.is_none() {
                way.shard.link.retries.call();
            }
            let link = &self.shard.insert(way.shard.clone()).link;
            match link.up() {
                Some(live) if self.count == 1 && way.at.is_none() => {
                    // In a Cluster it may have waited for the slot's owner.
                    let now = if self.nodes.is_cluster() { Instant::now() } else { self.started };
                    break (way, live, now);
                }
                _ => {}
            }
            let live = tokio::select! {
                live = link.live(way.at.as_ref(), deadline, patience) => live?,
                // This link may never be up again, or not there.
                () = self.nodes.turn(self.target, redirect.as_ref(), &way) => continue,
            };
            break (way, live, Instant::now());
        };
        let limit = self.policy.timeout.min(deadline - now);
        if limit.is_zero() {
            return Err(self.last.clone());
        }
        Ok(Attempt { shard: way.shard, live, begun: now, limit, asked_by: way.asked_by })
    }

    /// Before another attempt, if there may be one.
    async fn pause(&self) -> Result<(), Unavailable> {
        if self.count == self.policy.attempts {
            return Err(self.last.clone());
        }
        let Some(shard) = &self.shard else { return Ok(()) };
        // When much fails at once, a few try again for all.
        if !shard.link.retries.repeat() {
            return Err(self.last.clone());
        }
        shard.link.tally.retried();
        let left = self.deadline - Instant::now();
        let pause = match self.last.kind() {
            // A failover under way takes a while, too.
            UnavailableKind::Busy | UnavailableKind::Unconfirmed => {
                Policy::wait(left, self.policy.attempts - self.count, self.count)
            }
            _ => Policy::backoff(self.count),
        };
        sleep(pause.min(left)).await;
        Ok(())
    }

    /// What an attempt came to: the value, or none when there is to be another.
    pub(super) fn came_to<T>(
        &mut self,
        attempt: &Attempt,
        result: Result<Result<T, Failure>, Elapsed>,
    ) -> Result<Option<T>, Unavailable> {
        match result {
            Ok(Ok(value)) => {
                Link::succeeded(&attempt.live);
                return Ok(Some(value));
            }
            Ok(Err(failure)) => self.last = self.judge(attempt, failure)?,
            Err(_) => {
                attempt.shard.link.timed_out(&attempt.live);
                self.nodes.stir();
                self.last = UnavailableKind::TimedOut.into();
            }
        }
        Ok(None)
    }

    /// When the request's time is over.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// An attempt succeeded, and its effect may be lost all the same: there is to be another.
    pub(super) fn may_be_lost(&mut self) {
        self.last = UnavailableKind::NotReplicated.into();
    }

    /// What a failure asks for; an error here is final.
    fn judge(&mut self, attempt: &Attempt, failure: Failure) -> Result<Unavailable, Unavailable> {
        let link = &attempt.shard.link;
        let (remedy, unavailable) = match failure {
            Failure::Store(unavailable) if unavailable.kind() == UnavailableKind::NotMaster => {
                (Remedy::Redial, unavailable)
            }
            // The node is well; whether it is the master will be known a little later.
            Failure::Store(unavailable) if unavailable.kind() == UnavailableKind::Unconfirmed => {
                (Remedy::Wait, unavailable)
            }
            Failure::Store(unavailable) => (Remedy::GiveUp, unavailable),
            Failure::Redis(error) if self.is_sent_on(attempt, &error) => {
                return Ok(Unavailable::new(UnavailableKind::Busy, error));
            }
            Failure::Redis(error) => {
                let (remedy, kind) = self.remedy(&error);
                let code = retry::known_code(&error);
                let unavailable = Unavailable::new(kind, error);
                let refuses = kind == UnavailableKind::Busy || repeat::refuses(kind);
                if refuses && remedy != Remedy::Redial {
                    event::store_refuses(&link.refusals, code, &unavailable);
                }
                (remedy, unavailable)
            }
        };
        match remedy {
            Remedy::Redial => link.broken(&attempt.live, unavailable.clone()),
            Remedy::Wait | Remedy::LoadScript => {}
            Remedy::GiveUp => return Err(unavailable),
        }
        Ok(unavailable)
    }

    /// Whether a node of a Cluster says that another one has the key. A crowd of those is an attempt.
    fn is_sent_on(&mut self, attempt: &Attempt, error: &RedisError) -> bool {
        if !self.nodes.is_cluster() {
            return false;
        }
        let redirect = Redirect::of(error, attempt.live.address(), self.redirects);
        let sent_on = redirect.is_some();
        self.redirect = redirect.filter(|_| self.redirects < REDIRECTS_MOST);
        self.redirects += 1;
        sent_on
    }

    /// As the table says; but a node that holds its whole Cluster to be down is left until it is up, by all at once.
    fn remedy(&self, error: &RedisError) -> (Remedy, UnavailableKind) {
        let (remedy, kind) = retry::remedy(error);
        if self.nodes.is_cluster() && cluster::is_down(error) { (Remedy::Redial, kind) } else { (remedy, kind) }
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        self.budget.spend(self.started.elapsed());
    }
}
