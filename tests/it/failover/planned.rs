//! An operator moves the master.

use std::time::Duration;

use super::HUNDRED_WRITES;
use super::{SECOND, fleet};
use crate::load::{Load, Rules, alone, in_rounds};

#[tokio::test]
async fn a_planned_failover_takes_nobody_longer_than_100_ms_and_loses_5_writes_at_most() {
    let _turn = alone().await;
    in_rounds(async || {
        let fleet = fleet().await;
        let load = Load::start(&fleet.urls(), HUNDRED_WRITES).await;
        // So long that there are log-outs, which are repeated on the new master before anyone is let onto it.
        load.pass(3 * SECOND).await;
        let begun = load.now();
        let master = fleet.redis.failover().await;
        let switch = load.now().saturating_sub(begun);
        load.pass(2 * SECOND).await;
        let history = load.stop().await;
        let verdict = history.check(&Rules { may_lose: 20, ..Rules::default() });
        let slowest = history.slowest(begun, begun + 3 * SECOND);
        println!("planned: node {master} after {switch:?}, slowest {slowest:?}; {verdict}");
        if !verdict.is_in_time() {
            return false;
        }
        assert_eq!(verdict.refused(), 0, "{verdict}");
        assert_ne!(master, 0);
        // The longer the old master goes on beside the new one, the more it is written that is lost.
        slowest < Duration::from_millis(100) && verdict.lost.sum() <= 5
    })
    .await;
}
