//! Replies that are errors, and records that are not ours to read.

use std::time::Duration;

use stickless::store::{Act, Budget, Loaded, Outcome, RedisStore, Store};
use stickless::{Unavailable, UnavailableKind};
use tokio::time::Instant;

use super::wire::{Fault, Wire, connected};
use crate::contract::subject::{HOUR, Subject, add, create, done, log_in, map, remove, rotate, set, slide};
use crate::harness::RedisServer;

fn kind<T: std::fmt::Debug>(answer: Result<T, Unavailable>) -> UnavailableKind {
    answer.expect_err("an error").kind()
}

fn every_act() -> Vec<Act> {
    let changes = [set("a", "2"), add("n", 1), remove("a"), rotate(), log_in("ann")];
    changes.map(Act::Apply).into_iter().chain([slide(HOUR * 2), Act::Destroy, Act::Bury]).collect()
}

#[tokio::test]
async fn a_key_of_another_type_is_corrupt_for_its_session_alone_and_left_as_it_is() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let (subject, other) = (Subject::new(&store), Subject::with(&store, &[("a", "1")]).await);
    let key = format!("stickless:s:{}", subject.handle);
    server.cli(&["SET", &key, "a string"]).await;
    let reads = wire.seen("HGETALL");
    assert_eq!(kind(subject.try_load().await), UnavailableKind::Corrupt);
    assert_eq!(wire.seen("HGETALL") - reads, 1, "asked once");
    for act in every_act().into_iter().chain([Act::Create(create(&[]))]) {
        let sent = wire.seen("EVALSHA");
        assert_eq!(kind(subject.try_act(1, act.clone()).await), UnavailableKind::Corrupt, "{act:?}");
        assert_eq!(wire.seen("EVALSHA") - sent, 1, "asked once");
    }
    assert_eq!(server.cli(&["GET", &key]).await, "a string");
    assert_eq!((other.data().await, wire.connections()), (map(&[("a", "1")]), 1));
}

#[tokio::test]
async fn a_hash_that_is_no_record_is_corrupt_and_left_as_it_is() {
    let server = RedisServer::start().await;
    let store = connected(RedisStore::builder(server.unix_url())).await;
    for broken in [&["x", "1"][..], &["v", "1"], &["v", "1", "g", "1"], &["v", "1", "g", "one", "i", "1000"]] {
        let subject = Subject::new(&store);
        let key = format!("stickless:s:{}", subject.handle);
        server.cli(&[&["HSET", &key], broken].concat()).await;
        let before = server.hash(&key).await;
        assert_eq!(kind(subject.try_load().await), UnavailableKind::Corrupt);
        for act in every_act() {
            assert_eq!(kind(subject.try_act(1, act.clone()).await), UnavailableKind::Corrupt, "{broken:?} {act:?}");
        }
        assert_eq!(subject.act(1, Act::Create(create(&[]))).await, Outcome::Exists);
        assert_eq!(server.hash(&key).await, before);
    }
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_reported_and_never_overwritten() {
    let server = RedisServer::start().await;
    let store = connected(RedisStore::builder(server.unix_url())).await;
    let subject = Subject::with(&store, &[("a", "1")]).await;
    let key = format!("stickless:s:{}", subject.handle);
    server.cli(&["HSET", &key, "v", "2", "later", "\u{1}\u{2}"]).await;
    server.cli(&["PEXPIRE", &key, "60000"]).await;
    let before = server.hash(&key).await;
    assert_eq!(kind(subject.try_load().await), UnavailableKind::Newer);
    for act in every_act() {
        for generation in [0, 1, 2] {
            assert_eq!(kind(subject.try_act(generation, act.clone()).await), UnavailableKind::Newer, "{act:?}");
        }
    }
    assert_eq!(subject.act(1, Act::Create(create(&[]))).await, Outcome::Exists);
    assert_eq!(server.hash(&key).await, before);
    let left: u64 = server.cli(&["PTTL", &key]).await.parse().expect("milliseconds");
    assert!(left <= 60_000, "{left}");
}

#[tokio::test]
async fn fields_that_this_version_does_not_know_are_left_alone() {
    let server = RedisServer::start().await;
    let store = connected(RedisStore::builder(server.unix_url())).await;
    let subject = Subject::with(&store, &[("a", "1")]).await;
    let key = format!("stickless:s:{}", subject.handle);
    server.cli(&["HSET", &key, "z", "later"]).await;
    for apply in [set("a", "2"), log_in("ann"), log_in("bob"), crate::contract::subject::clear()] {
        let generation = subject.record().await.generation;
        done(&subject.apply(generation, apply).await);
    }
    assert_eq!(server.hash(&key).await["z"], "later");
}

#[tokio::test]
async fn a_write_without_permission_is_denied_at_once_without_another_attempt() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    server.cli(&["ACL", "SETUSER", "default", "-evalsha", "-hgetall"]).await;
    let (sent, started) = (wire.seen("EVALSHA"), Instant::now());
    assert_eq!(kind(subject.try_act(1, Act::Destroy).await), UnavailableKind::Denied);
    assert_eq!(kind(subject.try_load().await), UnavailableKind::Denied);
    assert_eq!((wire.seen("EVALSHA") - sent, wire.seen("HGETALL"), wire.connections()), (1, 1, 1));
    // Whoever waits does so for the rest of a budget: a second.
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

/// Redis itself names the command that the script may not use.
#[tokio::test]
async fn a_script_without_permission_is_denied_at_once_and_writes_nothing() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[("a", "1")]).await;
    let before = subject.settled().await;
    server.cli(&["ACL", "SETUSER", "default", "-hset", "-hdel", "-pexpire", "-del"]).await;
    for act in [Act::Apply(set("a", "2")), Act::Destroy] {
        let sent = wire.seen("EVALSHA");
        assert_eq!(kind(subject.try_act(1, act).await), UnavailableKind::Denied);
        assert_eq!(wire.seen("EVALSHA") - sent, 1);
    }
    assert_eq!(subject.settled().await, before);
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_denied() {
    let server = RedisServer::start_with(&["--requirepass", "right"]).await;
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port());
    for user in ["", ":wrong@", "nobody:right@"] {
        let store = RedisStore::builder(url(user)).budget(Duration::from_millis(300)).build().expect("a store");
        assert_eq!(kind(store.ping(&Budget::default()).await), UnavailableKind::Denied, "{user}");
    }
    connected(RedisStore::builder(url(":right@"))).await;
}

#[tokio::test]
async fn a_password_that_is_asked_for_later_is_denied_without_another_attempt() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    for error in ["-NOAUTH Authentication required.\r\n", "-NOPERM no permissions to run 'evalsha'\r\n"] {
        let sent = wire.seen("EVALSHA");
        wire.next("EVALSHA", [Fault::Answer(error.into())]);
        assert_eq!(kind(subject.try_act(1, Act::Apply(add("n", 1))).await), UnavailableKind::Denied);
        assert_eq!(wire.seen("EVALSHA") - sent, 1);
    }
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(1));
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_on_the_same_connection() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    let busy = [
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
    ];
    for (count, error) in (1..).zip(busy) {
        let answer = || Fault::Answer(error.into());
        wire.next("EVALSHA", [answer(), answer()]);
        assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(count), "{error}");
        wire.next("HGETALL", [answer(), answer()]);
        assert_eq!(subject.data().await["n"], count.to_string(), "{error}");
    }
    assert_eq!(wire.connections(), 1);
}

/// A server that loads says so to the questions of a new connection as well.
#[tokio::test]
async fn a_server_that_loads_is_waited_for() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let loading = || Fault::Answer("-LOADING Redis is loading the dataset in memory\r\n".into());
    wire.next("PING", [loading(), loading(), loading()]);
    let store = wire.builder().build().expect("a store");
    assert_eq!(Subject::new(&store).load().await, Loaded::Missing);
    assert_eq!(wire.connections(), 4);
}

#[tokio::test]
async fn writes_refused_for_want_of_disk_or_replicas_are_not_tried_again() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[("a", "1")]).await;
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let sent = wire.seen("EVALSHA");
    assert_eq!(kind(subject.try_act(1, Act::Apply(set("a", "2"))).await), UnavailableKind::NoReplicas);
    assert_eq!(kind(subject.try_act(1, Act::Destroy).await), UnavailableKind::NoReplicas);
    assert_eq!(wire.seen("EVALSHA") - sent, 2);
    assert_eq!(subject.data().await, map(&[("a", "1")]));
    wire.next("EVALSHA", [Fault::Answer("-MISCONF Redis is configured to save RDB snapshots\r\n".into())]);
    assert_eq!(kind(subject.try_act(1, Act::Destroy).await), UnavailableKind::Refused);
    assert_eq!((wire.seen("EVALSHA") - sent, wire.connections()), (3, 1));
}

#[tokio::test]
async fn a_reply_that_no_script_of_ours_gives_is_an_error_and_no_success() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    for reply in ["+OK\r\n", "$-1\r\n", "*0\r\n", "*2\r\n$4\r\ndone\r\n:1\r\n", "*2\r\n$5\r\nother\r\n:1\r\n", ":1\r\n"]
    {
        wire.next("EVALSHA", [Fault::Answer(reply.into())]);
        assert!(subject.try_act(1, Act::Destroy).await.is_err(), "{reply:?}");
    }
    for reply in ["+OK\r\n", "*1\r\n$1\r\nv\r\n", "*2\r\n$1\r\nv\r\n$1\r\n1\r\n", ":1\r\n"] {
        wire.next("HGETALL", [Fault::Answer(reply.into())]);
        assert!(subject.try_load().await.is_err(), "{reply:?}");
    }
}
