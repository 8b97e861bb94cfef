//! A session's life as its user sees it: one instance, over HTTP, in memory and on Redis.

mod limits;
mod log_in;
mod log_out;
mod records;
mod values;
mod visits;

use crate::harness::{Browser, Instance, Monitor, RedisServer, session_key};

/// Which store a test runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Memory,
    Redis,
}

impl On {
    pub(crate) async fn start(self) -> Stage {
        self.start_with(&[]).await
    }

    pub(crate) async fn start_with(self, env: &[(&str, &str)]) -> Stage {
        let redis = match self {
            Self::Memory => None,
            Self::Redis => Some(RedisServer::start().await),
        };
        let store = redis.as_ref().map_or("memory".to_owned(), RedisServer::url);
        let key = session_key();
        let ours = [("STORE", store.as_str()), ("SESSION_KEYS", &key)];
        let instance = Instance::start(&[&ours[..], env].concat()).await;
        Stage { instance, redis }
    }
}

/// One instance and its store.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) instance: Instance,
    redis: Option<RedisServer>,
}

impl Stage {
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.instance.url())
    }

    /// Panics in memory.
    #[track_caller]
    pub(crate) fn redis(&self) -> &RedisServer {
        self.redis.as_ref().expect("a test of Redis alone")
    }

    /// What Redis is asked; in memory nobody can look.
    pub(crate) async fn monitor(&self) -> Option<Monitor> {
        match &self.redis {
            Some(redis) => Some(redis.monitor().await),
            None => None,
        }
    }

    /// Asserts how many records Redis holds; in memory nobody can look.
    pub(crate) async fn assert_stored(&self, records: usize) {
        if let Some(redis) = &self.redis {
            assert_eq!(redis.records().await.len(), records);
        }
    }
}

/// Of what Redis was asked, what was asked for sessions: its card an instance posts beside them, when it likes.
pub(crate) fn of_sessions(lines: &[String]) -> impl Iterator<Item = &String> {
    lines.iter().filter(|line| !line.contains(":fleet\""))
}

/// Makes two tests of each function that takes [`On`].
macro_rules! on_each_store {
    ($($name:ident,)*) => {
        mod in_memory {
            $(#[tokio::test] async fn $name() { super::$name(crate::lifecycle::On::Memory).await; })*
        }
        mod on_redis {
            $(#[tokio::test] async fn $name() { super::$name(crate::lifecycle::On::Redis).await; })*
        }
    };
}
use on_each_store;
