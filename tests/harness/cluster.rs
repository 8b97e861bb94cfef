//! A Redis Cluster of three masters and a replica of each.

mod operations;
mod wires;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use self::wires::Wires;
use super::cli::info;
use super::error::{Result, or_panic};
use super::fleet::Store;
use super::port::free_port;
use super::redis::RedisServer;
use super::replication::{is_copied, is_well};
use super::wait::wait_until;

/// At first nodes 0, 1 and 2 are the masters, of a third of the slots each, and node 3 + n is the replica of node n.
///
/// Behind wires, nodes are known to everybody by the ports of proxies, as those of
/// [`Replicated`](super::replicated::Replicated) are.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<RedisServer>,
    /// Of each node, where there are wires.
    pub(crate) wires: Vec<Wires>,
    args: Vec<String>,
}

const MASTERS: usize = 3;
/// Of the masters at first.
const SLOTS: [RangeInclusive<u16>; MASTERS] = [0..=5460, 5461..=10922, 10923..=16383];
/// After which a node that is silent is taken for failed.
const NODE_TIMEOUT: &str = "2000";

impl Cluster {
    /// As the page on Redis says: one shard that is away stops no other.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--cluster-require-full-coverage", "no"]).await
    }

    /// With more options of redis-server, for all nodes.
    pub(crate) async fn start_with(args: &[&str]) -> Self {
        or_panic(Self::try_start_with(args).await)
    }

    pub(crate) async fn start_behind_wires(args: &[&str]) -> Self {
        let mut wires = Vec::new();
        for number in 0..2 * MASTERS {
            wires.push(Wires::start(number).await);
        }
        or_panic(Self::try_start(args, wires).await)
    }

    async fn try_start_with(args: &[&str]) -> Result<Self> {
        Self::try_start(args, Vec::new()).await
    }

    async fn try_start(args: &[&str], wires: Vec<Wires>) -> Result<Self> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let nodes = (0..2 * MASTERS).map(|number| node(&args, wires.get(number)));
        let nodes = join_all(nodes).await.into_iter().collect::<Result<Vec<_>>>()?;
        let all = Self { nodes, wires, args };
        for (number, slots) in SLOTS.iter().enumerate() {
            let (from, to, epoch) = (slots.start().to_string(), slots.end().to_string(), (number + 1).to_string());
            all.nodes[number].try_cli(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await?;
            all.nodes[number].try_cli(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
        }
        join_all((0..all.nodes.len()).map(|number| all.meet(number, 0..number))).await;
        wait_until("all nodes know each other", async || all.each_sees(&all.everybody(), all.nodes.len(), 0).await)
            .await?;
        for replica in MASTERS..all.nodes.len() {
            all.follow(replica, replica - MASTERS).await?;
        }
        all.calm().await;
        Ok(all)
    }

    /// `redis+cluster://…`, or `rediss…`, with the addresses of all nodes.
    pub(crate) fn url(&self) -> String {
        self.url_through(&(0..self.nodes.len()).collect::<Vec<_>>())
    }

    /// With the addresses of these.
    pub(crate) fn url_through(&self, seeds: &[usize]) -> String {
        let hosts: Vec<String> = seeds.iter().map(|seed| format!("127.0.0.1:{}", self.port(*seed))).collect();
        format!("{}+cluster://{}", self.nodes[0].scheme(), hosts.join(","))
    }

    /// By which everybody knows it.
    pub(crate) fn port(&self, node: usize) -> u16 {
        self.wires.get(node).map_or(self.nodes[node].port(), |wires| wires.clients.port())
    }

    pub(crate) async fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"]).await
    }

    /// Which node has a slot, by the word of the first that answers in time.
    pub(crate) async fn owner(&self, slot: u16) -> usize {
        let (_, lines) = self.view(&[]).await;
        let owner = lines.iter().find(|line| ranges(line).any(|range| range.contains(&slot)));
        let Some(line) = owner else { panic!("nobody has slot {slot}: {lines:#?}") };
        self.number(line).unwrap_or_else(|| panic!("an unknown node: {line}"))
    }

    /// The slot of a key.
    pub(crate) async fn slot(&self, key: &str) -> u16 {
        let node = self.view(&[]).await.0;
        self.nodes[node].cli(&["CLUSTER", "KEYSLOT", key]).await.parse().expect("a slot")
    }

    /// Waits until another node has the slots of this one, and says so itself; which, and how long that took.
    pub(crate) async fn replaced(&self, old: usize, slot: u16) -> (usize, Duration) {
        let begun = Instant::now();
        let mut owner = old;
        let replaced = async || {
            let (_, lines) = self.view(&[old]).await;
            let line = lines.iter().find(|line| ranges(line).any(|range| range.contains(&slot)));
            owner = line.and_then(|line| self.number(line)).unwrap_or(old);
            let role = self.nodes[owner].text("INFO replication").await.unwrap_or_default();
            owner != old && info(&role, "role") == Some("master")
        };
        or_panic(wait_until("another master", replaced).await);
        (owner, begun.elapsed())
    }

    /// Waits until the replicas of this master have all that was written. Nobody must write meanwhile.
    pub(crate) async fn copied(&self, master: usize) {
        let copied = async || self.nodes[master].text("INFO replication").await.is_some_and(|text| is_copied(&text));
        or_panic(wait_until("all copied", copied).await);
    }

    /// Of a master.
    pub(crate) async fn replicas(&self, master: usize) -> Vec<usize> {
        let (id, (_, lines)) = (self.id(master).await, self.view(&[]).await);
        let replicas = lines.iter().filter(|line| line.split(' ').nth(3) == Some(&id));
        replicas.filter_map(|line| self.number(line)).collect()
    }

    /// Waits until every slot is served, every running replica in step, and all agree who is what: a master that does
    /// not know a replica for one, or is ahead of it, does not vote for it.
    pub(crate) async fn calm(&self) {
        let calm = async || {
            let in_step = join_all(self.nodes.iter().map(in_step)).await.into_iter().all(|is| is);
            in_step && self.each_sees(&self.everybody(), 0, 16384).await && self.all_agree().await
        };
        or_panic(wait_until("calm", calm).await);
    }

    fn everybody(&self) -> Vec<usize> {
        (0..self.nodes.len()).collect()
    }

    async fn meet(&self, node: usize, others: std::ops::Range<usize>) {
        for other in others {
            let bus = bus_of(&self.nodes[other].cli(&["CLUSTER", "NODES"]).await);
            let port = self.port(other).to_string();
            self.nodes[node].cli(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
    }

    async fn follow(&self, replica: usize, master: usize) -> Result<()> {
        let id = self.id(master).await;
        self.nodes[replica].try_cli(&["CLUSTER", "REPLICATE", &id]).await.map(drop)
    }

    /// Whether each of these that runs knows at least so many nodes, none of them half, and so many slots to be served.
    async fn each_sees(&self, nodes: &[usize], count: usize, slots: usize) -> bool {
        let sees = async |node: &usize| {
            let server = &self.nodes[*node];
            let Some(state) = server.text("CLUSTER INFO").await else { return server.has_ended() };
            let Some(known) = server.text("CLUSTER NODES").await else { return server.has_ended() };
            let whole = known.lines().count() >= count && !known.contains("handshake");
            let ok = info(&state, "cluster_slots_ok").and_then(|count| count.parse().ok()).unwrap_or(0);
            whole && ok >= slots && (slots == 0 || info(&state, "cluster_state") == Some("ok"))
        };
        join_all(nodes.iter().map(sees)).await.into_iter().all(|sees| sees)
    }

    /// Whether all that run know the same roles, slots and epoch.
    async fn all_agree(&self) -> bool {
        let views = join_all(self.nodes.iter().filter(|node| !node.has_ended()).map(roles)).await;
        views.windows(2).all(|two| two[0].is_some() && two[0] == two[1])
    }

    /// What a node that answers says of all, and which node that is; these are not asked.
    async fn view(&self, without: &[usize]) -> (usize, Vec<String>) {
        for (number, node) in self.nodes.iter().enumerate().filter(|(number, _)| !without.contains(number)) {
            if let Some(text) = node.text("CLUSTER NODES").await {
                return (number, text.lines().map(str::to_owned).collect());
            }
        }
        panic!("no node answers");
    }

    /// Which node a line is about.
    fn number(&self, line: &str) -> Option<usize> {
        let port = line.split(' ').nth(1)?.split('@').next()?.rsplit_once(':')?.1;
        (0..self.nodes.len()).find(|node| self.port(*node).to_string() == port)
    }
}

impl Store for Cluster {
    fn url(&self) -> String {
        self.url()
    }
}

async fn node(args: &[String], wires: Option<&Wires>) -> Result<RedisServer> {
    let bus_port = free_port()?;
    let (bus, own) = (bus_port.to_string(), wires.map(Wires::args).unwrap_or_default());
    let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT, "--cluster-port", &bus];
    all.extend(own.iter().map(String::as_str));
    // A replica that comes back is in step at once.
    all.extend(["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
    all.extend(args.iter().map(String::as_str));
    let server = RedisServer::try_start_with(&all).await?;
    if let Some(wires) = wires {
        wires.aim(server.port(), bus_port);
    }
    Ok(server)
}

async fn in_step(node: &RedisServer) -> bool {
    let Some(text) = node.text("INFO replication").await else { return node.has_ended() };
    is_well(&text)
}

/// What a node that runs knows of all: the epoch; and of each its id, whether it is a master, whose replica, and slots.
async fn roles(node: &RedisServer) -> Option<(String, BTreeSet<String>)> {
    let (state, nodes) = (node.text("CLUSTER INFO").await?, node.text("CLUSTER NODES").await?);
    let role = |line: &str| {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.starts_with('[')).collect();
        let (id, flags, master) = (words.first()?, words.get(2)?, words.get(3)?);
        Some(format!("{id} {} {master} {:?}", flags.contains("master"), words.get(8..)))
    };
    let epoch = info(&state, "cluster_current_epoch").unwrap_or_default().to_owned();
    Some((epoch, nodes.lines().filter_map(role).collect()))
}

/// The port of the Cluster's own traffic, from a node's own line.
fn bus_of(nodes: &str) -> String {
    let own = nodes.lines().find(|line| line.contains("myself")).and_then(|line| line.split(['@', ' ', ',']).nth(2));
    own.unwrap_or_else(|| panic!("no port in {nodes}")).to_owned()
}

fn ranges(line: &str) -> impl Iterator<Item = RangeInclusive<u16>> {
    line.split(' ').skip(8).filter(|word| !word.starts_with('[')).filter_map(|word| {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        Some(from.parse().ok()?..=to.parse().ok()?)
    })
}
