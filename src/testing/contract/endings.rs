//! Sessions that others end, on behalf of their user.

use crate::store::roster::Membership;
use crate::store::{Act, Apply, Create, Intent, Loaded, Outcome, Reason, Store, Write, WriteId};

use super::subject::{HOUR, Subject, create, create_for, done, log_in, rotate, set};

fn end(user: &str, before: Option<u64>, reason: Reason) -> Act {
    Act::End { user: user.to_owned(), before, reason }
}

fn placed(serial: u64) -> Create {
    Create { membership: Some(Membership { serial, unproved: false }), ..create_for("ann", &[("a", "1")]) }
}

fn log_in_at(serial: u64, unproved: bool) -> Apply {
    let Intent::LogIn { user, idle, absolute, reissue, .. } = log_in("ann").intent else { panic!("a log-in") };
    let membership = Some(Membership { serial, unproved });
    Apply { intent: Intent::LogIn { user, idle, absolute, reissue, membership }, ..log_in("ann") }
}

pub async fn an_end_leaves_a_tombstone_that_says_why_whatever_the_generation(store: &impl Store) {
    for reason in [Reason::Ended, Reason::Everywhere, Reason::Evicted] {
        let subject = Subject::created(store, create_for("ann", &[("a", "1")])).await;
        done(&subject.apply(1, rotate()).await);
        let told = done(&subject.act(0, end("ann", None, reason)).await);
        assert_eq!(told.generation, 2);
        assert_eq!(subject.load().await, Loaded::Ended { at: told.at, reason });
        assert_eq!(subject.apply(2, set("a", "2")).await, Outcome::Gone);
        assert_eq!(subject.act(1, Act::Create(create(&[]))).await, Outcome::Exists);
    }
}

pub async fn an_end_of_anothers_session_is_gone_and_changes_nothing(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[])).await;
    for user in ["bob", ""] {
        assert_eq!(subject.act(1, end(user, None, Reason::Ended)).await, Outcome::Gone);
    }
    assert_eq!(subject.record().await.user.as_deref(), Some("ann"));
    let visitor = Subject::created(store, create(&[])).await;
    assert_eq!(visitor.act(1, end("", None, Reason::Ended)).await, Outcome::Gone);
    assert!(matches!(visitor.load().await, Loaded::Found(_)));
}

pub async fn an_end_spares_who_came_in_since(store: &impl Store) {
    let subject = Subject::created(store, placed(100)).await;
    for before in [99, 100] {
        assert_eq!(subject.act(1, end("ann", Some(before), Reason::Everywhere)).await, Outcome::Superseded);
    }
    done(&subject.act(1, end("ann", Some(101), Reason::Everywhere)).await);
}

pub async fn a_session_without_a_place_came_in_when_it_was_born(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[])).await;
    let born = subject.record().await.born.as_millis();
    assert_eq!(subject.act(1, end("ann", Some(born), Reason::Everywhere)).await, Outcome::Superseded);
    done(&subject.act(1, end("ann", Some(born + 1), Reason::Everywhere)).await);
}

pub async fn the_same_end_once_more_has_the_first_result_and_another_is_gone(store: &impl Store) {
    let subject = Subject::created(store, placed(100)).await;
    done(&subject.apply(1, log_in_at(110, true)).await);
    let write = subject.write(0, end("ann", None, Reason::Everywhere));
    for _ in 0..2 {
        // Whoever repeats it elsewhere must know what it ended.
        assert_eq!(done(&subject.send(&write).await).generation, 2);
    }
    assert_eq!(subject.act(1, end("ann", None, Reason::Everywhere)).await, Outcome::Gone);
    assert_eq!(subject.act(1, Act::Destroy).await, Outcome::Gone);
}

pub async fn a_session_that_ended_by_itself_is_counted_once(store: &impl Store) {
    let subject = Subject::created(store, placed(100)).await;
    let itself = Write { id: WriteId::default(), ..subject.write(1, end("ann", Some(200), Reason::Everywhere)) };
    done(&subject.send(&itself).await);
    let ended = subject.load().await;
    assert_eq!(subject.act(1, end("ann", None, Reason::Ended)).await, Outcome::Gone, "for another reason");
    let counts = subject.write(1, end("ann", Some(200), Reason::Everywhere));
    for _ in 0..2 {
        done(&subject.send(&counts).await);
    }
    assert_eq!(subject.act(1, end("ann", Some(200), Reason::Everywhere)).await, Outcome::Gone);
    assert_eq!(subject.load().await, ended);
}

pub async fn a_place_is_noted_under_exactly_this_generation(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[])).await;
    let place = Membership { serial: 100, unproved: false };
    for generation in [0, 2] {
        assert_eq!(subject.act(generation, Act::Place(place)).await, Outcome::Superseded);
    }
    assert_eq!(subject.record().await.membership, None);
    let before = subject.record().await.expires_in;
    done(&subject.act(1, Act::Place(place)).await);
    let record = subject.record().await;
    assert_eq!(record.membership, Some(place));
    assert!(record.expires_in <= before && before <= HOUR);
    assert_eq!(Subject::new(store).act(1, Act::Place(place)).await, Outcome::Gone);
}

pub async fn a_log_in_notes_its_place_and_a_later_one_stays(store: &impl Store) {
    let subject = Subject::created(store, create(&[])).await;
    let place = async || subject.record().await.membership.expect("a place");
    done(&subject.apply(1, log_in_at(100, true)).await);
    assert_eq!(place().await, Membership { serial: 100, unproved: true });
    // The current cookie is issued again: nobody has come with it yet.
    done(&subject.apply(1, log_in_at(110, true)).await);
    assert_eq!(place().await, Membership { serial: 110, unproved: true });
    done(&subject.apply(1, log_in_at(105, true)).await);
    assert_eq!(place().await.serial, 110, "the later one was faster");
    done(&subject.act(2, Act::Place(Membership { serial: 110, unproved: false })).await);
    done(&subject.apply(1, log_in_at(120, true)).await);
    assert_eq!(place().await, Membership { serial: 120, unproved: false }, "somebody has");
    done(&subject.apply(2, log_in_at(130, true)).await);
    assert_eq!(place().await, Membership { serial: 130, unproved: true }, "another cookie");
}
