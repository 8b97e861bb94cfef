//! Endings are announced to all instances.

use std::time::Duration;

use stickless::store::{RedisStore, Store as _};
use stickless::users::{Endings, News};
use stickless::{Handle, Reason, Users};
use tokio::time::timeout;

use super::{ended, logged_in, own};
use crate::harness::Fleet;

async fn next(endings: &mut Endings) -> News {
    timeout(Duration::from_secs(5), endings.next()).await.expect("news within five seconds").expect("the store lives")
}

fn handle(text: &str) -> Handle {
    text.parse().expect("a handle")
}

#[tokio::test]
async fn every_ending_is_heard_with_its_reason_by_who_listens() {
    let mut fleet = Fleet::start_with(2, &[("SESSION_CAP", "3:evict")]).await;
    let store = RedisStore::connect(&fleet.redis.url()).expect("a store");
    let users = Users::new(store.clone());
    let mut endings = users.endings();
    assert_eq!(next(&mut endings).await, News::Gap, "from here on everything is heard");
    let mut browsers = Vec::new();
    for turn in 0..3 {
        browsers.push(logged_in(&fleet, turn, "ada").await);
    }
    let mut handles = Vec::new();
    for browser in &browsers {
        handles.push(handle(&own(browser).await));
    }
    let newest = logged_in(&fleet, 0, "ada").await;
    assert_eq!(next(&mut endings).await, News::Ended { handle: handles[0], reason: Reason::Evicted });
    newest.post(&format!("/devices/{}/logout", handles[1])).send().await;
    assert_eq!(next(&mut endings).await, News::Ended { handle: handles[1], reason: Reason::Ended });
    browsers[2].post("/logout").send().await;
    assert_eq!(next(&mut endings).await, News::Ended { handle: handles[2], reason: Reason::LogOut });
    let last = handle(&own(&newest).await);
    assert_eq!(ended(&newest.post("/logout-everywhere").send().await), 1);
    assert_eq!(next(&mut endings).await, News::Ended { handle: last, reason: Reason::Everywhere });
    // What may have been missed is said.
    fleet.redis.restart().await;
    assert_eq!(next(&mut endings).await, News::Gap);
    drop((users, store));
}

#[tokio::test]
async fn a_deleted_users_sessions_end_and_their_browsers_log_in_as_somebody_else() {
    let fleet = Fleet::start_with(2, &[("SESSION_CAP", "2:refuse")]).await;
    let users = Users::new(RedisStore::connect(&fleet.redis.url()).expect("a store"));
    let browsers = [logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 1, "ada").await];
    browsers[0].post("/set?k=cart&v=tea").send().await;
    assert_eq!(users.end_all("ada").await.expect("the store answers"), 2);
    for browser in &browsers {
        let me = browser.get("/me").send().await.json();
        assert_eq!((&me["user"], &me["reason"]), (&serde_json::Value::Null, &"everywhere".into()));
        assert_eq!(browser.post("/set?k=a&v=1").send().await.status, 409);
        assert_eq!(browser.post("/login?user=bob").send().await.status, 204);
        assert_eq!(browser.get("/dump").send().await.json()["data"], serde_json::json!({}));
    }
    assert_eq!(users.list("bob").await.expect("the store answers").len(), 2);
    assert!(users.list("ada").await.expect("the store answers").is_empty());
    // One of the same name who comes later is nobody's heir, and has all places.
    let heirs = [logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 1, "ada").await];
    assert_eq!(heirs[0].get("/dump").send().await.json()["data"], serde_json::json!({}));
    assert_eq!(users.list("ada").await.expect("the store answers").len(), 2);
}

#[tokio::test]
async fn an_administrator_lists_shows_and_ends_without_a_request() {
    let fleet = Fleet::start(2).await;
    let users = Users::new(RedisStore::connect(&fleet.redis.url()).expect("a store"));
    let (first, second) = (logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 1, "ada").await);
    first.post("/set?k=secret&v=treasure").send().await;
    let listed = users.list("ada").await.expect("the store answers");
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|device| !device.current));
    let one = handle(&own(&first).await);
    let info = users.show(one).await.expect("the store answers").expect("it is there");
    assert_eq!((info.user.as_deref(), info.values), (Some("ada"), 1));
    assert!(!format!("{info:?}").contains("treasure"));
    assert!(users.end(one).await.expect("the store answers"));
    assert!(!users.end(one).await.expect("the store answers"), "it is gone");
    assert_eq!(first.get("/me").send().await.json()["reason"], "ended");
    let visitor = fleet.browser();
    visitor.post("/set?k=a&v=1").send().await;
    let key = crate::harness::record_key(&visitor.cookie().expect("a session"));
    let anonymous = handle(key.rsplit(':').next().expect("a key"));
    assert!(users.end(anonymous).await.expect("the store answers"), "one without a user too");
    assert_eq!(visitor.get("/me").send().await.json()["state"], "stale");
    assert_eq!(users.end_all("ada").await.expect("the store answers"), 1);
    assert_eq!(second.get("/me").send().await.json()["reason"], "everywhere");
    assert_eq!(users.end_all("nobody").await.expect("the store answers"), 0);
    assert!(users.show(one).await.expect("the store answers").is_none());
    let store = RedisStore::connect(&fleet.redis.url()).expect("a store");
    store.ping(&stickless::store::Budget::default()).await.expect("the store answers");
}
