//! What the server's own settings do to a store, and what is told of them.

use stickless::store::{Act, Loaded, RedisStore};

use super::wire::connected;
use crate::contract::subject::{HOUR, Subject, add, done, slide};
use crate::harness::{Instance, RedisServer, session_key};

const DOCS: &str = include_str!("../../../docs/redis.md");

#[tokio::test]
async fn a_user_with_the_permissions_of_the_documentation_may_do_all_that_is_needed() {
    let server = RedisServer::start().await;
    let rules = DOCS.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a list");
    let user = ["ACL", "SETUSER", "app", "on", ">pass", "~stickless:*", "&stickless:*"];
    let rules: Vec<&str> = user.into_iter().chain(rules.split_whitespace()).collect();
    assert_eq!(server.cli(&rules).await, "OK");
    let url = format!("redis://app:pass@127.0.0.1:{}", server.port());
    let store = connected(RedisStore::builder(url)).await;
    let subject = Subject::with(&store, &[("a", "1")]).await;
    assert_eq!(done(&subject.apply(1, add("n", 1)).await).value, Some(1));
    done(&subject.act(1, slide(HOUR * 2)).await);
    done(&subject.act(1, Act::Destroy).await);
    assert_eq!(subject.load().await, Loaded::Tombstone);
    assert_eq!(Subject::new(&store).load().await, Loaded::Missing);
    let log = server.cli(&["ACL", "LOG"]).await;
    assert!(log.is_empty(), "{log}");
}

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
