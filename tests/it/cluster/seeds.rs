//! The nodes that the URL names.

use super::{SECOND, user_on};
use crate::harness::{Browser, Cluster, Fleet, Instance, session_key};
use crate::until;

#[tokio::test]
async fn any_node_leads_to_all_and_may_go_afterwards() {
    let cluster = Cluster::start().await;
    // A replica, and one that is not there at all.
    let store = format!("{},127.0.0.1:1", cluster.url_through(&[4]));
    let env = [("STORE", store.as_str()), ("SESSION_KEYS", &session_key())];
    let instance = Instance::start(&env).await;
    let browsers: Vec<Browser> = (0..12).map(|_| Browser::new(instance.url())).collect();
    for browser in &browsers {
        assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
    }
    cluster.nodes[4].kill();
    cluster.failover(0).await;
    for browser in &browsers {
        assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
    }
    let log = instance.log();
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:#?}");
}

#[tokio::test]
async fn an_instance_is_ready_while_most_masters_answer_and_starts_without_any() {
    let mut fleet = Fleet::start_on(Cluster::start().await, 1, &[]).await;
    let elsewhere = user_on(&fleet, 2).await;
    let ready = async |fleet: &Fleet<Cluster>| fleet.browser().get("/readyz").send().await.status;
    assert_eq!(ready(&fleet).await, 200);
    // A master and its replica: nobody takes its place.
    fleet.redis.nodes[3].kill();
    fleet.redis.nodes[0].kill();
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(ready(&fleet).await, 200);
    assert_eq!(elsewhere.get("/count").send().await.json()["count"], 2);
    for node in [1, 2, 4, 5] {
        fleet.redis.nodes[node].kill();
    }
    assert_eq!(ready(&fleet).await, 503);
    fleet.instances[0].restart().await;
    for _ in 0..2 {
        let answer = fleet.browser().get("/count").send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
    }
    let log = fleet.instances[0].log();
    assert_eq!(log.iter().filter(|line| line.contains("store_down")).count(), 1, "{log:#?}");
    for node in [0, 1, 2] {
        fleet.redis.nodes[node].restart().await;
    }
    fleet.redis.calm().await;
    until("it is ready", async || ready(&fleet).await == 200).await;
    assert_eq!(fleet.browser().get("/count").send().await.status, 200);
}
