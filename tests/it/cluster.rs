//! Three masters with a replica each: what users see of a Cluster in trouble, and of one that is rebuilt.

mod endings;
mod failovers;
mod misses;
mod names;
mod parted;
mod seeds;
mod slots;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use self::slots::follow_a_slot;
use crate::harness::{Browser, Cluster, Fleet, record_key};
use crate::load::{Event, History, Plan, Role, Rules};

/// Long enough to ride out a failover: two seconds until a node is taken for failed, and a vote; or another one, eight
/// seconds after the first.
const BUDGET: [(&str, &str); 1] = [("STORE_BUDGET_MS", "15000")];
const SECOND: Duration = Duration::from_secs(1);

async fn fleet() -> Fleet<Cluster> {
    Fleet::start_on(Cluster::start().await, 3, &[]).await
}

/// A user whose session is on this master.
async fn user_on(fleet: &Fleet<Cluster>, node: usize) -> Browser {
    for _ in 0..100 {
        let browser = fleet.browser();
        browser.get("/count").send().await;
        let key = record_key(&browser.cookie().expect("a session"));
        if fleet.redis.owner(fleet.redis.slot(&key).await).await == node {
            return browser;
        }
    }
    panic!("no session comes to node {node}");
}

/// Which requests were of the users who stay and whose sessions were on a master, and which of those elsewhere.
struct Shards {
    node: usize,
    /// Cookies, and which node had their sessions.
    owners: BTreeMap<String, usize>,
}

impl Shards {
    /// As it is now; the load has begun.
    async fn around(fleet: &Fleet<Cluster>, node: usize, cookies: Vec<String>) -> Self {
        let mut owners = BTreeMap::new();
        for cookie in cookies {
            let owner = fleet.redis.owner(fleet.redis.slot(&record_key(&cookie)).await).await;
            owners.insert(cookie, owner);
        }
        assert!(owners.values().any(|owner| *owner == node), "no session is on node {node}");
        assert!(owners.values().any(|owner| *owner != node), "all sessions are on node {node}");
        Self { node, owners }
    }

    /// Of the users of the other masters. Log-ins are of two shards, that of the session and that of the user.
    fn others(&self, history: &History) -> History {
        let is_other = |event: &&Event| {
            let owner = event.sent.as_ref().and_then(|cookie| self.owners.get(cookie));
            event.role == Role::Stays && owner.is_some_and(|owner| *owner != self.node)
        };
        History { events: history.events.iter().filter(is_other).cloned().collect(), settled: history.settled }
    }
}

/// The time that 99 of 100 requests did not exceed.
fn p99(history: &History, from: Duration, to: Duration) -> Duration {
    let during = history.events.iter().filter(|event| event.begin >= from && event.begin < to);
    let mut took: Vec<Duration> = during.map(Event::took).collect();
    took.sort_unstable();
    assert!(took.len() > 50, "too few requests: {}", took.len());
    took[took.len() * 99 / 100]
}
