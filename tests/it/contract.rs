//! The contract of a store, a test for each sentence: on the store in memory, and on the one on a real Redis.

/// Makes two tests of each sentence.
macro_rules! on_every_store {
    ($($sentence:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&stickless::store::MemoryStore::new()).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $sentence() {
                let server = crate::harness::RedisServer::start().await;
                let store = stickless::store::RedisStore::connect(&server.unix_url()).expect("a store");
                super::$sentence(&store).await;
            })*
        }
    };
}

mod additions;
mod agreement;
mod deltas;
mod expectations;
mod generations;
mod lives;
mod log_in;
mod records;
mod repeats;
mod roster;
mod sightings;
mod sizes;
pub(crate) mod subject;
mod tombstones;
