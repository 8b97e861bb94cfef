//! A node that is no longer the master: it refuses writes, and knows nothing for certain.

use std::time::Duration;

use stickless::store::{Act, Budget, Loaded, RedisStore, Store};
use stickless::{Unavailable, UnavailableKind};
use tokio::time::{Instant, sleep};

use super::wire::{Wire, connected};
use crate::contract::subject::{HOUR, Subject, add, create, done, keep, map, set, slide};
use crate::harness::RedisServer;
use crate::until;

/// Nobody is there, so what the node has stays as it is.
async fn demote(server: &RedisServer) {
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
}

async fn promote(server: &RedisServer) {
    server.cli(&["REPLICAOF", "NO", "ONE"]).await;
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Unavailable>) -> UnavailableKind {
    answer.expect_err("no answer of a replica is believed").kind()
}

#[tokio::test]
async fn a_write_to_a_demoted_master_is_refused_within_the_budget_and_done_once_it_is_promoted_again() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().budget(Duration::from_millis(500))).await;
    let subject = Subject::with(&store, &[("n", "1")]).await;
    demote(&server).await;
    let (sent, started) = (wire.seen("EVALSHA"), Instant::now());
    assert_eq!(kind(subject.try_act(1, Act::Apply(add("n", 1))).await), UnavailableKind::NotMaster);
    // Less than one more attempt would add to the budget.
    assert!(started.elapsed() < Duration::from_millis(740), "{:?}", started.elapsed());
    // The connection is not used again, and no other one is while the node is no master.
    for act in [Act::Apply(add("n", 1)), Act::Destroy, slide(HOUR * 2)] {
        assert_eq!(kind(subject.try_act(1, act).await), UnavailableKind::NotMaster);
    }
    assert_eq!(kind(subject.try_load().await), UnavailableKind::NotMaster);
    assert_eq!((wire.seen("EVALSHA") - sent, wire.seen("HGETALL")), (1, 0));
    promote(&server).await;
    until("it takes writes again", async || subject.try_act(1, Act::Apply(keep())).await.is_ok()).await;
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(2));
}

#[tokio::test]
async fn a_call_rides_out_a_short_demotion() {
    let server = RedisServer::start().await;
    let store = connected(RedisStore::builder(server.unix_url())).await;
    let subject = Subject::with(&store, &[]).await;
    demote(&server).await;
    let write = async { done(&subject.apply(1, add("n", 1)).await).value };
    let (value, ()) = tokio::join!(write, async {
        sleep(Duration::from_millis(150)).await;
        promote(&server).await;
    });
    assert_eq!(value, Some(1));
    assert_eq!(subject.data().await, map(&[("n", "1")]));
}

#[tokio::test]
async fn a_miss_on_a_replica_is_unavailable_and_never_missing() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().budget(Duration::from_millis(300))).await;
    let (subject, unknown) = (Subject::with(&store, &[]).await, Subject::new(&store));
    assert_eq!(unknown.load().await, Loaded::Missing);
    server.cli(&["FLUSHALL"]).await;
    demote(&server).await;
    for handles in [vec![subject.handle], vec![unknown.handle], vec![unknown.handle, subject.handle]] {
        assert_eq!(kind(store.load(&handles, &Budget::default()).await), UnavailableKind::NotMaster);
    }
    assert_eq!(kind(store.ping(&Budget::default()).await), UnavailableKind::NotMaster);
}

#[tokio::test]
async fn a_hit_costs_no_second_look_and_a_miss_one() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let (subject, unknown) = (Subject::with(&store, &[]).await, Subject::new(&store));
    let ended = Subject::with(&store, &[]).await;
    done(&ended.act(1, Act::Destroy).await);
    let looks = async |handles: &[_]| {
        let before = (wire.seen("HGETALL"), wire.seen("ROLE"));
        store.load(handles, &Budget::default()).await.expect("the store answers");
        (wire.seen("HGETALL") - before.0, wire.seen("ROLE") - before.1)
    };
    assert_eq!(looks(&[subject.handle]).await, (1, 0));
    assert_eq!(looks(&[unknown.handle, subject.handle]).await, (2, 0));
    assert_eq!(looks(&[ended.handle]).await, (1, 0));
    assert_eq!(looks(&[unknown.handle]).await, (2, 1));
}

/// Nothing is written on these ways through a script, so the node itself would not complain.
#[tokio::test]
async fn a_refusal_by_a_replica_is_unavailable_and_never_gone() {
    let server = RedisServer::start().await;
    for act in [Act::Destroy, slide(HOUR), Act::Apply(set("a", "1"))] {
        let store = connected(RedisStore::builder(server.unix_url()).budget(Duration::from_secs(1))).await;
        let subject = Subject::with(&store, &[]).await;
        server.cli(&["FLUSHALL"]).await;
        demote(&server).await;
        assert_eq!(kind(subject.try_act(1, act.clone()).await), UnavailableKind::NotMaster, "{act:?}");
        promote(&server).await;
    }
}

#[tokio::test]
async fn an_old_copy_on_a_replica_supersedes_nothing_and_conflicts_with_nothing() {
    let server = RedisServer::start().await;
    let acts = [
        (1, Act::Apply(keep())),
        (1, Act::Destroy),
        (1, slide(HOUR)),
        (2, Act::Apply(crate::contract::subject::if_has("a", Some("2"), keep()))),
        (2, Act::Apply(add("a", 1))),
        (2, Act::Create(create(&[]))),
    ];
    for (generation, act) in acts {
        let store = connected(RedisStore::builder(server.unix_url()).budget(Duration::from_secs(1))).await;
        let subject = Subject::of_generation(&store, 2, &[("a", "true")]).await;
        demote(&server).await;
        assert_eq!(kind(subject.try_act(generation, act.clone()).await), UnavailableKind::NotMaster, "{act:?}");
        promote(&server).await;
    }
}

#[tokio::test]
async fn a_replica_is_never_connected_to() {
    let server = RedisServer::start().await;
    demote(&server).await;
    let wire = Wire::to(&server);
    let store = wire.builder().budget(Duration::from_millis(300)).build().expect("a store");
    assert_eq!(kind(store.ping(&Budget::default()).await), UnavailableKind::NotMaster);
    let subject = Subject::new(&store);
    assert_eq!(kind(subject.try_load().await), UnavailableKind::NotMaster);
    assert_eq!(kind(subject.try_act(1, Act::Destroy).await), UnavailableKind::NotMaster);
    assert_eq!(wire.seen("EVALSHA") + wire.seen("HGETALL"), 0);
    promote(&server).await;
    until("it is connected to", async || store.ping(&Budget::default()).await.is_ok()).await;
}
