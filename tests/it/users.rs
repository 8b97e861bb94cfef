//! The sessions of a user, over HTTP on three instances: listed, ended, capped.

mod all;
mod caps;
mod clock;
mod command_line;
mod endings;
mod figures;
mod lists;
mod old_records;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Browser, Fleet, RedisServer};

/// For many log-ins at once: it is their count that is judged, not their time.
const PATIENT: [(&str, &str); 2] = [("STORE_TIMEOUT_MS", "2000"), ("STORE_BUDGET_MS", "10000")];

fn patient<'a>(env: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&PATIENT, env].concat()
}

/// A browser that is logged in, at the instance whose turn it is.
async fn logged_in<S: crate::harness::Store>(fleet: &Fleet<S>, turn: usize, user: &str) -> Browser {
    let browser = Browser::new(fleet.url(turn));
    let answer = browser.post(&format!("/login?user={user}")).send().await;
    assert_eq!(answer.status, 204);
    browser
}

/// So many browsers of one user, over all instances.
async fn many<S: crate::harness::Store>(fleet: &Fleet<S>, count: usize, user: &str) -> Vec<Browser> {
    join_all((0..count).map(|turn| logged_in(fleet, turn, user))).await
}

/// The list of devices that a browser sees.
async fn devices(browser: &Browser) -> Vec<Value> {
    let answer = browser.get("/devices").send().await;
    assert_eq!(answer.status, 200);
    answer.json().as_array().expect("a list").clone()
}

/// The handle of a browser's session.
async fn own(browser: &Browser) -> String {
    let devices = devices(browser).await;
    let current: Vec<&Value> = devices.iter().filter(|device| device["current"] == true).collect();
    assert_eq!(current.len(), 1, "{devices:?}");
    current[0]["id"].as_str().expect("a handle").to_owned()
}

async fn user(browser: &Browser) -> Value {
    browser.get("/me").send().await.json()["user"].clone()
}

/// How many of these are still logged in, each asked at another instance than its own.
async fn alive<S: crate::harness::Store>(fleet: &Fleet<S>, browsers: &[Browser]) -> usize {
    let asked = browsers.iter().enumerate().map(|(turn, browser)| {
        let browser = browser.at(fleet.url(turn + 1));
        async move { user(&browser).await.is_string() }
    });
    join_all(asked).await.into_iter().filter(|alive| *alive).count()
}

fn ended(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json, json!({ "ended": json["ended"] }));
    json["ended"].as_u64().expect("a number")
}

/// Nothing is left for ever.
async fn assert_all_have_a_deadline(redis: &RedisServer) {
    let keys = redis.cli(&["KEYS", "*"]).await;
    for key in keys.lines().filter(|key| !key.is_empty()) {
        let left: i64 = redis.cli(&["PTTL", key]).await.parse().expect("a number");
        assert!(left > 0, "{key}: {left}");
    }
}
