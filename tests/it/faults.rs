//! What users see while the store is in trouble, and that nobody is logged out by it.

mod clients;
mod outages;
mod refusals;
mod wire;

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::harness::Browser;

/// What a request may take at most when the store does not answer: the default budget, and a little.
const LIMIT: Duration = Duration::from_millis(1100);

/// Every use of the session is a 503 within the budget that says nothing about the cookie; all else works.
async fn assert_out(browser: &Browser) {
    let cookie = browser.cookie();
    for (post, path) in
        [(false, "/me"), (false, "/count"), (true, "/set?k=a&v=1"), (true, "/logout"), (true, "/login?user=eve")]
    {
        let begun = Instant::now();
        let request = if post { browser.post(path) } else { browser.get(path) };
        let answer = request.send().await;
        let took = begun.elapsed();
        assert!(took < LIMIT, "{path} took {took:?}");
        assert_eq!((answer.status, answer.text().as_str()), (503, "Service Unavailable"), "{path}");
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{path}");
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
    }
    for path in ["/static", "/healthz"] {
        let begun = Instant::now();
        assert_eq!(browser.get(path).send().await.status, 200, "{path}");
        assert!(begun.elapsed() < Duration::from_millis(200), "{path} took {:?}", begun.elapsed());
    }
    let maybe = browser.get("/maybe").send().await;
    assert_eq!((maybe.status, maybe.json()), (200, json!({ "available": false, "user": null })));
    assert_eq!(browser.get("/readyz").send().await.status, 503);
    assert_eq!(browser.cookie(), cookie);
}

/// The same cookie leads to the same user within a second.
async fn assert_back(browser: &Browser, user: &str) {
    let begun = Instant::now();
    loop {
        let answer = browser.get("/me").send().await;
        if answer.status == 200 {
            assert_eq!((&answer.json()["user"], answer.set_cookies().len()), (&json!(user), 0));
            break;
        }
        assert_eq!(answer.status, 503);
        assert!(begun.elapsed() < Duration::from_secs(1), "still away after {:?}", begun.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
    println!("back after {:?}", begun.elapsed());
    assert_eq!(browser.get("/count").send().await.status, 200);
    assert_eq!(browser.get("/readyz").send().await.status, 200);
}
