//! The instances that the nemesis haunts, and what is known of their store.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use super::ground::Ground;
use crate::clocks::turning;
use crate::harness::{Fleet, Instance, TempDir, info, session_key};

pub(super) const INSTANCES: usize = 3;

pub(super) struct Haunted<G> {
    pub(super) fleet: Fleet<G>,
    /// Killed, or hung.
    pub(super) silent: BTreeSet<usize>,
    pub(super) silent_sentinels: BTreeSet<usize>,
    /// Whether each node was a master when it answered last.
    leads: Vec<bool>,
    /// Say how far ahead the clocks of the instances are.
    clocks: Vec<PathBuf>,
    /// Memory in KiB and open files of each instance, when all was well after its start.
    before: Vec<Option<(u64, usize)>>,
    /// What is wrong, but not in the history.
    pub(super) complaints: Vec<String>,
    /// Warnings and errors of instances that have ended.
    pub(super) said: Vec<String>,
    _dir: TempDir,
}

/// An instance keeps what it had, and this: pages of its allocator, and connections of all clients.
const MORE: (u64, usize) = (16 * 1024, 80);

impl<G: Ground> Haunted<G> {
    pub(super) async fn start() -> Self {
        let dir = TempDir::new("nemesis").expect("a directory");
        let redis = G::start().await;
        let leads = vec![false; redis.nodes()];
        let clock = |number: usize| dir.write(&format!("clock-{number}"), "+0s\n").expect("a file");
        let mut all = Self {
            fleet: Fleet { instances: Vec::new(), redis, key: session_key() },
            silent: BTreeSet::new(),
            silent_sentinels: BTreeSet::new(),
            leads,
            clocks: (0..INSTANCES).map(clock).collect(),
            before: vec![None; INSTANCES],
            complaints: Vec::new(),
            said: Vec::new(),
            _dir: dir,
        };
        for number in 0..INSTANCES {
            let env = all.env(number);
            all.fleet.instances.push(Instance::start(&env).await);
        }
        all.promoted().await;
        all
    }

    fn env(&self, number: usize) -> Vec<(String, String)> {
        let (name, budget) = (format!("instance {number}"), G::BUDGET.to_string());
        let ours = [("INSTANCE", name.as_str()), ("STORE_BUDGET_MS", &budget)];
        let clock = self.clocks[number].display().to_string();
        self.fleet.env(&[&ours[..], &turning(&clock)].concat())
    }

    /// Those that were replicas and are masters now.
    pub(super) async fn promoted(&mut self) -> Vec<usize> {
        let roles = join_all((0..self.leads.len()).map(|node| self.role(node))).await;
        let mut promoted = Vec::new();
        for (node, role) in roles.into_iter().enumerate() {
            let Some(leads) = role else { continue };
            if leads && !self.leads[node] {
                promoted.push(node);
            }
            self.leads[node] = leads;
        }
        promoted
    }

    async fn role(&self, node: usize) -> Option<bool> {
        if self.silent.contains(&node) {
            return None;
        }
        let text = self.fleet.redis.server(node).text("INFO replication").await?;
        Some(info(&text, "role")? == "master")
    }

    /// Of these nodes, the one that leads.
    pub(super) fn leader(&self, shard: &[usize]) -> usize {
        let leads = |node: &&usize| self.leads[**node] && !self.silent.contains(*node);
        *shard.iter().find(leads).unwrap_or(&shard[0])
    }

    pub(super) fn set_clock(&self, instance: usize, seconds: i32) {
        fs::write(&self.clocks[instance], format!("{seconds:+}s\n")).expect("a file");
    }

    pub(super) fn kill(&mut self, instance: usize) {
        self.fleet.instances[instance].kill();
    }

    /// With the list of keys that is in force.
    pub(super) async fn restart(&mut self, instance: usize) {
        // All it says until its end.
        self.fleet.instances[instance].terminate().await;
        self.listen_to(instance);
        self.before[instance] = None;
        let env = self.env(instance);
        self.fleet.instances[instance].restart_with(&env).await;
    }

    /// The key that all have learned with the list before signs, and all learn the next one. None is taken away:
    /// cookies that it has signed live on.
    pub(super) fn next_keys(&mut self) {
        let mut keys: Vec<String> = self.fleet.key.split(',').map(str::to_owned).collect();
        keys.rotate_right(1);
        keys.push(session_key());
        self.fleet.key = keys.join(",");
    }

    /// An instance has grown by no more than it may, since all was well after its start.
    pub(super) fn measure(&mut self) {
        for (number, before) in self.before.iter_mut().enumerate() {
            let now = taken(self.fleet.instances[number].pid());
            let was = *before.get_or_insert(now);
            if now.0 > was.0 + MORE.0 || now.1 > was.1 + MORE.1 {
                self.complaints.push(format!("instance {number} has (KiB, files) {now:?}, and had {was:?}"));
            }
        }
    }

    pub(super) fn listen_to(&mut self, instance: usize) {
        for line in self.fleet.instances[instance].log() {
            if line.contains("panicked") {
                self.complaints.push(format!("instance {instance}: {line}"));
            }
            if line.contains(" WARN ") || line.contains("ERROR") {
                self.said.push(format!("instance {instance}: {line}"));
            }
        }
    }
}

fn taken(pid: u32) -> (u64, usize) {
    let proc = Path::new("/proc").join(pid.to_string());
    let status = fs::read_to_string(proc.join("status")).expect("a process");
    let memory = info(&status, "VmRSS").and_then(|memory| memory.split_whitespace().next()?.parse().ok());
    (memory.expect("VmRSS"), fs::read_dir(proc.join("fd")).expect("open files").count())
}
