//! The store on Redis or Valkey (6.2 or later): a hash for each record, one script for each write.
//!
//! | act | commands |
//! |---|---|
//! | connect | `AUTH`, `SELECT`, `CLIENT SETNAME`, `PING`, `ROLE`, `TIME`, `INFO`, `CONFIG GET`, `SCRIPT LOAD` |
//! | load | `HGETALL`, `PTTL` in one pipeline; on a miss once more with `ROLE`, and a word of the Sentinels or the Cluster |
//! | every write | one `EVALSHA` on one key |
//! | the instance's card, once a minute | `HSET`, `PEXPIRE`, `HGETALL` |

mod advice;
mod attempts;
mod builder;
mod clock;
mod cluster;
mod connect;
mod dial;
mod fleet;
mod link;
mod nodes;
mod pubsub;
mod read;
mod repeat;
mod resolver;
mod roster;
mod script;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;
mod url;
mod whole;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _, iter, unfold};
use redis::{Cmd, RedisError, Value};
use tokio::sync::watch;

pub(crate) use self::advice::Advice;
use self::attempts::{Attempt, Attempts, Failure};
pub use self::builder::RedisStoreBuilder;
use self::connect::is_master;
pub use self::dial::{Dial, Stream};
pub use self::link::LinkState;
use self::nodes::{Nodes, Target};
use self::pubsub::{Heard, Subscription};
use self::script::{Delivery, Reply, Scripts};
pub(crate) use self::url::Address;
use super::retry::{self, Policy, Remedy};
use super::roster::{Act, Name, Roster};
use super::{
    Budget, Card, Done, Endings, Loaded, News, Outcome, Reason, Store, Timestamp, Write, endings, roster as rosters,
};
use crate::error::{ConfigError, Unavailable, UnavailableKind};
use crate::id::Handle;

/// The channel on which endings are announced.
const ENDINGS: &str = "endings";

/// Sessions on a Redis or Valkey server, shared by its clones.
///
/// It never blocks its start: while the server is away, calls wait within the request's budget and then fail. All its
/// tasks end when the last clone is dropped.
///
/// ```no_run
/// use stickless::{KeyRing, SessionLayer, store::RedisStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379")?;
/// let keys = KeyRing::parse(&std::env::var("SESSION_KEYS")?)?;
/// let layer = SessionLayer::new(store, keys)?;
/// # Ok(()) }
/// ```
///
/// Under Sentinel the store follows the master through every failover. Which settings of the servers keep users logged
/// in, and what a failover may lose, stands in `docs/redis.md`.
///
/// ```no_run
/// use std::time::Duration;
/// use stickless::store::RedisStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
/// let url = "redis+sentinel://app:password@10.0.0.1,10.0.0.2,10.0.0.3/main?sentinel_password=another";
/// // Requests wait for the new master rather than fail.
/// let store = RedisStore::builder(url).budget(Duration::from_secs(3)).build()?;
/// let mut link = store.watch();
/// tokio::spawn(async move {
///     while link.changed().await.is_ok() {
///         println!("the store is {:?}", *link.borrow_and_update());
///     }
/// });
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    prefix: String,
    policy: Policy,
    nodes: Nodes,
    scripts: Arc<Scripts>,
}

impl RedisStore {
    /// A store at a URL; `valkey` may stand in place of `redis`, and `rediss` is TLS (feature `tls`):
    ///
    /// * a node: `redis://[user:password@]host[:6379][/database]`,
    /// * a unix socket: `unix:///path[?db=…&user=…&pass=…]`,
    /// * Sentinels, and the service that they watch:
    ///   `redis+sentinel://[user:password@]host[:26379],host…/service[/database]`, where user and password are the
    ///   nodes'; the Sentinels' own are `?sentinel_username=…&sentinel_password=…`. Also `redis-sentinel`,
    /// * a Cluster, of which some nodes are named: `redis+cluster://[user:password@]host[:6379],host…`. Also
    ///   `redis-cluster`.
    ///
    /// IPv6 addresses stand in brackets, and what has a meaning of its own is percent-encoded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
    /// use stickless::store::RedisStore;
    ///
    /// let node = RedisStore::connect("redis://127.0.0.1:6379/0")?;
    /// let watched = RedisStore::connect("redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/mymaster")?;
    /// let refused = RedisStore::connect("http://127.0.0.1").unwrap_err();
    /// assert_eq!(refused.setting(), "store");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A URL that cannot work, or no Tokio runtime to run in. It does not wait for the server.
    pub fn connect(url: &str) -> Result<Self, ConfigError> {
        Self::builder(url).build()
    }

    /// A store with other settings than the defaults.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
    /// use std::time::Duration;
    /// use stickless::store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://127.0.0.1").prefix("shop:").budget(Duration::from_secs(3)).build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    /// Listens to what any instance publishes on a channel.
    pub(crate) fn subscribe(&self, channel: &str) -> Subscription {
        self.shared.nodes.subscribe(format!("{}{channel}", self.shared.prefix))
    }

    /// Publishes to whoever listens now; a repeated attempt may be heard twice.
    ///
    /// # Errors
    ///
    /// It may have been heard or not.
    pub(crate) async fn publish(&self, channel: &str, message: &[u8], budget: &Budget) -> Result<(), Unavailable> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(format!("{}{channel}", self.shared.prefix)).arg(message);
        let mut attempts = Attempts::begin(&self.shared.nodes, Target::Any, self.shared.policy, budget);
        loop {
            let attempt = attempts.next().await?;
            let send = async {
                sound(attempt.call(publish.clone()).await?)?;
                Ok(())
            };
            if attempts.run(&attempt, send).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Whether the server can be reached, now and as it changes; most of the masters, of a Cluster.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
    /// use stickless::store::{LinkState, RedisStore};
    ///
    /// let store = RedisStore::connect("redis://127.0.0.1")?;
    /// let is_ready = *store.watch().borrow() == LinkState::Up;
    /// # Ok(()) }
    /// ```
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.shared.nodes.watch()
    }
}

impl Store for RedisStore {
    async fn load(&self, handles: &[Handle], budget: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        if handles.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = handles.iter().map(|handle| self.shared.key(*handle)).collect();
        let first = self.shared.read_all(&keys, false, budget).await?;
        let found = first.iter().any(|loaded| matches!(loaded, Loaded::Found(_)));
        if found || !first.contains(&Loaded::Missing) {
            return Ok(first);
        }
        // A node that is no longer the master answers an empty record without an error.
        self.shared.read_all(&keys, true, budget).await
    }

    async fn apply(&self, write: &Write, budget: &Budget) -> Result<Outcome, Unavailable> {
        let (shared, key) = (&*self.shared, self.shared.key(write.handle));
        let mut attempts = Attempts::begin(&shared.nodes, Target::Key(&key), shared.policy, budget);
        let mut first_sent: Option<Instant> = None;
        loop {
            let attempt = attempts.next().await?;
            // By the clock of the node that it is sent to.
            let (sent, clock) = (Instant::now(), &attempt.shard.clock);
            let not_after = clock.now().plus(attempt.limit);
            let delivery = Delivery { not_after, first_sent: first_sent.map(|first| clock.ago(sent - first)) };
            match attempts.run(&attempt, shared.deliver(&attempt, &key, write, delivery)).await? {
                Some(Delivered::InTime(outcome)) => {
                    if let Outcome::Done(done) = &outcome {
                        shared.nodes.ended.note(&key, &to_repeat(write, done), attempt.live.generation());
                        if attempt.shard.link.has_left(&attempt.live) {
                            // What a node acknowledges that all have left is lost: the next one recognises it, or does it.
                            first_sent = first_sent.or(Some(sent));
                            continue;
                        }
                    }
                    return Ok(outcome);
                }
                // It did nothing, so it does not count as sent.
                Some(Delivered::Late) => {}
                None => first_sent = first_sent.or(Some(sent)),
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.nodes.now()
    }

    fn budget(&self) -> Duration {
        self.shared.policy.budget
    }

    async fn post(&self, card: &Card, budget: &Budget) -> Result<Option<Vec<Card>>, Unavailable> {
        self.shared.post(card, budget).await.map(Some)
    }

    /// Of a Cluster: whether most of the masters do.
    async fn ping(&self, budget: &Budget) -> Result<(), Unavailable> {
        let shards = self.shared.nodes.shards();
        if shards.is_empty() {
            return self.shared.read(Target::Any, &[], true, budget).await.map(|_| ());
        }
        let ask = |shard| self.shared.read(Target::Shard(shard), &[], true, budget);
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
}

/// What is repeated of a write that was done. A session that others ended is destroyed under the generation that it had,
/// so that whoever logs in with it afterwards stays.
fn to_repeat<'a>(write: &'a Write, done: &Done) -> Cow<'a, Write> {
    match write.act {
        super::Act::End { .. } => {
            Cow::Owned(Write { act: super::Act::Destroy, generation: done.generation, ..write.clone() })
        }
        _ => Cow::Borrowed(write),
    }
}

impl Roster for RedisStore {
    async fn enrol(&self, name: Name, act: &Act, budget: &Budget) -> Result<rosters::Outcome, Unavailable> {
        self.shared.enrol(name, act, budget).await
    }

    async fn announce(&self, handles: &[Handle], reason: Reason, budget: &Budget) -> Result<(), Unavailable> {
        self.publish(ENDINGS, endings::write(handles, reason).as_bytes(), budget).await
    }

    fn endings(&self) -> Endings {
        let heard = unfold(self.subscribe(ENDINGS), async |mut subscription| {
            let news = match subscription.next().await? {
                Heard::Message(message) => endings::read(&message),
                Heard::Gap => vec![News::Gap],
            };
            Some((iter(news), subscription))
        });
        Endings::of(heard.flatten())
    }
}

impl Shared {
    fn key(&self, handle: Handle) -> String {
        let mut key = String::with_capacity(self.prefix.len() + 2 + Handle::TEXT);
        key.push_str(&self.prefix);
        key.push_str("s:");
        handle.push_to(&mut key);
        key
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
                    attempt.shard.link.confirm(attempt.owner(), keys, limit).await?;
                }
                Ok(records)
            };
            if let Some(records) = attempts.run(&attempt, look).await? {
                return Ok(records);
            }
        }
    }

    /// Sends a write once; a second time, with the script itself, to a server that does not know it.
    async fn deliver(
        &self,
        attempt: &Attempt,
        key: &str,
        write: &Write,
        delivery: Delivery,
    ) -> Result<Delivered, Failure> {
        let script = self.scripts.of(&write.act);
        let send = async |known| attempt.call(script::command(script, known, key, write, delivery)).await;
        let reply = match send(true).await.and_then(sound) {
            Err(error) if retry::remedy(&error).0 == Remedy::LoadScript => sound(send(false).await?)?,
            reply => reply?,
        };
        let (now, reply) = script::parse(&reply)?;
        attempt.shard.clock.compare(now);
        match reply {
            Reply::Decided(outcome) => Ok(Delivered::InTime(outcome)),
            Reply::Late => {
                attempt.shard.clock.anchor(now);
                Ok(Delivered::Late)
            }
            Reply::Undecided(unavailable) => Err(unavailable.into()),
        }
    }
}

/// What became of one delivery of a write.
enum Delivered {
    InTime(Outcome),
    /// It came after its time and did nothing.
    Late,
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

/// The reply, if it is no error. None of ours has errors inside, so it is not taken apart to look for them.
fn sound(reply: Value) -> Result<Value, RedisError> {
    match reply {
        Value::ServerError(error) => Err(error.into()),
        reply => Ok(reply),
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("prefix", &self.prefix)
            .field("link", &self.nodes.state())
            .finish_non_exhaustive()
    }
}
