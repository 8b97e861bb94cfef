//! The server is killed, or hangs.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{BUDGET, assert_back, assert_out};
use crate::harness::{Browser, Fleet, Instance, RedisServer, session_key};
use crate::load::{Load, Plan, Rules, in_rounds};
use crate::until;

#[tokio::test]
async fn a_killed_and_restarted_redis_logs_nobody_out() {
    let mut fleet = Fleet::start_on(RedisServer::start_durable().await, 1, &[("LOG", "json")]).await;
    let browser = fleet.browser();
    browser.post("/login?user=ada").send().await;
    browser.get("/count").send().await;
    for round in 1..=2 {
        fleet.redis.kill();
        for _ in 0..3 {
            assert_out(&browser).await;
        }
        // When it has been away for longer than a request may wait, nobody waits any more.
        let begun = Instant::now();
        assert_eq!(browser.get("/me").send().await.status, 503);
        assert!(begun.elapsed() < BUDGET / 2, "{:?}", begun.elapsed());
        fleet.redis.restart().await;
        assert_back(&browser, "ada").await;
        let count = browser.get("/me").send().await.json()["count"].clone();
        assert_eq!(count, 1 + round);
        let log = fleet.instances[0].log();
        let lines = |event: &str| log.iter().filter(|line| line.contains(event)).count();
        // One line for an outage, one for its end, and one for the first connection.
        assert_eq!((lines("\"store_down\""), lines("\"store_up\"")), (round, round + 1), "{log:#?}");
    }
    let log = fleet.instances[0].log();
    let loud: Vec<_> = log.iter().filter(|line| !line.contains("\"level\":\"INFO\"")).collect();
    assert_eq!(loud.len(), 2, "{loud:#?}");
}

#[tokio::test]
async fn a_redis_that_hangs_logs_nobody_out() {
    let fleet = Fleet::start(1).await;
    let browser = fleet.browser();
    browser.post("/login?user=ada").send().await;
    browser.get("/count").send().await;
    // It has read its session, and has not yet written.
    let monitor = fleet.redis.monitor().await;
    let slow = tokio::spawn(browser.get("/slow?ms=500&k=a&v=b").send());
    monitor.heard("\"HGETALL\" \"stickless:s:", 1).await;
    fleet.redis.freeze();
    assert_eq!(slow.await.expect("no panic").status, 503);
    assert_out(&browser).await;
    fleet.redis.thaw();
    assert_back(&browser, "ada").await;
    // What was sent meanwhile was not done afterwards.
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "n": 2 } }));
}

#[tokio::test]
async fn an_outage_under_load_loses_no_session_and_no_write() {
    in_rounds(async || {
        let mut fleet = Fleet::start_on(RedisServer::start_durable().await, 2, &[]).await;
        let load = Load::start(&fleet.urls(), Plan::brisk()).await;
        load.pass(Duration::from_millis(400)).await;
        fleet.redis.kill();
        load.pass(Duration::from_millis(1300)).await;
        fleet.redis.restart().await;
        load.pass(Duration::from_millis(300)).await;
        let verdict = load.stop().await.check(&Rules { refusals: &[503], ..Rules::default() });
        println!("{verdict}");
        verdict.is_in_time()
    })
    .await;
}

#[tokio::test]
async fn an_instance_starts_while_redis_is_away() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let env = [("STORE", redis.url()), ("SESSION_KEYS", session_key())];
    let instance = Instance::start(&env).await;
    let browser = Browser::new(instance.url());
    // Without a cookie there is nothing to ask the store.
    assert_eq!(browser.get("/me").send().await.status, 200);
    for path in ["/static", "/healthz"] {
        assert_eq!(browser.get(path).send().await.status, 200, "{path}");
    }
    for _ in 0..2 {
        let answer = browser.get("/count").send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
        assert_eq!(browser.get("/readyz").send().await.status, 503);
    }
    redis.restart().await;
    until("it is ready", async || browser.get("/readyz").send().await.status == 200).await;
    assert_eq!(browser.get("/count").send().await.status, 200);
    let log = instance.log();
    assert_eq!(log.iter().filter(|line| line.contains("store_down")).count(), 1, "{log:#?}");
}
