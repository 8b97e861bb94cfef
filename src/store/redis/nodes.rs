//! The masters that calls go to: one, or those of a Cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::clock::StoreClock;
use super::cluster::{Cluster, Redirect};
use super::connect::{Door, Route};
use super::link::{Link, LinkState, State, public};
use super::pubsub::{PubSub, Subscription};
use super::repeat::Ended;
use super::resolver::Compass;
use super::url::Address;
use crate::clock::Timestamp;
use crate::error::Unavailable;

/// A master and its clock.
pub(super) struct Shard {
    pub(super) link: Link,
    pub(super) clock: Arc<StoreClock>,
}

/// Whom a call is for.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// Whoever has this key.
    Key(&'a str),
    Shard(&'a Arc<Shard>),
    Any,
}

/// Where a call is sent.
pub(super) struct Way {
    pub(super) shard: Arc<Shard>,
    /// Where its master must be, by what was learned since the last attempt.
    pub(super) at: Option<Address>,
    /// The owner of a slot that is on its way to this shard, which sent the call there.
    pub(super) asked_by: Option<Address>,
}

/// All that a store talks to. Dropping it ends its tasks.
pub(super) struct Nodes {
    ways: Ways,
    state: watch::Receiver<State>,
    pubsub: PubSub,
    pub(super) ended: Arc<Ended>,
}

enum Ways {
    One(Arc<Shard>),
    Cluster(Cluster),
}

impl Nodes {
    /// Starts the connections; must be called in a Tokio runtime.
    pub(super) fn one(route: Route, compass: Compass) -> Self {
        let (ended, clock, door) = (Arc::<Ended>::default(), route.clock.clone(), route.door.clone());
        let link = Link::start(route, compass, ended.clone());
        let state = link.state();
        Self::new(Ways::One(Arc::new(Shard { link, clock })), state, door, ended)
    }

    /// Likewise, for the Cluster that these are nodes of.
    pub(super) fn cluster(route: Route, seeds: Vec<Address>) -> Self {
        let (ended, door) = (Arc::<Ended>::default(), route.door.clone());
        let (cluster, state) = Cluster::start(seeds, route, ended.clone());
        Self::new(Ways::Cluster(cluster), state, door, ended)
    }

    fn new(ways: Ways, state: watch::Receiver<State>, door: Door, ended: Arc<Ended>) -> Self {
        let pubsub = PubSub::new(door, state.clone());
        Self { ways, state, pubsub, ended }
    }

    /// Where to send a call: at once, but for a Cluster whose shape is not known yet.
    pub(super) async fn way(
        &self,
        target: Target<'_>,
        redirect: Option<&Redirect>,
        deadline: Instant,
        patience: Duration,
    ) -> Result<Way, Unavailable> {
        match &self.ways {
            Ways::One(shard) => Ok(Way::to(shard.clone())),
            Ways::Cluster(cluster) => cluster.way(target, redirect, deadline, patience).await,
        }
    }

    /// Returns when the call would be sent elsewhere by now; never, where there is but one place.
    pub(super) async fn turn(&self, target: Target<'_>, redirect: Option<&Redirect>, way: &Way) {
        match &self.ways {
            Ways::One(_) => std::future::pending().await,
            Ways::Cluster(cluster) => cluster.turn(target, redirect, way).await,
        }
    }

    /// The masters that hold records; none while they are not known.
    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        match &self.ways {
            Ways::One(shard) => vec![shard.clone()],
            Ways::Cluster(cluster) => cluster.shards(),
        }
    }

    /// Whether each call is for one key, which may be anywhere.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.ways, Ways::Cluster(_))
    }

    /// Something is wrong: a Cluster may have another shape by now.
    pub(super) fn stir(&self) {
        if let Ways::Cluster(cluster) = &self.ways {
            cluster.stir();
        }
    }

    /// What is published on a channel from now on.
    pub(super) fn subscribe(&self, channel: String) -> Subscription {
        self.pubsub.subscribe(channel)
    }

    /// The time by the clock of one of them.
    pub(super) fn now(&self) -> Timestamp {
        match &self.ways {
            Ways::One(shard) => shard.clock.now(),
            Ways::Cluster(cluster) => cluster.now(),
        }
    }

    pub(super) fn state(&self) -> LinkState {
        public(&self.state.borrow())
    }

    /// The state now, and what it becomes.
    pub(super) fn watch(&self) -> watch::Receiver<LinkState> {
        let mut state = self.state.clone();
        let now = public(&state.borrow_and_update());
        let (send, receive) = watch::channel(now);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = send.closed() => return,
                    changed = state.changed() => if changed.is_err() { return },
                }
                send.send_replace(public(&state.borrow_and_update()));
            }
        });
        receive
    }
}

impl Way {
    pub(super) fn to(shard: Arc<Shard>) -> Self {
        Self { shard, at: None, asked_by: None }
    }

    pub(super) fn leads_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shard, &other.shard) && self.at == other.at
    }
}
