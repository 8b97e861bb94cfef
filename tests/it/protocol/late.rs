//! Attempts that were given up, and reach the server afterwards.

use std::time::{Duration, SystemTime};

use stickless::UnavailableKind;
use stickless::store::{Act, Budget, Loaded, RedisStore, Store};
use tokio::time::sleep;

use super::wire::{Fault, Wire, connected, time};
use crate::contract::subject::{Subject, add, create, done, log_in, map, set};
use crate::harness::RedisServer;

const LATE: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_millis(200);

/// Of a call that is tried again: when what was held is let go, the second attempt has most of its time left.
const LONG_LIMIT: Duration = Duration::from_secs(1);
const HELD: Duration = Duration::from_millis(1300);
const LONG_BUDGET: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_write_that_failed_is_not_done_later_though_it_is_delivered_later() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().attempts(1).timeout(LIMIT)).await;
    // What is to succeed has the usual time.
    let usual = connected(RedisStore::builder(server.unix_url())).await;
    let known = Subject::with(&usual, &[("a", "1"), ("n", "1")]).await;
    let (before, subject) = (known.settled().await, Subject { store: &store, handle: known.handle });
    for act in [Act::Apply(add("n", 1)), Act::Apply(set("a", "2")), Act::Apply(log_in("ann")), Act::Destroy, Act::Bury]
    {
        wire.next("EVALSHA", [Fault::Hold(LATE)]);
        let failed = subject.try_act(1, act.clone()).await.expect_err("no answer in time");
        assert_eq!(failed.kind(), UnavailableKind::TimedOut);
        sleep(LATE).await;
        assert_eq!(known.settled().await, before, "{act:?}");
    }
    let unborn = Subject::new(&store);
    wire.next("EVALSHA", [Fault::Hold(LATE)]);
    let failed = unborn.try_act(1, Act::Create(create(&[]))).await.expect_err("no answer in time");
    assert_eq!(failed.kind(), UnavailableKind::TimedOut);
    sleep(LATE).await;
    assert_eq!(Subject { store: &usual, ..unborn }.load().await, Loaded::Missing);
}

#[tokio::test]
async fn a_late_attempt_does_nothing_and_the_next_one_does_it_once() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().timeout(LONG_LIMIT).budget(LONG_BUDGET)).await;
    let subject = Subject::with(&store, &[("n", "1")]).await;
    let monitor = server.monitor().await;
    wire.next("EVALSHA", [Fault::Hold(HELD)]);
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(2));
    assert_eq!(subject.data().await, map(&[("n", "2")]));
    // Both reached the server, and only the second one came as far as adding.
    let lines = monitor.stop().await;
    let ran: Vec<&str> = lines
        .iter()
        .filter_map(|line| ["EVALSHA", "HINCRBY"].into_iter().find(|word| line.to_uppercase().contains(word)))
        .collect();
    assert_eq!(ran, ["EVALSHA", "EVALSHA", "HINCRBY"]);
}

/// The reply is late and the server was not.
#[tokio::test]
async fn an_attempt_that_was_done_but_answered_late_is_recognised_by_the_next_one() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().timeout(LONG_LIMIT).budget(LONG_BUDGET)).await;
    let subject = Subject::with(&store, &[]).await;
    wire.next("EVALSHA", [Fault::HoldReply(HELD)]);
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(1));
    assert_eq!(subject.data().await, map(&[("n", "1")]));
    assert_eq!((wire.seen("EVALSHA"), wire.connections()), (3, 1));
}

/// By much, and by less than what alone moves the anchor.
#[tokio::test]
async fn a_clock_that_is_behind_is_set_by_the_first_late_answer_and_the_write_is_done_once() {
    let server = RedisServer::start().await;
    for behind in [Duration::from_secs(600), Duration::from_millis(600)] {
        let wire = Wire::to(&server);
        wire.next("TIME", [Fault::Answer(time(SystemTime::now() - behind))]);
        let store = connected(wire.builder()).await;
        let subject = Subject::new(&store);
        let before = store.now();
        let made = done(&subject.act(1, Act::Create(create(&[]))).await);
        // It was behind, and is not any more.
        assert!(made.at.since(before) + behind / 6 > behind);
        assert_eq!(wire.seen("EVALSHA"), 2);
        assert!(made.at.since(store.now()).max(store.now().since(made.at)) < behind * 2 / 3);
        done(&subject.apply(1, add("n", 1)).await);
        assert_eq!(wire.seen("EVALSHA"), 3);
    }
}

/// It would let late attempts run for as long as it is ahead.
#[tokio::test]
async fn a_clock_that_is_ahead_is_set_by_the_first_answer() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    wire.next("TIME", [Fault::Answer(time(SystemTime::now() + Duration::from_secs(600)))]);
    let store = connected(wire.builder()).await;
    let made = done(&Subject::new(&store).act(1, Act::Create(create(&[]))).await);
    assert!(made.at.since(store.now()).max(store.now().since(made.at)) < Duration::from_secs(1));
}

/// A call that waited too long for its turn has nothing left, and is not sent at all.
#[tokio::test]
async fn a_spent_budget_sends_nothing() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    let sent = wire.seen("EVALSHA");
    let budget = Budget::default();
    budget.spend(Duration::from_secs(1));
    let write = subject.write(1, Act::Apply(add("n", 1)));
    assert_eq!(store.apply(&write, &budget).await.expect_err("refused").kind(), UnavailableKind::TimedOut);
    assert_eq!(store.load(&[subject.handle], &budget).await.expect_err("refused").kind(), UnavailableKind::TimedOut);
    assert_eq!((wire.seen("EVALSHA"), wire.seen("HGETALL")), (sent, 0));
}
