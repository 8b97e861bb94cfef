//! What the server's own settings do to a store, and what is told of them.

use crate::harness::{Instance, RedisServer, session_key};

async fn lines(server: &RedisServer) -> Vec<String> {
    let env = [("STORE", server.url()), ("SESSION_KEYS", session_key()), ("LOG", "json".into())];
    let instance = Instance::start(&env).await;
    instance.logged("store_up").await;
    // Connected again, it is not told again.
    for _ in 0..3 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    instance.log().into_iter().filter(|line| line.contains("\"advice\"")).collect()
}

#[tokio::test]
async fn a_server_that_evicts_sessions_is_warned_of_once() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru", "--appendonly", "yes"]).await;
    let lines = lines(&server).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("\"WARN\"") && lines[0].contains("allkeys-lru"), "{lines:#?}");
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_told_of_and_a_good_one_is_not() {
    let kept = lines(&RedisServer::start_durable().await).await;
    assert_eq!(kept, [""; 0]);
    let lost = lines(&RedisServer::start().await).await;
    assert_eq!(lost.len(), 1, "{lost:#?}");
    assert!(lost[0].contains("\"INFO\"") && lost[0].contains("appendonly"), "{lost:#?}");
}

#[tokio::test]
async fn a_server_that_does_not_permit_to_look_is_not_told_of() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let rules = ["ACL", "SETUSER", "default", "-info", "-config|get"];
    assert_eq!(server.cli(&rules).await, "OK");
    assert_eq!(lines(&server).await, [""; 0]);
}
