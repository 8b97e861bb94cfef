//! The attempts of one call: each on the live connection, within its own limit, until one succeeds, none can, or the
//! time is over.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};

use super::link::{Link, Live};
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
    link: &'a Link,
    policy: Policy,
    budget: &'a Budget,
    started: Instant,
    deadline: Instant,
    count: u32,
    last: Unavailable,
}

/// One attempt: the connection, and how long it may take.
pub(super) struct Attempt {
    pub(super) live: Arc<Live>,
    pub(super) limit: Duration,
}

impl<'a> Attempts<'a> {
    pub(super) fn begin(link: &'a Link, policy: Policy, budget: &'a Budget) -> Self {
        link.retries.call();
        let started = Instant::now();
        let deadline = started + budget.left(policy.budget);
        Self { link, policy, budget, started, deadline, count: 0, last: UnavailableKind::TimedOut.into() }
    }

    /// The next attempt, after a pause if there was one before. Waiting for a connection is no attempt.
    pub(super) async fn next(&mut self) -> Result<Attempt, Unavailable> {
        let next = self.try_next().await;
        if next.is_err() {
            self.link.tally.failed();
        }
        next
    }

    async fn try_next(&mut self) -> Result<Attempt, Unavailable> {
        if self.count == self.policy.attempts {
            return Err(self.last.clone());
        }
        if self.count > 0 {
            // When much fails at once, a few try again for all.
            if !self.link.retries.repeat() {
                return Err(self.last.clone());
            }
            self.link.tally.retried();
            let left = self.deadline - Instant::now();
            let pause = match self.last.kind() {
                UnavailableKind::Busy => Policy::wait(left, self.policy.attempts - self.count, self.count),
                _ => Policy::backoff(self.count),
            };
            sleep(pause.min(left)).await;
        }
        self.count += 1;
        let (live, now) = match self.link.up() {
            Some(live) if self.count == 1 => (live, self.started),
            _ => (self.link.live(self.deadline, self.policy.budget).await?, Instant::now()),
        };
        let limit = self.policy.timeout.min(self.deadline - now);
        if limit.is_zero() { Err(self.last.clone()) } else { Ok(Attempt { live, limit }) }
    }

    /// Carries out an attempt within its limit: the value, or none when there is to be another. A reply that comes
    /// later is thrown away by the connection's driver; it reaches nobody.
    pub(super) async fn run<T>(
        &mut self,
        attempt: &Attempt,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, Unavailable> {
        match timeout(attempt.limit, work).await {
            Ok(Ok(value)) => {
                Link::succeeded(&attempt.live);
                return Ok(Some(value));
            }
            Ok(Err(failure)) => self.last = self.judge(&attempt.live, failure)?,
            Err(_) => {
                self.link.timed_out(&attempt.live);
                self.last = UnavailableKind::TimedOut.into();
            }
        }
        Ok(None)
    }

    /// What a failure asks for; an error here is final.
    fn judge(&self, live: &Live, failure: Failure) -> Result<Unavailable, Unavailable> {
        let (remedy, unavailable) = match failure {
            Failure::Store(unavailable) if unavailable.kind() == UnavailableKind::NotMaster => {
                (Remedy::Redial, unavailable)
            }
            // The node is well; whether it is the master will be known a little later.
            Failure::Store(unavailable) if unavailable.kind() == UnavailableKind::Unconfirmed => {
                (Remedy::Wait, unavailable)
            }
            Failure::Store(unavailable) => (Remedy::GiveUp, unavailable),
            Failure::Redis(error) => {
                let (remedy, kind) = retry::remedy(&error);
                let code = retry::known_code(&error);
                let unavailable = Unavailable::new(kind, error);
                if matches!(kind, UnavailableKind::Busy | UnavailableKind::Refused | UnavailableKind::Denied) {
                    event::store_refuses(&self.link.refusals, code, &unavailable);
                }
                (remedy, unavailable)
            }
        };
        match remedy {
            Remedy::Redial => self.link.broken(live, unavailable.clone()),
            Remedy::Wait | Remedy::LoadScript => {}
            Remedy::GiveUp => return Err(unavailable),
        }
        Ok(unavailable)
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        self.budget.spend(self.started.elapsed());
    }
}
