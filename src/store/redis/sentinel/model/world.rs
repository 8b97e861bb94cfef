//! What the nodes, the Sentinels and a reader may do, one step after another.

use std::time::Duration;

use tokio::time::Instant;

use super::super::super::url::Address;
use super::super::panel::{Panel, Verdict, Word};
use crate::model::{self, must, step};

/// Two moments are longer than a word is trusted, and than a master may be silent.
const MOMENT: Duration = Duration::from_millis(600);
const LONG: u32 = 2;
/// So many Sentinels must find the master down.
const QUORUM: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mistake {
    /// The second look does not ask whether the node is a master.
    NoRole,
    /// The Sentinels are not asked.
    NoWord,
    /// One of them is enough.
    OneWord,
    /// What they say is trusted for ever.
    OldWords,
    /// What they announce is not heard.
    Deaf,
    /// That a Sentinel has named another master is forgotten when the next one speaks.
    Forgetful,
    /// A Sentinel that cannot reach the master counts among those who confirm it.
    Blind,
}

/// What a node says it is, and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Master {
        has: bool,
    },
    /// On its way to what the master has it has nothing for a while.
    Replica {
        has: bool,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Sentinel {
    /// We can talk to it.
    pub(super) heard: bool,
    /// It reaches the old master.
    pub(super) sees: bool,
    /// It is cut off from the other Sentinels.
    pub(super) apart: bool,
    pub(super) finds_it_down: bool,
    pub(super) leads: bool,
    pub(super) switched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    Waits,
    /// It read nothing once.
    Missed,
    /// It read nothing twice, from a node that is a master by its own word.
    Doubts,
    Found,
    Unavailable,
    Gone,
}

/// What was heard without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Heard {
    Nothing,
    Failover,
    Switch,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    mistake: Option<Mistake>,
    /// Somebody has asked for the failover.
    planned: bool,
    /// For so many moments some do not reach the master.
    silent: u32,
    /// For so many enough of them have found it down.
    down: u32,
    sentinels: [Sentinel; 3],
    /// What each said last, so many moments ago.
    words: [(u32, Sentinel); 3],
    heard: Heard,
    old: Node,
    /// A session that began on the new master, and whose user has its cookie.
    session: bool,
    reader: Reader,
}

fn sentinel(number: usize) -> Address {
    Address::new("sentinel", u16::try_from(number).expect("a few"))
}

fn old() -> Address {
    Address::new("old", 1)
}

fn new() -> Address {
    Address::new("new", 1)
}

impl World {
    /// All was well until now.
    pub(super) fn new(sentinels: [Sentinel; 3], planned: bool) -> Self {
        Self {
            mistake: None,
            planned,
            silent: 0,
            down: 0,
            sentinels,
            words: sentinels.map(|sentinel| (0, sentinel)),
            heard: Heard::Nothing,
            old: Node::Master { has: false },
            session: false,
            reader: Reader::Waits,
        }
    }

    pub(super) fn without(&self, mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..self.clone() }
    }

    /// What is known, as the store keeps it.
    fn panel(&self, now: Instant) -> Panel {
        let mut panel = Panel::new(&[0, 1, 2].map(sentinel));
        for (at, (age, said)) in self.words.iter().enumerate() {
            let others = (0..3).filter(|other| *other != at).map(|other| (other.to_string(), sentinel(other)));
            let age = if self.mistake == Some(Mistake::OldWords) { 0 } else { *age };
            let word = Word {
                at: now - MOMENT * age,
                master: Some(if said.switched { new() } else { old() }),
                epoch: 1 + u64::from(said.switched),
                failing: said.leads,
                blind: said.finds_it_down && self.mistake != Some(Mistake::Blind),
                others: others.collect(),
            };
            panel.say(&sentinel(at), Some(at.to_string()), 1, word);
        }
        match self.heard {
            Heard::Nothing => {}
            Heard::Failover => panel.announced(now),
            Heard::Switch if self.mistake == Some(Mistake::Forgetful) => panel.settled(),
            Heard::Switch => panel.switched(new(), now),
        }
        panel
    }

    fn announce(&mut self, by: usize, news: Heard) {
        if self.sentinels[by].heard && self.mistake != Some(Mistake::Deaf) {
            self.heard = news;
        }
    }

    /// A Sentinel has the new master: the one that leads, and those that it tells.
    fn switch(&mut self, at: usize) {
        let before = self.sentinels[at];
        self.sentinels[at] = Sentinel { switched: true, leads: false, finds_it_down: false, ..before };
        self.announce(at, Heard::Switch);
    }

    /// Who may lead a failover, if one may begin.
    fn leaders(&self) -> Vec<usize> {
        let able = |at: &usize| !self.sentinels[*at].apart;
        let down = |at: &usize| able(at) && self.sentinels[*at].finds_it_down;
        let begun = self.sentinels.iter().any(|sentinel| sentinel.leads || sentinel.switched);
        let enough = (0..3).filter(able).count() >= QUORUM && (0..3).filter(down).count() >= QUORUM;
        let may = |at: &usize| !begun && (self.planned && able(at) || enough && down(at));
        (0..3).filter(may).collect()
    }

    /// What the reader comes to next.
    fn read(&self) -> Reader {
        let (found, is_master) = match self.old {
            Node::Master { has } => (has, true),
            Node::Replica { has } => (has, self.mistake == Some(Mistake::NoRole)),
        };
        match self.reader {
            Reader::Waits | Reader::Missed if found => Reader::Found,
            Reader::Waits => Reader::Missed,
            Reader::Missed if is_master => Reader::Doubts,
            Reader::Missed => Reader::Unavailable,
            Reader::Doubts if self.is_confirmed() => Reader::Gone,
            other => other,
        }
    }

    fn is_confirmed(&self) -> bool {
        let now = Instant::now() + MOMENT * LONG;
        match self.mistake {
            Some(Mistake::NoWord) => true,
            Some(Mistake::NoRole) if matches!(self.old, Node::Replica { .. }) => true,
            Some(Mistake::OneWord) => self.panel(now).confirms(&old(), now) != Verdict::Doubtful,
            _ => self.panel(now).confirms(&old(), now) == Verdict::Confirmed,
        }
    }
}

impl model::World for World {
    type Key = Self;

    fn key(&self) -> Self {
        self.clone()
    }

    fn next(&self) -> Vec<(String, Self)> {
        let mut next = Vec::new();
        let mut may = |name: &str, at: usize, change: &dyn Fn(&mut Self)| {
            next.push(step(self, format_args!("{name} {at}"), change));
        };
        may("a moment passes", 0, &|world| {
            world.words.iter_mut().for_each(|(age, _)| *age = (*age + 1).min(LONG));
            world.silent = (world.silent + 1).min(LONG);
            let down = world.sentinels.iter().filter(|sentinel| sentinel.finds_it_down).count();
            world.down = (world.down + u32::from(down >= QUORUM)).min(LONG);
        });
        let switched = self.sentinels.iter().any(|sentinel| sentinel.switched);
        for (at, sentinel) in self.sentinels.iter().enumerate() {
            if sentinel.heard {
                may("a word from", at, &|world| world.words[at] = (0, world.sentinels[at]));
            }
            if !sentinel.sees && !sentinel.finds_it_down && !sentinel.switched && self.silent == LONG {
                may("the master is down, finds", at, &|world| world.sentinels[at].finds_it_down = true);
            }
            if sentinel.switched && sentinel.sees && matches!(self.old, Node::Master { .. }) {
                may("the old master is demoted by", at, &|world| world.old = Node::Replica { has: false });
            }
            let is_over = sentinel.leads && (self.planned || self.down == LONG);
            if is_over || switched && !sentinel.switched && !sentinel.apart {
                may("the new master is known to", at, &|world| world.switch(at));
            }
        }
        for at in self.leaders() {
            may("a failover, led by", at, &|world| {
                world.sentinels[at].leads = true;
                world.announce(at, Heard::Failover);
            });
        }
        if switched && !self.session {
            may("a session begins", 0, &|world| world.session = true);
        }
        if self.session && self.old == (Node::Replica { has: false }) {
            may("replication", 0, &|world| world.old = Node::Replica { has: true });
        }
        if self.session && self.read() != self.reader {
            may("the old master is read", 0, &|world| world.reader = world.read());
        }
        next
    }

    fn check(&self, _: bool) -> Result<(), String> {
        must(self.reader != Reader::Gone, "a session that is there is not told to be gone")
    }
}
