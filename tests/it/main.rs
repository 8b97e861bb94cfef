//! Every promise, each as a named test, against real servers. A test's name is the sentence that it proves.

#[path = "../harness/lib.rs"]
mod harness;

mod acts;
mod agreement;
mod browser;
mod clocks;
mod cluster;
mod commands;
mod concurrency;
mod contract;
mod cookies;
mod documents;
mod domains;
mod drift;
mod durability;
mod edge;
mod failover;
mod faults;
mod lifecycle;
mod load;
mod log;
mod nemesis;
mod nginx;
mod permissions;
mod plain_services;
mod protocol;
mod secrets;
mod settings;
mod spy;
mod tls;
mod unhurried;
mod users;
mod wait;

use self::wait::until;
