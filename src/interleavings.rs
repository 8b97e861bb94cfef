//! The code itself under a scheduler that tries one order of its threads after another: what a request's clones do to its
//! session at the same time, what requests of several instances do to each other, and what is counted.
//!
//! Two or three threads go through all orders; more through a number of orders that a seed draws. A failure prints its order,
//! which `shuttle::replay` runs again.

mod counter;
mod handle;
mod requests;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shuttle::scheduler::{DfsScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::sync::{Places, with_places};

/// An order takes a millisecond. One that took so long was held up by the machine, and requests in it may have run out of
/// their time: that is no order of threads.
const HELD_UP: Duration = Duration::from_millis(300);

/// All orders, others coming in at these places.
fn every_order(name: &str, places: Places, work: impl Fn() + Send + Sync + 'static) {
    run(name, places, || DfsScheduler::new(None, false), work);
}

/// So many orders, drawn by a seed; or as many as `STICKLESS_ORDERS` says.
fn some_orders(name: &str, places: Places, orders: usize, work: impl Fn() + Send + Sync + 'static) {
    let wanted = std::env::var("STICKLESS_ORDERS").ok().and_then(|orders| orders.parse().ok());
    let orders = wanted.unwrap_or(orders);
    run(name, places, || RandomScheduler::new_from_seed(1, orders), work);
}

fn run<S>(name: &str, places: Places, scheduler: impl Fn() -> S, work: impl Fn() + Send + Sync + 'static)
where
    S: Scheduler + 'static,
{
    // Waits that have an end need a clock; here it stands.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let work = Arc::new(work);
    for _ in 0..3 {
        let watch = Arc::new(Watch::default());
        let (work, watched) = (work.clone(), watch.clone());
        let timed = move || {
            watched.begin();
            work();
        };
        let tried = AssertUnwindSafe(|| Runner::new(scheduler(), config()).run(timed));
        match with_places(places, || catch_unwind(tried)) {
            Ok(orders) => {
                println!("{name}: {orders} orders");
                assert!(orders > 10, "{name}: {orders} orders");
                return;
            }
            Err(_) if watch.was_held_up() => println!("{name}: held up"),
            Err(panic) => resume_unwind(panic),
        }
    }
    panic!("{name}: held up three times");
}

fn config() -> Config {
    let mut config = Config::default();
    config.stack_size = 1 << 20;
    config
}

/// When the present order began, and whether one before it was held up.
#[derive(Default)]
struct Watch(Mutex<(Option<Instant>, bool)>);

impl Watch {
    fn begin(&self) {
        let held_up = self.was_held_up();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Some(Instant::now()), held_up);
    }

    fn was_held_up(&self) -> bool {
        let (begun, held_up) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held_up || begun.is_some_and(|begun| begun.elapsed() > HELD_UP)
    }
}
