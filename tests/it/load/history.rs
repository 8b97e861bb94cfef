//! Every request with its answer.

use std::time::Duration;

use serde_json::Value;

use super::checker::{self, Rules};
use super::client::Role;
use super::verdict::Verdict;

/// The events of one client stand in their order, and do not overlap.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
    /// When all who stay were there.
    pub(crate) settled: Duration,
}

/// One request. Times are since the load's start.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) client: u32,
    pub(crate) role: Role,
    /// Which of the load's addresses.
    pub(crate) instance: usize,
    pub(crate) op: Op,
    /// The cookie that it carried.
    pub(crate) sent: Option<String>,
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    /// How long of it the load stood still.
    pub(crate) stalled: Duration,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// `POST /login?user=`
    LogIn(String),
    /// `POST /set?k=name&v=`
    Name(String),
    /// `GET /count`
    Count,
    /// `GET /me`
    Me,
    /// `GET /dump`
    Dump,
    /// `POST /append?k=list&v=`
    Append(u64),
    /// `POST /logout`
    LogOut,
    /// `GET /me`, with a cookie whose log-out was answered.
    Dead,
    /// `GET /static`
    Plain,
}

#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// There was no answer: why.
    Broken(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null where it is no JSON.
    pub(crate) body: Value,
    pub(crate) cookies: Vec<Change>,
    pub(crate) retry_after: bool,
}

/// What a `Set-Cookie` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Set(String),
    Removed,
}

impl Op {
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Self::LogIn(_) | Self::Name(_) | Self::Count | Self::Append(_) | Self::LogOut)
    }
}

impl Event {
    pub(crate) fn took(&self) -> Duration {
        self.end.saturating_sub(self.begin + self.stalled)
    }

    pub(crate) fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Answer(answer) => Some(answer.status),
            Outcome::Broken(_) => None,
        }
    }

    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.status(), Some(200 | 204))
    }
}

impl History {
    pub(crate) fn check(&self, rules: &Rules<'_>) -> Verdict {
        checker::check(self, rules)
    }

    /// Of the answers that the session had a part in, begun in this time.
    pub(crate) fn slowest(&self, from: Duration, to: Duration) -> Duration {
        self.of_sessions(from, to).map(Event::took).max().unwrap_or_default()
    }

    /// How many requests that use the session, begun in this time, did not succeed.
    pub(crate) fn failed(&self, from: Duration, to: Duration) -> usize {
        self.of_sessions(from, to).filter(|event| !event.succeeded()).count()
    }

    /// How many such requests began in this time.
    pub(crate) fn begun(&self, from: Duration, to: Duration) -> usize {
        self.of_sessions(from, to).count()
    }

    /// How long after `cause` was gone the last request began that still failed.
    pub(crate) fn healthy_after(&self, cause: Duration) -> Duration {
        self.last_failure(cause, Duration::MAX)
    }

    /// The same, of those that were answered before `next`.
    pub(crate) fn last_failure(&self, cause: Duration, next: Duration) -> Duration {
        let failed = self.of_sessions(cause, next).filter(|event| event.end < next && !event.succeeded());
        failed.map(|event| event.begin.saturating_sub(cause)).max().unwrap_or_default()
    }

    /// How many writes, begun in this time, were acknowledged.
    pub(crate) fn written(&self, from: Duration, to: Duration) -> usize {
        self.of_sessions(from, to).filter(|event| event.op.writes() && event.succeeded()).count()
    }

    /// What was asked of these instances.
    pub(crate) fn of_instances(&self, instances: &[usize]) -> Self {
        let events = self.events.iter().filter(|event| instances.contains(&event.instance)).cloned().collect();
        Self { events, settled: self.settled }
    }

    /// Two loads on one store.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let mine = self.events.iter().map(|event| event.client + 1).max().unwrap_or(0);
        self.events.extend(other.events.into_iter().map(|event| Event { client: event.client + mine, ..event }));
        self
    }

    fn of_sessions(&self, from: Duration, to: Duration) -> impl Iterator<Item = &Event> {
        let during = move |event: &&Event| event.op != Op::Plain && event.begin >= from && event.begin < to;
        self.events.iter().filter(during)
    }
}
