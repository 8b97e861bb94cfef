//! Limits of a record's size.

use crate::Limits;
use crate::store::{Apply, Change, Delta, Outcome, Store};

use super::subject::{Subject, add, changes, clear, done, keep, log_in, map, remove, set, take};

fn fields(fields: usize, apply: Apply) -> Apply {
    Apply { limits: Limits { fields, ..Limits::default() }, ..apply }
}

fn bytes(record: usize, apply: Apply) -> Apply {
    Apply { limits: Limits { record, ..Limits::default() }, ..apply }
}

pub async fn too_many_values_are_refused_and_nothing_is_written(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let two = changes([("b", Change::Set("2".into())), ("c", Change::Set("3".into()))]);
    assert_eq!(subject.apply(1, fields(2, two.clone())).await, Outcome::TooLarge);
    assert_eq!(subject.data().await, map(&[("a", "1")]));
    done(&subject.apply(1, fields(3, two)).await);
    assert_eq!(subject.apply(1, fields(3, add("n", 1))).await, Outcome::TooLarge);
    assert_eq!(subject.data().await, map(&[("a", "1"), ("b", "2"), ("c", "3")]));
}

pub async fn too_many_bytes_are_refused_and_nothing_is_written(store: &impl Store) {
    // Two bytes of keys, three of values; é has two.
    let subject = Subject::with(store, &[("a", "1"), ("b", "22")]).await;
    let before = subject.settled().await;
    for change in [set("é", "\"\""), set("c", "333"), set("b", "22333"), Apply { ..log_in_with("cc", "33") }] {
        assert_eq!(subject.apply(1, bytes(7, change)).await, Outcome::TooLarge);
    }
    assert_eq!(subject.settled().await, before);
    done(&subject.apply(1, bytes(8, set("é", "1"))).await);
    assert_eq!(subject.apply(1, bytes(8, set("é", "11"))).await, Outcome::TooLarge);
    assert_eq!(subject.data().await, map(&[("a", "1"), ("b", "22"), ("é", "1")]));
}

fn log_in_with(key: &str, value: &str) -> Apply {
    Apply { delta: set(key, value).delta, ..log_in("ann") }
}

pub async fn what_is_removed_makes_room_in_the_same_change(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("b", "2")]).await;
    let swap = changes([("a", Change::Remove), ("c", Change::Set("3".into()))]);
    done(&subject.apply(1, bytes(4, fields(2, swap))).await);
    let swap = changes([("b", Change::Take("2".into())), ("d", Change::Set("4".into()))]);
    done(&subject.apply(1, bytes(4, fields(2, swap))).await);
    let delta = Delta { clear: true, ..changes([("e", Change::Set("555".into()))]).delta };
    done(&subject.apply(1, bytes(4, Apply { delta, ..keep() })).await);
    assert_eq!(subject.data().await, map(&[("e", "555")]));
    let delta = changes([("e", Change::Take("other".into())), ("f", Change::Set("6".into()))]);
    assert_eq!(subject.apply(1, bytes(4, delta)).await, Outcome::TooLarge);
}

pub async fn shrinking_is_always_allowed_even_beyond_the_limit(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "11111"), ("b", "22222"), ("c", "33333")]).await;
    let limit = |change| bytes(1, fields(1, change));
    assert_eq!(subject.apply(1, limit(set("d", "4"))).await, Outcome::TooLarge);
    assert_eq!(subject.apply(1, limit(set("a", "111111"))).await, Outcome::TooLarge);
    done(&subject.apply(1, limit(keep())).await);
    done(&subject.apply(1, limit(set("a", "12345"))).await);
    done(&subject.apply(1, limit(set("a", "1"))).await);
    done(&subject.apply(1, limit(take("b", "22222"))).await);
    done(&subject.apply(1, limit(remove("c"))).await);
    assert_eq!(subject.data().await, map(&[("a", "1")]));
    done(&subject.apply(1, limit(clear())).await);
    assert_eq!(subject.data().await, map(&[]));
}

pub async fn sizes_stay_exact_over_all_kinds_of_changes(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("bb", "22"), ("n", "9")]).await;
    let steps = [
        set("a", "12345"),
        set("a", "1"),
        set("a", "1"),
        remove("absent"),
        take("bb", "other"),
        take("bb", "22"),
        set("c", "3"),
        add("n", 1),
        add("n", -2),
        add("m", -12345),
        add("m", 12344),
        remove("c"),
        log_in("ann"),
    ];
    for step in steps {
        done(&subject.apply(2, step).await);
    }
    // a 1, m -1, n 8: 3 values of 7 bytes.
    assert_eq!(subject.data().await, map(&[("a", "1"), ("m", "-1"), ("n", "8")]));
    assert_eq!(subject.apply(3, fields(3, set("x", "1"))).await, Outcome::TooLarge);
    assert_eq!(subject.apply(3, bytes(8, set("x", "1"))).await, Outcome::TooLarge);
    done(&subject.apply(3, bytes(9, fields(4, set("x", "1")))).await);
    // Another user's data go, and their size with them.
    done(&subject.apply(3, log_in("bob")).await);
    assert_eq!(subject.apply(4, bytes(1, set("x", "1"))).await, Outcome::TooLarge);
    done(&subject.apply(4, bytes(2, fields(1, set("x", "1")))).await);
}

pub async fn an_addition_that_outgrows_the_limit_is_refused(store: &impl Store) {
    let subject = Subject::with(store, &[("n", "9")]).await;
    assert_eq!(subject.apply(1, bytes(2, add("n", 1))).await, Outcome::TooLarge);
    assert_eq!(subject.apply(1, bytes(2, add("m", 1))).await, Outcome::TooLarge);
    assert_eq!(subject.data().await, map(&[("n", "9")]));
    done(&subject.apply(1, bytes(2, add("n", -1))).await);
    done(&subject.apply(1, bytes(3, add("n", 91))).await);
    assert_eq!(subject.data().await, map(&[("n", "99")]));
    assert_eq!(subject.apply(1, bytes(3, add("n", 1))).await, Outcome::TooLarge);
    done(&subject.apply(1, bytes(4, add("n", 1))).await);
    assert_eq!(subject.data().await, map(&[("n", "100")]));
}

pub async fn a_sum_that_is_shorter_makes_room_in_the_same_change(store: &impl Store) {
    let subject = Subject::with(store, &[("n", "-1000")]).await;
    let beside = |by| bytes(1, Apply { delta: set("a", "1").delta, ..add("n", by) });
    assert_eq!(subject.apply(1, beside(1)).await, Outcome::TooLarge);
    assert_eq!(subject.apply(1, beside(801)).await, Outcome::TooLarge);
    assert_eq!(subject.data().await, map(&[("n", "-1000")]));
    done(&subject.apply(1, beside(991)).await);
    assert_eq!(subject.data().await, map(&[("a", "1"), ("n", "-9")]));
}
