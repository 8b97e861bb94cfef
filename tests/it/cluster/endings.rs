//! Endings are announced from node to node.

use std::time::Duration;

use stickless::store::RedisStore;
use stickless::users::{Endings, News};
use stickless::{Handle, Reason, Users};
use tokio::time::timeout;

use super::{Browser, Cluster, Fleet, fleet, record_key, user_on};

async fn next(endings: &mut Endings) -> News {
    timeout(Duration::from_secs(10), endings.next()).await.expect("news in time").expect("the store lives")
}

fn handle(browser: &Browser) -> Handle {
    let key = record_key(&browser.cookie().expect("a session"));
    key.rsplit(':').next().expect("a handle").parse().expect("a handle")
}

/// The node that one listens to.
async fn heard_through(fleet: &Fleet<Cluster>) -> usize {
    for (number, node) in fleet.redis.nodes.iter().enumerate() {
        // One that was killed hears nothing.
        let channels = node.try_cli(&["PUBSUB", "CHANNELS"]).await;
        if channels.is_ok_and(|channels| channels.contains("stickless")) {
            return number;
        }
    }
    panic!("nobody listens");
}

#[tokio::test]
async fn an_ending_on_any_shard_is_heard_wherever_one_listens_and_the_loss_of_that_node_is_told() {
    let fleet = fleet().await;
    let users = Users::new(RedisStore::connect(&fleet.redis.url()).expect("a store"));
    let mut endings = users.endings();
    assert_eq!(next(&mut endings).await, News::Gap, "from here on everything is heard");
    for node in 0..3 {
        let browser = user_on(&fleet, node).await;
        let handle = handle(&browser);
        assert_eq!(browser.post("/logout").send().await.status, 204);
        assert_eq!(next(&mut endings).await, News::Ended { handle, reason: Reason::LogOut }, "of node {node}");
    }
    let lost = heard_through(&fleet).await;
    let browser = user_on(&fleet, (lost + 1) % 3).await;
    fleet.redis.nodes[lost].kill();
    assert_eq!(next(&mut endings).await, News::Gap);
    assert_ne!(heard_through(&fleet).await, lost);
    let handle = handle(&browser);
    assert_eq!(browser.post("/logout").send().await.status, 204);
    assert_eq!(next(&mut endings).await, News::Ended { handle, reason: Reason::LogOut });
}
