//! Failover after failover under load: what waited for a replica is there afterwards.
//!
//! ```sh
//! STICKLESS_ROUNDS=10 cargo test --all-features --test it durability::failovers -- --nocapture
//! ```

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{DURABLE, fleet};
use crate::harness::{Cluster, Fleet, Replicated};
use crate::load::{Load, Plan, Rules, alone};

const SECOND: Duration = Duration::from_secs(1);
/// Much of what waits: log-ins and log-outs.
const PLAN: Plan = Plan { staying: 40, passing: 20, plain: 0, pace: Duration::from_millis(250) };
/// Refusals are none of this test's business, nor is the time that a request takes; a loss is.
const NO_LOSS: Rules = Rules { budget: Duration::from_secs(10), refusals: &[409, 503], may_lose: 0, ..Rules::new() };

/// Of a failover.
const TRIES: usize = 12;

/// Of each kind.
fn rounds() -> usize {
    std::env::var("STICKLESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// An operator moves the master, and the old one goes on for a second before it follows.
async fn planned(redis: &Replicated) -> usize {
    let old = redis.master().await;
    let new = moved(redis, old, async || {
        // It refuses, or gives up, while it does not know that the replica is well.
        let _ = redis.sentinels[0].ask(&["FAILOVER", "main"]).await;
    });
    let new = new.await;
    sleep(SECOND).await;
    redis.follow(old, new).await;
    new
}

/// The next master; asks for it again and again.
pub(super) async fn moved(redis: &Replicated, old: usize, ask: impl AsyncFn()) -> usize {
    for _ in 0..TRIES {
        ask().await;
        if let Ok((new, _)) = timeout(5 * SECOND, redis.new_master(old)).await {
            return new;
        }
    }
    panic!("no Sentinel moves the master");
}

/// The master is killed, and comes back with nothing.
async fn killed(redis: &mut Replicated) -> usize {
    let old = redis.master().await;
    redis.nodes[old].server.kill();
    // Sentinels that gave up try again after a while.
    let new = moved(redis, old, async || {}).await;
    redis.nodes[old].server.restart().await;
    redis.follow(old, new).await;
    new
}

async fn lose_nothing(mut fleet: Fleet<Replicated>) {
    let load = Load::start(&fleet.urls(), PLAN).await;
    for round in 1..=rounds() {
        load.pass(SECOND).await;
        let new = planned(&fleet.redis).await;
        println!("round {round}: planned, to node {new}");
        load.pass(SECOND).await;
        let new = killed(&mut fleet.redis).await;
        println!("round {round}: killed, to node {new}");
    }
    load.pass(SECOND).await;
    let verdict = load.stop().await.check(&NO_LOSS);
    println!("{verdict}");
    verdict.assert_clean();
}

#[tokio::test]
async fn with_one_replica_nothing_is_lost_when_the_master_is_moved_or_dies() {
    let _turn = alone().await;
    lose_nothing(fleet(2, 3, &DURABLE).await).await;
}

#[tokio::test]
async fn with_two_replicas_nothing_is_lost_when_the_master_is_moved_or_dies() {
    let _turn = alone().await;
    lose_nothing(fleet(3, 3, &DURABLE).await).await;
}

#[tokio::test]
async fn on_a_cluster_nothing_is_lost_when_a_master_is_moved_or_dies() {
    let _turn = alone().await;
    let mut fleet = Fleet::start_on(Cluster::start().await, 3, &DURABLE).await;
    let load = Load::start(&fleet.urls(), PLAN).await;
    for _ in 0..rounds() {
        load.pass(SECOND).await;
        let master = fleet.redis.owner(0).await;
        let new = fleet.redis.failover(master).await;
        load.pass(SECOND).await;
        fleet.redis.calm().await;
        fleet.redis.nodes[new].kill();
        fleet.redis.replaced(new, 0).await;
        fleet.redis.nodes[new].restart().await;
        fleet.redis.calm().await;
    }
    load.pass(SECOND).await;
    let verdict = load.stop().await.check(&NO_LOSS);
    println!("{verdict}");
    verdict.assert_clean();
}
