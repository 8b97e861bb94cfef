//! A fresh log-in is hurt by nothing that began before it.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, Browser, Fleet, PATIENT, record_key};

/// The cookie that an answer sets, as in `sid=…`.
fn cookie(answer: &Answer) -> Option<String> {
    let lines = answer.set_cookies();
    assert!(lines.len() <= 1, "{lines:?}");
    lines.first().and_then(|line| line.split(';').next()).map(str::to_owned)
}

async fn user(fleet: &Fleet, cookie: &str) -> serde_json::Value {
    let me = Browser::new(fleet.url(2)).get("/me").cookie(cookie).send().await;
    me.json()["user"].clone()
}

#[tokio::test]
async fn a_slow_read_from_before_a_log_in_says_nothing_about_the_cookie() {
    let fleet = Fleet::start(2).await;
    let browser = fleet.browser();
    browser.get("/count").send().await;
    // One of them would slide, were it not for the log-in.
    let key = record_key(&browser.cookie().expect("a session"));
    fleet.redis.cli(&["PEXPIRE", &key, "60000"]).await;
    let monitor = fleet.redis.monitor().await;
    let slow = tokio::spawn(browser.at(fleet.url(1)).get("/slow-read?ms=1000").send());
    let write = tokio::spawn(browser.at(fleet.url(1)).get("/slow?ms=1000&k=a&v=b").send());
    monitor.heard("\"HGETALL\" \"stickless:s:", 2).await;
    browser.post("/login?user=ada").send().await;
    let (slow, write) = (slow.await.expect("no panic"), write.await.expect("no panic"));
    assert_eq!((slow.status, cookie(&slow)), (200, None));
    assert_eq!((write.status, cookie(&write)), (409, None));
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "n": 1 } }));
}

#[tokio::test]
async fn a_log_in_form_clicked_twice_leaves_a_working_cookie_whichever_answer_comes_last() {
    let fleet = Fleet::start_with(3, &PATIENT).await;
    let mut silent = 0;
    for round in 0..50 {
        let browser = fleet.browser();
        browser.post("/set?k=cart&v=tea").send().await;
        let clicks = (0..2).map(|turn| browser.at(fleet.url(round + turn)).post("/login?user=ada").send());
        let answers = join_all(clicks).await;
        assert!(answers.iter().all(|answer| answer.status == 204), "{answers:?}");
        let cookies: Vec<String> = answers.iter().filter_map(cookie).collect();
        assert!(!cookies.is_empty());
        silent += 2 - cookies.len();
        for cookie in cookies {
            let me = Browser::new(fleet.url(2)).get("/dump").cookie(&cookie).send().await;
            assert_eq!(me.json(), json!({ "data": { "cart": "tea" } }), "round {round}");
            assert_eq!(user(&fleet, &cookie).await, "ada", "round {round}");
        }
    }
    println!("{silent} of 100 answers set no cookie");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_write_with_a_dead_cookie_gives_way_to_a_log_in_that_was_faster() {
    let fleet = Fleet::start_with(3, &PATIENT).await;
    let (mut created, mut overtaken) = (0, 0);
    for round in 0..10 {
        let browser = fleet.browser();
        browser.get("/count").send().await;
        let dead = browser.cookie().expect("a session");
        // It ended a long time ago: no tombstone.
        fleet.redis.cli(&["DEL", &record_key(&dead)]).await;
        let requests = (0..21).map(|turn| {
            let browser = Browser::new(fleet.url(round + turn));
            let request = if turn == 10 { browser.post("/login?user=ada") } else { browser.get("/count") };
            let request = request.cookie(&dead).send();
            tokio::spawn(async move { (request.await, Instant::now()) })
        });
        let answers: Vec<_> = join_all(requests).await.into_iter().map(|done| done.expect("no panic")).collect();
        let (log_in, logged_in_at) = &answers[10];
        assert_eq!(log_in.status, 204);
        assert_eq!(user(&fleet, &cookie(log_in).expect("a log-in sets a cookie")).await, "ada");
        let dead_since = fleet.redis.cli(&["HGET", &record_key(&dead), "t"]).await;
        let dead_since: u64 = dead_since.parse().expect("a tombstone");
        for (write, at) in answers.iter().filter(|(answer, _)| answer.status != 204) {
            let Some(cookie) = cookie(write) else {
                assert_eq!(write.status, 409);
                continue;
            };
            assert_eq!(write.status, 200);
            created += 1;
            let born: u64 = fleet.redis.cli(&["HGET", &record_key(&cookie), "b"]).await.parse().expect("a record");
            assert!(born <= dead_since, "round {round}: created {} ms after the log-in", born - dead_since);
            // Decided before the log-in, and slower on its way: that can only be rare.
            overtaken += usize::from(at > logged_in_at);
        }
        // What gave way to the log-in left no session behind.
        let live = fleet.redis.cli(&["EVAL", LIVE, "0"]).await;
        let cookies = answers.iter().filter(|(answer, _)| cookie(answer).is_some()).count();
        assert_eq!(live, cookies.to_string(), "round {round}");
        fleet.redis.cli(&["FLUSHALL"]).await;
    }
    println!("{created} of 200 first writes began a session; the answers of {overtaken} came after the log-in's");
}

/// How many records have no tombstone.
const LIVE: &str = "local live = 0
for _, key in ipairs(redis.call('KEYS', 'stickless:s:*')) do
  if redis.call('HEXISTS', key, 't') == 0 then live = live + 1 end
end
return live";

#[tokio::test]
async fn after_a_log_in_nothing_with_the_dead_cookie_begins_a_session() {
    let fleet = Fleet::start_with(3, &PATIENT).await;
    let browser = fleet.browser();
    browser.get("/count").send().await;
    let dead = browser.cookie().expect("a session");
    fleet.redis.cli(&["DEL", &record_key(&dead)]).await;
    browser.post("/login?user=ada").send().await;
    let late = (0..30).map(|turn| Browser::new(fleet.url(turn)).get("/count").cookie(&dead).send());
    for answer in join_all(late).await {
        assert_eq!((answer.status, cookie(&answer)), (409, None));
    }
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
}
