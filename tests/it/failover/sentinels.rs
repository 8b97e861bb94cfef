//! Sentinels that are away.

use std::time::Duration;

use super::{SECOND, fleet, fleet_with};
use crate::harness::{Replicated, ReplicatedSettings, Sentinel};
use crate::load::{Load, Plan, Rules, alone, in_rounds};

/// The budget of the instances, and a little.
const BUDGET: Duration = Duration::from_millis(3100);

#[tokio::test]
async fn with_one_two_or_all_sentinels_away_and_the_master_there_nobody_notices() {
    let _turn = alone().await;
    in_rounds(async || {
        let mut fleet = fleet().await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        for sentinel in &fleet.redis.sentinels {
            sentinel.kill();
            load.pass(SECOND).await;
        }
        // Also who comes anew finds the master when they are back.
        fleet.instances[0].restart().await;
        for sentinel in &mut fleet.redis.sentinels {
            sentinel.restart().await;
        }
        load.pass(SECOND).await;
        // They are followed as before.
        fleet.redis.calm().await;
        let begun = load.now();
        fleet.redis.failover().await;
        load.pass(SECOND).await;
        let history = load.stop().await;
        // The restarted instance's own requests: it has no answer without a Sentinel.
        let restarted = Rules { refusals: &[503], may_break: u64::MAX, ..Rules::default() };
        let verdict = history.check(&Rules { budget: BUDGET, may_lose: 10, ..restarted });
        println!("{verdict}");
        if !verdict.is_in_time() {
            return false;
        }
        let failed = history.of_instances(&[1, 2]).failed(Duration::ZERO, Duration::MAX);
        assert_eq!(failed, 0, "of the instances that went on");
        assert_eq!(history.failed(begun, Duration::MAX), 0, "after their return");
        true
    })
    .await;
}

#[tokio::test]
async fn with_all_sentinels_hung_and_the_master_there_nobody_notices() {
    let _turn = alone().await;
    in_rounds(async || {
        let fleet = fleet().await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        for sentinel in &fleet.redis.sentinels {
            sentinel.freeze();
        }
        load.pass(2 * SECOND).await;
        for sentinel in &fleet.redis.sentinels {
            sentinel.thaw();
        }
        load.pass(SECOND).await;
        let verdict = load.stop().await.check(&Rules::default());
        println!("{verdict}");
        verdict.is_undisturbed_in_time()
    })
    .await;
}

#[tokio::test]
async fn a_sentinel_that_dies_while_it_leads_a_planned_failover_logs_nobody_out() {
    let _turn = alone().await;
    in_rounds(async || {
        let fleet = fleet().await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        load.pass(Duration::from_millis(500)).await;
        let leader = &fleet.redis.sentinels[0];
        let before = leader.log().len();
        leader.ask(&["FAILOVER", "main"]).await.expect("it begins");
        // The replica was told to be a master, and nobody else knows.
        leader.logged(before, "+failover-state-wait-promotion").await;
        leader.kill();
        load.pass(2 * SECOND).await;
        let is_back = fleet.redis.nodes[0].is_master().await;
        let history = load.stop().await;
        // The instances switch early: what they wrote to the replica in the meantime is lost when it is turned back.
        let verdict = history.check(&Rules { budget: 2 * SECOND, may_lose: 300, ..Rules::default() });
        println!("{verdict}");
        if leader.log().iter().any(|line| line.contains("+promoted-slave")) {
            println!("it died too late: it had told the others");
            return false;
        }
        if !verdict.is_in_time() {
            return false;
        }
        assert!(is_back);
        assert_eq!(verdict.refused(), 0, "{verdict}");
        true
    })
    .await;
}

#[tokio::test]
async fn a_sentinel_that_dies_while_it_leads_after_a_crash_is_replaced_and_nobody_is_logged_out() {
    let _turn = alone().await;
    in_rounds(async || {
        let settings = ReplicatedSettings { failover_timeout: SECOND, ..ReplicatedSettings::default() };
        let fleet = fleet_with(settings).await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        load.pass(Duration::from_millis(500)).await;
        fleet.redis.nodes[0].server.kill();
        leader(&fleet.redis, &load).await.kill();
        let (master, switch) = fleet.redis.new_master(0).await;
        let switched = load.now();
        load.pass(2 * SECOND).await;
        let history = load.stop().await;
        let rules = Rules { budget: BUDGET, refusals: &[503], may_lose: 5, ..Rules::default() };
        let (verdict, healthy) = (history.check(&rules), history.healthy_after(switched));
        println!("node {master} {switch:?} after the leader's death, healthy {healthy:?} later; {verdict}");
        verdict.is_in_time() && healthy < SECOND
    })
    .await;
}

/// The Sentinel that was elected, as soon as one is.
async fn leader<'a>(redis: &'a Replicated, load: &Load) -> &'a Sentinel {
    let is_elected = |sentinel: &&Sentinel| sentinel.log().iter().any(|line| line.contains("+elected-leader"));
    loop {
        if let Some(leader) = redis.sentinels.iter().find(is_elected) {
            return leader;
        }
        load.pass(Duration::from_millis(1)).await;
    }
}
