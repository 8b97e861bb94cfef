//! Records and cookies that are not as they should be.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{On, of_sessions};
use crate::harness::{Browser, record_key, session_key};

/// Every use of the session is answered with 503 and nothing about the cookie.
async fn assert_unavailable(browser: &Browser) {
    let cookie = browser.cookie();
    for (post, path) in
        [(false, "/me"), (false, "/count"), (true, "/set?k=a&v=1"), (true, "/login?user=eve"), (true, "/logout")]
    {
        let request = if post { browser.post(path) } else { browser.get(path) };
        let answer = request.send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (503, 0), "{path}");
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{path}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"), "{path}");
    }
    let maybe = browser.get("/maybe").send().await.json();
    assert_eq!(maybe, json!({ "available": false, "user": null }));
    assert_eq!(browser.cookie(), cookie);
}

#[tokio::test]
async fn a_corrupt_record_is_an_error_for_its_session_alone() {
    let stage = On::Redis.start().await;
    let (broken, other) = (stage.browser(), stage.browser());
    for browser in [&broken, &other] {
        browser.get("/count").send().await;
    }
    let key = record_key(&broken.cookie().expect("a session"));
    for (field, value) in [("g", "x"), ("i", ""), ("v", "-"), ("e", "soon")] {
        let intact = stage.redis().cli(&["HGET", &key, field]).await;
        stage.redis().cli(&["HSET", &key, field, value]).await;
        let before = stage.redis().cli(&["DUMP", &key]).await;
        assert_unavailable(&broken).await;
        assert_eq!(stage.redis().cli(&["DUMP", &key]).await, before, "{field}");
        assert_eq!(other.get("/me").send().await.json()["session"], true, "{field}");
        if intact.is_empty() {
            stage.redis().cli(&["HDEL", &key, field]).await;
        } else {
            stage.redis().cli(&["HSET", &key, field, &intact]).await;
        }
        assert_eq!(broken.get("/me").send().await.json()["session"], true, "{field}");
    }
    // A value that is not text harms its own key alone; only a script can make one.
    let script = "return redis.call('HSET', KEYS[1], '.bytes', '\\255\\254')";
    stage.redis().cli(&["EVAL", script, "1", &key]).await;
    assert_eq!(broken.get("/dump").send().await.json()["data"], json!({ "n": 1, "bytes": null }));
    stage.redis().cli(&["SET", &key, "no hash"]).await;
    assert_unavailable(&broken).await;
    assert_eq!(stage.redis().cli(&["GET", &key]).await, "no hash");
    assert_eq!(other.get("/count").send().await.json()["count"], 2);
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_kept_and_not_touched() {
    let stage = On::Redis.start().await;
    let browser = stage.browser();
    browser.post("/login?user=ada").send().await;
    let key = record_key(&browser.cookie().expect("a session"));
    // Inside the refresh threshold: a slide would show.
    stage.redis().cli(&["HSET", &key, "v", "2", "new field", "x"]).await;
    stage.redis().cli(&["PEXPIRE", &key, "100000"]).await;
    let before = stage.redis().hash(&key).await;
    assert_unavailable(&browser).await;
    assert_eq!(stage.redis().hash(&key).await, before);
    let left: u64 = stage.redis().cli(&["PTTL", &key]).await.parse().expect("a time to live");
    assert!(left <= 100_000, "{left}");
    stage.redis().cli(&["HSET", &key, "v", "1"]).await;
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    browser.get("/count").send().await;
    assert_eq!(stage.redis().cli(&["HGET", &key, "new field"]).await, "x");
}

#[tokio::test]
async fn of_several_cookies_the_newest_live_one_wins() {
    let stage = On::Redis.start_with(&[("LOG", "json")]).await;
    let (older, newer) = (stage.browser(), stage.browser());
    older.post("/login?user=older").send().await;
    // The order is that of seconds.
    sleep(Duration::from_millis(1100)).await;
    newer.post("/login?user=newer").send().await;
    let [old, new] = [&older, &newer].map(|browser| browser.cookie().expect("logged in"));
    let user = async |cookies: String| {
        let answer = stage.browser().get("/me").cookie(cookies).send().await;
        assert_eq!(answer.set_cookies(), [""; 0]);
        answer.json()["user"].clone()
    };
    assert_eq!(user(format!("{old}; {new}")).await, "newer");
    assert_eq!(user(format!("{new}; {old}")).await, "newer");
    assert!(stage.instance.logged("duplicate_cookies").await.contains("\"count\":2"));
    newer.post("/logout").send().await;
    assert_eq!(user(format!("{old}; {new}")).await, "older");
    assert_eq!(user(format!("{new}; {old}")).await, "older");
    stage.redis().cli(&["DEL", &record_key(&new)]).await;
    assert_eq!(user(format!("{new}; {old}")).await, "older");
}

#[tokio::test]
async fn a_log_out_with_several_cookies_ends_the_session_that_was_shown() {
    let stage = On::Redis.start_with(&[("COOKIE_DOMAIN", "example.org")]).await;
    let (older, newer) = (stage.browser(), stage.browser());
    older.post("/login?user=older").send().await;
    sleep(Duration::from_millis(1100)).await;
    newer.post("/login?user=newer").send().await;
    let [old, new] = [&older, &newer].map(|browser| browser.cookie().expect("logged in"));
    let answer = stage.browser().post("/logout").cookie(format!("{old}; {new}")).send().await;
    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("sid=; ") && line.contains("Max-Age=0")), "{lines:?}");
    let of_domain = lines.iter().filter(|line| line.contains("Domain=example.org")).count();
    assert_eq!(of_domain, 1, "{lines:?}");
    assert_eq!(newer.get("/me").send().await.json()["state"], "stale");
    assert_eq!(older.get("/me").send().await.json()["user"], "older");
}

#[tokio::test]
async fn forged_cookies_cost_no_redis_command() {
    let stage = On::Redis.start().await;
    let browser = stage.browser();
    browser.get("/count").send().await;
    let real = browser.cookie().expect("a session");
    let elsewhere = On::Memory.start_with(&[("SESSION_KEYS", &session_key())]).await;
    let foreign = elsewhere.browser();
    foreign.get("/count").send().await;
    let flipped = |at: usize| {
        let mut bytes = real.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let forged = [
        foreign.cookie().expect("a session"),
        flipped(4),
        flipped(20),
        flipped(real.len() - 1),
        real[..real.len() - 1].to_owned(),
        format!("{real}A"),
        real.replacen("sid=", "SID=", 1),
        "sid=".to_owned(),
        format!("sid={}", "A".repeat(76)),
        format!("sid=\"{}\"", &real[4..]),
    ];
    let monitor = stage.redis().monitor().await;
    for cookie in forged {
        let request = stage.browser().get("/me").cookie(&cookie);
        let answer = request.send().await;
        assert_eq!((answer.json()["state"].clone(), answer.set_cookies().len()), (json!("new"), 0), "{cookie}");
    }
    let lines = monitor.stop().await;
    assert_eq!(of_sessions(&lines).collect::<Vec<_>>(), [""; 0]);
}
