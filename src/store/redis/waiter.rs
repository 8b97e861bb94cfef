//! The connection that waits for replicas.
//!
//! `WAIT` holds up its connection, and looks at what that connection wrote last: so it has one of its own, which writes
//! a little something first. The master's log is one, so a replica that has that has all that was answered before it.
//! Those who come while one wait is under way share the next one.
//!
//! The connection is opened before any write is sent to the node, and ends together with the others: one that was opened
//! later could be to a node that has restarted since, and knows nothing of the write.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::durability::Quorum;
use super::sound;
use crate::clock::millis;
use crate::error::{Unavailable, UnavailableKind};
use crate::store::retry::{self, Remedy};

/// Sets a key's life to what it is: that is a write like any other to replicas, and changes nothing.
const MARK: &str = "local left = redis.call('PTTL', KEYS[1])
return left > 0 and redis.call('PEXPIRE', KEYS[1], left) or 0";

/// So many share one wait at most.
const ROUND_MOST: usize = 1024;

/// Of one node.
#[derive(Clone)]
pub(super) struct Waiter {
    queue: mpsc::Sender<Asked>,
    quorum: Quorum,
    /// In the last wait, too few replicas had what they should.
    behind: Arc<AtomicBool>,
}

/// What came of a wait.
#[derive(Debug, Clone)]
pub(super) enum Waited {
    /// Enough replicas have it.
    Enough,
    /// They do not, for as long as one may wait.
    TooFew,
    /// The node does not answer.
    Silence,
    /// The node, or the connection to it, is of no use any more.
    Lost(Unavailable),
    /// The key is another node's by now.
    Moved,
    /// The node does not let us wait.
    Denied(Unavailable),
}

struct Asked {
    key: String,
    /// The slot is on its way to this node.
    asking: bool,
    told: oneshot::Sender<Waited>,
}

impl Waiter {
    /// Must be called in a Tokio runtime. Its task ends with the last clone.
    pub(super) fn start(connection: MultiplexedConnection, quorum: Quorum) -> Self {
        let ((queue, asked), behind) = (mpsc::channel(ROUND_MOST), Arc::<AtomicBool>::default());
        tokio::spawn(wait_in_rounds(connection, asked, quorum, behind.clone()));
        Self { queue, quorum, behind }
    }

    pub(super) fn quorum(&self) -> Quorum {
        self.quorum
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Waits until enough replicas have what was written to a key, and all that was answered before; for a node that
    /// hangs, a little longer.
    pub(super) async fn wait(&self, key: &str, asking: bool, patience: Duration) -> Waited {
        let mut answer = pin!(async {
            let (told, answer) = oneshot::channel();
            let asked = Asked { key: key.to_owned(), asking, told };
            match self.queue.send(asked).await {
                Ok(()) => answer.await.ok(),
                Err(_) => None,
            }
        });
        let mut waited = timeout(self.quorum.limit, &mut answer).await;
        if waited.is_err() {
            if self.is_behind() {
                return Waited::TooFew;
            }
            // The round before may have taken as long as this one.
            waited = timeout(self.quorum.limit + patience, answer).await;
        }
        match waited {
            Ok(Some(waited)) => waited,
            Ok(None) => Waited::Lost(UnavailableKind::Disconnected.into()),
            Err(_) => Waited::Silence,
        }
    }

    /// Has it looked whether replicas are behind still, without waiting.
    pub(super) fn look(&self, key: &str, asking: bool) {
        if self.queue.capacity() == self.queue.max_capacity() {
            let told = oneshot::channel().0;
            // If others were faster, they will see it.
            let _ = self.queue.try_send(Asked { key: key.to_owned(), asking, told });
        }
    }
}

async fn wait_in_rounds(
    mut connection: MultiplexedConnection,
    mut queue: mpsc::Receiver<Asked>,
    quorum: Quorum,
    behind: Arc<AtomicBool>,
) {
    let mut round = Vec::new();
    while queue.recv_many(&mut round, ROUND_MOST).await > 0 {
        let pipe = pipeline(&round, quorum);
        let replies = connection.send_packed_commands(&pipe, 0, pipe.len()).await;
        let waited = waited(replies, &round, quorum);
        if let Some(Waited::Enough | Waited::TooFew) = waited.first() {
            behind.store(matches!(waited[0], Waited::TooFew), Ordering::Relaxed);
        }
        for (asked, waited) in round.drain(..).zip(waited) {
            // Who does not listen any more has gone.
            let _ = asked.told.send(waited);
        }
    }
}

fn pipeline(round: &[Asked], quorum: Quorum) -> Pipeline {
    let mut pipe = Pipeline::with_capacity(2 * round.len() + 1);
    for Asked { key, asking, .. } in round {
        if *asking {
            pipe.cmd("ASKING");
        }
        pipe.cmd("EVAL").arg(MARK).arg(1).arg(key);
    }
    pipe.cmd("WAIT").arg(quorum.replicas).arg(millis(quorum.limit));
    pipe
}

/// What each of a round is told: the node's word on its own key, or else on the wait.
fn waited(replies: Result<Vec<Value>, RedisError>, round: &[Asked], quorum: Quorum) -> Vec<Waited> {
    let mut replies = match replies {
        Ok(replies) => replies.into_iter(),
        Err(error) => return vec![failed(error); round.len()],
    };
    let all = match replies.next_back().map(sound) {
        Some(Ok(Value::Int(count))) if count >= i64::from(quorum.replicas) => Waited::Enough,
        Some(Ok(_)) => Waited::TooFew,
        Some(Err(error)) => failed(error),
        None => Waited::Lost(UnavailableKind::Disconnected.into()),
    };
    let mut own = |asked: &Asked| {
        let marked = replies.nth(usize::from(asked.asking)).map(sound);
        if let Some(Err(error)) = marked { failed(error) } else { all.clone() }
    };
    round.iter().map(&mut own).collect()
}

fn failed(error: RedisError) -> Waited {
    if error.redirect_node().is_some() {
        return Waited::Moved;
    }
    match retry::remedy(&error) {
        (_, UnavailableKind::NoReplicas) => Waited::TooFew,
        (Remedy::GiveUp, kind) => Waited::Denied(Unavailable::new(kind, error)),
        (_, kind) => Waited::Lost(Unavailable::new(kind, error)),
    }
}
