//! What users see where writes wait for replicas.

mod failovers;
mod measured;

use std::time::Duration;

use serde_json::json;

use crate::harness::{Fleet, Replicated, ReplicatedSettings};

/// Log-ins and log-outs wait, and are refused in vain; other writes wait as well, and go on.
const DURABLE: [(&str, &str); 2] = [("DURABILITY", "replicas:1:200"), ("STORE_BUDGET_MS", "3000")];
/// Of those who get an answer, none is late, however slow the machine.
const PATIENT: [(&str, &str); 2] = [("DURABILITY", "replicas:1:1500"), ("STORE_BUDGET_MS", "5000")];

async fn fleet(nodes: u8, instances: u8, env: &[(&str, &str)]) -> Fleet<Replicated> {
    let settings = ReplicatedSettings { nodes, ..ReplicatedSettings::default() };
    Fleet::start_on(Replicated::start_with(settings).await, instances, env).await
}

#[tokio::test]
async fn a_log_in_or_log_out_that_no_replica_has_is_a_503_that_says_nothing_about_the_cookie() {
    let fleet = fleet(2, 1, &PATIENT).await;
    let (staying, leaving) = (fleet.browser(), fleet.browser());
    for browser in [&staying, &leaving] {
        assert_eq!(browser.get("/count").send().await.status, 200);
    }
    assert_eq!(leaving.post("/login?user=bob").send().await.status, 204);
    fleet.redis.nodes[1].server.freeze();
    let refused = [staying.post("/login?user=ada").send().await, leaving.post("/logout").send().await];
    for answer in &refused {
        assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
    }
    // The log-out stands.
    assert_eq!(leaving.get("/me").send().await.json()["user"], json!(null));
    // All else goes on, in a little while and then at once.
    for browser in [fleet.browser(), fleet.browser()] {
        assert_eq!(browser.get("/count").send().await.json()["count"], 1);
        assert_eq!(browser.get("/count").send().await.json()["count"], 2);
        assert_eq!(browser.post("/set?k=a&v=1").send().await.status, 204);
    }
    let log = fleet.instances[0].log();
    assert_eq!(log.iter().filter(|line| line.contains("too_few_replicas")).count(), 1, "{log:#?}");
    fleet.redis.nodes[1].server.thaw();
    // The form is sent again, with the cookie from before.
    let again = staying.post("/login?user=ada").send().await;
    assert_eq!((again.status, again.set_cookies().len()), (204, 1));
    let me = staying.get("/me").send().await.json();
    assert_eq!((me["user"].clone(), me["count"].clone()), (json!("ada"), json!(1)));
    assert_eq!(leaving.post("/login?user=bob").send().await.status, 204);
}

#[tokio::test]
async fn all_sessions_of_a_user_end_on_a_replica_before_that_is_answered() {
    let fleet = fleet(2, 1, &PATIENT).await;
    let (one, other) = (fleet.browser(), fleet.browser());
    for browser in [&one, &other] {
        assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
    }
    fleet.redis.nodes[1].server.freeze();
    assert_eq!(one.post("/logout-everywhere").send().await.status, 503);
    fleet.redis.nodes[1].server.thaw();
    let ended = one.post("/logout-everywhere").send().await;
    assert_eq!(ended.status, 200);
    // Whatever the replica has, it has by now: it is on its own from here on.
    fleet.redis.nodes[0].server.kill();
    failovers::moved(&fleet.redis, 0, async || {}).await;
    for browser in [one, other] {
        let mut me = browser.get("/me").send().await;
        while me.status == 503 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            me = browser.get("/me").send().await;
        }
        assert_eq!(me.json()["user"], json!(null));
    }
}
