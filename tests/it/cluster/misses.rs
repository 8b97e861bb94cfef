//! What a master does not have, and who says so.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::user_on;
use crate::harness::{Browser, Cluster, Fleet, record_key};
use crate::until;

#[tokio::test]
async fn a_miss_that_the_other_masters_do_not_confirm_is_a_503_and_never_a_log_out() {
    // Long enough that nobody is taken for failed meanwhile.
    let fleet = Fleet::start_on(Cluster::start_with(&["--cluster-node-timeout", "15000"]).await, 1, &[]).await;
    let (there, gone) = (user_on(&fleet, 0).await, user_on(&fleet, 0).await);
    let cookie = gone.cookie().expect("a session");
    assert_eq!(fleet.redis.nodes[0].cli(&["DEL", &record_key(&cookie)]).await, "1");
    // As when the first one was frozen, and replaced by the others.
    for node in [1, 2] {
        fleet.redis.nodes[node].freeze();
    }
    // What they said before is not believed for longer.
    sleep(Duration::from_millis(1100)).await;
    // A request that would begin a session might fail for that alone.
    for path in ["/me", "/count"] {
        let answer = gone.get(path).send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (503, 0), "{path}");
    }
    assert_eq!(there.get("/count").send().await.json(), json!({ "count": 2, "session": true }));
    for node in [1, 2] {
        fleet.redis.nodes[node].thaw();
    }
    let me = async || Browser::new(fleet.url(0)).get("/me").cookie(&cookie).send().await;
    until("they confirm it", async || me().await.status != 503).await;
    let me = me().await;
    assert_eq!((me.status, me.json()["session"].clone()), (200, json!(false)));
}

#[tokio::test]
async fn a_users_sessions_on_all_shards_are_listed_and_ended_together() {
    let fleet = Fleet::start_on(Cluster::start().await, 2, &[]).await;
    let mut sessions = Vec::new();
    for node in [0, 1, 2, 0] {
        let browser = user_on(&fleet, node).await;
        assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
        sessions.push(browser.at(fleet.url(node)));
    }
    let devices = sessions[0].get("/devices").send().await.json();
    assert_eq!(devices.as_array().map(Vec::len), Some(4), "{devices}");
    let ended = sessions[1].post("/logout-others").send().await;
    assert_eq!((ended.status, ended.json()), (200, json!({ "ended": 3 })));
    for (number, session) in sessions.iter().enumerate() {
        let user = session.get("/me").send().await.json()["user"].clone();
        assert_eq!(user, if number == 1 { json!("ada") } else { json!(null) }, "session {number}");
    }
    let ended = sessions[1].post("/logout-everywhere").send().await;
    assert_eq!((ended.status, ended.json()), (200, json!({ "ended": 1 })));
}
