//! What operators do to a Cluster.

use std::process::Stdio;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::error::{Error, or_panic};
use super::super::process::find_program;
use super::super::wait::wait_until;
use super::{Cluster, node, ranges};

impl Cluster {
    /// A planned failover, done when this returns: the replica that is the master now. A replica gives up after five
    /// seconds, and is asked again.
    pub(crate) async fn failover(&self, old: usize) -> usize {
        let (id, replicas) = (self.id(old).await, self.replicas(old).await);
        let (_, lines) = self.view(&[]).await;
        let Some(replica) = replicas.first() else { panic!("node {old} has no replica: {lines:#?}") };
        let slot = lines.iter().find(|line| line.starts_with(&id)).and_then(|line| Some(*ranges(line).next()?.start()));
        let slot = slot.expect("it has slots");
        for _ in 0..4 {
            let said = self.nodes[*replica].try_cli(&["CLUSTER", "FAILOVER"]).await;
            if let Ok((new, _)) = timeout(Duration::from_secs(6), self.replaced(old, slot)).await {
                return new;
            }
            eprintln!("node {replica} does not take over from node {old}: {said:?}");
        }
        panic!("no replica takes over from node {old}");
    }

    /// Another node, without slots.
    pub(crate) async fn add(&mut self) -> usize {
        let node = or_panic(node(&self.args, None).await);
        self.nodes.push(node);
        let added = self.nodes.len() - 1;
        self.meet(added, 0..added).await;
        let count = self.nodes.len();
        let known = async || self.each_sees(&self.everybody(), count, 16384).await;
        or_panic(wait_until("all nodes know the new one", known).await);
        added
    }

    /// Moves so many slots from one master to another, with all in them, as operators do it.
    pub(crate) async fn reshard(&self, from: usize, to: usize, slots: u16) {
        let (source, target, count) = (self.id(from).await, self.id(to).await, slots.to_string());
        let entry = format!("127.0.0.1:{}", self.port(to));
        let options = ["--cluster-from", &source, "--cluster-to", &target, "--cluster-slots", &count, "--cluster-yes"];
        self.manage(&[&["reshard", &entry], &options[..]].concat()).await;
    }

    /// Lets the other nodes forget one that has no slots, and stops it.
    pub(crate) async fn remove(&self, node: usize) {
        let (id, entry) = (self.id(node).await, format!("127.0.0.1:{}", self.port(0)));
        self.manage(&["del-node", &entry, &id]).await;
        self.nodes[node].stop().await;
    }

    /// `redis-cli --cluster …`, once more when the nodes do not agree yet.
    async fn manage(&self, args: &[&str]) {
        let ca =
            self.args.iter().position(|option| option == "--tls-ca-cert-file").and_then(|at| self.args.get(at + 1));
        let tls = ca.map(|ca| ["--tls", "--cacert", ca]);
        manage(&[args, tls.as_ref().map_or(&[], |tls| &tls[..])].concat()).await;
    }
}

async fn manage(args: &[&str]) {
    for attempt in 1.. {
        let program = or_panic(find_program("redis-cli"));
        let mut command = tokio::process::Command::new(program);
        command.arg("--cluster").args(args).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.expect("redis-cli runs");
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if attempt == 20 {
            or_panic::<()>(Err(Error::ended("redis-cli --cluster", output.status, vec![said])));
        }
        sleep(Duration::from_millis(100)).await;
    }
}
