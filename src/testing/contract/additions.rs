//! Sums: exact, or refused without a change.

use futures_util::future::join_all;
use crate::store::{Apply, Outcome, Store};

use super::subject::{Subject, add, changes, done, map, set};

async fn sum(subject: &Subject<'_, impl Store>, by: i64) -> Outcome {
    subject.apply(1, add("n", by)).await
}

pub async fn an_addition_is_exact_up_and_down_and_an_absent_value_is_zero(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    for (by, total) in [(5, 5), (-7, -2), (0, -2), (2, 0), (1, 1)] {
        assert_eq!(done(&sum(&subject, by).await).value, Some(total));
        assert_eq!(subject.data().await, map(&[("n", &total.to_string())]));
    }
}

pub async fn an_addition_is_exact_beyond_what_a_float_can_hold(store: &impl Store) {
    for start in [1_i64 << 53, -(1 << 53), 1 << 62] {
        let subject = Subject::with(store, &[("n", &start.to_string())]).await;
        for step in 1..=3 {
            let total = start + start.signum() * step;
            assert_eq!(done(&sum(&subject, start.signum()).await).value, Some(total));
            assert_eq!(subject.data().await["n"], total.to_string());
        }
    }
}

pub async fn the_ends_of_64_bits_can_be_reached_and_not_passed(store: &impl Store) {
    for (end, beyond) in [(i64::MAX, 1), (i64::MIN, -1)] {
        let subject = Subject::with(store, &[]).await;
        assert_eq!(done(&sum(&subject, end).await).value, Some(end));
        let before = subject.settled().await;
        for by in [beyond, end] {
            let beside = Apply { delta: set("a", "1").delta, ..add("n", by) };
            assert_eq!(subject.apply(1, beside).await, Outcome::Overflow);
        }
        assert_eq!(subject.settled().await, before);
        assert_eq!(done(&sum(&subject, -beyond).await).value, Some(end - beyond));
    }
}

pub async fn what_is_no_integer_in_its_one_form_is_refused_and_nothing_changes(store: &impl Store) {
    let forms = [
        "5.0",
        "1e3",
        "-0",
        "007",
        "+1",
        " 1",
        "\"5\"",
        "true",
        "null",
        "[]",
        "{}",
        "0x1",
        "",
        "9223372036854775808",
        "-9223372036854775809",
    ];
    for form in forms.into_iter().filter(|form| !form.is_empty()) {
        let subject = Subject::with(store, &[("a", "1"), ("b", "2"), ("n", form)]).await;
        let before = subject.settled().await;
        let delta =
            changes([("a", crate::store::Change::Set("9".into())), ("b", crate::store::Change::Remove)]);
        let beside = Apply { delta: delta.delta, ..add("n", 1) };
        assert_eq!(subject.apply(1, beside).await, Outcome::NotANumber, "{form}");
        assert_eq!(subject.settled().await, before, "{form}");
    }
}

pub async fn an_addition_and_the_delta_beside_it_are_applied_together(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1"), ("n", "1")]).await;
    let beside = Apply { delta: set("a", "9").delta, ..add("n", 1) };
    assert_eq!(done(&subject.apply(1, beside).await).value, Some(2));
    assert_eq!(subject.data().await, map(&[("a", "9"), ("n", "2")]));
}

pub async fn all_concurrent_additions_count(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    let outcomes = join_all((0..200).map(|_| sum(&subject, 1))).await;
    let mut sums: Vec<i64> = outcomes.iter().filter_map(|outcome| done(outcome).value).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=200).collect::<Vec<_>>());
    assert_eq!(subject.data().await["n"], "200");
}
