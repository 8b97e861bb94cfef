//! Time for store calls that run side by side.

use std::time::{Duration, Instant};

use crate::store::Budget;

/// Each call has what is left since the first began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    began: Instant,
    spent: Duration,
}

impl Allowance {
    /// What is left to a request that has spent so much.
    pub(crate) fn after(spent: Duration) -> Self {
        Self { began: Instant::now(), spent }
    }

    pub(crate) fn budget(self) -> Budget {
        let budget = Budget::default();
        budget.spend(self.spent + self.began.elapsed());
        budget
    }
}
