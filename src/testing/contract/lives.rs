//! How long a record lives: both limits at once, on the store's clock.

use std::time::Duration;

use crate::store::{Act, Create, Loaded, Outcome, Store, Timestamp};
use tokio::time::{Instant, sleep};

use super::subject::{CLOCKS, HOUR, Subject, add, assert_whole, create, done, live_for, set, slide};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn living(idle: Duration, absolute: Option<Duration>) -> Create {
    Create { idle: (idle, false), absolute, ..create(&[]) }
}

pub async fn a_record_ends_at_its_idle_limit(store: &impl Store) {
    let subject = Subject::created(store, living(ms(2000), None)).await;
    sleep(ms(100)).await;
    let left = subject.record().await.expires_in;
    assert!(left <= ms(1900), "{left:?}");
    done(&subject.apply(1, set("a", "1")).await);
    sleep(left + ms(20)).await;
    assert_eq!(subject.load().await, Loaded::Missing);
}

pub async fn an_ended_record_is_gone_and_its_handle_free(store: &impl Store) {
    let subject = Subject::created(store, living(ms(80), None)).await;
    sleep(ms(120)).await;
    for act in [Act::Apply(add("n", 1)), slide(HOUR), Act::Destroy] {
        assert_eq!(subject.act(1, act).await, Outcome::Gone);
    }
    assert_eq!(subject.load().await, Loaded::Missing);
    done(&subject.act(1, Act::Create(create(&[]))).await);
}

pub async fn a_record_that_slides_still_ends_at_its_absolute_limit(store: &impl Store) {
    let (idle, whole) = (ms(1200), ms(2000));
    let subject = Subject::created(store, living(idle, Some(whole))).await;
    let (born, mut slid) = (Instant::now(), Instant::now());
    // As often as it can be, for one pause too long would be its end.
    while slid < born + 2 * whole {
        let asked = Instant::now();
        match subject.act(1, slide(idle)).await {
            Outcome::Done(_) => slid = asked,
            outcome => {
                assert_eq!(outcome, Outcome::Gone);
                break;
            }
        }
        sleep(ms(50)).await;
    }
    let lived = slid - born;
    assert!(lived > idle && lived < whole, "it slid for {lived:?}");
    assert_eq!(subject.load().await, Loaded::Missing);
}

pub async fn a_slide_extends_only_when_less_than_its_threshold_is_left(store: &impl Store) {
    let subject = Subject::created(store, living(HOUR, None)).await;
    sleep(ms(300)).await;
    for within in [Duration::ZERO, HOUR / 2, HOUR / 100 * 99] {
        let told = done(&subject.act(1, slide(within)).await);
        assert_eq!((told.generation, told.end, told.value), (1, None, None));
        assert!(subject.record().await.expires_in + ms(300) <= HOUR, "{within:?}");
    }
    let sent = Instant::now();
    done(&subject.act(1, slide(HOUR)).await);
    assert_whole(&subject.record().await, HOUR, sent);
}

pub async fn a_slide_never_passes_the_absolute_end(store: &impl Store) {
    let begun = Instant::now();
    let subject = Subject::created(store, living(HOUR, Some(HOUR + ms(300)))).await;
    sleep(ms(600)).await;
    let told = done(&subject.act(1, slide(HOUR * 9)).await);
    let end = subject.record().await.life.end;
    assert_eq!(told.end, end);
    let left = subject.record().await.expires_in;
    assert!(left + ms(300) <= HOUR, "{left:?}");
    // It did slide: else it would have ended an hour after its birth, and not 300 ms later.
    assert!(left + begun.elapsed() > HOUR + ms(250), "{left:?}");
}

pub async fn a_slide_never_shortens_a_life(store: &impl Store) {
    let subject = Subject::created(store, living(HOUR, Some(HOUR))).await;
    let begun = Instant::now();
    let before = subject.record().await.expires_in;
    for _ in 0..5 {
        done(&subject.act(1, slide(HOUR * 9)).await);
    }
    let after = subject.record().await.expires_in;
    assert!(before.saturating_sub(after) <= begun.elapsed() + CLOCKS, "{before:?} {after:?}");
}

pub async fn a_slide_changes_nothing_but_the_life(store: &impl Store) {
    let subject = Subject::created(store, Create { user: Some("ann".into()), ..create(&[("a", "1")]) }).await;
    let before = subject.settled().await;
    done(&subject.act(1, slide(HOUR * 2)).await);
    assert_eq!(subject.settled().await, before);
}

pub async fn a_new_life_changes_what_is_left_and_is_the_sessions_own(store: &impl Store) {
    let subject = Subject::created(store, living(HOUR, None)).await;
    for life in [HOUR / 2, HOUR * 2, ms(1000)] {
        let sent = Instant::now();
        done(&subject.apply(1, live_for(life)).await);
        let record = subject.record().await;
        assert_eq!((record.life.idle, record.life.own, record.generation), (life, true, 1));
        assert_whole(&record, life, sent);
    }
    sleep(ms(1020)).await;
    assert_eq!(subject.load().await, Loaded::Missing);
}

pub async fn a_new_life_never_passes_the_absolute_end(store: &impl Store) {
    let subject = Subject::created(store, living(HOUR, Some(HOUR * 2))).await;
    let told = done(&subject.apply(1, live_for(HOUR * 9)).await);
    let record = subject.record().await;
    assert_eq!((record.life.idle, record.life.end), (HOUR * 9, told.end));
    let end: Timestamp = record.life.end.expect("an absolute end");
    assert!(told.at.plus(record.expires_in) <= end, "{record:?}");
    assert!(record.expires_in > HOUR, "{record:?}");
}
