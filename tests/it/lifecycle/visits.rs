//! From the first visit on: when a session begins, and what its values do.

use http::Method;
use serde_json::json;

use super::{On, on_each_store};

on_each_store! {
    without_a_session_nothing_is_stored_and_no_cookie_is_set,
    the_first_write_creates_the_session_and_sets_one_cookie,
    reads_and_later_writes_set_no_cookie,
    values_make_the_round_trip,
    a_value_is_taken_once,
    a_cleared_session_lives_on_and_is_empty,
    a_failing_handler_and_a_panic_leave_nothing_staged,
    a_stream_writes_after_the_headers_and_says_so,
    a_stream_without_a_session_stores_nothing_and_says_so,
    two_browsers_have_two_sessions,
}

async fn without_a_session_nothing_is_stored_and_no_cookie_is_set(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    let reads = ["/", "/me", "/exists?k=a", "/dump", "/maybe", "/page", "/etag", "/slow-read?ms=0", "/static"];
    let reads = reads.map(|path| (Method::GET, path));
    let writes = ["/unset?k=a", "/clear", "/take?k=a", "/logout", "/rotate"].map(|path| (Method::POST, path));
    for (method, path) in reads.into_iter().chain(writes) {
        let answer = browser.request(method, path).send().await;
        assert!(answer.status < 300, "{path}: {answer:?}");
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
    }
    for path in ["/fail", "/panic"] {
        let answer = browser.get(path).send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (500, 0), "{path}");
    }
    let me = browser.get("/me").send().await.json();
    assert_eq!(me, json!({ "session": false, "user": null, "count": 0, "expires_in_ms": null, "state": "new" }));
    stage.assert_stored(0).await;
}

async fn the_first_write_creates_the_session_and_sets_one_cookie(on: On) {
    let stage = on.start().await;
    let writes = ["/set?k=a&v=b", "/append?k=a&v=b", "/login?user=ada", "/remember-me?days=1"];
    let writes = writes.map(|path| (Method::POST, path));
    let reads = ["/count", "/slow?ms=1&k=a&v=b"].map(|path| (Method::GET, path));
    for ((method, path), number) in writes.into_iter().chain(reads).zip(1..) {
        let browser = stage.browser();
        let answer = browser.request(method, path).send().await;
        assert!(answer.status < 300, "{path}: {answer:?}");
        let cookies = answer.set_cookies();
        assert_eq!(cookies.len(), 1, "{path}: {cookies:?}");
        assert!(cookies[0].starts_with("sid="), "{path}: {cookies:?}");
        assert_eq!(browser.get("/me").send().await.json()["state"], "live", "{path}");
        stage.assert_stored(number).await;
    }
}

async fn reads_and_later_writes_set_no_cookie(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    let first = browser.get("/count").send().await.json();
    assert_eq!(first, json!({ "count": 1, "session": false }));
    for path in ["/count", "/me", "/dump", "/exists?k=n", "/slow-read?ms=1", "/page", "/etag", "/maybe", "/"] {
        let answer = browser.get(path).send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "{path}");
    }
    for path in ["/set?k=a&v=b", "/append?k=l&v=1", "/take?k=a", "/unset?k=l", "/clear", "/set?k=a&v=c"] {
        let answer = browser.post(path).send().await;
        assert_eq!((answer.status < 300, answer.set_cookies().len()), (true, 0), "{path}");
    }
    stage.assert_stored(1).await;
}

async fn values_make_the_round_trip(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/set?k=a&v=1").send().await;
    browser.post("/set?k=b&v=2").send().await;
    browser.post("/set?k=a&v=3").send().await;
    for length in 1..=3 {
        let answer = browser.post(&format!("/append?k=list&v={length}")).send().await;
        assert_eq!(answer.json(), json!({ "length": length }));
    }
    for count in 1..=2 {
        assert_eq!(browser.get("/count").send().await.json()["count"], count);
    }
    let data = browser.get("/dump").send().await.json();
    assert_eq!(data, json!({ "data": { "a": "3", "b": "2", "list": ["1", "2", "3"], "n": 2 } }));
    assert_eq!(browser.post("/unset?k=b").send().await.status, 204);
    assert_eq!(browser.get("/exists?k=b").send().await.json(), json!({ "exists": false }));
    assert_eq!(browser.get("/exists?k=a").send().await.json(), json!({ "exists": true }));
    let data = browser.get("/dump").send().await.json();
    assert_eq!(data, json!({ "data": { "a": "3", "list": ["1", "2", "3"], "n": 2 } }));
}

async fn a_value_is_taken_once(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/set?k=flash&v=saved").send().await;
    assert_eq!(browser.post("/take?k=flash").send().await.json(), json!({ "value": "saved" }));
    assert_eq!(browser.post("/take?k=flash").send().await.json(), json!({ "value": null }));
    assert_eq!(browser.get("/exists?k=flash").send().await.json(), json!({ "exists": false }));
}

async fn a_cleared_session_lives_on_and_is_empty(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/login?user=ada").send().await;
    browser.post("/set?k=a&v=1").send().await;
    browser.post("/clear").send().await;
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": {} }));
    let me = browser.get("/me").send().await.json();
    assert_eq!((&me["state"], &me["user"]), (&json!("live"), &json!("ada")));
    assert_eq!(browser.get("/count").send().await.json(), json!({ "count": 1, "session": true }));
}

async fn a_failing_handler_and_a_panic_leave_nothing_staged(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/set?k=a&v=1").send().await;
    let cookie = browser.cookie();
    for path in ["/fail", "/panic"] {
        let answer = browser.get(path).send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (500, 0), "{path}");
        assert!(answer.header("x-instance").is_some(), "{path}");
    }
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
    assert_eq!(browser.cookie(), cookie);
}

async fn a_stream_writes_after_the_headers_and_says_so(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.get("/count").send().await;
    for streamed in 1..=2 {
        let answer = browser.get("/stream").send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (200, 0));
        let text = answer.text();
        assert_eq!((text.lines().count(), text.lines().last()), (10, Some("chunk 10: saved")), "{text}");
        let data = browser.get("/dump").send().await.json();
        assert_eq!(data, json!({ "data": { "n": 1, "streamed": streamed } }));
    }
}

async fn a_stream_without_a_session_stores_nothing_and_says_so(on: On) {
    let stage = on.start().await;
    let answer = stage.browser().get("/stream").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (200, 0));
    let text = answer.text();
    let last = "chunk 10: not saved, the response's headers are already sent";
    assert_eq!((text.lines().count(), text.lines().last()), (10, Some(last)), "{text}");
    stage.assert_stored(0).await;
}

async fn two_browsers_have_two_sessions(on: On) {
    let stage = on.start().await;
    let (ada, bob) = (stage.browser(), stage.browser());
    ada.post("/login?user=ada").send().await;
    bob.post("/login?user=bob").send().await;
    ada.post("/set?k=a&v=1").send().await;
    assert_eq!(bob.get("/dump").send().await.json(), json!({ "data": {} }));
    assert_eq!(ada.get("/me").send().await.json()["user"], "ada");
    assert_eq!(bob.get("/me").send().await.json()["user"], "bob");
    stage.assert_stored(2).await;
}
