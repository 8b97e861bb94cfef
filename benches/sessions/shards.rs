//! The same calls on one node and on Clusters of one, three and six masters.

use std::time::{Duration, Instant};

use stickless::store::RedisStore;

use crate::harness::{RedisServer, free_port, info};
use crate::meter::{Meter, spread};
use crate::visits;

const SESSIONS: u64 = 10_000;
const CALLS: u64 = 40_000;
const ROUNDS: usize = 5;

pub(crate) async fn print() {
    println!("a call, µs of CPU, median of {ROUNDS} rounds (the busiest shard's share of the calls behind it):");
    println!("  {:12}{:>22}{:>24}{:>24}", "", "a store's connections", "read: own, Redis'", "count: own, Redis'");
    for shards in [0, 1, 3, 6] {
        let (name, url, nodes) = match shards {
            0 => {
                let node = RedisServer::start().await;
                ("one node".to_owned(), node.url(), vec![node])
            }
            _ => cluster(shards).await,
        };
        let store = RedisStore::connect(&url).expect("a store");
        visits::create(&store, 0..SESSIONS).await;
        let connections = connections(&nodes).await;
        let read = measured(&nodes, async || visits::read(&store, SESSIONS, CALLS).await).await;
        let count = measured(&nodes, async || visits::count(&store, SESSIONS, CALLS).await).await;
        println!("  {name:12}{connections:>22}{read:>24}{count:>24}");
    }
}

async fn measured(nodes: &[RedisServer], calls: impl AsyncFn()) -> String {
    let (mut own, mut redis, mut share) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (before, mut counts) = (Meter::read(nodes).await, Vec::new());
        for node in nodes {
            counts.push(Meter::read(std::slice::from_ref(node)).await.commands);
        }
        calls().await;
        let taken = Meter::read(nodes).await.since(before, CALLS);
        own.push(taken.own);
        redis.push(taken.redis);
        let mut of_each = Vec::new();
        for (node, before) in nodes.iter().zip(counts) {
            of_each.push(Meter::read(std::slice::from_ref(node)).await.commands - before);
        }
        share.push(of_each.iter().copied().fold(0.0, f64::max) / of_each.iter().sum::<f64>() * 100.0);
    }
    let [own, redis, share] = [own, redis, share].map(|values| spread(values)[1]);
    format!("{own:.1}, {redis:.1} ({share:.0} %)")
}

/// On all nodes, without the one that asks.
async fn connections(nodes: &[RedisServer]) -> usize {
    let mut count = 0;
    for node in nodes {
        let clients = node.cli(&["CLIENT", "LIST"]).await;
        count += clients.lines().filter(|line| line.contains("name=stickless")).count();
    }
    count
}

/// Masters without replicas, with all slots evenly among them.
async fn cluster(shards: usize) -> (String, String, Vec<RedisServer>) {
    let mut nodes = Vec::new();
    for shard in 0..shards {
        let bus = free_port().expect("a free port").to_string();
        let args = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        let node = RedisServer::start_with(&args).await;
        let (from, to) = (shard * 16384 / shards, (shard + 1) * 16384 / shards - 1);
        node.cli(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]).await;
        node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(shard + 1).to_string()]).await;
        nodes.push(node);
        nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &nodes[shard].port().to_string(), &bus]).await;
    }
    let begun = Instant::now();
    for node in &nodes {
        loop {
            let text = node.cli(&["CLUSTER", "INFO"]).await;
            let known = info(&text, "cluster_known_nodes").and_then(|count| count.parse::<usize>().ok());
            if info(&text, "cluster_state") == Some("ok") && known >= Some(shards) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the nodes do not agree: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    (format!("{shards} masters"), format!("redis+cluster://{}", hosts.join(",")), nodes)
}
