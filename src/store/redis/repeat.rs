//! Log-outs of the last minute, repeated on a node that may have lost them.
//!
//! Replication is asynchronous: a failover may lose a log-out that was acknowledged, and so may a restart. Nobody would
//! repeat it but us. A record that was raised to a higher generation since is somebody's new log-in, and stays.

#[cfg(test)]
mod model;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use super::clock::StoreClock;
use super::link::Live;
use super::script::{self, Delivery, Reply, Scripts};
use crate::error::{Unavailable, UnavailableKind};
use crate::store::{Act, GRACE, Outcome, Write, retry};

/// More are not remembered; the oldest are forgotten first.
const MOST: usize = 10_000;

/// Between two attempts to repeat what a node refuses.
const REFUSED: Duration = Duration::from_millis(100);

/// What this process ended.
#[derive(Default)]
pub(super) struct Ended(Mutex<Endings>);

/// The same without its lock, oldest first.
#[derive(Debug, Clone, Default)]
struct Endings(VecDeque<Ending>);

/// A destroyed session, or a dead cookie that was buried.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    at: Instant,
    /// Of the connection that acknowledged it.
    generation: u64,
    key: String,
    write: Write,
}

impl Ending {
    /// Of the record.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

impl Ended {
    /// Remembers a write that was done, if it ended something.
    pub(super) fn note(&self, key: &str, write: &Write, generation: u64) {
        self.endings().note(key, write, generation, Instant::now());
    }

    /// What was ended in the last minute, the newest first: it is the likeliest to be lost.
    pub(super) fn recent(&self) -> Vec<Ending> {
        self.endings().recent(Instant::now())
    }

    /// What an older connection than this one acknowledged since `from`, when it was being left.
    pub(super) fn late(&self, from: Instant, generation: u64) -> Vec<Ending> {
        self.endings().late(from, generation, Instant::now())
    }

    fn endings(&self) -> MutexGuard<'_, Endings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endings {
    fn note(&mut self, key: &str, write: &Write, generation: u64, now: Instant) {
        if !matches!(write.act, Act::Destroy | Act::Bury) {
            return;
        }
        let is_over = |oldest: &Ending| now.duration_since(oldest.at) > GRACE;
        while self.0.len() >= MOST || self.0.front().is_some_and(is_over) {
            self.0.pop_front();
        }
        self.0.push_back(Ending { at: now, generation, key: key.to_owned(), write: write.clone() });
    }

    fn recent(&self, now: Instant) -> Vec<Ending> {
        self.0.iter().rev().filter(|ending| now.duration_since(ending.at) <= GRACE).cloned().collect()
    }

    fn late(&self, from: Instant, generation: u64, now: Instant) -> Vec<Ending> {
        let mut late = self.recent(now);
        late.retain(|ending| ending.at >= from && ending.generation < generation);
        late
    }
}

/// Ends once more what was ended, in one pipeline, and leaves tombstones where there is nothing.
pub(super) async fn repeat(
    endings: &[Ending],
    connection: &mut MultiplexedConnection,
    scripts: &Scripts,
    clock: &StoreClock,
) -> Result<(), Unavailable> {
    let (destroyed, buried): (Vec<_>, Vec<_>) = endings.iter().partition(|ending| ending.write.act == Act::Destroy);
    let outcomes = send(&destroyed, &Act::Destroy, connection, scripts, clock).await?;
    // A record that the node never had: requests under way must find that it was ended, all the same.
    let gone = destroyed.into_iter().zip(outcomes).filter(|(_, outcome)| *outcome == Some(Outcome::Gone));
    let bury: Vec<_> = buried.into_iter().chain(gone.map(|(ending, _)| ending)).collect();
    send(&bury, &Act::Bury, connection, scripts, clock).await?;
    Ok(())
}

/// The outcomes of one act, one for each; none where the script could not decide.
async fn send(
    endings: &[&Ending],
    act: &Act,
    connection: &mut MultiplexedConnection,
    scripts: &Scripts,
    clock: &StoreClock,
) -> Result<Vec<Option<Outcome>>, Unavailable> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    // To run late harms nobody: the generation decides.
    let delivery = Delivery { not_after: clock.now().plus(GRACE), first_sent: None };
    let mut pipe = redis::pipe();
    for (index, ending) in endings.iter().enumerate() {
        let write = Write { act: act.clone(), ..ending.write.clone() };
        // The first brings the script with it.
        pipe.add_command(script::command(scripts.of(act), index > 0, &ending.key, &write, delivery));
    }
    let replies = connection.send_packed_commands(&pipe, 0, pipe.len()).await.map_err(retry::unavailable)?;
    replies.into_iter().map(outcome).collect()
}

fn outcome(reply: Value) -> Result<Option<Outcome>, Unavailable> {
    let reply = match reply.extract_error() {
        // The slot has just moved, with what was ended in it: whoever has it now has that as well.
        Err(error) if error.redirect_node().is_some() => return Ok(None),
        reply => reply.map_err(retry::unavailable)?,
    };
    match script::parse(&reply).map_err(retry::unavailable)? {
        (_, Reply::Decided(outcome)) => Ok(Some(outcome)),
        (_, Reply::Late | Reply::Undecided(_)) => Ok(None),
    }
}

/// Repeats the rest of the log-outs at a pace, and those that the old node acknowledged while it was being left.
pub(super) async fn repeat_rest(
    live: Arc<Live>,
    rest: Vec<Ending>,
    late: impl Fn(&Live) -> Vec<Ending>,
    scripts: Arc<Scripts>,
    clock: Arc<StoreClock>,
) -> Result<(), Unavailable> {
    for portion in rest.chunks(100) {
        repeat_until_done(portion, &live, &scripts, &clock).await?;
        sleep(Duration::from_millis(20)).await;
    }
    // Most of these are known at once, and their cookies would lead to their users again until then.
    for pause in [Duration::ZERO, Duration::from_secs(1)] {
        sleep(pause).await;
        repeat_until_done(&late(&live), &live, &scripts, &clock).await?;
    }
    Ok(())
}

/// For as long as the node refuses, and somebody may still be under way with one of them.
async fn repeat_until_done(
    endings: &[Ending],
    live: &Live,
    scripts: &Scripts,
    clock: &StoreClock,
) -> Result<(), Unavailable> {
    let begun = Instant::now();
    loop {
        match repeat(endings, &mut live.connection(), scripts, clock).await {
            Err(cause) if refuses(cause.kind()) && begun.elapsed() < GRACE => sleep(REFUSED).await,
            done => return done,
        }
    }
}

/// Whether a node that answers does not do what it is told.
pub(super) fn refuses(kind: UnavailableKind) -> bool {
    matches!(kind, UnavailableKind::Refused | UnavailableKind::NoReplicas | UnavailableKind::Denied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Handle, Id, WriteId};

    fn write(act: Act) -> Write {
        let handle: Handle = Id::random().expect("random numbers").handle();
        Write { handle, generation: 1, id: WriteId::random().expect("random numbers"), act }
    }

    #[tokio::test(start_paused = true)]
    async fn endings_are_remembered_for_a_minute_newest_first_and_other_writes_are_not() {
        let ended = Ended::default();
        ended.note("a", &write(Act::Destroy), 1);
        ended.note("slide", &write(Act::Slide { within: GRACE, seen: None }), 1);
        tokio::time::advance(GRACE).await;
        ended.note("b", &write(Act::Bury), 2);
        let keys = || ended.recent().into_iter().map(|ending| ending.key).collect::<Vec<_>>();
        assert_eq!(keys(), ["b", "a"]);
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        assert_eq!(keys(), ["b"]);
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_remembered() {
        let (ended, write) = (Ended::default(), write(Act::Destroy));
        for number in 0..MOST + 3 {
            ended.note(&number.to_string(), &write, 1);
        }
        let recent = ended.recent();
        assert_eq!((recent.len(), recent.last().map(|ending| ending.key.as_str())), (MOST, Some("3")));
    }
}
