//! A fleet of two versions, as in the middle of a deployment: the previous one and this.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Browser, Instance, RedisServer, previous_instance, session_key};
use crate::load::{Load, Plan, Rules, alone, in_rounds};

struct Mixed {
    previous: Instance,
    this: Instance,
    _redis: RedisServer,
}

async fn begin() -> Mixed {
    let redis = RedisServer::start().await;
    let env = [("STORE", redis.url()), ("SESSION_KEYS", session_key())];
    let previous = Instance::start_binary(&previous_instance().await, &env).await;
    Mixed { previous, this: Instance::start(&env).await, _redis: redis }
}

#[tokio::test]
async fn sessions_and_cookies_of_the_previous_version_are_read_and_written_by_this_one_and_the_reverse() {
    let mixed = begin().await;
    for (first, second) in [(&mixed.previous, &mixed.this), (&mixed.this, &mixed.previous)] {
        let (here, there) = (Browser::new(first.url()), second.url());
        here.post("/set?k=before&v=1").send().await;
        here.post("/login?user=ada").send().await;
        here.get("/count").send().await;
        here.post("/append?k=list&v=a").send().await;
        let there = here.at(there);
        let me = there.get("/me").send().await;
        assert_eq!((me.json()["user"].clone(), me.set_cookies().len()), (json!("ada"), 0));
        assert_eq!(there.get("/count").send().await.json()["count"], 2);
        there.post("/append?k=list&v=b").send().await;
        let wanted = json!({ "data": { "before": "1", "n": 2, "list": ["a", "b"] } });
        assert_eq!(here.get("/dump").send().await.json(), wanted);
        // The generation goes up on either side, and the other knows.
        let old = here.cookie().expect("logged in");
        for browser in [&there, &here] {
            assert_eq!(browser.post("/rotate").send().await.status, 204);
            assert_eq!(here.get("/me").send().await.json()["user"], "ada");
        }
        assert_eq!(there.get("/me").cookie(&old).send().await.json()["user"], json!("ada"), "newest of two");
        assert_eq!(Browser::new(first.url()).get("/me").cookie(&old).send().await.json()["state"], "stale");
        // A log-out on one side holds on the other.
        let last = here.cookie().expect("logged in");
        assert_eq!(there.post("/logout").send().await.status, 204);
        let dead = Browser::new(first.url()).get("/me").cookie(&last).send().await;
        assert_eq!((dead.json()["user"].clone(), dead.set_cookies().len()), (json!(null), 0));
    }
}

#[tokio::test]
async fn a_fleet_of_two_versions_is_one_application_under_load() {
    let mixed = begin().await;
    let _turn = alone().await;
    let urls = [mixed.previous.url(), mixed.this.url()];
    in_rounds(async || {
        let load = Load::start(&urls, Plan::brisk()).await;
        load.pass(Duration::from_secs(2)).await;
        let verdict = load.stop().await.check(&Rules::default());
        println!("{verdict}");
        verdict.is_undisturbed_in_time()
    })
    .await;
}
