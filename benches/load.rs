//! What a session costs: the release instance against a bare axum server with hand-written Redis commands.
//!
//! `cargo bench --bench load` starts both on one real Redis and loads them in turn, the same requests for both, round
//! after round. It prints each figure as a ratio with its spread, and ends with status 1 when one that has a limit
//! misses it in the median.

#[path = "load/bare.rs"]
mod bare;
#[path = "load/clients.rs"]
mod clients;
#[path = "load/gauge.rs"]
mod gauge;
#[path = "../tests/harness/lib.rs"]
mod harness;
#[path = "load/report.rs"]
mod report;
#[path = "load/scenario.rs"]
mod scenario;

use std::process::{Command, ExitCode};

use crate::bare::Bare;
use crate::gauge::{Gauge, resident};
use crate::harness::{Instance, RedisServer, session_key};
use crate::report::{Pair, Report};
use crate::scenario::Scenario;

/// Rounds; in each, every scenario runs on the instance, then on the bare server.
const ROUNDS: usize = 5;
/// Connections, each with one request under way.
const CONNECTIONS: usize = 64;
/// Sessions that the requests come with.
const SESSIONS: usize = 200;

fn main() -> ExitCode {
    if let Some(settings) = bare::Settings::of_this_process() {
        return bare::main(settings);
    }
    build_the_instance();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(compare())
}

/// Benches alone build no examples. Where it is built already, this takes no time.
fn build_the_instance() {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let built = Command::new(cargo).args(["build", "--release", "--example", "instance"]).status();
    assert!(built.is_ok_and(|status| status.success()), "the example instance can be built");
}

async fn compare() -> ExitCode {
    let redis = RedisServer::start().await;
    let env = [("STORE", redis.url()), ("SESSION_KEYS", session_key()), ("INSTANCE", "a".to_owned())];
    let instance = Instance::start(&env).await;
    let bare = Bare::start(&redis.url()).await;
    let mut scenarios = Scenario::all(&instance, &redis, SESSIONS).await;
    // `cargo bench --bench load -- /me`: those alone whose name contains a word.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    scenarios.retain(|scenario| words.is_empty() || words.iter().any(|word| scenario.name.contains(word)));
    let servers = [(instance.port(), instance.pid()), (bare.port(), bare.pid())];

    let mut report = Report::new(&scenarios);
    // The first round fills caches and pools, and does not count.
    for round in 0..=ROUNDS {
        for (index, scenario) in scenarios.iter().enumerate() {
            let mut pair = Pair::default();
            for (side, (port, pid)) in servers.into_iter().enumerate() {
                let gauge = Gauge::start(pid, &redis).await;
                let load = clients::load(port, scenario, CONNECTIONS).await;
                pair.0[side] = gauge.stop(&load, &redis).await;
            }
            if round > 0 {
                report.add(index, pair);
            }
        }
    }
    report.memory(servers.map(|(_, pid)| resident(pid)));
    print!("{report}");
    if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
