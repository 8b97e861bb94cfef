//! A nemesis that composes faults at random, to find what nobody thought of.
//!
//! Of a seed it makes a plan: rounds of faults that overlap, from kills and partitions of the store's nodes to steps of
//! an instance's clock, over the load and its checker. After each round it waits until the store is whole by its own
//! word, and until all must be well; then it looks. What it prints is enough to do the same again:
//!
//! ```sh
//! STICKLESS_SEED=7 STICKLESS_SECONDS=60 cargo test --all-features --test it nemesis:: -- --test-threads=1 --nocapture
//! ```
//!
//! The plan is the same for the same seed; what is hit is named by its role at the round's beginning. Two faults do not
//! stand in one round where nobody promised to survive them: [`plan::beyond_promise`] says which, and why.
//!
//! What must hold, whatever comes together:
//!
//! * Nobody is logged out. A session that was begun in a failover may be lost with it; that is all a 409 may tell.
//! * A write that was answered is there, once. Excused is what was answered in a failover: from 150 ms before the first
//!   fault that led to it until three seconds after a replica was seen to lead. Where the master just died or hung, only
//!   what it answered 150 ms before and after that. How many may be lost is how many were answered then.
//! * A log-out is final: one that was answered in a failover, at its end, if the instance that repeats it lives.
//! * A refusal is 503, while there is a fault that users may see, and two seconds after the store is whole no more.
//!   Only an instance that is killed or hangs leaves a request without an answer, or with a late one.
//! * No 500, no panic in a log, no more memory or open files than before the faults.
//!
//! These times grow with what this machine itself kept us waiting. They are wide; within them nothing is excused.

mod ground;
mod haunted;
mod hits;
mod plan;
mod plans;
mod run;
mod strike;
mod windows;

use crate::harness::{Cluster, Replicated};

#[tokio::test]
async fn whatever_befalls_a_store_under_sentinel_and_its_instances_no_promise_is_broken() {
    run::haunt::<Replicated>().await;
}

#[tokio::test]
async fn whatever_befalls_a_cluster_and_its_instances_no_promise_is_broken() {
    run::haunt::<Cluster>().await;
}
