//! A Redis Cluster: a link to each master, and the way from a key to it.
//!
//! Connections of our own in place of the crate's cluster client: a shard is served like a single master, by the same
//! link, and follows its own failovers; what happens to one concerns no other. One task asks the nodes for the shape of
//! the Cluster, when a node says that a slot has moved, when a link is down, and now and then.

mod board;
mod council;
mod keeper;
mod slot;
mod spans;
mod standing;
mod view;

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

pub(super) use self::board::Board;
use self::council::Chart;
use self::keeper::Keeper;
use self::spans::Spans;
use super::clock::StoreClock;
use super::connect::Route;
use super::link::State;
use super::nodes::{Shard, Target, Way};
use super::repeat::Ended;
use super::url::Address;
use crate::clock::{Timestamp, jitter};
use crate::error::{Unavailable, UnavailableKind};

/// How often a call is sent on before that counts as an attempt.
pub(super) const REDIRECTS_MOST: u32 = 5;

/// The links to all masters. Dropping it ends its tasks.
pub(super) struct Cluster {
    board: Arc<Board>,
    table: watch::Receiver<Arc<Table>>,
    since: Instant,
    /// Of the time before anything is known.
    clock: Arc<StoreClock>,
    tasks: [JoinHandle<()>; 2],
}

/// Which shard has which slots.
#[derive(Default)]
pub(super) struct Table {
    places: Vec<Place>,
    /// Which of them.
    owners: Spans<Option<usize>>,
}

/// A shard, and where its master is.
pub(super) struct Place {
    shard: Arc<Shard>,
    address: Address,
    /// Whether it has any slots.
    serves: bool,
}

/// A node's word that a key is to be asked for elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    /// Who said so.
    pub(super) from: Address,
    to: Address,
    /// Only this once, for a slot that is on its way there.
    asks: bool,
    /// How many came before it.
    turn: u32,
}

impl Cluster {
    /// Must be called in a Tokio runtime. Also told: whether the Cluster as a whole can be reached.
    pub(super) fn start(seeds: Vec<Address>, route: Route, ended: Arc<Ended>) -> (Self, watch::Receiver<State>) {
        let (publish, table) = watch::channel(Arc::<Table>::default());
        let (board, since, clock) = (Arc::new(Board::new()), Instant::now(), route.clock.clone());
        let (chart, posts) = (Chart::default(), std::collections::BTreeMap::new());
        let keeper = Keeper { board: board.clone(), seeds, route, ended, publish, chart, posts, told: false };
        let down = State::Down { since, cause: UnavailableKind::Disconnected.into() };
        let (stands, state) = watch::channel(down);
        let tasks = [tokio::spawn(keeper.run()), tokio::spawn(standing::tell(table.clone(), stands))];
        (Self { board, table, since, clock, tasks }, state)
    }

    /// The shards that have slots.
    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        self.table.borrow().serving().map(|place| place.shard.clone()).collect()
    }

    /// The time by the clock of a master that is connected, and always the same one of these.
    pub(super) fn now(&self) -> Timestamp {
        let table = self.table.borrow();
        let up = table.serving().find(|place| place.shard.link.is_up()).or_else(|| table.serving().next());
        up.map_or_else(|| self.clock.now(), |place| place.shard.clock.now())
    }

    /// Has the nodes asked, without waiting.
    pub(super) fn stir(&self) {
        self.board.ask();
    }

    /// Where to send a call, and where a node that sent it on says. Waits for the Cluster's shape until `deadline`, and
    /// fails at once when there was none for as long as a request may wait (`patience`).
    pub(super) async fn way(
        &self,
        target: Target<'_>,
        redirect: Option<&Redirect>,
        deadline: Instant,
        patience: Duration,
    ) -> Result<Way, Unavailable> {
        if let Some(way) = self.follow(redirect, deadline).await {
            return Ok(way);
        }
        let mut table = self.table.clone();
        loop {
            if let Some(way) = table.borrow_and_update().way(target, redirect.is_some()) {
                return Ok(way);
            }
            let unknown = table.borrow().places.is_empty();
            if !unknown {
                self.board.ask();
            } else if self.since.elapsed() > patience {
                return Err(self.board.answered().1);
            }
            if !matches!(timeout_at(deadline, table.changed()).await, Ok(Ok(()))) {
                let nobody = "no master of the Cluster has this slot";
                let nobody = || Unavailable::new(UnavailableKind::Disconnected, nobody);
                return Err(if unknown { self.board.answered().1 } else { nobody() });
            }
        }
    }

    /// Returns when the call would be sent elsewhere by now than this way leads.
    pub(super) async fn turn(&self, target: Target<'_>, redirect: Option<&Redirect>, way: &Way) {
        let turned = |table: &Arc<Table>| !table.find(target, redirect).is_some_and(|now| now.leads_as(way));
        if self.table.clone().wait_for(turned).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The way to the node that a redirect names, once it is known.
    async fn follow(&self, redirect: Option<&Redirect>, deadline: Instant) -> Option<Way> {
        let redirect = redirect?;
        if redirect.turn > 0 {
            // Nodes disagree for a moment.
            sleep(jitter(Duration::from_millis(5 << redirect.turn)).min(deadline - Instant::now())).await;
        }
        let known = || self.table.borrow().named(redirect);
        if let Some(way) = known() {
            if !redirect.asks {
                self.board.ask();
            }
            return Some(way);
        }
        self.board.name(&redirect.to);
        self.board.refresh(deadline).await;
        known()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Table {
    fn serving(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.serves)
    }

    fn way(&self, target: Target<'_>, surely: bool) -> Option<Way> {
        let place = match target {
            Target::Key(key) => self.places.get((*self.owners.at(slot::slot(key))?)?)?,
            Target::Shard(shard) => return Some(Way::to(shard.clone())),
            Target::Any => {
                let up = self.serving().find(|place| place.shard.link.is_up());
                up.or_else(|| self.serving().next())?
            }
        };
        // The link may still be with the old master, which has just said that it is none.
        let at = surely.then(|| place.address.clone());
        Some(Way { at, ..Way::to(place.shard.clone()) })
    }

    fn find(&self, target: Target<'_>, redirect: Option<&Redirect>) -> Option<Way> {
        redirect.and_then(|redirect| self.named(redirect)).or_else(|| self.way(target, redirect.is_some()))
    }

    fn named(&self, redirect: &Redirect) -> Option<Way> {
        let place = self.places.iter().find(|place| place.address == redirect.to)?;
        let asked_by = redirect.asks.then(|| redirect.from.clone());
        Some(Way { shard: place.shard.clone(), at: Some(place.address.clone()), asked_by })
    }
}

impl Redirect {
    /// What an error says, if it is a redirect by the node at `from`.
    pub(super) fn of(error: &RedisError, from: &Address, turn: u32) -> Option<Self> {
        let (to, _slot) = error.redirect_node()?;
        let (host, port) = to.rsplit_once(':')?;
        // Without a host, the node is where the one that says so is.
        let host = if host.is_empty() { from.host.as_str() } else { host.trim_matches(['[', ']']) };
        let to = Address::new(host, port.parse().ok()?);
        let asks = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
        Some(Self { from: from.clone(), to, asks, turn })
    }
}

/// Whether a node says that the Cluster as a whole is down, as far as it sees; other nodes may see more.
pub(super) fn is_down(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown)
        && error.detail().is_some_and(|detail| detail.starts_with("The cluster is down"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(line: &str) -> Option<Redirect> {
        let reply = redis::parse_redis_value(line.as_bytes()).expect("RESP");
        Redirect::of(&reply.extract_error().expect_err("an error"), &Address::new("here", 1), 0)
    }

    #[test]
    fn a_redirect_names_a_node_and_whether_it_is_for_once() {
        let to = |host: &str, port, asks| {
            Some(Redirect { from: Address::new("here", 1), to: Address::new(host, port), asks, turn: 0 })
        };
        let cases = [
            ("-MOVED 3999 127.0.0.1:6381\r\n", to("127.0.0.1", 6381, false)),
            ("-ASK 3999 a.example:7\r\n", to("a.example", 7, true)),
            ("-MOVED 3999 :6381\r\n", to("here", 6381, false)),
            ("-MOVED 3999 ::1:6381\r\n", to("::1", 6381, false)),
            ("-MOVED 3999 a\r\n", None),
            ("-TRYAGAIN 3999 a:1\r\n", None),
        ];
        for (line, wanted) in cases {
            assert_eq!(redirect(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_slot_that_nobody_serves_is_no_cluster_that_is_down() {
        let is_down = |line: &str| {
            is_down(&redis::parse_redis_value(line.as_bytes()).expect("RESP").extract_error().expect_err("an error"))
        };
        assert!(is_down("-CLUSTERDOWN The cluster is down\r\n"));
        assert!(is_down("-CLUSTERDOWN The cluster is down and only accepts read commands\r\n"));
        assert!(!is_down("-CLUSTERDOWN Hash slot not served\r\n"));
    }
}
