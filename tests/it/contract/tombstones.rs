//! How long a tombstone stands.

use std::time::Duration;

use stickless::store::{Act, GRACE, Loaded};
use stickless::testing::TestStore;

use super::store;
use super::subject::{Subject, create, done};
use crate::harness::RedisServer;

/// Sixty seconds, without waiting for them.
#[tokio::test]
async fn a_tombstone_in_memory_is_missing_after_the_grace_and_not_before() {
    let store = TestStore::new();
    let (ended, buried) = (Subject::with(&store, &[]).await, Subject::new(&store));
    done(&ended.act(1, Act::Destroy).await);
    done(&buried.act(1, Act::Bury).await);
    store.advance(GRACE.saturating_sub(Duration::from_millis(1)));
    assert_eq!([ended.load().await, buried.load().await], [Loaded::Tombstone, Loaded::Tombstone]);
    store.advance(Duration::from_millis(1));
    assert_eq!([ended.load().await, buried.load().await], [Loaded::Missing, Loaded::Missing]);
    done(&ended.act(1, Act::Create(create(&[]))).await);
}

#[tokio::test]
async fn a_tombstone_on_redis_has_the_grace_to_live_whatever_the_record_had() {
    let server = RedisServer::start().await;
    let store = store(&server.unix_url());
    let (ended, buried) = (Subject::with(&store, &[]).await, Subject::new(&store));
    done(&ended.act(1, Act::Destroy).await);
    done(&buried.act(1, Act::Bury).await);
    for subject in [ended, buried] {
        let left = server.cli(&["PTTL", &format!("stickless:s:{}", subject.handle)]).await;
        let left = Duration::from_millis(left.parse().expect("milliseconds"));
        assert!(left <= GRACE && left + Duration::from_secs(5) > GRACE, "{left:?}");
    }
}
