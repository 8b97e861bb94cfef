//! The task that asks the nodes of a Cluster for its shape, and keeps a link to each master.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::board::{Board, TOGETHER};
use super::council::{Chart, Master};
use super::spans::Spans;
use super::view;
use super::{Place, Table};
use crate::clock::jitter;
use crate::error::{Unavailable, UnavailableKind};
use crate::event;
use crate::store::redis::clock::StoreClock;
use crate::store::redis::connect::{Door, Drivers, Route, config, late, open, send};
use crate::store::redis::link::Link;
use crate::store::redis::nodes::Shard;
use crate::store::redis::repeat::Ended;
use crate::store::redis::resolver::{Compass, Course};
use crate::store::redis::sentinel::{Hint, HintKind};
use crate::store::redis::url::Address;
use crate::store::retry;

/// How often the nodes are asked when nobody needs to know.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// How soon they are asked again when none answered.
const AGAIN: Duration = Duration::from_millis(150);
/// So many nodes are asked at a time at least, of those that we are connected to; else half of them.
const ASKED: usize = 6;
/// So many are dialled at a time when no link is there to ask on.
const DIALLED: usize = 16;

pub(super) struct Keeper {
    pub(super) board: Arc<Board>,
    pub(super) seeds: Vec<Address>,
    pub(super) route: Route,
    pub(super) ended: Arc<Ended>,
    pub(super) publish: watch::Sender<Arc<Table>>,
    /// What the table was made of.
    pub(super) chart: Chart,
    /// By the master's id.
    pub(super) posts: BTreeMap<String, Post>,
    pub(super) told: bool,
}

/// A shard, and where its master is.
pub(super) struct Post {
    shard: Arc<Shard>,
    address: Address,
    lead: watch::Sender<Option<Hint>>,
}

type Asked = Result<(), Unavailable>;

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut questions = self.board.questions();
        // Answers to the last question that were not waited for.
        let mut late_answers = JoinSet::new();
        loop {
            let number = questions.borrow_and_update().0;
            let (heard, rest) = self.hear().await;
            late_answers = {
                drop(late_answers);
                rest
            };
            self.follow();
            if let Err(cause) = &heard
                && self.posts.is_empty()
                && !std::mem::replace(&mut self.told, true)
            {
                event::store_down(cause, None);
            }
            let pause = if heard.is_ok() { POLL_EVERY } else { AGAIN };
            self.board.answer(number, heard.err());
            // Never two at once, and never one right after the other.
            sleep(TOGETHER).await;
            tokio::select! {
                _ = questions.changed() => {}
                () = sleep(pause / 2 + jitter(pause)) => {}
            }
        }
    }

    /// Asks those that we are connected to, or else dials all that were ever named. Returns with the first half of the
    /// answers, or with the first where nothing is known yet, and with what is still to come.
    async fn hear(&self) -> (Asked, JoinSet<Asked>) {
        let limit = self.route.door.limit;
        let mut asked = JoinSet::new();
        let mut links = self.links();
        // A majority of the masters may have to confirm something.
        let enough = (links.len() / 2 + 1).max(ASKED);
        fastrand::shuffle(&mut links);
        for (address, mut connection) in links.into_iter().take(enough) {
            let board = self.board.clone();
            asked.spawn(async move { ask(&board, &mut connection, &address, limit).await });
        }
        let wanted = asked.len() / 2 + 1;
        if !asked.is_empty() && some_answer(&mut asked, wanted).await.is_ok() {
            return (Ok(()), asked);
        }
        let mut asked = JoinSet::new();
        for address in self.places() {
            let (board, door) = (self.board.clone(), self.route.door.clone());
            asked.spawn(async move { visit(&board, &door, &address).await });
        }
        let heard = some_answer(&mut asked, 1).await;
        (heard, asked)
    }

    /// The connections that are published.
    fn links(&self) -> Vec<(Address, MultiplexedConnection)> {
        let live = self.posts.values().filter_map(|post| post.shard.link.up());
        live.map(|live| (live.address().clone(), live.connection())).collect()
    }

    /// Where nodes were or are: those of the URL, and all that are known.
    fn places(&self) -> Vec<Address> {
        let mut known: Vec<Address> = self.board.council().addresses().into_iter().collect();
        fastrand::shuffle(&mut known);
        let mut seen = BTreeSet::new();
        let all = self.seeds.iter().cloned().chain(known);
        all.filter(|address| seen.insert(address.clone())).take(DIALLED.max(self.seeds.len())).collect()
    }

    /// Brings the links in line with what is known now.
    fn follow(&mut self) {
        let chart = self.board.council().chart().clone();
        let named = self.board.named(&chart);
        let wanted = |master: &&Master| master.slots > 0 || named.contains(&master.address);
        let missing = chart.masters.iter().filter(wanted).any(|master| !self.posts.contains_key(&master.id));
        if chart == self.chart && !missing {
            return;
        }
        let heirs = self.chart.heirs(&chart);
        let mut before = std::mem::take(&mut self.posts);
        for (old, new) in heirs {
            if let Some(post) = before.remove(&old) {
                before.entry(new).or_insert(post);
            }
        }
        for master in chart.masters.iter().filter(wanted) {
            let post = match before.remove(&master.id) {
                Some(post) => post.at(&master.address),
                None => self.begin(&master.address),
            };
            self.posts.insert(master.id.clone(), post);
        }
        self.publish.send_replace(Arc::new(self.table(&chart)));
        // Who is using the links of those that are left holds them until then.
        self.chart = chart;
    }

    fn begin(&self, address: &Address) -> Post {
        let (lead, hints) = watch::channel(Some(hint(address)));
        let clock = Arc::new(StoreClock::new());
        let route = Route { clock: clock.clone(), ..self.route.clone() };
        let compass = Compass::Shard(Course { hints, board: self.board.clone() });
        let link = Link::start(route, compass, self.ended.clone());
        Post { shard: Arc::new(Shard { link, clock }), address: address.clone(), lead }
    }

    fn table(&self, chart: &Chart) -> Table {
        let place = |(id, post): (&String, &Post)| Place {
            shard: post.shard.clone(),
            address: post.address.clone(),
            serves: chart.serves(id),
        };
        let index = |master: &Master| self.posts.keys().position(|id| *id == master.id);
        let owners = chart.owners().map(|(from, master)| (from, master.and_then(index)));
        Table { owners: Spans::of(owners), places: self.posts.iter().map(place).collect() }
    }
}

impl Post {
    fn at(mut self, address: &Address) -> Self {
        if self.address != *address {
            self.address = address.clone();
            self.lead.send_replace(Some(hint(address)));
        }
        self
    }
}

fn hint(address: &Address) -> Hint {
    Hint { address: address.clone(), kind: HintKind::Switched, at: Instant::now() }
}

/// Waits for so many that answer; an error when there are none at all.
async fn some_answer(asked: &mut JoinSet<Asked>, wanted: usize) -> Asked {
    let (count, mut heard, mut last) = (asked.len(), 0, None);
    while heard < wanted {
        match asked.join_next().await {
            Some(Ok(Ok(()))) => heard += 1,
            Some(Ok(Err(cause))) => last = Some(cause),
            Some(Err(_)) => {}
            None if heard > 0 => break,
            None => {
                let kind = last.as_ref().map_or(UnavailableKind::Disconnected, Unavailable::kind);
                let why = last.as_ref().and_then(|cause| cause.source()).map(|source| format!(": {source}"));
                let why = why.unwrap_or_default();
                return Err(Unavailable::new(kind, format!("none of {count} nodes of the Cluster can be asked{why}")));
            }
        }
    }
    Ok(())
}

/// Dials a node to ask it.
async fn visit(board: &Board, door: &Door, address: &Address) -> Asked {
    let mut drivers = Drivers::default();
    let mut connection = open(door, address, config(), &mut drivers).await?;
    ask(board, &mut connection, address, door.limit).await
}

async fn ask(board: &Board, connection: &mut MultiplexedConnection, address: &Address, limit: Duration) -> Asked {
    let (mut pipe, at) = (redis::pipe(), Instant::now());
    view::ask(&mut pipe);
    let replies = timeout(limit, send(connection, &pipe)).await.map_err(late)?;
    let mut replies = replies.map_err(retry::unavailable)?.into_iter();
    let [slots, nodes] = std::array::from_fn(|_| replies.next().unwrap_or(Value::Nil));
    let nodes = nodes.extract_error().map_err(retry::unavailable)?;
    let view = view::read(&slots, nodes, address)
        .ok_or_else(|| Unavailable::new(UnavailableKind::Refused, "what CLUSTER NODES answers cannot be read"))?;
    board.council().say(at, view);
    Ok(())
}
