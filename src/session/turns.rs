//! Updates of one session that got in each other's way take turns in this process.

use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::id::Handle;
use crate::store::Budget;

/// One place for the updates of some of the sessions. Sessions that share one wait a little longer, no more.
#[derive(Debug)]
pub(crate) struct Turns([Semaphore; 64]);

impl Turns {
    /// A turn among this session's updates, in the order of asking. The wait counts as time spent on the store, and
    /// takes half of what is left of it at most: then there is no turn, and the update tries its luck.
    ///
    /// Dropping it, also with the future that holds it, passes it on.
    pub(super) async fn take(&self, handle: Handle, budget: &Budget, most: Duration) -> Option<SemaphorePermit<'_>> {
        let asked = Instant::now();
        // The semaphore is never closed.
        let turn = timeout(budget.left(most) / 2, self.0[handle.slot(self.0.len())].acquire()).await;
        budget.spend(asked.elapsed());
        turn.ok()?.ok()
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Semaphore::new(1)))
    }
}
