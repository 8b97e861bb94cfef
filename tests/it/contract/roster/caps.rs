//! How many may be in.

use stickless::Cap;
use stickless::store::Roster;
use stickless::store::roster::{Act, Listed, Outcome};

use super::subject::{Subject, handles};
use crate::contract::subject::{HOUR, new_handle};

pub(super) async fn the_latest_reservations_win_under_a_cap_that_evicts(store: &impl Roster) {
    let (subject, cap) = (Subject::new(store), Some(Cap::Evict(2)));
    let (first, second) = (subject.logged_in().await, subject.logged_in().await);
    let [early, late] = [new_handle(), new_handle()];
    let mut listed = Vec::new();
    for handle in [early, late] {
        match subject.reserve(handle, cap).await {
            Outcome::Reserved { serial, rivals, .. } => {
                assert_eq!(handles(&rivals), [first.handle, second.handle]);
                listed.push(Listed { handle, serial });
            }
            other => panic!("{other:?}"),
        }
    }
    let Outcome::Over(rivals) = subject.confirm(listed[1], cap).await else { panic!("the cap is reached") };
    assert_eq!(handles(&rivals), [first.handle, second.handle]);
    let Listed { handle, serial } = listed[1];
    let gone = vec![first];
    assert_eq!(subject.act(Act::Confirm { handle, serial, life: HOUR, cap, gone }).await, Outcome::Confirmed);
    // The early one is later than the second, and takes its place.
    let Outcome::Over(rivals) = subject.confirm(listed[0], cap).await else { panic!("the cap is reached") };
    assert_eq!(handles(&rivals), [second.handle, late]);
    subject.act(Act::Leave(vec![second])).await;
    let third = subject.logged_in().await;
    assert_eq!(subject.confirm(listed[0], cap).await, Outcome::Overtaken);
    assert!(!subject.member(early).await.expect("listed until its record is ended").confirmed);
    assert!(subject.member(third.handle).await.is_some());
}

pub(super) async fn whoever_is_in_may_log_in_again_at_a_cap(store: &impl Roster) {
    for cap in [Cap::Evict(1), Cap::Refuse(1)] {
        let subject = Subject::new(store);
        let listed = subject.logged_in().await;
        let Outcome::Reserved { serial, rivals, .. } = subject.reserve(listed.handle, Some(cap)).await else {
            panic!("refused")
        };
        assert!(rivals.is_empty());
        assert_eq!(subject.confirm(Listed { serial, ..listed }, Some(cap)).await, Outcome::Confirmed);
    }
}

pub(super) async fn a_cap_that_refuses_counts_places_that_are_reserved(store: &impl Roster) {
    let (subject, cap) = (Subject::new(store), Some(Cap::Refuse(2)));
    let first = subject.logged_in().await;
    let handle = new_handle();
    let Outcome::Reserved { serial, .. } = subject.reserve(handle, cap).await else { panic!("refused") };
    let Outcome::Full(members) = subject.reserve(new_handle(), cap).await else { panic!("let in") };
    assert_eq!(handles(&members), [first.handle], "those who can be asked");
    assert_eq!(subject.confirm(Listed { handle, serial }, cap).await, Outcome::Confirmed);
    let Outcome::Full(members) = subject.reserve(new_handle(), cap).await else { panic!("let in") };
    assert_eq!(handles(&members), [first.handle, handle]);
    assert_eq!(subject.members().await.len(), 2, "nothing is reserved for whom is refused");
}

pub(super) async fn a_place_that_is_given_back_counts_no_more(store: &impl Roster) {
    let (subject, cap) = (Subject::new(store), Some(Cap::Refuse(1)));
    let listed = subject.reserved(new_handle()).await;
    // By another log-in with the same session, and then only by its own.
    let again = subject.reserved(listed.handle).await;
    subject.act(Act::Withdraw(listed)).await;
    assert!(matches!(subject.reserve(new_handle(), cap).await, Outcome::Full(_)));
    subject.act(Act::Withdraw(again)).await;
    assert_eq!(subject.members().await, []);
    assert!(matches!(subject.reserve(new_handle(), cap).await, Outcome::Reserved { .. }));
    // Whoever is in is not put out by it.
    let subject = Subject::new(store);
    let listed = subject.logged_in().await;
    subject.act(Act::Withdraw(listed)).await;
    assert!(subject.member(listed.handle).await.is_some());
}

pub(super) async fn whoever_was_found_gone_makes_room(store: &impl Roster) {
    let (subject, cap) = (Subject::new(store), Some(Cap::Refuse(2)));
    let (gone, stays) = (subject.logged_in().await, subject.logged_in().await);
    let handle = new_handle();
    let outcome = subject.act(Act::Reserve { handle, cap, gone: vec![gone] }).await;
    assert!(matches!(outcome, Outcome::Reserved { .. }), "{outcome:?}");
    assert_eq!(handles(&subject.members().await), [stays.handle, handle]);
}
