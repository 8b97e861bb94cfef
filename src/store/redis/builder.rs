//! The settings of a store, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::ProtocolVersion;

use super::clock::StoreClock;
use super::connect::{Door, Route};
use super::dial::Dial;
use super::durability::Durability;
use super::nodes::Nodes;
use super::resolver::Compass;
use super::script::Scripts;
use super::sentinel::Sentinels;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::url::{self, Address, Place, Topology};
use super::{RedisStore, Shared};
use crate::error::ConfigError;
use crate::store::retry::Policy;

/// More connections are more sockets, and nothing else.
const CONNECTIONS_MOST: usize = 64;

/// Settings of a [`RedisStore`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
/// use std::time::Duration;
/// use stickless::store::RedisStore;
///
/// let store = RedisStore::builder("redis://10.0.0.7")
///     .prefix("shop:")
///     .timeout(Duration::from_millis(400))
///     .budget(Duration::from_secs(3))
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use]
pub struct RedisStoreBuilder {
    url: String,
    dial: Option<Dial>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    prefix: String,
    name: String,
    policy: Policy,
    connect_timeout: Duration,
    connections: usize,
    early_switch: bool,
    durability: Durability,
}

impl RedisStoreBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            dial: None,
            #[cfg(feature = "tls")]
            tls: None,
            prefix: "stickless:".to_owned(),
            name: "stickless".to_owned(),
            policy: Policy::default(),
            connect_timeout: Duration::from_millis(300),
            connections: 1,
            early_switch: false,
            durability: Durability::default(),
        }
    }

    /// Opens connections in a way of one's own, with TLS or not; user, password and database still come from the URL.
    ///
    /// ```
    /// use stickless::store::Dial;
    /// use tokio::net::TcpStream;
    ///
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.dial(Dial::new(|| TcpStream::connect("127.0.0.1:6380")));
    /// ```
    pub fn dial(mut self, dial: Dial) -> Self {
        self.dial = Some(dial);
        self
    }

    /// TLS other than by default, which trusts what the system trusts, presents no certificate of ours, and knows each
    /// server by the name or address under which it is dialled. For URLs that begin with `rediss`.
    ///
    /// ```
    /// use stickless::store::{Pem, Tls};
    ///
    /// # let builder = stickless::store::RedisStore::builder("rediss://10.0.0.7");
    /// let builder = builder.tls(Tls::default().ca(Pem::file("/etc/redis/ca.crt")));
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Before every key. Default: `stickless:`.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.prefix("shop:");
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The limit of dialling a node or a Sentinel, of the TLS handshake, of presenting oneself, and of the first questions,
    /// each. It is also how long a hanging node can hold up the next attempt. Default: 300 ms.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.connect_timeout(std::time::Duration::from_millis(500));
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Connections to the node, or to each master of a Cluster, that all calls share. Default: 1, which carried 124,000
    /// reads a second from one thread in `benches/link.rs`, two 121,000 and four 139,000, at up to twice the CPU for the
    /// link itself; more pay only where the server has a core to spare for its I/O threads.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.connections(2);
    /// ```
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Under Sentinel, whether to go to a replica as soon as it is promoted, and not only when the Sentinels say that the
    /// switch is done, about a second later. What the old master acknowledges in that second is lost, so this loses
    /// less. But if the leading Sentinel dies in that very second, the replica may be turned back, and what was written
    /// to it is lost instead. Default: no.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.early_switch(true);
    /// ```
    pub fn early_switch(mut self, early: bool) -> Self {
        self.early_switch = early;
        self
    }

    /// Which writes wait until replicas have them. It costs one connection more to each master. Default: none, so a
    /// failover may lose what was acknowledged last.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::store::Durability;
    ///
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.durability(Durability::replicas(1, Duration::from_millis(200)));
    /// ```
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The connection's name in `CLIENT LIST`. Default: `stickless`.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.name("shop");
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Attempts of one call. Default: 3.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.attempts(5);
    /// ```
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.policy.attempts = attempts;
        self
    }

    /// The limit of one attempt. Default: 250 ms.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.timeout(std::time::Duration::from_millis(400));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// The limit of all time that one request spends in store calls. Default: 1 s.
    ///
    /// ```
    /// # let builder = stickless::store::RedisStore::builder("redis://127.0.0.1");
    /// let builder = builder.budget(std::time::Duration::from_secs(3));
    /// ```
    pub fn budget(mut self, budget: Duration) -> Self {
        self.policy.budget = budget;
        self
    }

    /// The store; it begins to connect.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
    /// use stickless::store::RedisStore;
    ///
    /// // It does not wait for the server.
    /// let store = RedisStore::builder("redis://127.0.0.1").build()?;
    /// assert!(RedisStore::builder("redis://127.0.0.1").attempts(0).build().is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A setting that cannot work, or no Tokio runtime to run in.
    pub fn build(self) -> Result<RedisStore, ConfigError> {
        let policy = self.policy.check()?;
        let durability = self.durability.check(policy.budget)?;
        if self.connect_timeout.is_zero() {
            return Err(ConfigError::new("connect_timeout", "0ms", "must be above zero"));
        }
        if !(1..=CONNECTIONS_MOST).contains(&self.connections) {
            let reason = format!("must be from 1 to {CONNECTIONS_MOST}");
            return Err(ConfigError::new("connections", self.connections, reason));
        }
        if self.name.is_empty() || !self.name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::new("name", &self.name, "must be of visible ASCII characters, without blanks"));
        }
        let place = url::parse(&self.url)?;
        let dial = self.way(&place)?;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(ConfigError::new("store", "redis", "must be built inside a Tokio runtime"));
        }
        let door = Door {
            dial,
            settings: place.access.settings(place.database),
            name: self.name,
            limit: self.connect_timeout,
        };
        let (scripts, clock) = (Arc::new(Scripts::new()), Arc::new(StoreClock::new()));
        let cluster = matches!(place.topology, Topology::Cluster(_));
        let (connections, quorum) = (self.connections, durability.quorum());
        let route = Route { door, connections, scripts: scripts.clone(), clock, quorum, cluster };
        let nodes = nodes(route, place.topology, self.early_switch);
        Ok(RedisStore { shared: Arc::new(Shared { prefix: self.prefix, policy, durability, nodes, scripts }) })
    }

    /// The way to the servers: one's own, or as the URL says.
    fn way(&self, place: &Place) -> Result<Dial, ConfigError> {
        #[cfg(feature = "tls")]
        match &self.tls {
            Some(tls) if self.dial.is_some() => return Err(tls.useless("a dial of one's own brings its own TLS")),
            Some(tls) if !place.tls => return Err(tls.useless("the store's URL does not begin with rediss")),
            tls if self.dial.is_none() && place.tls => {
                return Ok(Dial::over_tls(tls.clone().unwrap_or_default().check(&place.topology)?));
            }
            _ => {}
        }
        self.dial.clone().map_or_else(|| Dial::of(place), Ok)
    }
}

fn nodes(route: Route, topology: Topology, early: bool) -> Nodes {
    let compass = match topology {
        Topology::Node(address) => Compass::Node(address),
        // A socket has no port; its dial needs neither.
        Topology::Socket(path) => Compass::Node(Address::new(path.display().to_string(), 0)),
        Topology::Sentinels { addresses, service, access } => {
            // The newer protocol lets one connection listen and be asked. Sentinels have no databases.
            let settings = access.settings(0).set_protocol(ProtocolVersion::RESP3);
            let door = Door { settings, ..route.door.clone() };
            Compass::Sentinels(Arc::new(Sentinels::start(door, &addresses, service, early)))
        }
        Topology::Cluster(seeds) => return Nodes::cluster(route, seeds),
    };
    Nodes::one(route, compass)
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
