//! The master dies, or hangs.

use std::time::Duration;

use super::{SECOND, fleet};
use crate::load::{Load, Plan, Rules, alone, in_rounds};

/// Of 120 writes a second, down-after included: only what was acknowledged and not yet replicated is lost.
const SWITCH: Rules = Rules { budget: Duration::from_secs(2), may_lose: 5, ..Rules::new() };

#[tokio::test]
async fn when_the_master_is_killed_no_request_fails_and_none_takes_longer_than_two_seconds() {
    let _turn = alone().await;
    in_rounds(async || {
        let fleet = fleet().await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        load.pass(SECOND).await;
        let killed = load.now();
        fleet.redis.nodes[0].server.kill();
        let (master, switch) = fleet.redis.new_master(0).await;
        load.pass(2 * SECOND).await;
        let history = load.stop().await;
        let verdict = history.check(&SWITCH);
        let slowest = history.slowest(killed, killed + 4 * SECOND);
        println!("killed: node {master} after {switch:?}, slowest {slowest:?}; {verdict}");
        // Sentinels that elect no leader at once are not what is tested.
        if fleet.redis.vote_was_split() || !verdict.is_in_time() {
            return false;
        }
        assert_eq!(verdict.refused(), 0, "{verdict}");
        true
    })
    .await;
}

/// A Sentinel asks a master each second, and gives it down-after, here another second, to answer: the last second of a
/// master that dies counts as silence, that of one that hangs does not. So it takes up to a second longer.
#[tokio::test]
async fn when_the_master_hangs_no_request_fails_and_nobody_writes_to_it_when_it_is_back() {
    let _turn = alone().await;
    in_rounds(async || {
        let fleet = fleet().await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        load.pass(SECOND).await;
        let old = &fleet.redis.nodes[0].server;
        let monitor = old.monitor().await;
        let frozen = load.now();
        old.freeze();
        let (master, switch) = fleet.redis.new_master(0).await;
        load.pass(SECOND).await;
        let before = monitor.lines().len();
        // A master still, by its own word, until a Sentinel finds it.
        old.thaw();
        load.pass(2 * SECOND).await;
        let history = load.stop().await;
        let verdict = history.check(&Rules { budget: Duration::from_millis(2600), ..SWITCH });
        let slowest = history.slowest(frozen, frozen + 4 * SECOND);
        println!("frozen: node {master} after {switch:?}, slowest {slowest:?}; {verdict}");
        // Sentinels that elect no leader at once are not what is tested.
        if fleet.redis.vote_was_split() || !verdict.is_in_time() {
            return false;
        }
        assert_eq!(verdict.refused(), 0, "{verdict}");
        assert_nothing_written(&monitor.lines().split_off(before));
        true
    })
    .await;
}

/// What was on its way when it hung is too late by now, and asks for the time only. (The monitor ends with the demotion;
/// nobody can write then.)
fn assert_nothing_written(after: &[String]) {
    println!("the old master was asked {} things after its return", after.len());
    let writes = ["\"HSET\"", "\"DEL\"", "\"PEXPIRE\"", "\"HINCRBY\"", "\"HDEL\""];
    let is_ours = |line: &&String| line.contains(" lua] ") && writes.iter().any(|write| line.contains(write));
    let written: Vec<_> = after.iter().filter(is_ours).collect();
    assert!(written.is_empty(), "{written:#?}");
}
