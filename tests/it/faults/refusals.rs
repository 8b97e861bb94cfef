//! The server answers, but not as usual.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Fleet, record_key};
use crate::load::{Load, Plan, Rules, in_rounds};
use crate::until;

#[tokio::test]
async fn clients_killed_in_a_loop_are_noticed_by_nobody() {
    in_rounds(async || {
        let fleet = Fleet::start(2).await;
        let load = Load::start(&fleet.urls(), Plan::brisk()).await;
        let received = async || {
            let count = fleet.redis.info("stats", "total_connections_received").await;
            count.parse::<u32>().expect("a count of connections")
        };
        let (before, kills) = (received().await, 40);
        for _ in 0..kills {
            fleet.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
            sleep(Duration::from_millis(20)).await;
        }
        // Each look and each kill is a connection of redis-cli; each kill makes two instances come again.
        let dials = received().await - before - 1 - kills;
        let verdict = load.stop().await.check(&Rules::default());
        println!("{kills} kills, {dials} dials, {verdict}");
        if !verdict.is_undisturbed_in_time() {
            return false;
        }
        assert!(dials <= 3 * kills, "{dials} dials after {kills} kills");
        true
    })
    .await;
}

#[tokio::test]
async fn scripts_that_are_flushed_are_noticed_by_nobody() {
    in_rounds(async || {
        let fleet = Fleet::start(2).await;
        let load = Load::start(&fleet.urls(), Plan::brisk()).await;
        for _ in 0..20 {
            fleet.redis.cli(&["SCRIPT", "FLUSH"]).await;
            sleep(Duration::from_millis(10)).await;
        }
        load.pass(Duration::from_millis(200)).await;
        let verdict = load.stop().await.check(&Rules::default());
        println!("{verdict}");
        verdict.is_undisturbed_in_time()
    })
    .await;
}

#[tokio::test]
async fn after_flushall_the_sessions_are_gone_and_a_new_log_in_works() {
    let fleet = Fleet::start(2).await;
    let browsers = [fleet.browser(), fleet.browser(), fleet.browser()];
    for browser in &browsers {
        browser.post("/login?user=ada").send().await;
    }
    fleet.redis.cli(&["FLUSHALL"]).await;
    let [reader, writer, user] = &browsers;
    let me = reader.get("/me").send().await;
    assert_eq!((me.status, me.json()["state"].clone(), me.set_cookies().len()), (200, json!("new"), 0));
    let count = writer.get("/count").send().await;
    assert_eq!((count.status, count.json()["count"].clone(), count.set_cookies().len()), (200, json!(1), 1));
    assert_eq!(user.post("/login?user=ada").send().await.status, 204);
    assert_eq!(user.at(fleet.url(1)).get("/me").send().await.json()["user"], "ada");
}

#[tokio::test]
async fn without_memory_reads_slides_and_log_outs_work_and_writes_are_a_503() {
    let fleet =
        Fleet::start_with(1, &[("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "50"), ("LOG", "json")]).await;
    let (browser, leaving) = (fleet.browser(), fleet.browser());
    for browser in [&browser, &leaving] {
        browser.post("/login?user=ada").send().await;
        browser.get("/count").send().await;
    }
    let key = record_key(&browser.cookie().expect("logged in"));
    fleet.redis.cli(&["PEXPIRE", &key, "40000"]).await;
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for _ in 0..5 {
        let me = browser.get("/me").send().await;
        assert_eq!((me.status, me.json()["user"].clone()), (200, json!("ada")));
        for path in ["/set?k=a&v=1", "/append?k=l&v=1", "/login?user=ada"] {
            let answer = browser.post(path).send().await;
            assert_eq!((answer.status, answer.set_cookies().len()), (503, 0), "{path}");
            assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
        }
    }
    let left = async || fleet.redis.cli(&["PTTL", &key]).await.parse::<u64>().expect("a time to live");
    until("an active user's life slides", async || left().await > 90_000).await;
    let log_out = leaving.post("/logout").send().await;
    println!("log-out without memory: {} {:?}", log_out.status, log_out.set_cookies());
    assert_eq!((log_out.status, log_out.set_cookies().len()), (204, 1));
    let log = fleet.instances[0].log();
    let refusals: Vec<_> = log.iter().filter(|line| !line.contains("\"level\":\"INFO\"")).collect();
    assert_eq!(refusals.len(), 1, "{refusals:#?}");
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(browser.post("/set?k=a&v=1").send().await.status, 204);
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "n": 1, "a": "1" } }));
}

#[tokio::test]
async fn without_the_right_to_write_reads_work_and_the_cookie_is_kept() {
    let fleet = Fleet::start(1).await;
    let browser = fleet.browser();
    browser.post("/login?user=ada").send().await;
    fleet.redis.cli(&["ACL", "SETUSER", "default", "-hset"]).await;
    let answer = browser.post("/set?k=a&v=1").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    fleet.redis.cli(&["ACL", "SETUSER", "default", "+hset"]).await;
    assert_eq!(browser.post("/set?k=a&v=1").send().await.status, 204);
}
