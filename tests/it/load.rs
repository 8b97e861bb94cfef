//! Steady load on several instances, a history of every request, and a checker that replays it.
//!
//! Users who stay, users who log in and out all the time, and visitors of routes without a session ask at a steady pace,
//! each request at the next instance, while a test does something to the instances or their store. What came of it is
//! judged afterwards, from the history alone:
//!
//! ```ignore
//! let load = Load::start(&fleet.urls(), Plan::default()).await;
//! fleet.redis.freeze();
//! load.pass(Duration::from_secs(2)).await;
//! fleet.redis.thaw();
//! load.stop().await.check(&Rules { refusals: &[503], ..Rules::default() }).assert_clean();
//! ```

mod checker;
mod client;
#[cfg(test)]
mod forged;
mod history;
mod stalls;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub(crate) use checker::{Excuses, Rules, Window};
pub(crate) use client::Role;
pub(crate) use history::{Event, History};
pub(crate) use verdict::Verdict;

use client::Client;

/// Who comes, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Users who stay: they count, read, append to a list.
    pub(crate) staying: u32,
    /// Users who log in, count and log out, again and again, and look whether their old cookies are dead.
    pub(crate) passing: u32,
    /// Visitors of a route that touches no session.
    pub(crate) plain: u32,
    /// From one request of a client to its next, unless the first takes longer.
    pub(crate) pace: Duration,
}

impl Default for Plan {
    /// About 250 requests a second, of which 120 write.
    fn default() -> Self {
        Self { staying: 50, passing: 10, plain: 4, pace: Duration::from_millis(250) }
    }
}

impl Plan {
    /// The same for a test that is over in less than a second.
    pub(crate) fn brisk() -> Self {
        Self { staying: 25, passing: 5, plain: 2, pace: Duration::from_millis(60) }
    }

    pub(crate) fn of(staying: u32, pace: Duration) -> Self {
        Self { staying, passing: staying.div_ceil(10), pace, ..Self::default() }
    }
}

/// Clients at work.
pub(crate) struct Load {
    started: Instant,
    settled: Duration,
    stop: Arc<AtomicBool>,
    cookies: Vec<String>,
    clients: Vec<JoinHandle<Vec<Event>>>,
    stalls: JoinHandle<Vec<(Duration, Duration)>>,
}

impl Load {
    /// Begins the sessions of the users who stay, then the load.
    pub(crate) async fn start(urls: &[String], plan: Plan) -> Self {
        let (started, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let roles = [(Role::Stays, plan.staying), (Role::Passes, plan.passing), (Role::Plain, plan.plain)];
        let roles = roles.into_iter().flat_map(|(role, count)| (0..count).map(move |_| role));
        let client = |(number, role)| Client::new(number, role, urls, started);
        let mut clients: Vec<Client> = (0..).zip(roles).map(client).collect();
        // A few at a time: it is no load test.
        for some in clients.chunks_mut(20) {
            join_all(some.iter_mut().map(Client::settle)).await;
        }
        let settled = started.elapsed();
        let cookies = clients.iter().filter_map(Client::cookie).collect();
        let count = u32::try_from(clients.len()).unwrap_or(u32::MAX);
        let begin = |(number, client): (u32, Client)| {
            // Spread evenly over the pace.
            let first = plan.pace * number / count;
            tokio::spawn(client.work(first, plan.pace, stop.clone()))
        };
        let clients = (0..).zip(clients).map(begin).collect();
        let stalls = stalls::watch(started, stop.clone());
        Self { started, settled, stop, cookies, clients, stalls }
    }

    /// Those of the users who stay.
    pub(crate) fn cookies(&self) -> Vec<String> {
        self.cookies.clone()
    }

    /// Lets it go on for a while.
    pub(crate) async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    /// The time in the history, to say what happened when.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends it: each user who stays looks at the session once more, for up to ten seconds until it answers.
    pub(crate) async fn stop(self) -> History {
        self.stop.store(true, Ordering::Relaxed);
        let mut events = Vec::new();
        for client in self.clients {
            events.extend(client.await.expect("a client does not panic"));
        }
        stalls::excuse(&mut events, &self.stalls.await.expect("a watch does not panic"));
        History { events, settled: self.settled }
    }
}

/// How often a bound on time is tried. What else the machine does can only add to what is measured, so one round within
/// the bound proves it; whatever is not about time must hold in each.
pub(crate) const TRIES: usize = 3;

/// Goes through rounds until one proves what they are for; the others say why not in what they print: one was late, or the
/// servers did something else.
pub(crate) async fn in_rounds(round: impl AsyncFn() -> bool) {
    for _ in 0..TRIES {
        if round().await {
            return;
        }
    }
    panic!("not proved in any of {TRIES} rounds");
}

/// Tests that measure time, or load the machine, take turns.
pub(crate) async fn alone() -> SemaphorePermit<'static> {
    static LOUD: Semaphore = Semaphore::const_new(1);
    LOUD.acquire().await.expect("it is never closed")
}
