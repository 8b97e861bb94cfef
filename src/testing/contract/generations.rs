//! The generation: raised at every privilege change, below which nothing is written.

use crate::store::{Act, Apply, Create, Loaded, Outcome, Store};

use super::subject::{
    HOUR, Subject, add, clear, create, create_for, done, if_has, keep, live_for, log_in, map, remove, rotate, set,
    slide,
};

pub async fn a_write_under_a_lower_generation_is_superseded_and_changes_nothing(store: &impl Store) {
    let subject = Subject::new(store);
    done(&subject.act(3, Act::Create(create_for("ann", &[("a", "1")]))).await);
    let before = subject.settled().await;
    let changes =
        [keep(), set("a", "2"), remove("a"), clear(), add("n", 1), live_for(HOUR * 2), rotate(), log_in("bob")];
    let expecting = if_has("a", Some("other"), set("a", "2"));
    for act in changes.into_iter().chain([expecting]).map(Act::Apply).chain([slide(HOUR * 2), Act::Destroy]) {
        for generation in [0, 2] {
            assert_eq!(subject.act(generation, act.clone()).await, Outcome::Superseded, "{act:?}");
        }
    }
    assert_eq!(subject.settled().await, before);
}

pub async fn a_write_under_a_higher_generation_is_done_and_the_record_adopts_it(store: &impl Store) {
    for act in [Act::Apply(keep()), Act::Apply(set("a", "2")), slide(HOUR * 2), slide(HOUR / 2)] {
        let subject = Subject::with(store, &[("a", "1")]).await;
        let told = done(&subject.act(4, act.clone()).await);
        let record = subject.record().await;
        assert_eq!((told.generation, record.generation), (4, 4), "{act:?}");
        assert_eq!(record.rotated, Some(told.at), "{act:?}");
        assert_eq!(subject.apply(3, keep()).await, Outcome::Superseded);
        done(&subject.apply(4, keep()).await);
    }
}

pub async fn a_destroy_under_a_higher_generation_ends_the_record(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    done(&subject.act(2, Act::Destroy).await);
    assert_eq!(subject.load().await, Loaded::Tombstone);
}

pub async fn a_refused_write_under_a_higher_generation_adopts_nothing(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "true")]).await;
    let before = subject.settled().await;
    assert_eq!(subject.apply(4, add("a", 1)).await, Outcome::NotANumber);
    let small = crate::Limits { fields: 1, ..crate::Limits::default() };
    assert_eq!(subject.apply(4, Apply { limits: small, ..set("b", "1") }).await, Outcome::TooLarge);
    assert_eq!(subject.settled().await, before);
}

pub async fn rotate_raises_the_generation_by_one_and_notes_the_time(store: &impl Store) {
    let create = Create { absolute: Some(HOUR * 8), idle: (HOUR, true), ..create_for("ann", &[("a", "1")]) };
    let subject = Subject::created(store, create).await;
    let before = subject.record().await;
    let told = done(&subject.apply(1, Apply { delta: set("b", "2").delta, ..rotate() }).await);
    let after = subject.record().await;
    assert_eq!((told.generation, told.end), (2, before.life.end));
    assert_eq!((after.generation, after.rotated), (2, Some(told.at)));
    assert_eq!(after.data, map(&[("a", "1"), ("b", "2")]));
    assert_eq!((after.user, after.life, after.born), (before.user, before.life, before.born));
    assert!(after.expires_in <= before.expires_in);
}

pub async fn rotate_under_a_higher_generation_goes_on_from_there(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    assert_eq!(done(&subject.apply(5, rotate()).await).generation, 6);
    assert_eq!(subject.record().await.generation, 6);
}

pub async fn of_two_rotations_from_one_generation_one_is_made(store: &impl Store) {
    let subject = Subject::created(store, create(&[])).await;
    let (one, other) = tokio::join!(subject.apply(1, rotate()), subject.apply(1, rotate()));
    let superseded = [&one, &other].into_iter().filter(|outcome| **outcome == Outcome::Superseded).count();
    assert_eq!((superseded, subject.record().await.generation), (1, 2));
}
