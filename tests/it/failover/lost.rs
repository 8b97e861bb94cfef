//! A failover that loses what was acknowledged.

use serde_json::json;

use super::BUDGET;
use crate::harness::{Browser, Fleet, Mode, Replicated};

/// From now on the replicas get nothing; what the master acknowledges is lost with it.
fn cut_replication(redis: &Replicated) {
    for replica in &redis.nodes[1..] {
        redis.nodes[0].wire().set_for(replica.source, Mode::Swallow);
    }
}

async fn begin() -> Fleet<Replicated> {
    Fleet::start_on(Replicated::start_behind_wires().await, 2, &BUDGET).await
}

async fn fail_over(fleet: &Fleet<Replicated>) {
    fleet.redis.nodes[0].server.kill();
    fleet.redis.new_master(0).await;
}

#[tokio::test]
async fn after_a_failover_that_lost_a_log_in_the_user_logs_in_again_and_the_old_cookie_is_dead() {
    let fleet = begin().await;
    let browser = fleet.browser();
    browser.get("/count").send().await;
    let before = browser.cookie().expect("a session");
    fleet.redis.copied(0).await;
    cut_replication(&fleet.redis);
    assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    let after = browser.cookie().expect("logged in");
    fail_over(&fleet).await;
    for turn in 0..2 {
        let browser = browser.at(fleet.url(turn));
        let me = browser.get("/me").send().await;
        assert_eq!((me.status, me.json()["user"].clone(), me.set_cookies().len()), (200, json!(null), 0), "{turn}");
        assert_eq!((me.json()["session"].clone(), me.json()["count"].clone()), (json!(true), json!(1)));
        // The token of before the log-in is not worth more for the loss.
        let old = Browser::new(fleet.url(turn)).get("/me").cookie(&before).send().await;
        assert_eq!((old.json()["state"].clone(), old.set_cookies().len()), (json!("stale"), 0), "{turn}");
    }
    assert_eq!(browser.cookie(), Some(after));
    assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
    let me = browser.at(fleet.url(1)).get("/me").send().await;
    assert_eq!((me.json()["user"].clone(), me.json()["count"].clone()), (json!("ada"), json!(1)));
}

#[tokio::test]
async fn after_a_failover_that_lost_a_log_out_it_is_repeated_before_anyone_can_use_the_session() {
    let fleet = begin().await;
    let (leaving, staying) = (fleet.browser(), fleet.browser());
    for browser in [&leaving, &staying] {
        browser.post("/login?user=ada").send().await;
    }
    let cookie = leaving.cookie().expect("logged in");
    fleet.redis.copied(0).await;
    cut_replication(&fleet.redis);
    assert_eq!(leaving.post("/logout").send().await.status, 204);
    fail_over(&fleet).await;
    for turn in [0, 1, 0, 1] {
        let dead = Browser::new(fleet.url(turn)).get("/me").cookie(&cookie).send().await;
        assert_eq!((dead.status, dead.json()["user"].clone()), (200, json!(null)), "at instance {turn}");
        let there = staying.at(fleet.url(turn)).get("/me").send().await;
        assert_eq!(there.json()["user"], "ada");
    }
}
