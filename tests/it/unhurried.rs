//! Servers that nobody takes for dead because a busy machine stands still for a while: for tests in which none dies.

use std::time::Duration;

use crate::harness::{Cluster, Replicated, ReplicatedSettings};

/// Under Sentinels, with more options of redis-server.
pub(crate) async fn replicated(args: &[&str]) -> Replicated {
    let down_after = Duration::from_secs(5);
    Replicated::start_with(ReplicatedSettings { args, down_after, ..ReplicatedSettings::default() }).await
}

/// The same.
pub(crate) async fn cluster(args: &[&str]) -> Cluster {
    let unhurried = ["--cluster-node-timeout", "5000", "--cluster-require-full-coverage", "no"];
    Cluster::start_with(&[&unhurried, args].concat()).await
}
