//! A master, two replicas and three Sentinels.

use futures_util::future::join_all;

use super::{FAILOVER_TIMEOUT, Ground, KEEPING};
use crate::harness::{Mode, RedisServer, Replicated, ReplicatedSettings, Sentinel, TcpProxy, field, info};
use crate::nemesis::plan::Topology;

impl Ground for Replicated {
    const TOPOLOGY: Topology = Topology::Sentinel;
    /// Long enough to ride out a failover.
    const BUDGET: u16 = 3000;

    async fn start() -> Self {
        let settings = ReplicatedSettings {
            wires: true,
            args: &KEEPING,
            failover_timeout: FAILOVER_TIMEOUT,
            ..Default::default()
        };
        Self::start_with(settings).await
    }

    fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn server(&self, node: usize) -> &RedisServer {
        &self.nodes[node].server
    }

    fn server_mut(&mut self, node: usize) -> &mut RedisServer {
        &mut self.nodes[node].server
    }

    fn wire(&self, node: usize) -> &TcpProxy {
        self.nodes[node].wire()
    }

    fn sentinels(&mut self) -> &mut [Sentinel] {
        &mut self.sentinels
    }

    fn sentinel_wires(&self) -> &[TcpProxy] {
        &self.sentinel_wires
    }

    async fn shards(&self) -> Vec<Vec<usize>> {
        let master = self.master().await;
        let replicas = (0..self.nodes.len()).filter(|node| *node != master);
        vec![std::iter::once(master).chain(replicas).collect()]
    }

    fn part(&self, node: usize, mode: Mode) {
        Replicated::part(self, &[node], mode);
    }

    async fn failover(&self, _: usize, sentinels: &[usize]) -> String {
        let Some(asked) = sentinels.first() else { return "no Sentinel to ask".to_owned() };
        let answer = self.sentinels[*asked].ask(&["FAILOVER", "main"]).await;
        answer.unwrap_or_else(|error| error.to_string())
    }

    async fn mend(&self) {
        let Ok(port) = self.agreed().await else { return };
        let Some(master) = self.nodes.iter().find(|node| node.port() == port) else { return };
        if !master.is_master().await {
            return;
        }
        for node in self.nodes.iter().filter(|node| node.port() != port) {
            let text = node.server.text("INFO replication").await.unwrap_or_default();
            if info(&text, "master_port") != Some(port.to_string().as_str()) {
                node.server.cli(&["REPLICAOF", "127.0.0.1", &port.to_string()]).await;
                node.server.cli(&["CONFIG", "REWRITE"]).await;
            }
        }
    }

    async fn trouble(&self) -> Option<String> {
        let port = match self.agreed().await {
            Ok(port) => port,
            Err(why) => return Some(why),
        };
        for node in &self.nodes {
            let text = node.server.text("INFO replication").await.unwrap_or_default();
            let follows = info(&text, "master_port") == Some(port.to_string().as_str());
            let in_step = follows && info(&text, "master_link_status") == Some("up");
            let leads = node.port() == port && info(&text, "role") == Some("master");
            if !in_step && !leads {
                return Some(format!("with {port} as the master, node {} says {text}", node.port()));
            }
        }
        None
    }
}

impl Replicated {
    /// The master's port, by the same word of all Sentinels, which are in the middle of nothing.
    async fn agreed(&self) -> Result<u16, String> {
        let views = join_all(self.sentinels.iter().map(view)).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        match views.as_slice() {
            [one, others @ ..] if others.iter().all(|other| other == one) => Ok(*one),
            _ => Err(format!("the Sentinels do not agree: {views:?}")),
        }
    }
}

async fn view(sentinel: &Sentinel) -> Result<u16, String> {
    let (master, replicas) = tokio::join!(sentinel.ask(&["MASTER", "main"]), sentinel.ask(&["REPLICAS", "main"]));
    let (master, replicas) = (master.map_err(|error| error.to_string())?, replicas.map_err(|error| error.to_string())?);
    let lines: Vec<&str> = replicas.lines().collect();
    let well = lines.windows(2).filter(|pair| *pair == ["flags", "slave"]).count();
    let is = |name, wanted| field(&master, name) == Some(wanted);
    if !is("flags", "master") || !is("num-other-sentinels", "2") || well != 2 {
        return Err(format!("a Sentinel says {:?}, {well} replicas", field(&master, "flags")));
    }
    let port = field(&master, "port").and_then(|port| port.parse().ok());
    port.ok_or_else(|| format!("no port in {master}"))
}
