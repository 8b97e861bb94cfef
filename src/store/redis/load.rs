//! Reading records: a hit is believed, a miss looked at twice.

use std::pin::pin;

use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{Cmd, Value};

use super::attempts::{Attempt, Attempts, Failure};
use super::connect::is_master;
use super::nodes::Target;
use super::{Shared, read, sound};
use crate::error::{Unavailable, UnavailableKind};
use crate::id::Handle;
use crate::store::{Budget, Loaded, retry};

impl Shared {
    pub(super) async fn load(&self, handles: &[Handle], budget: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        if handles.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = handles.iter().map(|handle| self.key(*handle)).collect();
        let first = self.read_all(&keys, false, budget).await?;
        let found = first.iter().any(|loaded| matches!(loaded, Loaded::Found(_)));
        if found || !first.contains(&Loaded::Missing) {
            return Ok(first);
        }
        // A node that is no longer the master answers an empty record without an error.
        Box::pin(self.read_all(&keys, true, budget)).await
    }

    /// Whether the server answers; of a Cluster, whether most of the masters do.
    pub(super) async fn ping(&self, budget: &Budget) -> Result<(), Unavailable> {
        let shards = self.nodes.shards();
        if shards.is_empty() {
            return self.read(Target::Any, &[], true, budget).await.map(|_| ());
        }
        let ask = |shard| self.read(Target::Shard(shard), &[], true, budget);
        let mut asked: FuturesUnordered<_> = shards.iter().map(ask).collect();
        let (mut well, mut last) = (0, Unavailable::from(UnavailableKind::Disconnected));
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(_) => well += 1,
                Err(cause) => last = cause,
            }
            if well * 2 > shards.len() {
                return Ok(());
            }
        }
        Err(last)
    }

    /// Reads records; on a Cluster each from its own shard.
    async fn read_all(&self, keys: &[String], doubtful: bool, budget: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        if !self.nodes.is_cluster() {
            return self.read(Target::Any, keys, doubtful, budget).await;
        }
        try_join_all(keys.iter().map(|key| self.read_one(key, doubtful, budget))).await
    }

    async fn read_one(&self, key: &String, doubtful: bool, budget: &Budget) -> Result<Loaded, Unavailable> {
        let read = self.read(Target::Key(key), std::slice::from_ref(key), doubtful, budget).await?;
        read.into_iter().next().ok_or_else(|| UnavailableKind::Disconnected.into())
    }

    /// Reads records from one node.
    async fn read(
        &self,
        target: Target<'_>,
        keys: &[String],
        doubtful: bool,
        budget: &Budget,
    ) -> Result<Vec<Loaded>, Unavailable> {
        let mut attempts = Attempts::begin(&self.nodes, target, self.policy, budget);
        loop {
            let attempt = attempts.next().await?;
            let look = async {
                let records = read_records(&attempt, keys, doubtful).await?;
                if doubtful && records.contains(&Loaded::Missing) {
                    // Within the attempt: its own time-out would be taken for the node's.
                    let limit = attempt.limit * 3 / 4;
                    Box::pin(attempt.shard.link.confirm(attempt.owner(), keys, limit)).await?;
                }
                Ok(records)
            };
            let looked = attempt.within(pin!(look)).await;
            if let Some(records) = attempts.came_to(&attempt, looked)? {
                return Ok(records);
            }
        }
    }
}

/// Reads records in one pipeline, its replies one by one; `doubtful` asks along with it whether this is the master.
async fn read_records(attempt: &Attempt, keys: &[String], doubtful: bool) -> Result<Vec<Loaded>, Failure> {
    let mut commands = Vec::with_capacity(2 * keys.len() + usize::from(doubtful));
    for key in keys {
        for name in ["HGETALL", "PTTL"] {
            // Room for the whole command at once: they are all as long.
            let mut command = Cmd::with_capacity(2, name.len() + key.len());
            command.arg(name).arg(key);
            commands.push(command);
        }
    }
    if doubtful {
        commands.push(redis::cmd("ROLE"));
    }
    let mut replies = attempt.call_all(commands).await?.into_iter();
    let mut next = || sound(replies.next().unwrap_or(Value::Nil));
    let mut records = Vec::with_capacity(keys.len());
    for _ in keys {
        let (hash, pttl) = (next(), next()?);
        let loaded = match hash {
            Ok(hash) => read::loaded(&hash, &pttl),
            // Not a hash: this session alone is unreadable.
            Err(error) if retry::remedy(&error).1 == UnavailableKind::Corrupt => {
                Err(Unavailable::new(UnavailableKind::Corrupt, error))
            }
            Err(error) => return Err(error.into()),
        };
        records.push(loaded.unwrap_or_else(Loaded::Unreadable));
    }
    if doubtful && !is_master(&next()?) {
        return Err(UnavailableKind::NotMaster.into());
    }
    Ok(records)
}
