//! The contract of a store, a test for each sentence: on the store in memory, on a real Redis, and on a real Cluster.

use std::time::Duration;

use stickless::store::RedisStore;

/// Makes three tests of each sentence.
macro_rules! on_every_store {
    ($($module:ident: $($sentence:ident,)+;)+) => {
        mod memory {
            $(mod $module {
                $(#[tokio::test]
                async fn $sentence() {
                    let store = stickless::store::MemoryStore::new();
                    stickless::testing::contract::$module::$sentence(&store).await;
                })+
            })+
        }

        mod redis {
            $(mod $module {
                $(#[tokio::test]
                async fn $sentence() {
                    let server = crate::harness::RedisServer::start().await;
                    let store = crate::contract::store(&server.unix_url());
                    stickless::testing::contract::$module::$sentence(&store).await;
                })+
            })+
        }

        mod cluster {
            $(mod $module {
                $(#[tokio::test]
                async fn $sentence() {
                    let store = crate::contract::store(&crate::contract::cluster().await.url());
                    stickless::testing::contract::$module::$sentence(&store).await;
                })+
            })+
        }
    };
}

stickless::store_contract!(on_every_store);

/// One for all of them, for it takes seconds to start. It ends with the process.
async fn cluster() -> &'static crate::harness::Cluster {
    static CLUSTER: tokio::sync::OnceCell<crate::harness::Cluster> = tokio::sync::OnceCell::const_new();
    CLUSTER.get_or_init(crate::harness::Cluster::start).await
}

/// Patient: what it decides is proved, not how soon.
fn store(url: &str) -> RedisStore {
    RedisStore::builder(url).timeout(Duration::from_secs(2)).budget(Duration::from_secs(10)).build().expect("a store")
}

mod agreement;
mod roster;
mod tombstones;

pub(crate) use stickless::testing::contract::subject;
