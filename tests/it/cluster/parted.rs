//! A master that the others cannot reach, and instances can.

use std::time::Duration;

use super::failovers::PATIENT;
use super::{BUDGET, Plan, Rules, SECOND};
use crate::harness::{Cluster, Fleet, Mode};
use crate::load::{Load, alone};

#[tokio::test]
async fn a_master_that_is_cut_off_from_the_others_stops_by_itself_and_costs_nobody_a_request() {
    let _turn = alone().await;
    let fleet =
        Fleet::start_on(Cluster::start_behind_wires(&["--cluster-require-full-coverage", "no"]).await, 3, &BUDGET)
            .await;
    let load = Load::start(&fleet.urls(), Plan::default()).await;
    load.pass(SECOND).await;
    fleet.redis.part_bus(0, Mode::Swallow);
    let (node, switch) = fleet.redis.replaced(0, 0).await;
    load.pass(SECOND).await;
    // It knows nothing of the other, and serves nobody.
    let role = fleet.redis.nodes[0].info("replication", "role").await;
    let state = fleet.redis.nodes[0].cli(&["CLUSTER", "INFO"]).await;
    assert!(role == "master" && state.starts_with("cluster_state:fail"), "{role}: {state}");
    fleet.redis.part_bus(0, Mode::Reset);
    load.pass(Duration::from_millis(50)).await;
    fleet.redis.part_bus(0, Mode::Forward);
    load.pass(2 * SECOND).await;
    let verdict = load.stop().await.check(&Rules { may_lose: 5, ..PATIENT });
    println!("parted: node {node} after {switch:?}; {verdict}");
    verdict.assert_clean();
    assert_eq!(verdict.refused(), 0, "{verdict}");
}
