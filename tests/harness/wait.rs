//! Waiting for what servers come to by themselves.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::error::{Error, Result};

/// Twenty seconds at most.
pub(super) async fn wait_until(what: &str, mut is: impl AsyncFnMut() -> bool) -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(20);
    let begun = Instant::now();
    while !is().await {
        if begun.elapsed() > LIMIT {
            return Err(Error::silent(what, LIMIT, Vec::new()));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
