//! The one connection: shared, replaced when it is dead, closed with the store.

use std::time::Duration;

use futures_util::future::join_all;
use stickless::UnavailableKind;
use stickless::store::{Act, Budget, LinkState, Loaded, RedisStore, Store};
use tokio::time::{sleep, timeout};

use super::wire::{Fault, Wire, connected};
use crate::contract::subject::{Subject, add, done, map};
use crate::harness::RedisServer;
use crate::until;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// For many calls at once: none is given up because the others take their time.
async fn patient(wire: &Wire) -> RedisStore {
    connected(wire.builder().timeout(ms(5_000)).budget(ms(10_000))).await
}

#[tokio::test]
async fn a_hundred_dropped_calls_leave_the_connection_usable_and_no_reply_is_mixed_up() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = patient(&wire).await;
    let subjects = join_all((0..20).map(|number: usize| {
        let (store, number) = (&store, number.to_string());
        async move { Subject::with(store, &[("mine", &number)]).await }
    }))
    .await;
    // Slow enough that a call is dropped with its replies under way: some at once, some after a while.
    for name in ["HGETALL", "EVALSHA"] {
        wire.always(name, Fault::HoldReply(ms(1)));
    }
    join_all((0..100).map(|call: usize| {
        let subject = &subjects[call % subjects.len()];
        async move {
            let limit = ms(call as u64 % 17);
            match call % 2 {
                0 => drop(timeout(limit, subject.load()).await),
                _ => drop(timeout(limit, subject.apply(1, add("n", 1))).await),
            }
        }
    }))
    .await;
    for round in 0..3 {
        let loaded = join_all(subjects.iter().map(Subject::data)).await;
        for (number, data) in loaded.iter().enumerate() {
            assert_eq!(data["mine"], number.to_string(), "{round}");
        }
    }
    assert_eq!(wire.connections(), 1);
}

#[tokio::test]
async fn a_call_dropped_at_any_moment_is_done_once_or_not_at_all() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    wire.always("EVALSHA", Fault::HoldReply(ms(2)));
    for after in 0..12 {
        let subject = Subject::with(&store, &[]).await;
        let answered = timeout(Duration::from_micros(after * 500), subject.apply(1, add("n", 1))).await.is_ok();
        sleep(ms(20)).await;
        let sum = subject.data().await.get("n").cloned();
        assert!(sum.as_deref() == Some("1") || !answered && sum.is_none(), "{sum:?}");
    }
}

#[tokio::test]
async fn concurrent_calls_share_one_connection() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = patient(&wire).await;
    let subject = Subject::with(&store, &[]).await;
    join_all((0..100).map(|_| subject.apply(1, add("n", 1)))).await;
    assert_eq!((subject.data().await, wire.connections()), (map(&[("n", "100")]), 1));
}

#[tokio::test]
async fn three_time_outs_in_a_row_redial_and_two_do_not() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().attempts(1).timeout(ms(500))).await;
    let subject = Subject::with(&store, &[]).await;
    let time_out = async || subject.try_load().await.expect_err("frozen").kind();
    for _ in 0..2 {
        server.freeze();
        assert_eq!([time_out().await, time_out().await], [UnavailableKind::TimedOut; 2]);
        server.thaw();
        // An answer between them: they are not in a row.
        while subject.try_load().await.is_err() {
            sleep(ms(5)).await;
        }
    }
    assert_eq!(wire.connections(), 1);
    let mut watch = store.watch();
    assert_eq!(*watch.borrow(), LinkState::Up);
    server.freeze();
    for _ in 0..3 {
        assert_eq!(time_out().await, UnavailableKind::TimedOut);
    }
    watch.wait_for(|link| *link == LinkState::Down(UnavailableKind::TimedOut)).await.expect("the store lives");
    server.thaw();
    assert!(matches!(subject.load().await, Loaded::Found(_)));
    assert!(wire.connections() >= 2);
    assert_eq!(*watch.borrow(), LinkState::Up);
}

#[tokio::test]
async fn one_dead_connection_makes_one_new_one_however_many_calls_it_fails() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = patient(&wire).await;
    let subject = Subject::with(&store, &[]).await;
    wire.next("EVALSHA", [Fault::LoseReply]);
    // No more than a record recognises: those that were in flight are all sent twice.
    let outcomes = join_all((0..60).map(|_| subject.apply(1, add("n", 1)))).await;
    let mut sums: Vec<_> = outcomes.iter().filter_map(|outcome| done(outcome).value).collect();
    sums.sort_unstable();
    assert_eq!((sums, wire.connections()), ((1..=60).collect(), 2));
}

#[tokio::test]
async fn a_connection_that_redis_closes_is_replaced_unseen() {
    let server = RedisServer::start().await;
    let store = connected(RedisStore::builder(server.unix_url()).attempts(3)).await;
    let subject = Subject::with(&store, &[]).await;
    for count in 1..=5 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(count));
    }
}

#[tokio::test]
async fn a_store_is_built_without_its_server_and_works_once_that_is_there() {
    let mut server = RedisServer::start().await;
    server.stop().await;
    let store = RedisStore::builder(server.unix_url()).budget(ms(100)).build().expect("a store");
    let failed = store.ping(&Budget::default()).await.expect_err("nobody there");
    assert_eq!(failed.kind(), UnavailableKind::Disconnected);
    server.restart().await;
    until("it is there", async || store.ping(&Budget::default()).await.is_ok()).await;
}

#[tokio::test]
async fn the_connection_has_its_name() {
    let server = RedisServer::start().await;
    let _store = connected(RedisStore::builder(server.unix_url()).name("web-1")).await;
    assert!(server.cli(&["CLIENT", "LIST"]).await.contains(" name=web-1 "));
}

#[tokio::test]
async fn all_tasks_end_and_the_connection_is_closed_when_the_store_is_dropped() {
    let server = RedisServer::start().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let (clone, watch) = (store.clone(), store.watch());
    let subject = Subject::with(&store, &[]).await;
    // With a call under way, and one that was dropped.
    wire.next("HGETALL", [Fault::HoldReply(ms(50))]);
    timeout(ms(5), subject.load()).await.expect_err("no answer so soon");
    drop(store);
    done(&Subject::new(&clone).act(1, Act::Bury).await);
    assert_eq!(wire.open(), 1);
    drop(clone);
    until("all has ended", async || (wire.open(), tasks()) == (0, before)).await;
    assert!(!server.cli(&["CLIENT", "LIST"]).await.contains("name=stickless"));
    drop(watch);
}

#[tokio::test]
async fn all_tasks_end_when_the_store_is_dropped_while_its_server_is_away() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for fault in [Fault::Close, Fault::Silence] {
        let wire = Wire::to_nowhere();
        wire.always("PING", fault);
        let store = wire.builder().budget(ms(50)).build().expect("a store");
        store.ping(&Budget::default()).await.expect_err("nobody there");
        drop(store);
        until("all has ended", async || (wire.open(), tasks()) == (0, before)).await;
    }
}
