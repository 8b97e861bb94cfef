//! Log-out: it wins over everything in flight.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{On, on_each_store};
use crate::harness::{Answer, record_key};

on_each_store! {
    a_log_out_removes_the_cookie_with_its_own_attributes,
    a_second_log_out_is_silent,
    a_slow_request_does_not_bring_a_destroyed_session_back,
    a_log_out_takes_no_other_session_with_it,
    logging_in_with_the_cookie_of_an_ended_session_starts_anew,
}

async fn a_log_out_removes_the_cookie_with_its_own_attributes(on: On) {
    let partitioned = [
        ("COOKIE_SECURE", "always"),
        ("COOKIE_PARTITIONED", "true"),
        ("COOKIE_SAME_SITE", "none"),
        ("COOKIE_PATH", "/a"),
    ];
    let domain = [("COOKIE_DOMAIN", "example.org"), ("COOKIE_SAME_SITE", "strict"), ("COOKIE_HTTP_ONLY", "false")];
    for env in [&[][..], &partitioned, &domain, &[("COOKIE_PERSISTENT", "false")]] {
        let stage = on.start_with(env).await;
        let browser = stage.browser();
        let set = browser.post("/login?user=ada").send().await;
        let removed = browser.post("/logout").send().await;
        assert_eq!(removed.status, 204);
        assert_eq!(attributes(&set), attributes(&removed));
        let line = &removed.set_cookies()[0];
        assert!(line.starts_with("sid=;"), "{line}");
        assert!(line.ends_with("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "{line}");
    }
}

/// All but the value and the life of the one cookie that is set.
fn attributes(answer: &Answer) -> Vec<String> {
    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let life = |attribute: &&str| attribute.starts_with("Max-Age=") || attribute.starts_with("Expires=");
    lines[0].split("; ").skip(1).filter(|attribute| !life(attribute)).map(str::to_owned).collect()
}

async fn a_second_log_out_is_silent(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/login?user=ada").send().await;
    let cookie = browser.cookie().expect("logged in");
    browser.post("/logout").send().await;
    assert_eq!(browser.cookie(), None);
    browser.set_cookie("sid", cookie.trim_start_matches("sid="));
    let second = browser.post("/logout").send().await;
    assert_eq!((second.status, second.set_cookies().len()), (204, 0));
    assert_eq!(browser.get("/me").send().await.json()["state"], "stale");
    for path in ["/count", "/slow?ms=1&k=a&v=2"] {
        let answer = browser.get(path).send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (409, 0), "{path}");
    }
    stage.assert_stored(1).await;
}

async fn a_slow_request_does_not_bring_a_destroyed_session_back(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/login?user=ada").send().await;
    let cookie = browser.cookie().expect("logged in");
    let reads = stage.monitor().await;
    let slow = tokio::spawn(browser.get("/slow?ms=1000&k=a&v=b").send());
    match reads {
        Some(reads) => reads.heard("\"HGETALL\" \"stickless:s:", 1).await,
        // In memory nobody can look.
        None => sleep(Duration::from_millis(300)).await,
    }
    assert_eq!(browser.post("/logout").send().await.set_cookies().len(), 1);
    let slow = slow.await.expect("no panic");
    assert_eq!((slow.status, slow.set_cookies().len(), slow.header("retry-after")), (409, 0, None));
    assert_eq!(browser.cookie(), None);
    stage.assert_stored(1).await;
    if matches!(on, On::Redis) {
        let key = record_key(&cookie);
        let mut fields: Vec<_> = stage.redis().hash(&key).await.into_keys().collect();
        fields.sort();
        assert_eq!(fields, ["t", "w"]);
        let left: u64 = stage.redis().cli(&["PTTL", &key]).await.parse().expect("a time to live");
        assert!((55_000..=60_000).contains(&left), "{left}");
    }
}

async fn a_log_out_takes_no_other_session_with_it(on: On) {
    let stage = on.start().await;
    let (phone, laptop) = (stage.browser(), stage.browser());
    for browser in [&phone, &laptop] {
        browser.post("/login?user=ada").send().await;
    }
    phone.post("/logout").send().await;
    assert_eq!(laptop.get("/me").send().await.json()["user"], "ada");
}

async fn logging_in_with_the_cookie_of_an_ended_session_starts_anew(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/login?user=ada").send().await;
    browser.post("/set?k=a&v=1").send().await;
    let cookie = browser.cookie().expect("logged in");
    browser.post("/logout").send().await;
    browser.set_cookie("sid", cookie.trim_start_matches("sid="));
    assert_eq!(browser.post("/login?user=ada").send().await.set_cookies().len(), 1);
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": {} }));
    assert_ne!(browser.cookie(), Some(cookie));
}

#[tokio::test]
async fn a_minute_after_the_log_out_the_cookie_is_none_and_a_first_write_replaces_it() {
    let stage = On::Redis.start().await;
    let browser = stage.browser();
    browser.post("/login?user=ada").send().await;
    let cookie = browser.cookie().expect("logged in");
    browser.post("/logout").send().await;
    // As if the tombstone's minute were over.
    stage.redis().cli(&["DEL", &record_key(&cookie)]).await;
    browser.set_cookie("sid", cookie.trim_start_matches("sid="));
    let me = browser.get("/me").send().await;
    assert_eq!((me.json()["state"].clone(), me.set_cookies().len()), (json!("new"), 0));
    let second = browser.post("/logout").send().await;
    assert_eq!((second.status, second.set_cookies().len()), (204, 0));
    let write = browser.post("/set?k=a&v=1").send().await;
    assert_eq!((write.status, write.set_cookies().len()), (204, 1));
    assert_ne!(browser.cookie(), Some(cookie));
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    stage.assert_stored(1).await;
}
