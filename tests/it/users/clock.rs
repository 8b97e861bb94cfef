//! Rosters over hours of the store's time, which is turned.

use std::time::Duration;

use super::{alive, assert_all_have_a_deadline, devices, logged_in, own, patient, user};
use crate::harness::{Browser, Fleet, RedisServer, TurnedRedis};
use crate::until;

async fn fleet(env: &[(&str, &str)]) -> Fleet<TurnedRedis> {
    Fleet::start_on(TurnedRedis::start().await, 2, env).await
}

/// So many minutes go by.
async fn minutes(fleet: &mut Fleet<TurnedRedis>, minutes: u64) {
    fleet.redis.pass(Duration::from_secs(minutes * 60)).await;
}

fn redis(fleet: &Fleet<TurnedRedis>) -> &RedisServer {
    &fleet.redis.server
}

async fn member(fleet: &Fleet<TurnedRedis>, browser: &Browser) -> Vec<u64> {
    let (roster, handle) = (redis(fleet).cli(&["KEYS", "stickless:u:*"]).await, own(browser).await);
    let text = redis(fleet).cli(&["HGET", &roster, &handle]).await;
    text.split(' ').skip(1).map(|number| number.parse().expect("a number")).collect()
}

#[tokio::test]
async fn over_hours_a_roster_slides_with_those_who_are_used_and_forgets_the_others() {
    let mut fleet = fleet(&[("SESSION_IDLE", "1800")]).await;
    let (used, unused) = (logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 1, "ada").await);
    let mut deadlines = vec![member(&fleet, &used).await];
    for step in 0..8 {
        minutes(&mut fleet, 10).await;
        assert_eq!(user(&used.at(fleet.url(step))).await, "ada", "step {step}");
        let last = deadlines.last().expect("one")[2];
        // It is told beside the request, at most once in a refresh interval.
        until("the roster hears of it", async || member(&fleet, &used).await[2] > last).await;
        deadlines.push(member(&fleet, &used).await);
    }
    // Place and serial stay; what was last seen only rises.
    for pair in deadlines.windows(2) {
        assert_eq!(pair[0][..2], pair[1][..2]);
        assert!(pair[0][2] < pair[1][2] && pair[0][3] < pair[1][3], "{pair:?}");
    }
    assert_eq!(alive(&fleet, &[unused]).await, 0);
    let list = devices(&used).await;
    assert_eq!(list.len(), 1);
    assert!(list[0]["seen"].as_u64() > list[0]["born"].as_u64().map(|born| born + 70 * 60 * 1000), "{list:?}");
    let roster = redis(&fleet).cli(&["KEYS", "stickless:u:*"]).await;
    until("the one that ended leaves the roster", async || redis(&fleet).cli(&["HLEN", &roster]).await == "2").await;
    assert_all_have_a_deadline(redis(&fleet)).await;
    // When nobody is left, nothing is.
    minutes(&mut fleet, 40).await;
    until("everything is forgotten", async || redis(&fleet).cli(&["DBSIZE"]).await == "0").await;
}

#[tokio::test]
async fn of_a_user_who_logs_in_all_the_time_no_more_are_listed_than_are_alive() {
    let mut fleet = fleet(&patient(&[("SESSION_IDLE", "600")])).await;
    let lasting = logged_in(&fleet, 0, "ada").await;
    lasting.post("/remember-me?days=10").send().await;
    super::many(&fleet, 150, "ada").await;
    minutes(&mut fleet, 20).await;
    let roster = redis(&fleet).cli(&["KEYS", "stickless:u:*"]).await;
    let kept = async || redis(&fleet).cli(&["HLEN", &roster]).await.parse::<usize>().expect("a number");
    assert_eq!(kept().await, 152, "each, and the roster's state");
    // Each log-in looks after some of those that are gone, beside its answer.
    for log_ins in 1..50 {
        logged_in(&fleet, log_ins, "ada").await;
        if kept().await == log_ins + 2 {
            return;
        }
    }
    panic!("{} are left", kept().await);
}

#[tokio::test]
async fn a_read_outside_the_threshold_tells_the_roster_nothing() {
    let mut fleet = fleet(&[("SESSION_IDLE", "1800")]).await;
    let browser = logged_in(&fleet, 0, "ada").await;
    let before = member(&fleet, &browser).await;
    for _ in 0..5 {
        minutes(&mut fleet, 1).await;
        user(&browser).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(member(&fleet, &browser).await, before);
}

#[tokio::test]
async fn a_log_in_whose_answer_was_lost_keeps_nobody_out_for_longer_than_a_minute() {
    let mut fleet = fleet(&[("SESSION_CAP", "1:refuse")]).await;
    // Its cookie reaches nobody.
    logged_in(&fleet, 0, "ada").await;
    let next = Browser::new(fleet.url(1));
    assert_eq!(next.post("/login?user=ada").send().await.status, 403);
    minutes(&mut fleet, 1).await;
    assert_eq!(next.post("/login?user=ada").send().await.status, 204);
    // Whoever came with the cookie once keeps it.
    assert_eq!(user(&next).await, "ada");
    minutes(&mut fleet, 5).await;
    assert_eq!(fleet.browser().post("/login?user=ada").send().await.status, 403);
    assert_eq!(user(&next).await, "ada");
}

#[tokio::test]
async fn who_was_evicted_learns_why_also_later_and_begins_anew() {
    let mut fleet = fleet(&[("SESSION_CAP", "1:evict")]).await;
    let first = logged_in(&fleet, 0, "ada").await;
    logged_in(&fleet, 1, "ada").await;
    minutes(&mut fleet, 30).await;
    // An instance hears of a turned clock at its next write.
    fleet.browser().get("/count").send().await;
    assert_eq!(first.get("/me").send().await.json()["reason"], "evicted");
    // After a minute a dead cookie counts as none.
    let write = first.post("/set?k=a&v=1").send().await;
    assert_eq!((write.status, write.set_cookies().len()), (204, 1));
    assert_eq!(first.get("/me").send().await.json()["state"], "live");
}

#[tokio::test]
async fn a_session_with_a_longer_life_is_listed_for_all_of_it() {
    let mut fleet = fleet(&[("SESSION_IDLE", "600")]).await;
    let browser = logged_in(&fleet, 0, "ada").await;
    assert_eq!(browser.post("/remember-me?days=10").send().await.status, 204);
    minutes(&mut fleet, 24 * 60).await;
    let other = logged_in(&fleet, 1, "ada").await;
    assert_eq!(devices(&other).await.len(), 2);
    assert_eq!(super::ended(&other.post("/logout-everywhere").send().await), 2);
    assert_eq!(browser.get("/me").send().await.json()["user"], serde_json::json!(null));
}
