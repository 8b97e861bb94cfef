//! The limits of a session's life, and what moves them.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::{On, Stage, of_sessions, on_each_store};
use crate::harness::{Browser, record_key};

on_each_store! {
    a_session_ends_when_it_is_idle,
    a_session_ends_at_its_absolute_limit_although_it_is_used,
    a_session_that_is_used_lives_on,
}

async fn a_session_ends_when_it_is_idle(on: On) {
    let stage = on.start_with(&[("SESSION_IDLE", "1")]).await;
    let browser = stage.browser();
    let begun = Instant::now();
    browser.post("/login?user=ada").send().await;
    let left = browser.get("/me").send().await.json()["expires_in_ms"].as_u64().expect("a time");
    let used = u64::try_from(begun.elapsed().as_millis()).expect("not for ever") + 1;
    assert!((1000_u64.saturating_sub(used)..=1000).contains(&left), "{left} after {used}");
    // It may slide a little after its last answer.
    sleep(Duration::from_millis(1500)).await;
    let me = browser.get("/me").send().await;
    assert_eq!((me.json()["state"].clone(), me.set_cookies().len()), (json!("new"), 0));
    stage.assert_stored(0).await;
    let count = browser.get("/count").send().await;
    assert_eq!((count.json(), count.set_cookies().len()), (json!({ "count": 1, "session": false }), 1));
}

async fn a_session_ends_at_its_absolute_limit_although_it_is_used(on: On) {
    let stage = on.start_with(&[("SESSION_IDLE", "2"), ("SESSION_ABSOLUTE", "3")]).await;
    let browser = stage.browser();
    let asked = Instant::now();
    browser.get("/count").send().await;
    let answered = Instant::now();
    loop {
        let late = answered.elapsed() > Duration::from_secs(3);
        if browser.get("/me").send().await.json()["session"] != true {
            break;
        }
        assert!(!late, "it lives on");
        sleep(Duration::from_millis(100)).await;
    }
    // The store rounds down to the millisecond that it began in.
    assert!(asked.elapsed() >= Duration::from_millis(2999), "{:?}", asked.elapsed());
}

async fn a_session_that_is_used_lives_on(on: On) {
    let stage = on.start_with(&[("SESSION_IDLE", "2")]).await;
    let browser = stage.browser();
    browser.get("/count").send().await;
    for _ in 0..5 {
        sleep(Duration::from_millis(600)).await;
        let me = browser.get("/me").send().await;
        assert_eq!((me.json()["session"].clone(), me.set_cookies().len()), (json!(true), 0));
    }
}

/// A session on Redis, and its key.
async fn begin(env: &[(&str, &str)]) -> (Stage, Browser, String) {
    let stage = On::Redis.start_with(env).await;
    let browser = stage.browser();
    browser.get("/count").send().await;
    let key = record_key(&browser.cookie().expect("a session"));
    (stage, browser, key)
}

async fn left(stage: &Stage, key: &str) -> u64 {
    stage.redis().cli(&["PTTL", key]).await.parse().expect("a time to live")
}

/// Waits for a slide, which happens beside the answer.
async fn slides(stage: &Stage, key: &str, beyond: u64) -> bool {
    for _ in 0..500 {
        if left(stage, key).await > beyond {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_read_outside_the_threshold_writes_nothing() {
    let (stage, browser, key) = begin(&[("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "50")]).await;
    stage.redis().cli(&["PEXPIRE", &key, "60000"]).await;
    let monitor = stage.redis().monitor().await;
    for path in ["/me", "/dump", "/exists?k=n", "/page"] {
        assert_eq!(browser.get(path).send().await.status, 200);
    }
    sleep(Duration::from_millis(50)).await;
    let lines = monitor.stop().await;
    let commands: Vec<_> = of_sessions(&lines).map(|line| command(line)).collect();
    assert_eq!(commands, ["HGETALL", "PTTL"].repeat(4));
    assert!(left(&stage, &key).await <= 60_000);
}

fn command(line: &str) -> String {
    line.split('"').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_read_inside_the_threshold_slides_the_life_and_sends_no_cookie() {
    let (stage, browser, key) = begin(&[("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "50")]).await;
    stage.redis().cli(&["PEXPIRE", &key, "40000"]).await;
    let record = stage.redis().hash(&key).await;
    let monitor = stage.redis().monitor().await;
    let me = browser.get("/me").send().await;
    assert_eq!((me.status, me.set_cookies().len()), (200, 0));
    assert!(slides(&stage, &key, 99_000).await, "{}", left(&stage, &key).await);
    let lines = monitor.stop().await;
    let writes: Vec<_> = lines.iter().filter(|line| line.contains(" lua] ")).map(|line| command(line)).collect();
    assert_eq!(writes.iter().filter(|name| *name == "PEXPIRE").count(), 1, "{writes:?}");
    assert!(writes.iter().all(|name| ["TIME", "HMGET", "PTTL", "PEXPIRE"].contains(&name.as_str())), "{writes:?}");
    assert_eq!(stage.redis().hash(&key).await, record);
}

#[tokio::test]
async fn a_slide_stops_at_the_absolute_limit() {
    let env = [("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "90"), ("SESSION_ABSOLUTE", "110")];
    let (stage, browser, key) = begin(&env).await;
    // As if it had begun fifty seconds ago.
    let end: u64 = stage.redis().cli(&["HGET", &key, "e"]).await.parse().expect("milliseconds");
    stage.redis().cli(&["HSET", &key, "e", &(end - 50_000).to_string()]).await;
    stage.redis().cli(&["PEXPIRE", &key, "30000"]).await;
    browser.get("/me").send().await;
    assert!(slides(&stage, &key, 55_000).await);
    assert!(left(&stage, &key).await <= 60_000);
}

#[tokio::test]
async fn a_log_in_begins_the_absolute_limit_anew() {
    let (stage, browser, key) = begin(&[("SESSION_IDLE", "50"), ("SESSION_ABSOLUTE", "60")]).await;
    let end = async || stage.redis().cli(&["HGET", &key, "e"]).await.parse::<u64>().expect("milliseconds");
    let first = end().await;
    stage.redis().cli(&["PEXPIRE", &key, "5000"]).await;
    sleep(Duration::from_millis(30)).await;
    let answer = browser.post("/login?user=ada").send().await;
    assert!(answer.set_cookies()[0].contains("; Max-Age=60"), "{:?}", answer.set_cookies());
    assert!(end().await >= first + 30);
    assert!(left(&stage, &key).await > 49_000);
}

#[tokio::test]
async fn an_anonymous_session_has_a_shorter_idle_limit_until_its_log_in() {
    let (stage, browser, key) = begin(&[("SESSION_IDLE", "100"), ("SESSION_IDLE_ANONYMOUS", "10")]).await;
    let anonymous = left(&stage, &key).await;
    assert!((9_000..=10_000).contains(&anonymous), "{anonymous}");
    // Also when it slides.
    stage.redis().cli(&["PEXPIRE", &key, "5000"]).await;
    browser.get("/me").send().await;
    assert!(slides(&stage, &key, 9_000).await);
    assert!(left(&stage, &key).await <= 10_000);
    browser.post("/login?user=ada").send().await;
    let user = left(&stage, &key).await;
    assert!((99_000..=100_000).contains(&user), "{user}");
}

#[tokio::test]
async fn remember_me_lengthens_the_life_and_lets_the_cookie_outlive_the_browser() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let stage = On::Redis.start_with(&[("COOKIE_PERSISTENT", "false"), ("SESSION_IDLE", "100")]).await;
    let browser = stage.browser();
    let first = browser.get("/count").send().await.set_cookies();
    assert!(!first[0].contains("Max-Age") && !first[0].contains("Expires"), "{first:?}");
    let key = record_key(&browser.cookie().expect("a session"));
    let remembered = browser.post("/remember-me?days=30").send().await;
    assert_eq!(remembered.status, 204);
    let lines = remembered.set_cookies();
    assert!(lines.len() == 1 && lines[0].contains("; Max-Age=34560000"), "{lines:?}");
    let days = async || left(&stage, &key).await.div_ceil(DAY);
    assert_eq!(days().await, 30);
    let logged_in = browser.post("/login?user=ada").send().await.set_cookies();
    assert!(logged_in[0].contains("; Max-Age=34560000"), "{logged_in:?}");
    assert_eq!(days().await, 30);
    assert_eq!(browser.post("/remember-me?days=0").send().await.status, 400);
    assert_eq!(browser.post("/remember-me?days=40000").send().await.status, 400);
    assert_eq!(days().await, 30);
}
