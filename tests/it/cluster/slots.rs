//! Slots on their way from one master to another, and masters that come and go.

use serde_json::json;

use super::{BUDGET, Plan, Rules, SECOND, fleet, user_on};
use crate::harness::{Browser, Cluster, Fleet, record_key};
use crate::load::{Load, alone};

#[tokio::test]
async fn a_session_whose_slot_moves_is_there_at_each_step() {
    follow_a_slot(&fleet().await).await;
}

/// A session's slot moves from the first master to the second, step by step.
pub(crate) async fn follow_a_slot(fleet: &Fleet<Cluster>) {
    let browser = user_on(fleet, 0).await;
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
    // Limits have tests of their own.
    let verdict = history.check(&Rules { budget: 3 * SECOND, plain: SECOND, ..Rules::new() });
    println!("slots moved: {verdict}");
    verdict.assert_undisturbed();
}

#[tokio::test]
async fn who_waits_for_a_master_that_is_gone_follows_the_slot_to_who_is_given_it() {
    let fleet = Fleet::start_on(Cluster::start().await, 1, &BUDGET).await;
    let browser = user_on(&fleet, 0).await;
    let slot = fleet.redis.slot(&record_key(&browser.cookie().expect("a session"))).await.to_string();
    let (old, new) = (fleet.redis.id(0).await, fleet.redis.id(1).await);
    // A master and its replica, so that nobody takes over all of its slots.
    for node in [3, 0] {
        fleet.redis.nodes[node].kill();
    }
    let waiting = tokio::spawn(async move { browser.get("/me").send().await });
    fleet.instances[0].logged("store_down").await;
    assert!(!waiting.is_finished());
    for how in [["IMPORTING", &old], ["NODE", &new]] {
        let given = fleet.redis.nodes[1].cli(&["CLUSTER", "SETSLOT", &slot, how[0], how[1]]).await;
        assert_eq!(given, "OK");
    }
    let answer = waiting.await.expect("an answer");
    // What was in it is lost.
    assert_eq!((answer.status, answer.json()["session"].clone()), (200, json!(false)));
}

#[tokio::test]
async fn of_a_slot_that_has_half_moved_every_session_is_there_for_each_is_asked_for_alone() {
    // All keys in one slot.
    let fleet = Fleet::start_on(Cluster::start().await, 2, &[("STORE_PREFIX", "{one}")]).await;
    let key = |browser: &Browser| record_key(&browser.cookie().expect("a session")).replace("stickless:", "{one}");
    let (moves, stays) = (fleet.browser(), fleet.browser());
    for browser in [&moves, &stays] {
        assert_eq!(browser.get("/count").send().await.json()["count"], 1);
    }
    let (gone, stayed, slot) = (key(&moves), key(&stays), fleet.redis.slot("{one}").await);
    let from = fleet.redis.owner(slot).await;
    let to = (from + 1) % 3;
    let (slot, ids) = (slot.to_string(), [fleet.redis.id(from).await, fleet.redis.id(to).await]);
    let (source, target) = (&fleet.redis.nodes[from], &fleet.redis.nodes[to]);
    target.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]).await;
    source.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]).await;
    let port = target.port().to_string();
    assert_eq!(source.cli(&["MIGRATE", "127.0.0.1", &port, &gone, "0", "1000"]).await, "OK");
    // A command of two keys would be sent on by the one and refused by the other.
    let both = target.pipe(&["ASKING", &format!("EXISTS {gone} {stayed}")]).await;
    assert!(both[1].starts_with("-TRYAGAIN"), "{both:?}");
    for turn in [0, 1] {
        let count = 2 + turn;
        for browser in [&moves, &stays] {
            let answer = browser.at(fleet.url(turn)).get("/count").send().await;
            assert_eq!(answer.json(), json!({ "count": count, "session": true }));
        }
        // One request with both, and a new user, whose keys begin at the new master.
        let cookies = format!("{}; {}", moves.cookie().expect("one"), stays.cookie().expect("another"));
        let me = Browser::new(fleet.url(turn)).get("/me").cookie(&cookies).send().await;
        assert_eq!((me.status, me.json()["count"].clone()), (200, json!(count)));
        let new = Browser::new(fleet.url(turn));
        assert_eq!(new.post(&format!("/login?user=ada{turn}")).send().await.status, 204);
        assert_eq!(new.get("/me").send().await.json()["user"], format!("ada{turn}"));
        assert_eq!(new.get("/devices").send().await.json().as_array().map(Vec::len), Some(1));
        assert_eq!(new.post("/logout-everywhere").send().await.json(), json!({ "ended": 1 }));
    }
}
