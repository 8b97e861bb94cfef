//! The same write once more: recognised, whatever has become of the record meanwhile.

use crate::store::{Act, Apply, Create, Loaded, Outcome, Store};

use super::subject::{HOUR, Subject, add, create, done, if_has, keep, log_in_for, map, rotate, set, told};

pub async fn a_repeated_create_is_recognised_and_changes_nothing(store: &impl Store) {
    let subject = Subject::new(store);
    let write = subject.write(3, Act::Create(Create { absolute: Some(HOUR), ..create(&[("a", "1")]) }));
    let first = subject.send(&write).await;
    let before = subject.settled().await;
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!(subject.settled().await, before);
}

pub async fn a_repeated_create_is_recognised_after_the_record_was_changed(store: &impl Store) {
    let subject = Subject::new(store);
    let write = subject.write(1, Act::Create(create(&[("a", "1")])));
    done(&subject.send(&write).await);
    done(&subject.apply(1, set("a", "2")).await);
    done(&subject.send(&write).await);
    assert_eq!(subject.data().await, map(&[("a", "2")]));
}

pub async fn a_repeated_addition_has_the_first_sum_and_adds_nothing(store: &impl Store) {
    let subject = Subject::with(store, &[("n", "9007199254740993")]).await;
    let write = subject.write(1, Act::Apply(add("n", -10)));
    let first = subject.send(&write).await;
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(9_007_199_254_740_984));
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!(told(&first).2, Some(9_007_199_254_740_983));
    assert_eq!(subject.data().await["n"], "9007199254740984");
}

pub async fn a_repeated_set_does_not_undo_what_came_between(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    let write = subject.write(1, Act::Apply(set("a", "1")));
    done(&subject.send(&write).await);
    done(&subject.apply(1, set("a", "2")).await);
    done(&subject.send(&write).await);
    assert_eq!(subject.data().await, map(&[("a", "2")]));
}

pub async fn a_repeated_compare_and_set_is_no_conflict(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let write = subject.write(1, Act::Apply(if_has("a", Some("1"), set("a", "2"))));
    let first = subject.send(&write).await;
    assert_eq!(told(&subject.send(&write).await), told(&first));
    done(&subject.apply(1, set("a", "3")).await);
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!(subject.data().await, map(&[("a", "3")]));
}

pub async fn a_repeated_log_in_raises_the_generation_once(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let log_in = log_in_for("ann", HOUR, Some(HOUR * 8));
    let write = subject.write(1, Act::Apply(Apply { delta: set("b", "2").delta, ..log_in }));
    let first = subject.send(&write).await;
    let before = subject.settled().await;
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!((subject.settled().await, before.generation), (before, 2));
}

pub async fn a_repeated_rotation_raises_the_generation_once(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    let write = subject.write(1, Act::Apply(rotate()));
    let first = subject.send(&write).await;
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!(subject.record().await.generation, 2);
}

pub async fn a_repeated_write_has_the_generation_that_it_led_to_and_not_a_later_log_ins(store: &impl Store) {
    let subject = Subject::with(store, &[("n", "1")]).await;
    let counting = subject.write(1, Act::Apply(add("n", 1)));
    subject.send(&counting).await;
    let rotating = subject.write(1, Act::Apply(rotate()));
    subject.send(&rotating).await;
    done(&subject.apply(2, log_in_for("ann", HOUR, None)).await);
    assert_eq!(done(&subject.send(&counting).await).generation, 1);
    assert_eq!(done(&subject.send(&rotating).await).generation, 2);
    assert_eq!(subject.record().await.generation, 3);
}

pub async fn a_repeated_destroy_is_done_and_a_second_one_is_gone(store: &impl Store) {
    let subject = Subject::created(store, Create { absolute: Some(HOUR), ..create(&[]) }).await;
    let write = subject.write(1, Act::Destroy);
    let first = subject.send(&write).await;
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!(subject.act(1, Act::Destroy).await, Outcome::Gone);
    assert_eq!(told(&subject.send(&write).await), told(&first));
    assert_eq!(subject.load().await, Loaded::Tombstone);
}

pub async fn a_refused_write_is_decided_anew(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let write = subject.write(1, Act::Apply(if_has("a", Some("2"), set("a", "3"))));
    assert_eq!(subject.send(&write).await, Outcome::Conflict(Some("1".into())));
    done(&subject.apply(1, set("a", "2")).await);
    done(&subject.send(&write).await);
    assert_eq!(subject.data().await, map(&[("a", "3")]));
}

pub async fn a_write_is_recognised_after_many_others(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    let write = subject.write(1, Act::Apply(add("n", 1)));
    done(&subject.send(&write).await);
    for _ in 0..63 {
        done(&subject.apply(1, keep()).await);
    }
    assert_eq!(done(&subject.send(&write).await).value, Some(1));
    assert_eq!(subject.data().await["n"], "1");
}
