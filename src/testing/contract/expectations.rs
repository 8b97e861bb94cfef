//! Compare and set: on the stored text, never on what it means.

use crate::store::{Apply, Outcome, Store};

use super::subject::{Subject, add, done, if_has, keep, map, rotate, set};

pub async fn a_change_is_made_while_its_expectation_holds(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, if_has("a", Some("1"), set("a", "2"))).await);
    done(&subject.apply(1, if_has("b", None, set("b", "3"))).await);
    done(&subject.apply(1, if_has("a", Some("2"), keep())).await);
    done(&subject.apply(1, if_has("a", Some("2"), add("n", 1))).await);
    done(&subject.apply(1, if_has("c", None, rotate())).await);
    assert_eq!(subject.data().await, map(&[("a", "2"), ("b", "3"), ("n", "1")]));
}

pub async fn a_conflict_tells_the_current_text_and_changes_nothing(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let before = subject.settled().await;
    let all = |key, expected| if_has(key, expected, Apply { delta: set("x", "9").delta, ..add("n", 1) });
    let current = || Outcome::Conflict(Some("1".into()));
    assert_eq!(subject.apply(1, all("a", Some("2"))).await, current());
    assert_eq!(subject.apply(1, all("a", None)).await, current());
    assert_eq!(subject.apply(1, all("b", Some("1"))).await, Outcome::Conflict(None));
    assert_eq!(subject.apply(1, if_has("a", Some("2"), rotate())).await, current());
    // Under a higher generation too, and that is not adopted either.
    assert_eq!(subject.apply(5, all("a", Some("2"))).await, current());
    assert_eq!(subject.settled().await, before);
}

pub async fn an_expectation_compares_the_text_and_not_its_meaning(store: &impl Store) {
    let subject = Subject::with(store, &[("a", r#"{"x": 1.0}"#)]).await;
    for other in [r#"{"x":1.0}"#, r#"{"x": 1}"#, ""] {
        let outcome = subject.apply(1, if_has("a", Some(other), set("a", "2"))).await;
        assert_eq!(outcome, Outcome::Conflict(Some(r#"{"x": 1.0}"#.into())), "{other}");
    }
}

pub async fn of_concurrent_changes_with_one_expectation_one_is_made(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    let attempt = async |value: usize| subject.apply(1, if_has("a", None, set("a", &value.to_string()))).await;
    let outcomes = futures_util::future::join_all((0..20).map(attempt)).await;
    let winners: Vec<_> = (0..20).filter(|value| matches!(outcomes[*value], Outcome::Done(_))).collect();
    assert_eq!(winners.len(), 1);
    let stored = winners[0].to_string();
    assert_eq!(subject.data().await["a"], stored);
    let lost = outcomes.iter().filter(|outcome| **outcome == Outcome::Conflict(Some(stored.clone())));
    assert_eq!(lost.count(), 19);
}
