//! Attempts, pauses and time-outs are bounded. With the clock stopped, so to the millisecond.

use std::time::Duration;

use futures_util::future::join_all;
use stickless::UnavailableKind;
use stickless::store::{Act, Budget, Store};
use tokio::time::Instant;

use super::wire::{Fault, Wire, connected};
use crate::contract::subject::{Subject, add};
use crate::harness::RedisServer;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How each kind of call ended, and after how long.
async fn calls(store: &impl Store) -> Vec<(UnavailableKind, Duration)> {
    let subject = Subject::new(store);
    let write = subject.write(1, Act::Apply(add("n", 1)));
    let mut ends = Vec::new();
    for call in 0..3 {
        let (budget, started) = (Budget::default(), Instant::now());
        let failed = match call {
            0 => store.load(&[subject.handle], &budget).await.expect_err("no answer"),
            1 => store.apply(&write, &budget).await.expect_err("no answer"),
            _ => store.ping(&budget).await.expect_err("no answer"),
        };
        ends.push((failed.kind(), started.elapsed()));
    }
    ends
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_no_more_than_the_budget() {
    for budget in [1, 100, 400, 1000, 5000] {
        let wire = Wire::to_nowhere();
        let store = connected(wire.builder().attempts(100).budget(ms(budget))).await;
        wire.always("ROLE", Fault::Silence);
        for (kind, took) in calls(&store).await {
            assert!([UnavailableKind::TimedOut, UnavailableKind::Disconnected].contains(&kind), "{kind:?}");
            assert!(took <= ms(budget + 2), "{took:?} of {budget}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_each_has_its_own_limit() {
    for attempts in [1, 2, 3] {
        let wire = Wire::to_nowhere();
        let store = connected(wire.builder().attempts(attempts).timeout(ms(50)).budget(ms(60_000))).await;
        let (subject, started) = (Subject::new(&store), Instant::now());
        let failed = subject.try_act(1, Act::Apply(add("n", 1))).await.expect_err("no answer");
        assert_eq!(failed.kind(), UnavailableKind::TimedOut);
        let (least, most) = (ms(50) * attempts, (ms(50) + ms(42)) * attempts);
        assert!(started.elapsed() >= least && started.elapsed() <= most, "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_whatever_the_error() {
    for error in ["-LOADING so\r\n", "-BUSY so\r\n", "-READONLY so\r\n"] {
        for attempts in [1, 3, 7] {
            let wire = Wire::to_nowhere();
            let store = connected(wire.builder().attempts(attempts).budget(ms(60_000))).await;
            let subject = Subject::new(&store);
            wire.always("EVALSHA", Fault::Answer(error.into()));
            wire.always("HGETALL", Fault::Answer(error.into()));
            subject.try_act(1, Act::Destroy).await.expect_err("refused");
            // Of a pipeline all replies are read.
            wire.always("PTTL", Fault::Answer(":-2\r\n".into()));
            subject.try_load().await.expect_err("refused");
            let attempts = usize::try_from(attempts).expect("a few");
            assert_eq!((wire.seen("EVALSHA"), wire.seen("HGETALL")), (attempts, attempts), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_waited_for_within_the_budget() {
    let wire = Wire::to_nowhere();
    let store = connected(wire.builder().attempts(1_000_000).budget(ms(700))).await;
    wire.always("EVALSHA", Fault::Answer("-BUSY so\r\n".into()));
    let (subject, started) = (Subject::new(&store), Instant::now());
    let failed = subject.try_act(1, Act::Destroy).await.expect_err("refused");
    assert_eq!(failed.kind(), UnavailableKind::Busy);
    assert!(started.elapsed() <= ms(702) && started.elapsed() > ms(500), "{:?}", started.elapsed());
    // The pauses grow to 160 ms: it is no storm.
    assert!(wire.seen("EVALSHA") < 60, "{}", wire.seen("EVALSHA"));
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_one_request_share_its_budget() {
    let wire = Wire::to_nowhere();
    let store = connected(wire.builder().attempts(2).timeout(ms(250)).budget(ms(800))).await;
    let (subject, budget, started) = (Subject::new(&store), Budget::default(), Instant::now());
    for _ in 0..4 {
        store.load(&[subject.handle], &budget).await.expect_err("no answer");
    }
    assert!(started.elapsed() <= ms(802) && started.elapsed() > ms(700), "{:?}", started.elapsed());
    assert!(budget.left(ms(800)) <= ms(2), "{:?}", budget.left(ms(800)));
}

/// A future that is dropped has spent its time as well.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_against_the_budget() {
    let wire = Wire::to_nowhere();
    let store = wire.store().await;
    let (subject, budget) = (Subject::new(&store), Budget::default());
    let call = store.load(std::slice::from_ref(&subject.handle), &budget);
    tokio::time::timeout(ms(200), call).await.expect_err("no answer so soon");
    assert_eq!(budget.left(ms(1000)).as_millis(), 800);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_away_for_long_fails_at_once() {
    let wire = Wire::to_nowhere();
    wire.always("PING", Fault::Close);
    let store = wire.builder().build().expect("a store");
    let first = calls(&store).await;
    assert!(first.iter().all(|(kind, _)| *kind == UnavailableKind::Disconnected), "{first:?}");
    tokio::time::sleep(ms(1000)).await;
    let later = calls(&store).await;
    assert!(later.iter().all(|(_, took)| took.is_zero()), "{later:?}");
    // It is dialled all the time, about every 200 ms and never in a storm.
    let before = wire.connections();
    tokio::time::sleep(ms(10_000)).await;
    assert!((40..=80).contains(&(wire.connections() - before)), "{}", wire.connections() - before);
}

#[tokio::test(start_paused = true)]
async fn all_calls_together_repeat_no_more_than_their_share() {
    let wire = Wire::to_nowhere();
    let store = connected(wire.builder().attempts(3).budget(ms(2000))).await;
    wire.always("EVALSHA", Fault::Answer("-BUSY so\r\n".into()));
    let subject = Subject::new(&store);
    let calls = 500;
    join_all((0..calls).map(|_| subject.try_act(1, Act::Destroy))).await;
    // A fifth of the calls, and ten a second over the ten seconds that count.
    let repeated = wire.seen("EVALSHA") - calls;
    assert!((calls / 5..=calls / 5 + 120).contains(&repeated), "{repeated}");
    // A single one is repeated as ever, a while later.
    tokio::time::sleep(ms(20_000)).await;
    let before = wire.seen("EVALSHA");
    subject.try_act(1, Act::Destroy).await.expect_err("busy");
    assert_eq!(wire.seen("EVALSHA") - before, 3);
}

/// In real time, and a server that the system has stopped.
#[tokio::test]
async fn a_frozen_server_costs_no_more_than_the_budget() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().budget(ms(600))).await;
    server.freeze();
    let ends = calls(&store).await;
    server.thaw();
    for (kind, took) in ends {
        assert_eq!(kind, UnavailableKind::TimedOut);
        // Less than one more attempt would add.
        assert!(took < ms(600 + 240), "{took:?}");
    }
}
