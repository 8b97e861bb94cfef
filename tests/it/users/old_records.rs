//! Sessions that began on an instance of a version without rosters.

use super::{devices, ended, logged_in, own, user};
use crate::harness::{Browser, Fleet, record_key};
use crate::until;

/// As the version before left it: no place in the record, and no roster.
async fn make_old(fleet: &Fleet, browser: &Browser) {
    fleet.redis.cli(&["HDEL", &record_key(&browser.cookie().expect("logged in")), "m"]).await;
    for key in fleet.redis.cli(&["KEYS", "stickless:u:*"]).await.lines() {
        fleet.redis.cli(&["DEL", key]).await;
    }
}

#[tokio::test]
async fn a_session_from_before_rosters_is_entered_when_it_is_used_next() {
    let fleet = Fleet::start(2).await;
    let old = logged_in(&fleet, 0, "ada").await;
    make_old(&fleet, &old).await;
    let other = logged_in(&fleet, 1, "ada").await;
    assert_eq!(devices(&other).await.len(), 1);
    assert_eq!(user(&old).await, "ada");
    until("it is listed", async || devices(&other).await.len() == 2).await;
    let (key, mine) = (record_key(&old.cookie().expect("logged in")), own(&old).await);
    until("its record says so", async || fleet.redis.cli(&["HEXISTS", &key, "m"]).await == "1").await;
    assert_eq!(other.post(&format!("/devices/{mine}/logout")).send().await.status, 204);
    assert!(user(&old).await.is_null());
}

#[tokio::test]
async fn one_that_was_not_used_since_ends_at_its_next_use_after_an_end_of_all() {
    let fleet = Fleet::start(2).await;
    let old = logged_in(&fleet, 0, "ada").await;
    make_old(&fleet, &old).await;
    let other = logged_in(&fleet, 1, "ada").await;
    assert_eq!(ended(&other.post("/logout-everywhere").send().await), 1);
    until("it has ended", async || user(&old).await.is_null()).await;
    // One that began after it is let in, also by the version before.
    let later = logged_in(&fleet, 0, "ada").await;
    fleet.redis.cli(&["HDEL", &record_key(&later.cookie().expect("logged in")), "m"]).await;
    user(&later).await;
    until("it is listed", async || devices(&later).await.len() == 1).await;
    assert_eq!(user(&later).await, "ada");
}
