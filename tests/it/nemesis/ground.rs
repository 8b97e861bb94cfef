//! The stores that the nemesis haunts.

mod cluster;
mod sentinel;

use std::time::Duration;

use super::plan::Topology;
use crate::harness::{Mode, RedisServer, Sentinel, Store, TcpProxy};

/// Behind wires, and all on the disk: a node that is killed comes back with what it acknowledged.
pub(super) trait Ground: Store {
    const TOPOLOGY: Topology;
    /// Of a request, in milliseconds.
    const BUDGET: u16;

    async fn start() -> Self;
    fn nodes(&self) -> usize;
    fn server(&self, node: usize) -> &RedisServer;
    fn server_mut(&mut self, node: usize) -> &mut RedisServer;
    /// To a node.
    fn wire(&self, node: usize) -> &TcpProxy;
    fn sentinels(&mut self) -> &mut [Sentinel];
    fn sentinel_wires(&self) -> &[TcpProxy];
    /// The nodes of each shard, the master first. The store is whole.
    async fn shards(&self) -> Vec<Vec<usize>>;
    /// Between a node and all others.
    fn part(&self, node: usize, mode: Mode);
    /// Asks for a shard's failover, of its first replica or of these Sentinels; what was answered.
    async fn failover(&self, replica: usize, sentinels: &[usize]) -> String;
    /// Does as an operator what the store itself would do within some ten seconds. All nodes run.
    async fn mend(&self);
    /// Whether each shard has one master that all know, and the replicas are in step; else what is not so.
    async fn trouble(&self) -> Option<String>;
}

/// On the disk before it is acknowledged: in the system's hands, which is enough for one that is killed.
const KEEPING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];

/// Short, so that a failover that failed is tried again soon.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(1);
