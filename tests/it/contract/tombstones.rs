//! What stands in a destroyed record's place, so that nothing in flight brings it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stickless::store::{Act, GRACE, Loaded, MemoryStore, Outcome, RedisStore, Store, Timestamp};

use super::subject::{
    HOUR, Subject, add, clear, create, create_for, done, keep, live_for, log_in, remove, rotate, set, slide, told,
};
use crate::harness::RedisServer;

on_every_store! {
    everything_but_bury_is_gone_on_a_tombstone,
    bury_leaves_a_tombstone_where_nothing_is,
    bury_on_a_tombstone_leaves_a_tombstone,
    bury_on_a_record_of_a_higher_generation_notes_the_time,
    bury_on_a_record_of_its_own_or_a_lower_generation_does_nothing,
}

async fn everything_but_bury_is_gone_on_a_tombstone(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[("a", "1")])).await;
    let ended = done(&subject.act(1, Act::Destroy).await);
    assert_eq!((ended.generation, ended.end, ended.value), (1, None, None));
    let changes = [keep(), set("a", "1"), remove("a"), clear(), add("n", 1), live_for(HOUR), rotate(), log_in("ann")];
    for act in changes.map(Act::Apply).into_iter().chain([slide(HOUR), Act::Destroy]) {
        for generation in [0, 1, 9] {
            assert_eq!(subject.act(generation, act.clone()).await, Outcome::Gone, "{act:?}");
        }
        assert_eq!(subject.load().await, Loaded::Tombstone, "{act:?}");
    }
    assert_eq!(subject.act(1, Act::Create(create(&[]))).await, Outcome::Exists);
}

async fn bury_leaves_a_tombstone_where_nothing_is(store: &impl Store) {
    let subject = Subject::new(store);
    done(&subject.act(1, Act::Bury).await);
    assert_eq!(subject.load().await, Loaded::Tombstone);
    assert_eq!(subject.act(1, Act::Create(create(&[]))).await, Outcome::Exists);
}

async fn bury_on_a_tombstone_leaves_a_tombstone(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    done(&subject.act(1, Act::Destroy).await);
    let first = subject.act(1, Act::Bury).await;
    assert_eq!(told(&subject.act(1, Act::Bury).await), told(&first));
    assert_eq!(subject.load().await, Loaded::Tombstone);
}

async fn bury_on_a_record_of_a_higher_generation_notes_the_time(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, log_in("ann")).await);
    let before = subject.settled().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let noted = done(&subject.act(1, Act::Bury).await);
    let after = subject.settled().await;
    assert!(after.rotated == Some(noted.at) && after.rotated > before.rotated, "{after:?}");
    assert_eq!(noted.generation, 2);
    assert_eq!(after, stickless::store::Record { rotated: after.rotated, ..before });
}

async fn bury_on_a_record_of_its_own_or_a_lower_generation_does_nothing(store: &impl Store) {
    let subject = Subject::of_generation(store, 2, &[("a", "1")]).await;
    let before = subject.settled().await;
    for generation in [2, 3] {
        assert_eq!(done(&subject.act(generation, Act::Bury).await).generation, 2);
    }
    assert_eq!(subject.settled().await, before);
}

/// Sixty seconds, without waiting for them: on the clock of a store in memory.
#[tokio::test]
async fn a_tombstone_in_memory_is_missing_after_the_grace_and_not_before() {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let now = clock.clone();
    let store = MemoryStore::builder().clock(move || Timestamp::from_millis(now.load(Ordering::Relaxed))).build();
    let (ended, buried) = (Subject::with(&store, &[]).await, Subject::new(&store));
    done(&ended.act(1, Act::Destroy).await);
    done(&buried.act(1, Act::Bury).await);
    let grace = u64::try_from(GRACE.as_millis()).expect("a minute");
    clock.fetch_add(grace - 1, Ordering::Relaxed);
    assert_eq!([ended.load().await, buried.load().await], [Loaded::Tombstone, Loaded::Tombstone]);
    clock.fetch_add(1, Ordering::Relaxed);
    assert_eq!([ended.load().await, buried.load().await], [Loaded::Missing, Loaded::Missing]);
    done(&ended.act(1, Act::Create(create(&[]))).await);
}

#[tokio::test]
async fn a_tombstone_on_redis_has_the_grace_to_live_whatever_the_record_had() {
    let server = RedisServer::start().await;
    let store = RedisStore::connect(&server.unix_url()).expect("a store");
    let (ended, buried) = (Subject::with(&store, &[]).await, Subject::new(&store));
    done(&ended.act(1, Act::Destroy).await);
    done(&buried.act(1, Act::Bury).await);
    for subject in [ended, buried] {
        let left = server.cli(&["PTTL", &format!("stickless:s:{}", subject.handle)]).await;
        let left = Duration::from_millis(left.parse().expect("milliseconds"));
        assert!(left <= GRACE && left + Duration::from_secs(5) > GRACE, "{left:?}");
    }
}
