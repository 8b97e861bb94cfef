//! A master, two replicas and three Sentinels.

mod sentinels;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::error::{Result, or_panic};
use super::fleet::Store;
use super::redis::RedisServer;
use super::replication;
use super::sentinel::{SERVICE, Sentinel};
use super::tcp_proxy::{Mode, TcpProxy};
use super::wait::wait_until;

/// Node 0 is the master at first.
///
/// Behind wires, nodes and Sentinels are known to everybody by the ports of proxies, so that partitions can be made; and
/// whose connection it is shows in its source: instances come from 127.0.0.1, nodes and Sentinels from addresses of
/// their own.
#[derive(Debug)]
pub(crate) struct Replicated {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sentinels: Vec<Sentinel>,
    /// In front of the Sentinels, where there are wires.
    pub(crate) sentinel_wires: Vec<TcpProxy>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) server: RedisServer,
    /// Connections of its own come from this address.
    pub(crate) source: Ipv4Addr,
    wire: Option<TcpProxy>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) wires: bool,
    /// Of which all but one are replicas.
    pub(crate) nodes: u8,
    /// More options of redis-server, for all nodes; those of TLS for the Sentinels too.
    pub(crate) args: &'a [&'a str],
    pub(crate) down_after: Duration,
    pub(crate) failover_timeout: Duration,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        let (down_after, failover_timeout) = (Duration::from_secs(1), Duration::from_secs(3));
        Self { wires: false, nodes: 3, args: &[], down_after, failover_timeout }
    }
}

impl Replicated {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_behind_wires() -> Self {
        Self::start_with(Settings { wires: true, ..Settings::default() }).await
    }

    pub(crate) async fn start_with(settings: Settings<'_>) -> Self {
        or_panic(Self::try_start_with(settings).await)
    }

    async fn try_start_with(settings: Settings<'_>) -> Result<Self> {
        let nodes = join_all((0..settings.nodes).map(|number| Node::try_start(number, &settings))).await;
        let nodes: Vec<Node> = nodes.into_iter().collect::<Result<_>>()?;
        let master = nodes[0].port().to_string();
        for replica in &nodes[1..] {
            replica.server.try_cli(&["REPLICAOF", "127.0.0.1", &master]).await?;
            replica.server.try_cli(&["CONFIG", "REWRITE"]).await?;
        }
        wait_until("the replicas are in step", async || {
            join_all(nodes[1..].iter().map(Node::in_step)).await.iter().all(|is| *is)
        })
        .await?;
        let (sentinels, sentinel_wires) = sentinels::start(&nodes, &settings).await?;
        let all = Self { nodes, sentinels, sentinel_wires };
        all.calm().await;
        Ok(all)
    }

    /// `redis+sentinel://…`, or `rediss…`, with the addresses of all Sentinels.
    pub(crate) fn url(&self) -> String {
        let ports: Vec<u16> = match self.sentinel_wires.as_slice() {
            [] => self.sentinels.iter().map(Sentinel::port).collect(),
            wires => wires.iter().map(TcpProxy::port).collect(),
        };
        Self::url_through(&ports).replacen("redis", self.nodes[0].server.scheme(), 1)
    }

    /// With these ports for Sentinels.
    pub(crate) fn url_through(ports: &[u16]) -> String {
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{SERVICE}", hosts.join(","))
    }

    /// The node that is the master by the word of the first Sentinel that answers.
    pub(crate) async fn master(&self) -> usize {
        self.told_master().await.unwrap_or_else(|| panic!("no Sentinel answers"))
    }

    /// The same, if any answers.
    async fn told_master(&self) -> Option<usize> {
        for sentinel in &self.sentinels {
            if let Ok(port) = sentinel.master().await {
                let node = self.nodes.iter().position(|node| node.port() == port);
                return Some(node.unwrap_or_else(|| panic!("no node has the port {port}")));
            }
        }
        None
    }

    pub(crate) async fn master_server(&self) -> &RedisServer {
        &self.nodes[self.master().await].server
    }

    /// Which node is the master, once it is another than `old` and says so itself, and how long that took.
    pub(crate) async fn new_master(&self, old: usize) -> (usize, Duration) {
        let begun = Instant::now();
        let mut master = old;
        let switched = async || {
            master = self.told_master().await.unwrap_or(old);
            master != old && self.nodes[master].is_master().await
        };
        or_panic(wait_until("another master", switched).await);
        (master, begun.elapsed())
    }

    /// Whether Sentinels stood for election at the same moment, each with its own vote, so that nobody won. They try
    /// again after twice the failover's timeout, and no budget rides that out.
    pub(crate) fn vote_was_split(&self) -> bool {
        let lost = |line: &String| line.contains("-failover-abort-not-elected");
        self.sentinels.iter().any(|sentinel| sentinel.log().iter().any(lost))
    }

    /// A planned failover: asked for, and done when this returns. The new master.
    pub(crate) async fn failover(&self) -> usize {
        let old = self.master().await;
        or_panic(self.sentinels[0].ask(&["FAILOVER", SERVICE]).await);
        self.new_master(old).await.0
    }

    /// Waits until all replicas are in step and all running Sentinels know it.
    pub(crate) async fn calm(&self) {
        let (others, replicas) = (self.sentinels.len() - 1, self.nodes.len() - 1);
        let calm = async || {
            let (nodes, sentinels) = (self.nodes.iter().map(Node::is_well), self.sentinels.iter());
            let (nodes, sentinels) =
                (join_all(nodes).await, join_all(sentinels.map(|sentinel| sentinel.is_calm(others, replicas))).await);
            nodes.into_iter().chain(sentinels).all(|calm| calm)
        };
        or_panic(wait_until("calm", calm).await);
    }

    /// Waits until the replicas of this master have all that was written. Nobody must write meanwhile.
    pub(crate) async fn copied(&self, master: usize) {
        let copied = async || replication::is_copied(&self.nodes[master].replication().await);
        or_panic(wait_until("all copied", copied).await);
    }

    /// Has a node that runs follow the master, as the Sentinels do some ten seconds later, and waits until all are in step.
    pub(crate) async fn follow(&self, node: usize, master: usize) {
        let port = self.nodes[master].port().to_string();
        self.nodes[node].server.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
        let in_step = async || {
            let well = join_all(self.nodes.iter().map(Node::is_well)).await;
            well.into_iter().all(|well| well) && self.nodes[node].in_step().await
        };
        or_panic(wait_until("all nodes are in step", in_step).await);
    }

    /// Between these nodes and all the others, and the Sentinels: nothing passes, or everything again. Instances
    /// reach both sides.
    pub(crate) fn part(&self, apart: &[usize], mode: Mode) {
        let is_apart = |number: &usize| apart.contains(number);
        for (number, node) in self.nodes.iter().enumerate() {
            let across = self.nodes.iter().enumerate().filter(|(other, _)| is_apart(other) != is_apart(&number));
            for (_, other) in across {
                node.wire().set_for(other.source, mode);
            }
            for sentinel in self.sentinels.iter().filter(|_| is_apart(&number)) {
                node.wire().set_for(sentinel.source, mode);
            }
        }
    }
}

impl Store for Replicated {
    fn url(&self) -> String {
        self.url()
    }
}

impl Node {
    async fn try_start(number: u8, settings: &Settings<'_>) -> Result<Self> {
        let source = Ipv4Addr::new(127, 0, 1, number + 1);
        // The proxy first: the server is told its port.
        let wire = if settings.wires { Some(TcpProxy::start(0).await) } else { None };
        let (from, announced) = (source.to_string(), wire.as_ref().map(|wire| wire.port().to_string()));
        // Connections from other loopback addresses than 127.0.0.1 are foreign to the protected mode.
        let mut args = vec!["--protected-mode", "no", "--bind-source-addr", &from];
        // And where it listens is not where it comes from.
        args.extend(["--replica-announce-ip", "127.0.0.1"]);
        // A replica that comes back is in step at once.
        args.extend(["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]);
        args.extend(["--repl-ping-replica-period", "1"]);
        if let Some(port) = &announced {
            args.extend(["--replica-announce-port", port]);
        }
        args.extend(settings.args);
        let server = RedisServer::try_start_with(&args).await?;
        if let Some(wire) = &wire {
            wire.aim(server.port());
        }
        Ok(Self { server, source, wire })
    }

    /// By which everybody knows it.
    pub(crate) fn port(&self) -> u16 {
        self.wire.as_ref().map_or(self.server.port(), TcpProxy::port)
    }

    pub(crate) fn wire(&self) -> &TcpProxy {
        match &self.wire {
            Some(wire) => wire,
            None => panic!("there are no wires: start_behind_wires"),
        }
    }

    pub(crate) async fn is_master(&self) -> bool {
        self.server.try_cli(&["ROLE"]).await.is_ok_and(|role| role.starts_with("master"))
    }

    async fn in_step(&self) -> bool {
        replication::is_in_step(&self.replication().await)
    }

    async fn is_well(&self) -> bool {
        replication::is_well(&self.replication().await)
    }

    async fn replication(&self) -> String {
        self.server.try_cli(&["INFO", "replication"]).await.unwrap_or_default()
    }
}
