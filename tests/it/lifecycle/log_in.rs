//! Log-in and rotation: the data stay, the cookies from before are dead.

use http::Method;
use serde_json::json;

use super::{On, Stage, on_each_store};
use crate::harness::{Browser, record_key};

on_each_store! {
    a_log_in_keeps_the_data_and_replaces_the_cookie,
    a_cookie_from_before_a_log_in_is_stale_and_says_nothing,
    a_cookie_from_before_a_rotation_is_stale,
    logging_in_again_with_the_stale_cookie_issues_the_current_one,
    logging_in_as_another_user_with_the_stale_cookie_starts_anew,
    another_user_in_the_same_session_gets_none_of_the_data,
    logging_in_twice_keeps_the_session,
}

/// A session with the value `a`, then logged in; and a browser that still has the cookie from before.
async fn logged_in(stage: &Stage) -> (Browser, Browser) {
    let (browser, behind) = (stage.browser(), stage.browser());
    browser.post("/set?k=a&v=1").send().await;
    let before = browser.cookie().expect("the first write sets a cookie");
    behind.set_cookie("sid", before.trim_start_matches("sid="));
    let answer = browser.post("/login?user=ada").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (204, 1));
    assert_ne!(browser.cookie(), behind.cookie());
    (browser, behind)
}

async fn a_log_in_keeps_the_data_and_replaces_the_cookie(on: On) {
    let stage = on.start().await;
    let (browser, _) = logged_in(&stage).await;
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    let me = browser.get("/me").send().await.json();
    assert_eq!((&me["user"], &me["state"]), (&json!("ada"), &json!("live")));
    stage.assert_stored(1).await;
}

async fn a_cookie_from_before_a_log_in_is_stale_and_says_nothing(on: On) {
    let stage = on.start().await;
    let (browser, behind) = logged_in(&stage).await;
    assert_stale(&behind).await;
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    stage.assert_stored(1).await;
}

async fn a_cookie_from_before_a_rotation_is_stale(on: On) {
    let stage = on.start().await;
    let (browser, behind) = (stage.browser(), stage.browser());
    browser.post("/login?user=ada").send().await;
    let before = browser.cookie().expect("a log-in sets a cookie");
    behind.set_cookie("sid", before.trim_start_matches("sid="));
    let answer = browser.post("/rotate").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (204, 1));
    assert_stale(&behind).await;
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
}

/// Reads are empty, writes are refused, and no answer says anything about the cookie.
async fn assert_stale(behind: &Browser) {
    let me = behind.get("/me").send().await;
    let nothing = json!({ "session": false, "user": null, "count": 0, "expires_in_ms": null, "state": "stale" });
    assert_eq!((me.json(), me.set_cookies().len()), (nothing, 0));
    let posts = ["/set?k=a&v=2", "/unset?k=a", "/append?k=l&v=2", "/clear", "/rotate", "/remember-me?days=1"];
    let writes = posts.map(|path| (Method::POST, path));
    let gets = ["/count", "/slow?ms=1&k=a&v=2"].map(|path| (Method::GET, path));
    for (method, path) in writes.into_iter().chain(gets) {
        let answer = behind.request(method, path).send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (409, 0), "{path}");
    }
    let take = behind.post("/take?k=a").send().await;
    assert_eq!((take.json(), take.set_cookies().len()), (json!({ "value": null }), 0));
    let logout = behind.post("/logout").send().await;
    assert_eq!((logout.status, logout.set_cookies().len()), (409, 0));
}

async fn logging_in_again_with_the_stale_cookie_issues_the_current_one(on: On) {
    let stage = on.start().await;
    let (browser, behind) = logged_in(&stage).await;
    let answer = behind.post("/login?user=ada").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (204, 1));
    for browser in [&browser, &behind] {
        assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
        assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    }
    stage.assert_stored(1).await;
}

async fn logging_in_as_another_user_with_the_stale_cookie_starts_anew(on: On) {
    let stage = on.start().await;
    let (browser, behind) = logged_in(&stage).await;
    assert_eq!(behind.post("/login?user=bob").send().await.status, 204);
    assert_eq!(behind.get("/me").send().await.json()["user"], "bob");
    assert_eq!(behind.get("/dump").send().await.json(), json!({ "data": {} }));
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    stage.assert_stored(2).await;
}

async fn another_user_in_the_same_session_gets_none_of_the_data(on: On) {
    let stage = on.start().await;
    let (browser, _) = logged_in(&stage).await;
    assert_eq!(browser.post("/login?user=bob").send().await.status, 204);
    assert_eq!(browser.get("/me").send().await.json()["user"], "bob");
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": {} }));
}

async fn logging_in_twice_keeps_the_session(on: On) {
    let stage = on.start().await;
    let (browser, _) = logged_in(&stage).await;
    assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    stage.assert_stored(1).await;
}

#[tokio::test]
async fn a_minute_after_the_log_in_the_old_cookie_is_none_and_a_first_write_replaces_it() {
    let stage = On::Redis.start().await;
    let (browser, behind) = logged_in(&stage).await;
    let key = record_key(&browser.cookie().expect("logged in"));
    let raised: u64 = stage.redis().cli(&["HGET", &key, "r"]).await.parse().expect("milliseconds");
    // As if the log-in had been so long ago.
    let ago = async |seconds: u64| {
        let raised = (raised - seconds * 1000).to_string();
        stage.redis().cli(&["HSET", &key, "r", &raised]).await;
    };
    ago(55).await;
    assert_eq!(behind.get("/me").send().await.json()["state"], "stale");
    ago(60).await;
    let me = behind.get("/me").send().await;
    assert_eq!((me.json()["state"].clone(), me.set_cookies().len()), (json!("new"), 0));
    let write = behind.post("/set?k=b&v=2").send().await;
    assert_eq!((write.status, write.set_cookies().len()), (204, 1));
    assert_eq!(behind.get("/dump").send().await.json(), json!({ "data": { "b": "2" } }));
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
}

#[tokio::test]
async fn hours_after_the_log_in_the_old_cookie_still_leads_its_user_back() {
    let stage = On::Redis.start().await;
    let (browser, behind) = logged_in(&stage).await;
    let key = record_key(&browser.cookie().expect("logged in"));
    stage.redis().cli(&["HSET", &key, "r", "1"]).await;
    assert_eq!(behind.get("/me").send().await.json()["state"], "new");
    assert_eq!(behind.post("/login?user=ada").send().await.status, 204);
    assert_eq!(behind.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    stage.assert_stored(1).await;
}
