//! The contract of a store, a test for each sentence: on the store in memory, and on the one on a real Redis.

/// Makes two tests of each sentence.
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
                    let store = stickless::store::RedisStore::connect(&server.unix_url()).expect("a store");
                    stickless::testing::contract::$module::$sentence(&store).await;
                })+
            })+
        }
    };
}

stickless::store_contract!(on_every_store);

mod agreement;
mod roster;
mod tombstones;

pub(crate) use stickless::testing::contract::subject;
