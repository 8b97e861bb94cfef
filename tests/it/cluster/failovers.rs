//! A master dies, hangs, or is replaced by plan.

use std::time::Duration;

use serde_json::json;

use super::{BUDGET, Plan, Rules, SECOND, Shards, fleet, p99, user_on};
use crate::harness::{Browser, Cluster, Fleet};
use crate::load::{Load, TRIES, alone};

/// What was acknowledged and not yet replicated may be lost, of 120 writes a second. Limits have tests of their own.
const SWITCH: Rules =
    Rules { refusals: &[503], may_lose: 5, budget: Duration::from_secs(2), plain: SECOND, ..Rules::new() };
/// Of instances with the long budget.
pub(super) const PATIENT: Rules = Rules { budget: Duration::from_millis(15_100), plain: SECOND, ..Rules::new() };
/// Below this a measured time is the machine's own, when much else runs there. Who waits for another's shard waits for
/// its outage.
const LEAST: Duration = Duration::from_millis(40);

/// While a master is away, users of the others notice nothing. What is measured has the time before beside it, and is
/// tried three times: what follows is common to both ways to go.
async fn without_one(how: &str, go: impl Fn(&Cluster), back: impl Fn(&Cluster), then: impl Fn(&Fleet<Cluster>)) {
    let mut rounds = Vec::new();
    for _ in 0..TRIES {
        let fleet = fleet().await;
        let (before, during, healthy) = round(&fleet, how, &go, &back).await;
        then(&fleet);
        rounds.push((before, during, healthy));
        if during <= (2 * before).max(LEAST) && healthy < SECOND {
            return;
        }
    }
    panic!("p99 of users of other shards before and meanwhile, and how long after it all were well: {rounds:?}");
}

async fn round(
    fleet: &Fleet<Cluster>,
    how: &str,
    go: impl Fn(&Cluster),
    back: impl Fn(&Cluster),
) -> (Duration, Duration, Duration) {
    let load = Load::start(&fleet.urls(), Plan::default()).await;
    let shards = Shards::around(fleet, 0, load.cookies()).await;
    let calm = load.now();
    load.pass(2 * SECOND).await;
    let gone = load.now();
    go(&fleet.redis);
    let (node, switch) = fleet.redis.replaced(0, 0).await;
    let replaced = load.now();
    load.pass(SECOND).await;
    back(&fleet.redis);
    load.pass(2 * SECOND).await;
    let history = load.stop().await;
    let (verdict, others) = (history.check(&SWITCH), shards.others(&history));
    let (before, during) = (p99(&others, calm, gone), p99(&others, gone, replaced));
    let healthy = history.healthy_after(replaced);
    println!(
        "{how}: node {node} after {switch:?}, healthy {healthy:?} after that; others {} requests, {} failed, p99 \
         {before:?} before and {during:?} meanwhile; {verdict}",
        others.events.len(),
        others.failed(gone, Duration::MAX),
    );
    verdict.assert_clean();
    assert!(history.failed(gone, replaced) > 0, "nobody was on it");
    assert_eq!(others.failed(Duration::ZERO, Duration::MAX), 0, "of users of other shards");
    (before, during, healthy)
}

#[tokio::test]
async fn while_a_killed_master_is_replaced_users_of_other_shards_notice_nothing() {
    let _turn = alone().await;
    let one_line = |fleet: &Fleet<Cluster>| {
        for instance in &fleet.instances {
            let log = instance.log();
            let lines = |word: &str| log.iter().filter(|line| line.contains(word)).count();
            assert_eq!((lines("ERROR"), lines("store_down")), (1, 1), "{log:#?}");
        }
    };
    without_one("killed", |redis| redis.nodes[0].kill(), |_| {}, one_line).await;
}

#[tokio::test]
async fn while_a_hanging_master_is_replaced_users_of_other_shards_notice_nothing_and_it_gets_no_writes_later() {
    let _turn = alone().await;
    without_one("frozen", |redis| redis.nodes[0].freeze(), |redis| redis.nodes[0].thaw(), |_| {}).await;
}

#[tokio::test]
async fn with_a_budget_for_it_a_killed_master_costs_nobody_a_request() {
    let _turn = alone().await;
    // By default a Cluster that misses a slot refuses all of them: all wait then.
    let fleet = Fleet::start_on(Cluster::start_with(&[]).await, 3, &BUDGET).await;
    let load = Load::start(&fleet.urls(), Plan::default()).await;
    load.pass(SECOND).await;
    let killed = load.now();
    fleet.redis.nodes[1].kill();
    let (node, switch) = fleet.redis.replaced(1, 6000).await;
    load.pass(3 * SECOND).await;
    let history = load.stop().await;
    let verdict = history.check(&Rules { may_lose: 5, ..PATIENT });
    let slowest = history.slowest(killed, Duration::MAX);
    println!("killed: node {node} after {switch:?}, slowest {slowest:?}; {verdict}");
    verdict.assert_clean();
    assert_eq!(verdict.refused(), 0, "{verdict}");
}

#[tokio::test]
async fn a_planned_failover_there_and_back_costs_nobody_a_request() {
    let _turn = alone().await;
    let mut slowest = Vec::new();
    for _ in 0..TRIES {
        slowest.push(slowest_of_failovers_there_and_back().await);
        // Within the budget that requests have by default, in which nobody is refused here.
        if slowest.last() < Some(&SECOND) {
            return;
        }
    }
    panic!("the slowest of each round: {slowest:?}");
}

async fn slowest_of_failovers_there_and_back() -> Duration {
    // On a machine that stands still the default might not do: what is not about time must hold all the same.
    let patient = [BUDGET[0], ("STORE_ATTEMPTS", "60")];
    let fleet = Fleet::start_on(Cluster::start().await, 3, &patient).await;
    let load = Load::start(&fleet.urls(), Plan::default()).await;
    load.pass(SECOND).await;
    let begun = load.now();
    let node = fleet.redis.failover(2).await;
    load.pass(SECOND).await;
    fleet.redis.calm().await;
    assert_eq!(fleet.redis.failover(node).await, 2);
    load.pass(SECOND).await;
    let history = load.stop().await;
    let verdict = history.check(&Rules { may_lose: 5, ..PATIENT });
    let slowest = history.slowest(begun, Duration::MAX);
    println!("planned: to node {node} and back, slowest {slowest:?}; {verdict}");
    verdict.assert_clean();
    assert_eq!(verdict.refused(), 0, "{verdict}");
    slowest
}

#[tokio::test]
async fn a_log_out_that_a_failover_of_its_shard_loses_is_repeated() {
    let settings = ["--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0"];
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Cluster::start_with(&[&settings[..], &durable[..]].concat()).await;
    let mut fleet = Fleet::start_on(redis, 2, &BUDGET).await;
    let (leaving, staying) = (user_on(&fleet, 0).await, user_on(&fleet, 0).await);
    let cookie = leaving.cookie().expect("a session");
    // What the replica has by now is all that it will ever have.
    fleet.redis.calm().await;
    fleet.redis.copied(0).await;
    fleet.redis.nodes[3].kill();
    assert_eq!(leaving.post("/logout").send().await.status, 204);
    fleet.redis.nodes[0].kill();
    fleet.redis.nodes[3].restart().await;
    fleet.redis.replaced(0, 0).await;
    for turn in [0, 1, 0, 1] {
        let dead = Browser::new(fleet.url(turn)).get("/me").cookie(&cookie).send().await;
        assert_eq!((dead.status, dead.json()["session"].clone()), (200, json!(false)), "at instance {turn}");
        assert_eq!(staying.at(fleet.url(turn)).get("/me").send().await.json()["count"], 1);
    }
    let log = fleet.instances[0].log();
    assert!(log.iter().any(|line| line.contains("log_outs_repeated")), "{log:#?}");
}
