//! Changes of values, each on the newest record.

use crate::Limits;
use crate::store::{Apply, Change, Delta, Store};

use super::subject::{Subject, add, changes, clear, done, keep, map, remove, set, take};

pub async fn a_delta_sets_and_removes_whole(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]).await;
    let delta = changes([
        ("a", Change::Set("9".into())),
        ("b", Change::Remove),
        ("c", Change::Take("3".into())),
        ("e", Change::Set("5".into())),
        ("absent", Change::Remove),
    ]);
    let told = done(&subject.apply(1, delta).await);
    assert_eq!((told.generation, told.end, told.value), (1, None, None));
    assert_eq!(subject.data().await, map(&[("a", "9"), ("d", "4"), ("e", "5")]));
}

pub async fn deltas_of_different_keys_both_win(store: &impl Store) {
    let subject = Subject::with(store, &[("kept", "0")]).await;
    let (one, other) = tokio::join!(subject.apply(1, set("a", "1")), subject.apply(1, set("b", "2")));
    for outcome in [one, other] {
        done(&outcome);
    }
    assert_eq!(subject.data().await, map(&[("a", "1"), ("b", "2"), ("kept", "0")]));
}

pub async fn the_last_delta_of_a_key_wins(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "0")]).await;
    for value in ["1", "2"] {
        done(&subject.apply(1, set("a", value)).await);
    }
    assert_eq!(subject.data().await, map(&[("a", "2")]));
}

pub async fn a_removal_alone_is_saved(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("b", "2")]).await;
    done(&subject.apply(1, remove("a")).await);
    assert_eq!(subject.data().await, map(&[("b", "2")]));
}

pub async fn a_record_outlives_its_last_value(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, remove("a")).await);
    assert_eq!(subject.data().await, map(&[]));
    done(&subject.apply(1, set("b", "2")).await);
    assert_eq!(subject.data().await, map(&[("b", "2")]));
}

pub async fn take_removes_only_what_is_unchanged(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("b", "2")]).await;
    done(&subject.apply(1, set("b", "3")).await);
    for (key, seen) in [("a", "1"), ("b", "2"), ("absent", "1")] {
        done(&subject.apply(1, take(key, seen)).await);
    }
    assert_eq!(subject.data().await, map(&[("b", "3")]));
}

pub async fn clear_removes_all_that_is_there_then_the_new_values_apply(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("b", "2")]).await;
    done(&subject.apply(1, set("from another request", "3")).await);
    let mut delta = changes([("a", Change::Set("9".into())), ("b", Change::Take("2".into())), ("c", Change::Remove)]);
    delta.delta.clear = true;
    done(&subject.apply(1, delta).await);
    assert_eq!(subject.data().await, map(&[("a", "9")]));
    done(&subject.apply(1, clear()).await);
    assert_eq!(subject.data().await, map(&[]));
    done(&subject.apply(1, add("n", 1)).await);
    assert_eq!(subject.data().await, map(&[("n", "1")]));
}

pub async fn thousands_of_values_are_set_and_cleared_at_once(store: &impl Store) {
    let limits = Limits { fields: 5000, ..Limits::default() };
    let names: Vec<String> = (0..2501).map(|number| format!("key{number}")).collect();
    let all = |change: &Change| {
        let changes = names.iter().map(|name| (name.clone(), change.clone())).collect();
        Apply { delta: Delta { changes, ..Delta::default() }, limits, ..keep() }
    };
    let data: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "0")).collect();
    let subject = Subject::with(store, &data).await;
    assert_eq!(subject.data().await, map(&data));
    done(&subject.apply(1, all(&Change::Set("1".into()))).await);
    assert_eq!(subject.data().await.values().filter(|value| *value == "1").count(), 2501);
    done(&subject.apply(1, Apply { limits, ..clear() }).await);
    assert_eq!(subject.data().await, map(&[]));
    done(&subject.apply(1, all(&Change::Set("2".into()))).await);
    done(&subject.apply(1, all(&Change::Remove)).await);
    assert_eq!(subject.data().await, map(&[]));
}

pub async fn a_change_leaves_the_life_alone(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let before = subject.record().await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    done(&subject.apply(1, set("a", "2")).await);
    let after = subject.record().await;
    assert!(after.expires_in < before.expires_in, "{after:?}");
    assert_eq!((after.life, after.generation, after.rotated), (before.life, 1, None));
}
