//! What is there, and who put it there.

use std::time::Duration;

use crate::store::roster::Membership;
use crate::store::{Act, Budget, Create, Loaded, Outcome, Seen, Store, Timestamp};

use super::subject::{
    HOUR, Subject, add, clear, create, create_for, done, keep, log_in, map, remove, rotate, set, sighting, slide,
};

pub async fn a_created_record_is_read_back_as_it_was_made(store: &impl Store) {
    let create = Create {
        user: Some("ann".into()),
        membership: Some(Membership { serial: 1_700_000_000_000, unproved: true }),
        idle: (HOUR, true),
        absolute: Some(HOUR * 8),
        seen: sighting(Some("192.0.2.1"), Some("x/1")),
        data: map(&[("a", "1"), ("b", r#"{"x":[null,"é"]}"#)]),
    };
    let subject = Subject::new(store);
    let made = done(&subject.act(7, Act::Create(create.clone())).await);
    let record = subject.record().await;
    assert_eq!(record.data, create.data);
    assert_eq!((&record.user, record.membership), (&create.user, create.membership));
    assert_eq!(record.seen, Seen::first(&create.seen, made.at));
    assert_eq!((record.generation, record.rotated), (7, None));
    assert_eq!((record.life.idle, record.life.own), (HOUR, true));
    assert_eq!((record.born, record.life.end), (made.at, Some(made.at.plus(HOUR * 8))));
    assert_eq!((made.generation, made.end, made.value), (7, record.life.end, None));
    assert!(record.expires_in <= HOUR && record.expires_in + Duration::from_secs(5) > HOUR, "{record:?}");
}

pub async fn a_record_without_user_and_limits_of_its_own_is_read_back_so(store: &impl Store) {
    let record = Subject::with(store, &[("a", "1")]).await.record().await;
    assert_eq!((record.user, record.life.own, record.life.end), (None, false, None));
}

pub async fn a_record_can_be_empty(store: &impl Store) {
    let subject = Subject::created(store, create_for("", &[])).await;
    let record = subject.record().await;
    assert_eq!((record.data, record.user), (map(&[]), Some(String::new())));
}

pub async fn any_text_is_a_key_or_a_value_and_meets_none_of_the_records_own_fields(store: &impl Store) {
    let mut data = map(&[("", "1"), (".", "2"), ("ключ\r\n", "\"\u{0}\\n;:\""), ("-1", "[]"), ("t", "9")]);
    for own in ["v", "g", "b", "r", "i", "o", "e", "u", "n", "l", "w", "a", "h", "d"] {
        data.insert(own.into(), "\"mine\"".into());
    }
    let subject = Subject::created(store, Create { data: data.clone(), ..create(&[]) }).await;
    assert_eq!(subject.data().await, data);
    for key in data.keys() {
        done(&subject.apply(1, set(key, "\"other\"")).await);
    }
    let record = subject.record().await;
    assert!(record.data.len() == data.len() && record.data.values().all(|value| value == "\"other\""), "{record:?}");
    assert_eq!((record.generation, record.life.idle, record.user), (1, HOUR, None));
    for key in data.keys() {
        done(&subject.apply(1, remove(key)).await);
    }
    assert_eq!(subject.data().await, map(&[]));
}

pub async fn nothing_but_create_makes_a_record(store: &impl Store) {
    let subject = Subject::new(store);
    let changes = [keep(), set("a", "1"), remove("a"), clear(), add("n", 1), rotate(), log_in("ann")];
    let acts = changes.map(Act::Apply).into_iter().chain([slide(HOUR), Act::Destroy]);
    for act in acts {
        assert_eq!(subject.act(1, act.clone()).await, Outcome::Gone, "{act:?}");
        assert_eq!(subject.load().await, Loaded::Missing, "{act:?}");
    }
    done(&subject.act(1, Act::Create(create(&[]))).await);
}

pub async fn create_refuses_a_handle_that_has_a_record(store: &impl Store) {
    let subject = Subject::created(store, create_for("ann", &[("a", "1")])).await;
    let before = subject.settled().await;
    assert_eq!(subject.act(1, Act::Create(create(&[("a", "2")]))).await, Outcome::Exists);
    assert_eq!(subject.act(9, Act::Create(create(&[]))).await, Outcome::Exists);
    assert_eq!(subject.settled().await, before);
}

pub async fn create_refuses_a_handle_that_has_a_tombstone(store: &impl Store) {
    let subject = Subject::with(store, &[]).await;
    done(&subject.act(1, Act::Destroy).await);
    assert_eq!(subject.act(9, Act::Create(create(&[]))).await, Outcome::Exists);
    assert_eq!(subject.load().await, Loaded::Tombstone);
}

pub async fn handles_are_answered_in_their_order(store: &impl Store) {
    let (found, other) = (Subject::with(store, &[("a", "1")]).await, Subject::with(store, &[("a", "2")]).await);
    let (gone, missing) = (Subject::with(store, &[]).await, Subject::new(store));
    done(&gone.act(1, Act::Destroy).await);
    let load = async |handles: &[_]| store.load(handles, &Budget::default()).await.expect("the store answers");
    let data = |loaded: &Loaded| match loaded {
        Loaded::Found(record) => record.data["a"].clone(),
        other => format!("{other:?}"),
    };
    let answers = load(&[missing.handle, other.handle, gone.handle, found.handle]).await;
    assert_eq!(answers.iter().map(data).collect::<Vec<_>>(), ["Missing", "2", "Tombstone", "1"]);
    let answers = load(&[gone.handle, missing.handle, missing.handle]).await;
    assert_eq!(answers, [Loaded::Tombstone, Loaded::Missing, Loaded::Missing]);
    assert_eq!(load(&[]).await, []);
}

pub async fn a_read_changes_nothing(store: &impl Store) {
    let subject = Subject::with(store, &[("a", "1")]).await;
    let before = subject.record().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let after = subject.record().await;
    assert!(after.expires_in < before.expires_in, "{before:?} {after:?}");
    assert_eq!(subject.settled().await, crate::store::Record { expires_in: Duration::ZERO, ..before });
}

pub async fn the_stores_time_goes_on(store: &impl Store) {
    store.ping(&Budget::default()).await.expect("the store answers");
    let (here, there) = (store.now(), done(&Subject::new(store).act(1, Act::Create(create(&[]))).await).at);
    let second = Duration::from_secs(1);
    assert!(there.since(here) < second && here.since(there) < second, "{here:?} {there:?}");
    assert!(there > Timestamp::from_millis(1_700_000_000_000));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(store.now() > here);
}
