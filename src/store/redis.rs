//! The store on Redis or Valkey (6.2 or later): a hash for each record, one script for each write.
//!
//! | act | commands |
//! |---|---|
//! | connect | `AUTH`, `SELECT`, `CLIENT SETNAME`, `PING`, `ROLE`, `TIME`, `INFO`, `CONFIG GET`, `SCRIPT LOAD` |
//! | load | `HGETALL`, `PTTL` in one pipeline; on a miss once more with `ROLE`, and a word of the Sentinels or the Cluster |
//! | every write | one `EVALSHA` on one key |
//! | the instance's card, once a minute | `HSET`, `PEXPIRE`, `HGETALL` |

mod advice;
mod apply;
mod attempts;
mod builder;
mod clock;
mod cluster;
mod connect;
mod dial;
mod durability;
mod fleet;
mod link;
mod load;
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
mod waiter;
mod whole;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter, unfold};
use redis::{RedisError, Value};
use tokio::sync::watch;

pub(crate) use self::advice::Advice;
use self::attempts::Attempts;
pub use self::builder::RedisStoreBuilder;
pub(crate) use self::dial::Refusal;
pub use self::dial::{Dial, Stream};
use self::durability::Weight;
pub use self::durability::{Durability, Unmet};
pub use self::link::LinkState;
use self::nodes::{Nodes, Target};
use self::pubsub::{Heard, Subscription};
use self::script::Scripts;
#[cfg(feature = "tls")]
pub use self::tls::{Pem, Tls};
pub(crate) use self::url::Address;
use super::retry::Policy;
use super::roster::{Act, Name, Roster};
use super::{
    Budget, Card, Endings, Loaded, News, Outcome, Reason, Store, Timestamp, Write, endings, roster as rosters,
};
use crate::error::{ConfigError, Unavailable};
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
    durability: Durability,
    nodes: Nodes,
    scripts: Arc<Scripts>,
}

impl RedisStore {
    /// A store at a URL; `valkey` may stand in place of `redis`, and `rediss` is TLS to all servers (feature `tls`):
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
            let done = attempt.within(pin!(send)).await;
            if attempts.came_to(&attempt, done)?.is_some() {
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
        self.shared.load(handles, budget).await
    }

    async fn apply(&self, write: &Write, budget: &Budget) -> Result<Outcome, Unavailable> {
        self.shared.apply(write, Weight::of(&write.act), budget).await
    }

    async fn save(&self, write: &Write, budget: &Budget) -> Result<Outcome, Unavailable> {
        self.shared.apply(write, Weight::Weighty, budget).await
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
        self.shared.ping(budget).await
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
