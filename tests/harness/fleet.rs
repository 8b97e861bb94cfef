//! Instances of one application on one store.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::browser::Browser;
use super::instance::{Instance, session_key};
use super::redis::RedisServer;

/// Where time is not what is proved: instances without optimisation on a busy machine are slow.
pub(crate) const PATIENT: [(&str, &str); 2] = [("STORE_TIMEOUT_MS", "5000"), ("STORE_BUDGET_MS", "25000")];

/// They share a store and a key, and are named `a`, `b`, `c` and so on.
#[derive(Debug)]
pub(crate) struct Fleet<S = RedisServer> {
    pub(crate) instances: Vec<Instance>,
    pub(crate) redis: S,
    pub(crate) key: String,
}

/// Servers that a URL leads to.
pub(crate) trait Store {
    fn url(&self) -> String;
}

impl Store for RedisServer {
    fn url(&self) -> String {
        self.url()
    }
}

impl Fleet {
    pub(crate) async fn start(count: u8) -> Self {
        Self::start_with(count, &[]).await
    }

    /// With more settings, the same for all.
    pub(crate) async fn start_with(count: u8, env: &[(&str, &str)]) -> Self {
        Self::start_on(RedisServer::start().await, count, env).await
    }
}

impl<S: Store> Fleet<S> {
    pub(crate) async fn start_on(redis: S, count: u8, env: &[(&str, &str)]) -> Self {
        let mut fleet = Self { instances: Vec::new(), redis, key: session_key() };
        for _ in 0..count {
            let env = fleet.env(env);
            fleet.instances.push(Instance::start(&env).await);
        }
        fleet
    }

    /// The settings of the next instance.
    pub(crate) fn env(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let number = u8::try_from(self.instances.len()).unwrap_or(25);
        let name = char::from(b'a' + number).to_string();
        let ours = [("INSTANCE", name), ("STORE", self.redis.url()), ("SESSION_KEYS", self.key.clone())];
        let ours = ours.map(|(name, value)| (name.to_owned(), value));
        ours.into_iter().chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
    }

    /// Of the instance whose turn it is when they take turns.
    pub(crate) fn url(&self, turn: usize) -> String {
        self.instances[turn % self.instances.len()].url()
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.instances.iter().map(Instance::url).collect()
    }

    /// A new user at the first instance.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.url(0))
    }
}

/// The Redis key of the session that a cookie (`sid=…`) opens.
pub(crate) fn record_key(cookie: &str) -> String {
    let value = cookie.split_once('=').map_or(cookie, |(_, value)| value);
    let Ok(token) = URL_SAFE_NO_PAD.decode(value) else {
        panic!("no token in {cookie}");
    };
    let digest = Sha256::digest(&token[1..17]);
    format!("stickless:s:{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// Text as it may stand in a query.
pub(crate) fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
