//! One master, two replicas, three Sentinels: what users see of a failover, and what it loses.

mod cut_off;
mod lost;
mod measured;
mod planned;
mod sentinels;
mod unplanned;

use std::time::Duration;

use crate::harness::{Fleet, Replicated, ReplicatedSettings};
use crate::load::Plan;

/// Long enough to ride out a failover.
const BUDGET: [(&str, &str); 1] = [("STORE_BUDGET_MS", "3000")];
const SECOND: Duration = Duration::from_secs(1);

/// A second, of 210 requests.
const HUNDRED_WRITES: Plan = Plan { staying: 47, passing: 3, plain: 4, pace: Duration::from_millis(250) };

async fn fleet() -> Fleet<Replicated> {
    Fleet::start_on(Replicated::start().await, 3, &BUDGET).await
}

async fn fleet_with(settings: ReplicatedSettings<'_>) -> Fleet<Replicated> {
    Fleet::start_on(Replicated::start_with(settings).await, 3, &BUDGET).await
}
