//! Listening and publishing, on real servers.

use super::*;
use crate::harness::RedisServer;
use crate::store::{Budget, RedisStore};

async fn next(subscription: &mut Subscription) -> Heard {
    let limit = Duration::from_secs(5);
    timeout(limit, subscription.next()).await.expect("within the limit").expect("the store lives")
}

/// Listens to `channel`, from now on.
async fn listen(store: &RedisStore, channel: &str) -> Subscription {
    let mut subscription = store.subscribe(channel);
    assert_eq!(next(&mut subscription).await, Heard::Gap);
    subscription
}

async fn publish(store: &RedisStore, channel: &str, message: &str) {
    store.publish(channel, message.as_bytes(), &Budget::default()).await.expect("the store answers");
}

fn message(text: &str) -> Heard {
    Heard::Message(text.as_bytes().to_vec())
}

#[tokio::test]
async fn what_one_instance_publishes_all_that_listen_hear_on_one_connection_each() {
    let redis = RedisServer::start().await;
    let [a, b] = [0, 1].map(|_| RedisStore::connect(&redis.url()).expect("a store"));
    let (mut first, mut second) = (listen(&a, "x").await, listen(&b, "x").await);
    // It comes to a channel that is listened to already.
    let (mut third, mut other) = (listen(&b, "x").await, listen(&b, "y").await);
    for round in ["1", "2"] {
        publish(&a, "x", round).await;
        publish(&b, "y", round).await;
        for subscription in [&mut first, &mut second, &mut third, &mut other] {
            assert_eq!(next(subscription).await, message(round));
        }
    }
    let clients = redis.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
    assert_eq!(clients.lines().filter(|line| line.starts_with("id=")).count(), 2, "{clients}");
}

#[tokio::test]
async fn a_subscription_survives_restarts_and_lost_connections_and_tells_of_each() {
    let mut redis = RedisServer::start().await;
    let store = RedisStore::connect(&redis.url()).expect("a store");
    let mut subscription = listen(&store, "x").await;
    redis.kill();
    redis.restart().await;
    assert_eq!(next(&mut subscription).await, Heard::Gap);
    publish(&store, "x", "after the restart").await;
    assert_eq!(next(&mut subscription).await, message("after the restart"));
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(next(&mut subscription).await, Heard::Gap);
    publish(&store, "x", "after the kill").await;
    assert_eq!(next(&mut subscription).await, message("after the kill"));
}

#[tokio::test]
async fn a_listener_that_is_too_slow_hears_of_a_gap_and_then_the_newest() {
    let redis = RedisServer::start().await;
    let store = RedisStore::connect(&redis.url()).expect("a store");
    let (mut slow, mut quick) = (listen(&store, "x").await, listen(&store, "x").await);
    for number in 0..2 * WAITING {
        publish(&store, "x", &number.to_string()).await;
        assert_eq!(next(&mut quick).await, message(&number.to_string()));
    }
    assert_eq!(next(&mut slow).await, Heard::Gap);
    assert_eq!(next(&mut slow).await, message(&WAITING.to_string()));
}

#[tokio::test]
async fn a_channel_is_left_with_its_last_listener_and_all_end_with_the_store() {
    let redis = RedisServer::start().await;
    let store = RedisStore::builder(redis.url()).prefix("p:").build().expect("a store");
    let (one, another) = (listen(&store, "x").await, listen(&store, "x").await);
    let mut rest = listen(&store, "y").await;
    let listeners = async || redis.cli(&["PUBSUB", "NUMSUB", "p:x"]).await;
    drop(one);
    assert_eq!(listeners().await, "p:x\n1");
    drop(another);
    while listeners().await != "p:x\n0" {
        sleep(Duration::from_millis(5)).await;
    }
    // Left and entered again, it is heard again.
    let mut again = listen(&store, "x").await;
    publish(&store, "x", "again").await;
    assert_eq!(next(&mut again).await, message("again"));
    drop(store);
    assert_eq!((rest.next().await, again.next().await), (None, None));
    while redis.cli(&["CLIENT", "LIST"]).await.lines().filter(|line| line.starts_with("id=")).count() > 1 {
        sleep(Duration::from_millis(5)).await;
    }
}
