//! Waiting for what is done beside a request.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Tries again until it holds. The limit is for what never comes; it proves nothing about time.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never comes: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
