//! Instances and keys are replaced one after another under load.

use std::time::Duration;

use tokio::time::sleep;

use super::Traffic;
use crate::harness::{Fleet, session_key};

const BETWEEN: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_rolling_change_of_keys_over_three_instances_loses_none_of_200_sessions() {
    let mut fleet = Fleet::start(3).await;
    let traffic = Traffic::start(&fleet.urls(), 200).await;
    let (old, new) = (fleet.key.clone(), session_key());
    for keys in [format!("{old},{new}"), format!("{new},{old}")] {
        let store = fleet.redis.url();
        for instance in &mut fleet.instances {
            instance.restart_with(&[("STORE", &store), ("SESSION_KEYS", &keys)]).await;
            sleep(BETWEEN).await;
        }
    }
    let seen = traffic.stop().await;
    println!("{seen:?}");
    seen.assert_nobody_lost();
    assert!(seen.answers.keys().all(|status| *status == 200), "{seen:?}");
}

#[tokio::test]
async fn instances_restarted_one_after_another_lose_no_session() {
    let mut fleet = Fleet::start(3).await;
    let traffic = Traffic::start(&fleet.urls(), 50).await;
    for instance in &mut fleet.instances {
        instance.restart().await;
        sleep(BETWEEN).await;
    }
    let seen = traffic.stop().await;
    println!("{seen:?}");
    seen.assert_nobody_lost();
    assert!(seen.answers.keys().all(|status| *status == 200), "{seen:?}");
}

#[tokio::test]
async fn a_killed_instance_takes_no_session_with_it() {
    let mut fleet = Fleet::start(3).await;
    let traffic = Traffic::start(&fleet.urls(), 50).await;
    sleep(BETWEEN).await;
    fleet.instances[1].kill();
    sleep(BETWEEN).await;
    fleet.instances[1].restart().await;
    sleep(BETWEEN).await;
    let seen = traffic.stop().await;
    println!("{seen:?}");
    seen.assert_nobody_lost();
    assert!(seen.answers.keys().all(|status| *status == 200), "{seen:?}");
}
