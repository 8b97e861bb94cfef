//! Private servers for tests, the demo and the benches: Redis, nginx, instances, a browser, a faulty wire.
//!
//! Whatever is started here listens on loopback only, answers when its `start` returns, and is gone with
//! its directory when its value is dropped: also when a test panics, and also when the process is killed.
//!
//! ```ignore
//! let redis = RedisServer::start().await;
//! let key = session_key();
//! let env = [("STORE", redis.url()), ("SESSION_KEYS", key)];
//! let a = Instance::start(&env).await;
//! let b = Instance::start(&env).await;
//! let nginx = Nginx::start(&[a.port(), b.port()]).await;
//! let browser = Browser::new(nginx.url());
//! assert_eq!(browser.get("/count").send().await.json()["count"], 1);
//! ```
//!
//! `start` panics with the reason, which is what a test wants; `try_start` returns it, for the demo.

#![allow(dead_code, unused_imports, reason = "each of tests, demo and benches uses another part")]

mod authority;
mod browser;
mod chromium;
mod chromium_tab;
mod cli;
mod cluster;
mod dir;
mod error;
mod fleet;
mod http;
mod instance;
mod log;
mod monitor;
mod nginx;
mod nginx_conf;
mod port;
mod previous;
mod process;
mod raw;
mod redis;
mod replicated;
mod replication;
mod sentinel;
mod tcp_proxy;
mod turned;
mod wait;
mod watchdog;

pub(crate) use authority::{Authority, self_signed};
pub(crate) use browser::Browser;
pub(crate) use chromium::Chromium;
pub(crate) use chromium_tab::{Tab, TabId};
pub(crate) use cli::{field, info};
pub(crate) use cluster::Cluster;
pub(crate) use dir::TempDir;
pub(crate) use error::{Error, Result};
pub(crate) use fleet::{Fleet, PATIENT, Store, percent, record_key};
pub(crate) use http::{Answer, Client, Request};
pub(crate) use instance::{Instance, binary, session_key};
pub(crate) use monitor::Monitor;
pub(crate) use nginx::Nginx;
pub(crate) use nginx_conf::{Certificate, Settings as NginxSettings};
pub(crate) use port::free_port;
pub(crate) use previous::previous_instance;
pub(crate) use process::{Process, Signal, find_program};
pub(crate) use raw::raw;
pub(crate) use redis::RedisServer;
pub(crate) use replicated::{Node, Replicated, Settings as ReplicatedSettings};
pub(crate) use sentinel::Sentinel;
pub(crate) use tcp_proxy::{Mode, TcpProxy};
pub(crate) use turned::TurnedRedis;
