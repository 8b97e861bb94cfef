//! Log-outs that a server lost are repeated, on whatever node comes next.

use std::time::Duration;

use stickless::store::{Act, Loaded, RedisStore, Store as _};

use super::wire::connected;
use crate::contract::subject::{Subject, done, slide};
use crate::harness::RedisServer;
use crate::until;

/// Loses everything since it was saved.
async fn restart(server: &mut RedisServer) {
    server.kill();
    server.restart().await;
}

async fn store(server: &RedisServer) -> RedisStore {
    connected(RedisStore::builder(server.unix_url()).budget(Duration::from_secs(5))).await
}

#[tokio::test]
async fn a_log_out_that_a_restart_loses_is_repeated_before_anyone_is_let_in() {
    let mut server = RedisServer::start().await;
    let store = store(&server).await;
    let (gone, lives) = (Subject::with(&store, &[]).await, Subject::with(&store, &[]).await);
    let raised = Subject::with(&store, &[]).await;
    let key = format!("stickless:s:{}", raised.handle);
    // As the server will know it after the restart: logged in anew.
    server.cli(&["HSET", &key, "g", "5"]).await;
    server.cli(&["SAVE"]).await;
    server.cli(&["HSET", &key, "g", "1"]).await;
    let unsaved = Subject::with(&store, &[]).await;
    for subject in [&gone, &raised, &unsaved] {
        done(&subject.act(1, Act::Destroy).await);
    }
    restart(&mut server).await;
    assert_eq!(gone.load().await, Loaded::Tombstone);
    assert_eq!(unsaved.load().await, Loaded::Tombstone);
    assert!(matches!(lives.load().await, Loaded::Found(_)));
    let Loaded::Found(record) = raised.load().await else { panic!("a later log-in is not ended") };
    assert_eq!(record.generation, 5);
    assert_eq!(gone.act(1, slide(Duration::from_secs(60))).await, stickless::store::Outcome::Gone);
}

#[tokio::test]
async fn a_buried_cookie_stays_buried() {
    let mut server = RedisServer::start().await;
    let store = store(&server).await;
    let buried = Subject::new(&store);
    done(&buried.act(1, Act::Bury).await);
    restart(&mut server).await;
    assert_eq!(buried.load().await, Loaded::Tombstone);
}

#[tokio::test]
async fn a_great_many_log_outs_are_repeated_beside_the_requests() {
    let mut server = RedisServer::start().await;
    let store = store(&server).await;
    let mut subjects = Vec::new();
    for _ in 0..1200 {
        subjects.push(Subject::with(&store, &[]).await);
    }
    server.cli(&["SAVE"]).await;
    for subject in &subjects {
        done(&subject.act(1, Act::Destroy).await);
    }
    restart(&mut server).await;
    assert_eq!(subjects[1199].load().await, Loaded::Tombstone, "the newest come first");
    for subject in &subjects {
        until("it has ended again", async || subject.load().await == Loaded::Tombstone).await;
    }
    store.ping(&stickless::store::Budget::default()).await.expect("the store answers");
}
