//! The contract of a roster, a test for each sentence: in memory, on a real Redis, and on a real Cluster.

mod caps;
mod subject;

use std::time::Duration;

use stickless::Cap;
use stickless::store::roster::{Act, Listed, Name, Outcome, PENDING};
use stickless::store::{Roster, WriteId};

use self::caps::{
    a_cap_that_refuses_counts_places_that_are_reserved, a_place_that_is_given_back_counts_no_more,
    the_latest_reservations_win_under_a_cap_that_evicts, whoever_is_in_may_log_in_again_at_a_cap,
    whoever_was_found_gone_makes_room,
};
use self::subject::{Subject, at, handles};
use super::subject::{HOUR, new_handle};

/// Makes three tests of each sentence.
macro_rules! on_every_roster {
    ($($sentence:ident,)+) => {
        mod memory {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&stickless::store::MemoryStore::new()).await;
            })+
        }

        mod redis {
            $(#[tokio::test]
            async fn $sentence() {
                let server = crate::harness::RedisServer::start().await;
                let store = crate::contract::store(&server.unix_url());
                super::$sentence(&store).await;
            })+
        }

        mod cluster {
            $(#[tokio::test]
            async fn $sentence() {
                let store = crate::contract::store(&crate::contract::cluster().await.url());
                super::$sentence(&store).await;
            })+
        }
    };
}

on_every_roster! {
    a_reserved_place_is_listed_and_not_confirmed,
    a_confirmed_place_is_in_with_its_deadline,
    whoever_is_in_keeps_their_place_when_they_log_in_again,
    the_latest_reservations_win_under_a_cap_that_evicts,
    whoever_is_in_may_log_in_again_at_a_cap,
    a_cap_that_refuses_counts_places_that_are_reserved,
    a_place_that_is_given_back_counts_no_more,
    a_confirmation_from_before_the_epoch_is_refused,
    a_place_that_was_taken_away_cannot_be_confirmed,
    a_place_that_a_failover_lost_is_not_taken_for_one_that_was_taken_away,
    the_same_act_once_more_has_the_same_result,
    an_end_of_all_lists_everyone_and_keeps_one_who_stays,
    of_two_who_end_the_others_at_the_same_time_one_stays,
    a_touch_moves_the_deadline_and_never_backwards,
    a_touch_brings_in_who_is_not_in_unless_the_epoch_is_newer,
    a_touch_does_not_confirm_a_reserved_place,
    nobody_leaves_who_came_in_anew_since_they_were_listed,
    whoever_was_found_gone_makes_room,
    rosters_of_different_users_have_nothing_to_do_with_each_other,
    serials_rise_also_when_the_roster_was_forgotten,
}

async fn a_reserved_place_is_listed_and_not_confirmed(store: &impl Roster) {
    let subject = Subject::new(store);
    let listed = subject.reserved(new_handle()).await;
    let member = subject.member(listed.handle).await.expect("listed");
    assert_eq!((member.confirmed, member.place, member.serial), (false, listed.serial, listed.serial));
    assert!(member.deadline >= member.seen.plus(PENDING) && member.deadline <= member.seen.plus(PENDING * 2));
}

async fn a_confirmed_place_is_in_with_its_deadline(store: &impl Roster) {
    let subject = Subject::new(store);
    let listed = subject.logged_in().await;
    let member = subject.member(listed.handle).await.expect("listed");
    assert!(member.confirmed);
    assert!(member.deadline >= at(listed.serial).plus(HOUR), "{member:?}");
    assert!(member.deadline <= at(listed.serial).plus(HOUR + Duration::from_secs(120)), "{member:?}");
}

async fn whoever_is_in_keeps_their_place_when_they_log_in_again(store: &impl Roster) {
    let subject = Subject::new(store);
    let (first, second) = (subject.logged_in().await, subject.logged_in().await);
    let again = subject.reserved(first.handle).await;
    assert!(again.serial > second.serial);
    assert!(subject.member(first.handle).await.expect("listed").confirmed, "also before it is confirmed again");
    assert_eq!(subject.confirm(again, None).await, Outcome::Confirmed);
    let members = subject.members().await;
    assert_eq!(handles(&members), [first.handle, second.handle]);
    assert_eq!((members[0].place, members[0].serial), (first.serial, again.serial));
}

async fn a_confirmation_from_before_the_epoch_is_refused(store: &impl Roster) {
    let subject = Subject::new(store);
    let (before, is_in) = (subject.reserved(new_handle()).await, subject.logged_in().await);
    let (epoch, members) = subject.everywhere(None).await;
    assert_eq!(handles(&members).len(), 2);
    assert!(before.serial < epoch && is_in.serial < epoch);
    for listed in [before, is_in] {
        assert_eq!(subject.confirm(listed, None).await, Outcome::Outdated { epoch });
    }
    assert!(subject.member(before.handle).await.is_some(), "it is listed until its record is ended");
    let after = subject.logged_in().await;
    assert!(after.serial > epoch);
}

async fn a_place_that_was_taken_away_cannot_be_confirmed(store: &impl Roster) {
    let subject = Subject::new(store);
    let (listed, other) = (subject.reserved(new_handle()).await, subject.logged_in().await);
    subject.act(Act::Leave(vec![listed])).await;
    assert_eq!(subject.confirm(listed, None).await, Outcome::Missing);
    assert_eq!(handles(&subject.members().await), [other.handle]);
}

async fn a_place_that_a_failover_lost_is_not_taken_for_one_that_was_taken_away(store: &impl Roster) {
    // What the next master knows is as it was before: here another user's, or nobody's.
    let (subject, before) = (Subject::new(store), Subject::new(store));
    let listed = subject.reserved(new_handle()).await;
    assert_eq!(before.confirm(listed, None).await, Outcome::Lost);
    assert_eq!(before.members().await, []);
    assert_eq!(subject.confirm(listed, None).await, Outcome::Confirmed);
}

async fn the_same_act_once_more_has_the_same_result(store: &impl Roster) {
    let subject = Subject::new(store);
    let listed = subject.reserved(new_handle()).await;
    for _ in 0..2 {
        assert_eq!(subject.confirm(listed, Some(Cap::Evict(1))).await, Outcome::Confirmed);
    }
    let id = WriteId::random().expect("random numbers");
    let [first, second] = [
        subject.act(Act::Everywhere { keep: Some((listed, HOUR)), id }).await,
        subject.act(Act::Everywhere { keep: Some((listed, HOUR)), id }).await,
    ];
    assert_eq!(first, second);
    for _ in 0..2 {
        assert_eq!(subject.act(Act::Leave(vec![Listed { serial: u64::MAX, ..listed }])).await, Outcome::Left);
    }
}

async fn an_end_of_all_lists_everyone_and_keeps_one_who_stays(store: &impl Roster) {
    let subject = Subject::new(store);
    let (stays, goes, reserved) =
        (subject.logged_in().await, subject.logged_in().await, subject.reserved(new_handle()).await);
    let (epoch, mut members) = subject.everywhere(Some(stays)).await;
    members.sort_by_key(|member| member.place);
    assert_eq!(handles(&members), [goes.handle, reserved.handle]);
    let kept = subject.member(stays.handle).await.expect("listed");
    assert!(kept.confirmed && kept.serial > epoch && kept.place == stays.serial);
    // Its record still says when it came in first.
    assert_eq!(subject.touch(stays, HOUR).await, Outcome::Touched);
    assert_eq!(subject.touch(goes, HOUR).await, Outcome::Outdated { epoch });
    // One who was not in comes in.
    let unlisted = Listed { handle: new_handle(), serial: epoch + 1 };
    subject.everywhere(Some(unlisted)).await;
    assert!(subject.member(unlisted.handle).await.expect("listed").confirmed);
}

async fn of_two_who_end_the_others_at_the_same_time_one_stays(store: &impl Roster) {
    let subject = Subject::new(store);
    let (first, second) = (subject.logged_in().await, subject.logged_in().await);
    let (epoch, members) = subject.everywhere(Some(first)).await;
    assert_eq!(handles(&members), [second.handle]);
    // Also when it has left, or was not listed.
    let unlisted = Listed { handle: new_handle(), ..second };
    for ended in [second, unlisted] {
        assert_eq!(subject.end_all(Some(ended)).await, Outcome::Outdated { epoch });
    }
    assert_eq!(handles(&subject.members().await), [first.handle, second.handle], "nothing was done");
    // Whoever stayed may do it again, as its record says; and whoever came in since.
    assert!(subject.everywhere(Some(first)).await.0 > epoch);
    let third = subject.logged_in().await;
    let (_, members) = subject.everywhere(Some(third)).await;
    assert_eq!(handles(&members).len(), 2);
}

async fn a_touch_moves_the_deadline_and_never_backwards(store: &impl Roster) {
    let subject = Subject::new(store);
    let listed = subject.logged_in().await;
    let before = subject.member(listed.handle).await.expect("listed");
    assert_eq!(subject.touch(listed, HOUR * 3).await, Outcome::Touched);
    let after = subject.member(listed.handle).await.expect("listed");
    assert!(after.deadline >= before.deadline.plus(HOUR), "{after:?}");
    assert!(after.seen >= before.seen);
    subject.touch(listed, HOUR / 2).await;
    assert_eq!(subject.member(listed.handle).await.expect("listed").deadline, after.deadline);
}

async fn a_touch_brings_in_who_is_not_in_unless_the_epoch_is_newer(store: &impl Roster) {
    let subject = Subject::new(store);
    let first = subject.logged_in().await;
    let old = Listed { handle: new_handle(), serial: first.serial - 100_000 };
    assert_eq!(subject.touch(old, HOUR).await, Outcome::Touched);
    let member = subject.member(old.handle).await.expect("listed");
    assert!(member.confirmed && member.serial == old.serial && member.place == old.serial);
    let (epoch, _) = subject.everywhere(None).await;
    let older = Listed { handle: new_handle(), serial: epoch - 1 };
    assert_eq!(subject.touch(older, HOUR).await, Outcome::Outdated { epoch });
    assert_eq!(subject.member(older.handle).await, None);
}

async fn a_touch_does_not_confirm_a_reserved_place(store: &impl Roster) {
    let subject = Subject::new(store);
    let listed = subject.reserved(new_handle()).await;
    subject.touch(listed, HOUR).await;
    assert!(!subject.member(listed.handle).await.expect("listed").confirmed);
}

async fn nobody_leaves_who_came_in_anew_since_they_were_listed(store: &impl Roster) {
    let subject = Subject::new(store);
    let listed = subject.logged_in().await;
    let again = subject.reserved(listed.handle).await;
    subject.act(Act::Leave(vec![listed])).await;
    assert_eq!(subject.member(listed.handle).await.expect("listed").serial, again.serial);
    subject.act(Act::Leave(vec![again])).await;
    assert_eq!(subject.member(listed.handle).await, None);
}

async fn rosters_of_different_users_have_nothing_to_do_with_each_other(store: &impl Roster) {
    let (ann, bob) = (Subject::new(store), Subject::new(store));
    let (hers, his) = (ann.logged_in().await, bob.reserved(new_handle()).await);
    ann.everywhere(None).await;
    assert_eq!(bob.confirm(his, Some(Cap::Refuse(1))).await, Outcome::Confirmed);
    assert_eq!(handles(&bob.members().await), [his.handle]);
    assert_eq!(handles(&ann.members().await), [hers.handle]);
    // Whatever bytes a user's id has, and however many.
    let names = ["", "\0", "ann", "ann\0", "Ann", "{ann}", &"é".repeat(512)].map(Name::of_user);
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name));
        assert_eq!(name.to_string().len(), 22);
    }
}

async fn serials_rise_also_when_the_roster_was_forgotten(store: &impl Roster) {
    let subject = Subject::new(store);
    let first = subject.logged_in().await;
    subject.act(Act::Leave(vec![first])).await;
    let second = subject.reserved(new_handle()).await;
    assert!(second.serial > first.serial);
}
