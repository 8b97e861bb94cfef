//! Instances are replaced under load.

use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::Fleet;
use crate::load::{Load, Plan, Rules};

const BETWEEN: Duration = Duration::from_millis(150);

/// Requests that meet an instance on its way out or in have no answer: nothing stands before it here. Limits have tests
/// of their own.
const DIRECT: Rules =
    Rules { may_break: u64::MAX, budget: Duration::from_secs(3), plain: Duration::from_secs(1), ..Rules::new() };

#[tokio::test]
async fn instances_restarted_one_after_another_lose_no_session() {
    let mut fleet = Fleet::start(3).await;
    let load = Load::start(&fleet.urls(), Plan::brisk()).await;
    for instance in &mut fleet.instances {
        instance.restart().await;
        load.pass(BETWEEN).await;
    }
    let verdict = load.stop().await.check(&DIRECT);
    println!("{verdict}");
    verdict.assert_clean();
}

#[tokio::test]
async fn a_killed_instance_takes_no_session_with_it() {
    let mut fleet = Fleet::start(3).await;
    let load = Load::start(&fleet.urls(), Plan::brisk()).await;
    load.pass(BETWEEN).await;
    fleet.instances[1].kill();
    load.pass(BETWEEN).await;
    fleet.instances[1].restart().await;
    load.pass(BETWEEN).await;
    let verdict = load.stop().await.check(&DIRECT);
    println!("{verdict}");
    verdict.assert_clean();
}

#[tokio::test]
async fn all_instances_killed_at_once_take_no_session_with_them() {
    let mut fleet = Fleet::start(3).await;
    let load = Load::start(&fleet.urls(), Plan::brisk()).await;
    load.pass(BETWEEN).await;
    for instance in &fleet.instances {
        instance.kill();
    }
    load.pass(BETWEEN).await;
    join_all(fleet.instances.iter_mut().map(crate::harness::Instance::restart)).await;
    load.pass(BETWEEN).await;
    let verdict = load.stop().await.check(&DIRECT);
    println!("{verdict}");
    verdict.assert_clean();
}
