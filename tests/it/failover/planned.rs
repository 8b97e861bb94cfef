//! An operator moves the master.

use std::time::Duration;

use super::HUNDRED_WRITES;
use super::{SECOND, fleet};
use crate::load::{Load, Rules, TRIES, alone};

#[tokio::test]
async fn a_planned_failover_takes_nobody_longer_than_100_ms_and_loses_5_writes_at_most() {
    let _turn = alone().await;
    let mut slowest = Vec::new();
    for _ in 0..TRIES {
        slowest.push(slowest_of_a_planned_failover().await);
        if slowest.last() < Some(&Duration::from_millis(100)) {
            return;
        }
    }
    panic!("the slowest of each round: {slowest:?}");
}

async fn slowest_of_a_planned_failover() -> Duration {
    let fleet = fleet().await;
    let load = Load::start(&fleet.urls(), HUNDRED_WRITES).await;
    // So long that there are log-outs, which are repeated on the new master before anyone is let onto it.
    load.pass(3 * SECOND).await;
    let begun = load.now();
    let master = fleet.redis.failover().await;
    let switch = load.now().saturating_sub(begun);
    load.pass(2 * SECOND).await;
    let history = load.stop().await;
    let verdict = history.check(&Rules { may_lose: 5, ..Rules::default() });
    let slowest = history.slowest(begun, begun + 3 * SECOND);
    println!("planned: node {master} after {switch:?}, slowest {slowest:?}; {verdict}");
    verdict.assert_clean();
    assert_eq!(verdict.refused(), 0, "{verdict}");
    assert_ne!(master, 0);
    slowest
}
