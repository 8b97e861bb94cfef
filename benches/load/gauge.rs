//! What the system and Redis say about a round.

use std::fs;

use crate::clients::{Load, count};
use crate::harness::RedisServer;

/// What a request came to, in one round.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    /// Of the server's process, in microseconds.
    pub(crate) cpu: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    /// Also those inside scripts.
    pub(crate) redis_commands: f64,
    /// In microseconds.
    pub(crate) redis_cpu: f64,
    /// In and out.
    pub(crate) redis_bytes: f64,
}

/// A round under way.
pub(crate) struct Gauge {
    pid: u32,
    cpu: f64,
    redis: Redis,
}

impl Gauge {
    pub(crate) async fn start(pid: u32, redis: &RedisServer) -> Self {
        let redis = Redis::read(redis).await;
        Self { pid, cpu: cpu(pid), redis }
    }

    pub(crate) async fn stop(self, load: &Load, redis: &RedisServer) -> Figures {
        let cpu = cpu(self.pid) - self.cpu;
        let (before, after, requests) = (self.redis, Redis::read(redis).await, count(load.count));
        Figures {
            cpu: cpu / requests,
            rate: load.rate(),
            p50: load.latency(50),
            p99: load.latency(99),
            // Our own question is one of them.
            redis_commands: (after.commands - before.commands - 1.0) / requests,
            redis_cpu: (after.cpu - before.cpu) / requests,
            redis_bytes: (after.bytes - before.bytes) / requests,
        }
    }
}

struct Redis {
    commands: f64,
    cpu: f64,
    bytes: f64,
}

impl Redis {
    async fn read(server: &RedisServer) -> Self {
        let info = server.cli(&["INFO", "everything"]).await;
        let sum = |names: &[&str]| {
            let value = |name: &&str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            names.iter().filter_map(value).filter_map(|value| value.trim().parse::<f64>().ok()).sum::<f64>()
        };
        Self {
            commands: sum(&["total_commands_processed"]),
            cpu: sum(&["used_cpu_user", "used_cpu_sys"]) * 1e6,
            bytes: sum(&["total_net_input_bytes", "total_net_output_bytes"]),
        }
    }
}

/// The time that a process's threads have run, in microseconds: the scheduler's own account, else, where the system
/// has none, that of its ticks.
fn cpu(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let run = threads.filter_map(|thread| {
        let account = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        account.split(' ').next()?.parse::<f64>().ok()
    });
    let nanos: f64 = run.sum();
    if nanos > 0.0 { nanos / 1e3 } else { ticks(pid) * 10_000.0 }
}

fn ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Behind the name: user time is the 12th, system time the 13th.
    [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<f64>().ok()).sum()
}

/// The memory that a process has in use, in KiB.
pub(crate) fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}
