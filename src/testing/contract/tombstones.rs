//! What stands in a destroyed record's place, so that nothing in flight brings it back.

use std::time::Duration;

use crate::store::{Act, Loaded, Outcome, Store};

use super::subject::{
    HOUR, Subject, add, clear, create, create_for, done, keep, live_for, log_in, remove, rotate, set, slide, told,
};

pub async fn everything_but_bury_is_gone_on_a_tombstone(store: &impl Store) {
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

pub async fn bury_leaves_a_tombstone_where_nothing_is(store: &impl Store) {
    let subject = Subject::new(store);
    done(&subject.act(1, Act::Bury).await);
    assert_eq!(subject.load().await, Loaded::Tombstone);
    assert_eq!(subject.act(1, Act::Create(create(&[]))).await, Outcome::Exists);
}

pub async fn bury_on_a_tombstone_leaves_a_tombstone(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    done(&subject.act(1, Act::Destroy).await);
    let first = subject.act(1, Act::Bury).await;
    assert_eq!(told(&subject.act(1, Act::Bury).await), told(&first));
    assert_eq!(subject.load().await, Loaded::Tombstone);
}

pub async fn bury_on_a_record_of_a_higher_generation_notes_the_time(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, log_in("ann")).await);
    let before = subject.settled().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let noted = done(&subject.act(1, Act::Bury).await);
    let after = subject.settled().await;
    assert!(after.rotated == Some(noted.at) && after.rotated > before.rotated, "{after:?}");
    assert_eq!(noted.generation, 2);
    assert_eq!(after, crate::store::Record { rotated: after.rotated, ..before });
}

pub async fn bury_on_a_record_of_its_own_or_a_lower_generation_does_nothing(store: &impl Store) {
    let subject = Subject::of_generation(store, 2, &[("a", "1")]).await;
    let before = subject.settled().await;
    for generation in [2, 3] {
        assert_eq!(done(&subject.act(generation, Act::Bury).await).generation, 2);
    }
    assert_eq!(subject.settled().await, before);
}
