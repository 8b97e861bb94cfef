//! What a session was seen with: what is new is told to one write, once.

use std::time::Duration;

use crate::store::{Act, Create, Outcome, Store};
use tokio::time::{Instant, sleep};

use super::subject::{Subject, assert_whole, create, done, log_in, news, see, see_again, sighting};

async fn seen_with<'a, S: Store>(store: &'a S, address: Option<&str>, agent: Option<&str>) -> Subject<'a, S> {
    Subject::created(store, Create { seen: sighting(address, agent), ..create(&[]) }).await
}

fn nothing() -> [String; 2] {
    Default::default()
}

pub async fn what_a_record_begins_with_is_no_news(store: &impl Store) {
    let subject = seen_with(store, Some("192.0.2.1"), Some("x/1")).await;
    let seen = subject.record().await.seen;
    assert_eq!((seen.addresses.latest(), seen.agents.latest()), (Some("192.0.2.1"), Some("x/1")));
    assert_eq!((seen.address_changes, seen.agent_changes, seen.returns), (0, 0, 0));
    assert_eq!(news(&subject.act(1, see(Some("192.0.2.1"), Some("x/1"))).await), nothing());
    assert_eq!(subject.record().await.seen, seen);
}

pub async fn the_first_sight_of_a_record_that_knows_nothing_is_no_news(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    assert_eq!(news(&subject.act(1, see(Some("192.0.2.1"), Some("x/1"))).await), nothing());
    let seen = subject.record().await.seen;
    assert_eq!((seen.addresses.latest(), seen.agents.latest()), (Some("192.0.2.1"), Some("x/1")));
    assert_eq!(news(&subject.act(1, see(Some("192.0.2.2"), Some("x/1"))).await)[0], "192.0.2.1 #1");
}

pub async fn a_new_address_and_a_new_agent_are_each_told_once(store: &impl Store) {
    let subject = seen_with(store, Some("192.0.2.1"), Some("x/1")).await;
    let outcome = subject.act(1, see(Some("192.0.2.2"), Some("x/1"))).await;
    assert_eq!(news(&outcome), ["192.0.2.1 #1", ""]);
    let outcome = subject.act(1, see(Some("192.0.2.2"), Some("y (a; b:c)"))).await;
    assert_eq!(news(&outcome), ["", "x/1 #1"]);
    let outcome = subject.act(1, see(Some("192.0.2.3"), Some("z"))).await;
    assert_eq!(news(&outcome), ["192.0.2.2 #2", "y (a; b:c) #2"]);
    assert_eq!(news(&subject.act(1, see(Some("192.0.2.3"), Some("z"))).await), nothing());
}

pub async fn of_many_writes_with_the_same_news_one_is_told(store: &impl Store) {
    let subject = seen_with(store, Some("192.0.2.1"), None).await;
    let writes = (0..20).map(|_| subject.act(1, see(Some("192.0.2.2"), None)));
    let outcomes = futures_util::future::join_all(writes).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Drifted(..))).count(), 1);
    assert_eq!(subject.record().await.seen.address_changes, 1);
}

pub async fn the_same_note_once_more_has_the_first_answer(store: &impl Store) {
    let subject = seen_with(store, Some("192.0.2.1"), Some("x/1")).await;
    let write = subject.write(1, see(Some("192.0.2.2"), Some("y/1")));
    let told = news(&subject.send(&write).await);
    assert_eq!(told, ["192.0.2.1 #1", "x/1 #1"]);
    assert_eq!(news(&subject.send(&write).await), told);
    assert_eq!(subject.record().await.seen.address_changes, 1);
}

pub async fn four_addresses_are_known_and_a_fifth_drives_out_the_first(store: &impl Store) {
    let subject = seen_with(store, Some("1"), None).await;
    for address in ["2", "3", "4", "5"] {
        assert_ne!(news(&subject.act(1, see(Some(address), None)).await), nothing());
    }
    let seen = subject.record().await.seen;
    assert_eq!(seen.addresses.iter().collect::<Vec<_>>(), ["5", "4", "3", "2"]);
    assert_eq!(news(&subject.act(1, see(Some("2"), None)).await), nothing());
    assert_eq!(news(&subject.act(1, see(Some("1"), None)).await)[0], "5 #5");
}

pub async fn a_return_to_something_known_is_no_news_and_noted_after_an_interval_only(store: &impl Store) {
    let subject = seen_with(store, Some("1"), Some("x")).await;
    assert_ne!(news(&subject.act(1, see(Some("2"), Some("y"))).await), nothing());
    let before = subject.record().await.seen;
    assert_eq!(news(&subject.act(1, see(Some("1"), Some("x"))).await), nothing());
    assert_eq!(subject.record().await.seen, before, "too soon to be noted");
    assert_eq!(news(&subject.act(1, see_again(Some("1"), Some("x"), Duration::ZERO)).await), nothing());
    let after = subject.record().await.seen;
    assert_eq!((after.addresses.latest(), after.agents.latest(), after.returns), (Some("1"), Some("x"), 1));
    assert_eq!((after.address_changes, after.agent_changes), (1, 1));
}

pub async fn what_is_absent_says_nothing(store: &impl Store) {
    let subject = seen_with(store, Some("1"), Some("x")).await;
    let before = subject.record().await.seen;
    assert_eq!(news(&subject.act(1, see(None, None)).await), nothing());
    assert_eq!(subject.record().await.seen, before);
    assert_eq!(news(&subject.act(1, see(None, Some("y"))).await), ["", "x #1"]);
    assert_eq!(subject.record().await.seen.addresses.latest(), Some("1"));
}

pub async fn a_note_under_a_lower_generation_is_superseded(store: &impl Store) {
    let subject = seen_with(store, Some("1"), None).await;
    done(&subject.apply(1, log_in("ann")).await);
    assert_eq!(subject.act(1, see(Some("2"), None)).await, Outcome::Superseded);
    assert_eq!(news(&subject.act(2, see(Some("2"), None)).await)[0], "1 #1");
}

pub async fn a_log_in_keeps_what_was_seen(store: &impl Store) {
    let subject = seen_with(store, Some("1"), Some("x")).await;
    let before = subject.record().await.seen;
    done(&subject.apply(1, log_in("ann")).await);
    assert_eq!(subject.record().await.seen, before);
}

pub async fn a_slide_and_a_note_are_one_write(store: &impl Store) {
    let life = Duration::from_secs(20);
    let begins = Create { idle: (life, false), seen: sighting(Some("1"), None), ..create(&[]) };
    let subject = Subject::created(store, begins).await;
    sleep(Duration::from_millis(600)).await;
    let Act::Slide { seen, .. } = see(Some("2"), None) else { panic!("a slide") };
    let sent = Instant::now();
    let outcome = subject.act(1, Act::Slide { within: life, seen }).await;
    assert_eq!(news(&outcome)[0], "1 #1");
    let record = subject.record().await;
    assert_whole(&record, life, sent);
    assert_eq!(record.seen.addresses.latest(), Some("2"));
}
