//! A write was carried out and its reply was lost: the retry is recognised, and the write is done once.

use std::time::Duration;

use stickless::UnavailableKind;
use stickless::store::{Act, Loaded, Outcome, RedisStore, Store as _};

use tokio::time::sleep;

use super::wire::{Fault, Wire, connected};
use crate::contract::subject::{HOUR, Subject, add, create, done, if_has, keep, log_in, map, rotate, set, slide, told};
use crate::harness::RedisServer;

/// The ways in which a connection can end after the server has carried out a command.
const LOSSES: [Fault; 2] = [Fault::LoseReply, Fault::HalfReply];

/// The write's answer when its first reply is lost, and that of the same write over a sound wire to a like record.
async fn lost_and_sound(loss: &Fault, data: &[(&str, &str)], act: Act) -> (Outcome, Outcome, Loaded) {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let (subject, like) = (Subject::with(&store, data).await, Subject::with(&store, data).await);
    let sound = like.act(1, act.clone()).await;
    let (scripts, connections) = (wire.seen("EVALSHA"), wire.connections());
    wire.next("EVALSHA", [loss.clone()]);
    let outcome = subject.act(1, act).await;
    assert_eq!(wire.seen("EVALSHA") - scripts, 2, "sent twice");
    assert_eq!(wire.connections() - connections, 1, "one new connection");
    (outcome, sound, subject.load().await)
}

#[track_caller]
fn data(loaded: Loaded) -> std::collections::BTreeMap<String, String> {
    match loaded {
        Loaded::Found(record) => record.data,
        other => panic!("no record but {other:?}"),
    }
}

#[tokio::test]
async fn an_addition_whose_reply_was_lost_is_added_exactly_once() {
    for loss in &LOSSES {
        let (outcome, sound, loaded) = lost_and_sound(loss, &[("n", "40")], Act::Apply(add("n", 2))).await;
        assert_eq!((told(&outcome), told(&outcome).2), (told(&sound), Some(42)));
        assert_eq!(data(loaded), map(&[("n", "42")]));
    }
}

#[tokio::test]
async fn a_compare_and_set_whose_reply_was_lost_is_no_false_conflict() {
    for loss in &LOSSES {
        let act = Act::Apply(if_has("a", Some("1"), set("a", "2")));
        let (outcome, sound, loaded) = lost_and_sound(loss, &[("a", "1")], act).await;
        assert_eq!(told(&outcome), told(&sound));
        assert_eq!(data(loaded), map(&[("a", "2")]));
    }
}

#[tokio::test]
async fn a_log_in_or_rotation_whose_reply_was_lost_raises_the_generation_once() {
    for (loss, apply) in LOSSES.iter().zip([log_in("ann"), rotate()]) {
        let (outcome, sound, loaded) = lost_and_sound(loss, &[], Act::Apply(apply)).await;
        assert_eq!((told(&outcome), done(&outcome).generation), (told(&sound), 2));
        assert!(matches!(loaded, Loaded::Found(record) if record.generation == 2));
    }
}

#[tokio::test]
async fn a_log_out_whose_reply_was_lost_is_done_and_not_gone() {
    for loss in &LOSSES {
        let (outcome, sound, loaded) = lost_and_sound(loss, &[("a", "1")], Act::Destroy).await;
        assert_eq!(told(&outcome), told(&sound));
        assert_eq!(loaded, Loaded::Tombstone);
    }
}

#[tokio::test]
async fn a_slide_whose_reply_was_lost_is_done() {
    for loss in &LOSSES {
        let (outcome, sound, loaded) = lost_and_sound(loss, &[], slide(HOUR)).await;
        assert_eq!(told(&outcome), told(&sound));
        data(loaded);
    }
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_done_and_does_not_find_itself_in_its_way() {
    for loss in LOSSES {
        let server = RedisServer::start().await;
        let wire = Wire::to(&server);
        let store = wire.store().await;
        wire.next("EVALSHA", [loss]);
        let subject = Subject::with(&store, &[("a", "1")]).await;
        assert_eq!(wire.seen("EVALSHA"), 2);
        assert_eq!(subject.data().await, map(&[("a", "1")]));
    }
}

#[tokio::test]
async fn a_load_whose_reply_was_lost_is_asked_again() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[("a", "1")]).await;
    for name in ["HGETALL", "PTTL"] {
        for loss in LOSSES {
            wire.next(name, [loss]);
            assert_eq!(subject.data().await, map(&[("a", "1")]));
        }
    }
    assert_eq!(wire.connections(), 5);
}

#[tokio::test]
async fn two_lost_replies_in_a_row_are_survived() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    wire.next("EVALSHA", LOSSES);
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(1));
    assert_eq!(subject.data().await, map(&[("n", "1")]));
}

#[tokio::test]
async fn a_write_that_never_reached_the_server_is_sent_again() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = wire.store().await;
    let subject = Subject::with(&store, &[]).await;
    wire.next("EVALSHA", [Fault::Close]);
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(1));
    assert_eq!(subject.data().await, map(&[("n", "1")]));
}

/// So many writes came in between that the record has forgotten this one.
#[tokio::test]
async fn a_retry_that_can_no_longer_be_recognised_is_unknown_and_never_done_twice() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let (limit, budget) = (Duration::from_millis(1500), Duration::from_secs(10));
    let store = connected(wire.builder().timeout(limit).budget(budget)).await;
    let direct = connected(RedisStore::builder(server.unix_url())).await;
    let subject = Subject::with(&store, &[]).await;
    let other = Subject { store: &direct, handle: subject.handle };
    wire.next("EVALSHA", [Fault::HoldReply(limit + Duration::from_millis(100))]);
    let between = async {
        while !other.data().await.contains_key("n") {
            sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..64 {
            done(&other.apply(1, keep()).await);
        }
    };
    let write = subject.write(1, Act::Apply(add("n", 1)));
    let (answer, ()) = tokio::join!(subject.try_send(&write), between);
    assert_eq!(answer.expect_err("it cannot be told").kind(), UnavailableKind::Unknown);
    assert_eq!(subject.data().await, map(&[("n", "1")]));
}

/// An instance of an earlier version repeats its writes for a few seconds at most.
#[tokio::test]
async fn what_an_earlier_version_remembered_is_left_to_it_while_it_is_of_use() {
    let server = RedisServer::start().await;
    let store = connected(RedisStore::builder(server.unix_url())).await;
    for (ago, is_left) in [(0, true), (60_000, false)] {
        let subject = Subject::with(&store, &[]).await;
        let (key, at) = (format!("stickless:s:{}", subject.handle), store.now().as_millis() - ago);
        server.cli(&["HSET", &key, "w", &format!("01AAAAAAAAAA9{at}:7;")]).await;
        done(&subject.apply(1, add("n", 1)).await);
        let fields = server.hash(&key).await;
        assert_eq!((fields.contains_key("w"), fields[".n"].as_str()), (is_left, "1"));
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again_unseen() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server);
    let store = connected(wire.builder().attempts(1)).await;
    let subject = Subject::new(&store);
    let acts = [Act::Create(create(&[])), Act::Apply(add("n", 1)), slide(HOUR), Act::Destroy, Act::Bury];
    for act in acts {
        server.cli(&["SCRIPT", "FLUSH"]).await;
        let scripts = wire.seen("EVAL");
        done(&subject.act(1, act).await);
        assert_eq!(wire.seen("EVAL") - scripts, 1);
    }
    assert_eq!((wire.connections(), subject.load().await), (1, Loaded::Tombstone));
}
