//! Something answers, but it is not the server that it was, or it lets nobody in.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::sleep;

use super::{assert_back, assert_out};
use crate::harness::{Browser, Fleet, Instance, Mode, RedisServer, TcpProxy, session_key};

#[tokio::test]
async fn a_replica_in_the_masters_place_is_a_503_and_never_a_log_out() {
    let (master, replica, stranger) =
        (RedisServer::start().await, RedisServer::start().await, RedisServer::start().await);
    replica.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    // In step with nobody, so it has no sessions at all.
    stranger.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let wire = TcpProxy::start(master.port()).await;
    let instance = Instance::start(&[("STORE", wire.redis_url()), ("SESSION_KEYS", session_key())]).await;
    let browser = Browser::new(instance.url());
    browser.post("/login?user=ada").send().await;
    browser.get("/count").send().await;
    for other in [&replica, &stranger] {
        wire.aim(other.port());
        wire.set(Mode::Reset);
        sleep(Duration::from_millis(50)).await;
        wire.set(Mode::Forward);
        assert_out(&browser).await;
        wire.aim(master.port());
        assert_back(&browser, "ada").await;
    }
}

#[tokio::test]
async fn a_server_that_is_full_of_clients_is_a_503_until_there_is_room_and_no_storm() {
    let fleet = Fleet::start(1).await;
    let browser = fleet.browser();
    browser.post("/login?user=ada").send().await;
    browser.get("/count").send().await;
    // The one connection that is left: even the harness could make no other.
    let mut only = UnixStream::connect(fleet.redis.socket()).await.expect("redis listens");
    let mut ask = async |command: &str| {
        only.write_all(format!("{command}\r\n").as_bytes()).await.expect("redis reads");
        let mut answer = vec![0; 64 * 1024];
        let length = only.read(&mut answer).await.expect("redis answers");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let rejected = |stats: &str| {
        let count = crate::harness::info(stats, "rejected_connections").and_then(|count| count.parse::<u64>().ok());
        count.expect("a count")
    };
    assert!(ask("CONFIG SET maxclients 1").await.starts_with("+OK"));
    ask("CLIENT KILL TYPE normal SKIPME yes").await;
    ask("CLIENT KILL TYPE pubsub SKIPME yes").await;
    let before = rejected(&ask("INFO stats").await);
    assert_out(&browser).await;
    sleep(Duration::from_secs(1)).await;
    assert_out(&browser).await;
    let dials = rejected(&ask("INFO stats").await) - before;
    println!("{dials} dials while there was no room");
    assert!((4..40).contains(&dials), "{dials} dials");
    ask("CONFIG SET maxclients 100").await;
    assert_back(&browser, "ada").await;
}

#[tokio::test]
async fn out_of_memory_for_longer_than_the_idle_limit_active_users_are_still_logged_in() {
    let env = [("SESSION_IDLE", "2"), ("SESSION_REFRESH_WITHIN", "1")];
    let fleet = Fleet::start_with(2, &env).await;
    let (active, idle) = (fleet.browser(), fleet.browser());
    for browser in [&active, &idle] {
        browser.post("/login?user=ada").send().await;
    }
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for turn in 0..16 {
        sleep(Duration::from_millis(250)).await;
        let (read, write) = (active.at(fleet.url(turn)).get("/me"), active.at(fleet.url(turn)).get("/count"));
        let (read, write) = (read.send().await, write.send().await);
        assert_eq!((read.status, read.json()["user"].clone()), (200, "ada".into()), "after {turn} looks");
        assert_eq!((write.status, write.set_cookies().len()), (503, 0));
    }
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(active.get("/count").send().await.json()["count"], 1);
    // The limit is one: who was not active is gone.
    assert!(idle.get("/me").send().await.json()["user"].is_null());
}
