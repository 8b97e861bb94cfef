//! A master, two replicas and three Sentinels.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::cli::info;
use super::error::{Error, Result, or_panic};
use super::fleet::Store;
use super::port::free_port;
use super::redis::RedisServer;
use super::sentinel::{SERVICE, Sentinel};
use super::tcp_proxy::{Mode, TcpProxy};

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

const SENTINELS: u8 = 3;

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
        let (sentinels, sentinel_wires) = start_sentinels(&nodes, &settings).await?;
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
        for sentinel in &self.sentinels {
            if let Ok(port) = sentinel.master().await {
                let node = self.nodes.iter().position(|node| node.port() == port);
                return node.unwrap_or_else(|| panic!("no node has the port {port}"));
            }
        }
        panic!("no Sentinel answers");
    }

    pub(crate) async fn master_server(&self) -> &RedisServer {
        &self.nodes[self.master().await].server
    }

    /// Which node is the master, once it is another than `old` and says so itself, and how long that took.
    pub(crate) async fn new_master(&self, old: usize) -> (usize, Duration) {
        let begun = Instant::now();
        let mut master = old;
        let switched = async || {
            master = self.master().await;
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
        let copied = async || self.nodes[master].server.text("INFO replication").await.is_some_and(|it| is_copied(&it));
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

    /// Whether it is a replica that has all its master has.
    async fn in_step(&self) -> bool {
        let text = self.server.try_cli(&["INFO", "replication"]).await.unwrap_or_default();
        info(&text, "master_link_status") == Some("up")
    }

    async fn is_well(&self) -> bool {
        let text = self.server.try_cli(&["INFO", "replication"]).await.unwrap_or_default();
        streams(&text) || info(&text, "master_link_status") == Some("up")
    }
}

/// Whether it is a master that sends its replicas what is written: not before each has said how far it is. By what it
/// says of replication.
pub(super) fn streams(replication: &str) -> bool {
    let silent = |line: &str| line.starts_with("slave") && line.contains(",offset=0,");
    info(replication, "role") == Some("master") && !replication.lines().any(silent)
}

/// Whether it is a master whose replicas have said that they have all that was written.
fn is_copied(replication: &str) -> bool {
    let Some(end) = info(replication, "master_repl_offset") else { return false };
    let mut replicas = replication.lines().filter(|line| line.starts_with("slave") && line.contains(",offset="));
    streams(replication) && replicas.all(|line| line.contains(&format!(",offset={end},")))
}

async fn start_sentinels(nodes: &[Node], settings: &Settings<'_>) -> Result<(Vec<Sentinel>, Vec<TcpProxy>)> {
    let (mut wires, mut announced) = (Vec::new(), Vec::new());
    for _ in 0..SENTINELS {
        if settings.wires {
            wires.push(TcpProxy::start(0).await);
        }
        announced.push(wires.last().map(TcpProxy::port));
    }
    let mut ports = Vec::new();
    for _ in 0..SENTINELS {
        ports.push(free_port()?);
    }
    let known: Vec<u16> = announced.iter().zip(&ports).map(|(announced, port)| announced.unwrap_or(*port)).collect();
    let start = |number: u8| {
        let at = usize::from(number);
        let config = sentinel_config(at, nodes, &known, settings);
        let source = Ipv4Addr::new(127, 0, 2, number + 1);
        let port = ports[at];
        async move { Sentinel::try_start(port, source, &config).await }
    };
    let sentinels: Vec<Sentinel> = join_all((0..SENTINELS).map(start)).await.into_iter().collect::<Result<_>>()?;
    for (wire, sentinel) in wires.iter().zip(&sentinels) {
        wire.aim(sentinel.port());
    }
    Ok((sentinels, wires))
}

/// All that it would find out by itself within some seconds is written down, so that a test can begin.
fn sentinel_config(own: usize, nodes: &[Node], known: &[u16], settings: &Settings<'_>) -> String {
    use std::fmt::Write as _;
    let id = |number: usize| format!("{:040x}", number + 1);
    let (down_after, failover) = (settings.down_after.as_millis(), settings.failover_timeout.as_millis());
    let mut text = format!(
        "sentinel myid {}\nsentinel monitor {SERVICE} 127.0.0.1 {} 2\n\
         sentinel down-after-milliseconds {SERVICE} {down_after}\nsentinel failover-timeout {SERVICE} {failover}\n\
         sentinel parallel-syncs {SERVICE} 2\nsentinel announce-ip 127.0.0.1\nsentinel announce-port {}\n",
        id(own),
        nodes[0].port(),
        known[own],
    );
    // They speak to the nodes as the nodes speak to each other.
    for option in settings.args.chunks(2).filter(|option| option[0].starts_with("--tls-")) {
        let _ = writeln!(text, "{}", option.join(" ").trim_start_matches('-'));
    }
    for replica in &nodes[1..] {
        let _ = writeln!(text, "sentinel known-replica {SERVICE} 127.0.0.1 {}", replica.port());
    }
    for (number, port) in known.iter().enumerate().filter(|(number, _)| *number != own) {
        let _ = writeln!(text, "sentinel known-sentinel {SERVICE} 127.0.0.1 {port} {}", id(number));
    }
    text
}

/// Twenty seconds at most.
pub(super) async fn wait_until(what: &str, mut is: impl AsyncFnMut() -> bool) -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(20);
    let begun = Instant::now();
    while !is().await {
        if begun.elapsed() > LIMIT {
            return Err(Error::silent(what, LIMIT, Vec::new()));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
