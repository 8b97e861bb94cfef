//! Log-in, as the record sees it.

use std::time::Duration;

use crate::store::{Apply, Create, Intent, Outcome, Store};

use super::subject::{
    HOUR, Subject, add, create, create_for, done, if_has, live_for, log_in, log_in_for, map, rotate, set,
};

pub async fn log_in_raises_the_generation_and_binds_the_user_and_keeps_the_data(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let before = subject.record().await;
    let told = done(&subject.apply(1, Apply { delta: set("b", "2").delta, ..log_in("ann") }).await);
    let record = subject.record().await;
    assert_eq!(record.data, map(&[("a", "1"), ("b", "2")]));
    assert_eq!(record.user.as_deref(), Some("ann"));
    assert_eq!((told.generation, record.generation, record.rotated), (2, 2, Some(told.at)));
    assert_eq!(record.born, before.born);
    assert_eq!(subject.apply(1, set("a", "9")).await, Outcome::Superseded);
}

pub async fn log_in_begins_both_limits_anew(store: &impl Store) {
    let short = Create { idle: (HOUR / 2, false), absolute: Some(HOUR), ..create(&[]) };
    let subject = Subject::created(store, short).await;
    let told = done(&subject.apply(1, log_in_for("ann", HOUR * 2, Some(HOUR * 8))).await);
    let record = subject.record().await;
    assert_eq!(told.end, Some(told.at.plus(HOUR * 8)));
    assert_eq!((record.life.idle, record.life.own, record.life.end), (HOUR * 2, false, told.end));
    assert!(record.expires_in > HOUR, "{record:?}");
    // The nearer of the two is the life.
    done(&subject.apply(2, log_in_for("ann", HOUR * 2, Some(HOUR / 4))).await);
    assert!(subject.record().await.expires_in <= HOUR / 4);
}

pub async fn log_in_without_an_absolute_limit_ends_the_old_one(store: &impl Store) {
    let subject = Subject::created(store, Create { absolute: Some(HOUR), ..create(&[]) }).await;
    assert_eq!(done(&subject.apply(1, log_in_for("ann", HOUR * 2, None)).await).end, None);
    let record = subject.record().await;
    assert_eq!((record.life.idle, record.life.end), (HOUR * 2, None));
    assert!(record.expires_in > HOUR, "{record:?}");
}

pub async fn log_in_keeps_an_idle_limit_of_the_sessions_own(store: &impl Store) {
    let subject = Subject::created(store, Create { idle: (HOUR / 2, true), ..create(&[]) }).await;
    done(&subject.apply(1, log_in_for("ann", HOUR, None)).await);
    let record = subject.record().await;
    assert_eq!((record.life.idle, record.life.own), (HOUR / 2, true));
    assert!(record.expires_in <= HOUR / 2);
}

pub async fn log_in_can_bring_an_idle_limit_of_its_own(store: &impl Store) {
    let subject = Subject::created(store, Create { idle: (HOUR * 3, true), ..create_for("bob", &[]) }).await;
    let longer = Apply { delta: live_for(HOUR * 2).delta, ..log_in_for("ann", HOUR, None) };
    done(&subject.apply(1, longer).await);
    let record = subject.record().await;
    assert_eq!((record.life.idle, record.life.own), (HOUR * 2, true));
    assert!(record.expires_in > HOUR && record.expires_in <= HOUR * 2, "{record:?}");
}

pub async fn log_in_of_another_user_drops_the_data_and_the_limit_of_the_one_before(store: &impl Store) {
    let own = Create { idle: (HOUR / 2, true), ..create_for("ann", &[("a", "1"), ("b", "2")]) };
    let subject = Subject::created(store, own).await;
    done(&subject.apply(1, Apply { delta: set("b", "3").delta, ..log_in("bob") }).await);
    let record = subject.record().await;
    assert_eq!((record.data, record.user.as_deref()), (map(&[("b", "3")]), Some("bob")));
    assert_eq!((record.life.idle, record.life.own), (HOUR, false));
    assert!(record.expires_in > HOUR / 2);
}

pub async fn log_in_of_the_same_user_keeps_the_data(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[("a", "1")])).await;
    assert_eq!(done(&subject.apply(1, log_in("ann")).await).generation, 2);
    assert_eq!(subject.data().await, map(&[("a", "1")]));
}

pub async fn log_in_of_the_same_user_under_an_old_generation_issues_the_current_one_again(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, log_in_for("ann", HOUR, Some(HOUR * 8))).await);
    done(&subject.apply(2, rotate()).await);
    let before = subject.record().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let again = Apply { delta: set("b", "2").delta, ..log_in_for("ann", HOUR * 2, Some(HOUR * 9)) };
    let told = done(&subject.apply(1, again).await);
    let record = subject.record().await;
    assert_eq!((told.generation, told.end), (3, before.life.end));
    assert_eq!((record.generation, record.life, record.born), (3, before.life, before.born));
    assert_eq!(record.data, map(&[("a", "1"), ("b", "2")]));
    assert!(record.rotated == Some(told.at) && record.rotated > before.rotated, "{record:?}");
    assert!(record.expires_in <= before.expires_in);
    // What else it carries holds for it as for any write.
    let expecting = if_has("a", Some("other"), log_in("ann"));
    assert_eq!(subject.apply(1, expecting).await, Outcome::Conflict(Some("1".into())));
    let counting = Apply { add: add("n", 1).add, ..log_in("ann") };
    assert_eq!(done(&subject.apply(1, counting).await).value, Some(1));
    done(&subject.apply(1, Apply { delta: live_for(HOUR * 3).delta, ..log_in("ann") }).await);
    let record = subject.record().await;
    assert_eq!((record.generation, record.life.idle, record.life.own, record.life.end), (3, HOUR * 3, true, told.end));
}

pub async fn log_in_of_the_same_user_that_is_not_to_be_bound_again_is_superseded(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, log_in("ann")).await);
    let Intent::LogIn { user, idle, absolute, .. } = log_in("ann").intent else { panic!("a log-in") };
    let once =
        Apply { intent: Intent::LogIn { user, idle, absolute, reissue: false, membership: None }, ..set("b", "2") };
    assert_eq!(subject.apply(1, once.clone()).await, Outcome::Superseded);
    assert_eq!(subject.data().await, map(&[("a", "1")]));
    assert_eq!(done(&subject.apply(2, once).await).generation, 3);
}

pub async fn log_in_of_another_user_under_an_old_generation_is_superseded(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    done(&subject.apply(1, log_in("ann")).await);
    let before = subject.settled().await;
    assert_eq!(subject.apply(1, log_in("bob")).await, Outcome::Superseded);
    assert_eq!(subject.settled().await, before);
}

pub async fn log_in_under_an_old_generation_to_a_session_without_user_is_superseded(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    done(&subject.apply(1, rotate()).await);
    for user in ["ann", ""] {
        assert_eq!(subject.apply(1, log_in(user)).await, Outcome::Superseded);
    }
}

pub async fn log_in_under_a_higher_generation_goes_on_from_there(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[("a", "1")])).await;
    assert_eq!(done(&subject.apply(5, log_in("ann")).await).generation, 6);
    let record = subject.record().await;
    assert_eq!((record.generation, record.data), (6, map(&[("a", "1")])));
}
