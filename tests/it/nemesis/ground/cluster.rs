//! Three masters with a replica each.

use super::{Ground, KEEPING};
use crate::harness::{Cluster, Mode, RedisServer, Sentinel, TcpProxy, info};
use crate::nemesis::plan::Topology;

/// Of the shards, one each.
const SLOTS: [u16; 3] = [0, 6000, 12_000];

impl Ground for Cluster {
    const TOPOLOGY: Topology = Topology::Cluster;
    /// The default: there are other shards.
    const BUDGET: u16 = 1000;

    async fn start() -> Self {
        let args = ["--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0"];
        Self::start_behind_wires(&[&args[..], &KEEPING].concat()).await
    }

    fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn server(&self, node: usize) -> &RedisServer {
        &self.nodes[node]
    }

    fn server_mut(&mut self, node: usize) -> &mut RedisServer {
        &mut self.nodes[node]
    }

    fn wire(&self, node: usize) -> &TcpProxy {
        &self.wires[node].clients
    }

    fn sentinels(&mut self) -> &mut [Sentinel] {
        &mut []
    }

    fn sentinel_wires(&self) -> &[TcpProxy] {
        &[]
    }

    async fn shards(&self) -> Vec<Vec<usize>> {
        let mut shards = Vec::new();
        for slot in SLOTS {
            let master = self.owner(slot).await;
            let replicas = self.replicas(master).await;
            shards.push(std::iter::once(master).chain(replicas).collect());
        }
        shards
    }

    fn part(&self, node: usize, mode: Mode) {
        Cluster::part(self, node, mode);
    }

    async fn failover(&self, replica: usize, _: &[usize]) -> String {
        let answer = self.nodes[replica].try_cli(&["CLUSTER", "FAILOVER"]).await;
        answer.unwrap_or_else(|error| error.to_string())
    }

    /// It does so itself, at once.
    async fn mend(&self) {}

    async fn trouble(&self) -> Option<String> {
        let mut masters = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(text) = node.text("CLUSTER NODES").await else { return Some(format!("node {number} is silent")) };
            let mut owners: Vec<String> = text.lines().filter_map(owner).collect();
            owners.sort_unstable();
            let state = node.text("CLUSTER INFO").await.unwrap_or_default();
            // A master that was cut off refuses everything for another two seconds.
            if info(&state, "cluster_state") != Some("ok") {
                return Some(format!("node {number} says {state}"));
            }
            if text.contains("fail") || owners.len() != SLOTS.len() {
                return Some(format!("node {number} knows\n{text}"));
            }
            masters.push(owners);
            let text = node.text("INFO replication").await.unwrap_or_default();
            if info(&text, "role") == Some("slave") && info(&text, "master_link_status") != Some("up") {
                return Some(format!("node {number} is not in step: {text}"));
            }
        }
        masters.iter().any(|owners| *owners != masters[0]).then(|| format!("they disagree: {masters:#?}"))
    }
}

/// The node and its slots, of a line about a master.
fn owner(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (id, slots) = (words.first()?, words.get(8..).filter(|slots| !slots.is_empty())?);
    Some(format!("{id} {}", slots.join(" ")))
}
