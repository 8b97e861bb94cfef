//! Slots on their way from one master to another, and masters that come and go.

use serde_json::json;

use super::{Plan, Rules, SECOND, fleet, user_on};
use crate::harness::record_key;
use crate::load::{Load, alone};

#[tokio::test]
async fn a_session_whose_slot_moves_is_there_at_each_step() {
    let fleet = fleet().await;
    let browser = user_on(&fleet, 0).await;
    let key = record_key(&browser.cookie().expect("a session"));
    let slot = fleet.redis.slot(&key).await.to_string();
    let (from, to) = (fleet.redis.id(0).await, fleet.redis.id(1).await);
    let set = async |node: usize, how: &[&str]| {
        let answer = fleet.redis.nodes[node].cli(&[&["CLUSTER", "SETSLOT", &slot], how].concat()).await;
        assert_eq!(answer, "OK");
    };
    let mut count = 1;
    let mut works = async |step: &str| {
        for turn in 0..3 {
            let at = browser.at(fleet.url(turn));
            count += 1;
            let counted = at.get("/count").send().await;
            assert_eq!((counted.status, counted.json()), (200, json!({ "count": count, "session": true })), "{step}");
            let me = at.get("/me").send().await;
            assert_eq!((me.json()["count"].clone(), me.set_cookies().len()), (json!(count), 0), "{step}");
        }
    };
    works("before").await;
    set(1, &["IMPORTING", &from]).await;
    set(0, &["MIGRATING", &to]).await;
    works("still at the old master").await;
    let port = fleet.redis.nodes[1].port().to_string();
    let moved = fleet.redis.nodes[0].cli(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]).await;
    assert_eq!(moved, "OK");
    works("sent on by ASK").await;
    set(1, &["NODE", &to]).await;
    works("sent on although it has moved").await;
    set(0, &["NODE", &to]).await;
    works("sent on by MOVED").await;
    assert_eq!(fleet.redis.nodes[1].hash(&key).await.get(".n"), Some(&count.to_string()));
}

#[tokio::test]
async fn while_slots_move_and_masters_come_and_go_no_request_fails() {
    let _turn = alone().await;
    let mut fleet = fleet().await;
    let load = Load::start(&fleet.urls(), Plan::default()).await;
    load.pass(SECOND / 2).await;
    // A thirtieth of all.
    fleet.redis.reshard(0, 1, 600).await;
    let added = fleet.redis.add().await;
    fleet.redis.reshard(2, added, 600).await;
    load.pass(SECOND / 2).await;
    fleet.redis.reshard(added, 0, 600).await;
    fleet.redis.remove(added).await;
    load.pass(SECOND).await;
    let history = load.stop().await;
    let verdict = history.check(&Rules::default());
    println!("slots moved: {verdict}");
    verdict.assert_undisturbed();
}
