//! A verified cookie whose record is missing, while a failover begins: every order of what the Sentinels know, say and do,
//! of the node that is read, and of a session that begins on the new master. On the words as the [`Panel`] weighs them.
//!
//! It is taken for granted that an announcement is heard at once by whoever is connected to its Sentinel, and that nobody
//! is cut off from the Sentinel that leads a failover which somebody asked for. Any other takes more than a second from the
//! moment that enough Sentinels find the master down: they ask each other, and the new master, once a second. All
//! happens within the ten seconds that an announcement counts.

use std::time::Duration;

use tokio::time::Instant;

use super::super::url::Address;
use super::panel::{Panel, Verdict, Word};
use crate::model::{self, finds, holds, must};

/// Two moments are longer than a word is trusted, and than a master may be silent.
const MOMENT: Duration = Duration::from_millis(600);
const LONG: u32 = 2;
/// So many Sentinels must find the master down.
const QUORUM: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mistake {
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
struct Sentinel {
    /// We can talk to it.
    heard: bool,
    /// It reaches the old master.
    sees: bool,
    /// It is cut off from the other Sentinels.
    apart: bool,
    finds_it_down: bool,
    leads: bool,
    switched: bool,
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
struct World {
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
    fn new(sentinels: [Sentinel; 3], planned: bool) -> Self {
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

    fn without(&self, mistake: Mistake) -> Self {
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
            let mut world = self.clone();
            change(&mut world);
            next.push((format!("{name} {at}"), world));
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

/// All who may be cut off from whom, up to the order of the Sentinels.
fn partitions() -> impl Iterator<Item = [Sentinel; 3]> {
    let bits = |bits: u8, at: u8| bits & (1 << at) > 0;
    let kinds = (0..8).map(move |kind| Sentinel {
        heard: bits(kind, 0),
        sees: bits(kind, 1),
        apart: bits(kind, 2),
        ..Sentinel::default()
    });
    let kinds: Vec<Sentinel> = kinds.collect();
    let count = kinds.len();
    let triples = (0..count).flat_map(move |a| (a..count).flat_map(move |b| (b..count).map(move |c| (a, b, c))));
    // Two who are apart leave no majority, so that nothing happens.
    triples
        .map(move |(a, b, c)| [kinds[a], kinds[b], kinds[c]])
        .filter(|sentinels| sentinels.iter().filter(|sentinel| sentinel.apart).count() < 2)
}

const WELL: Sentinel =
    Sentinel { heard: true, sees: true, apart: false, finds_it_down: false, leads: false, switched: false };

#[test]
fn a_session_that_is_there_is_not_told_to_be_gone_whoever_is_cut_off_from_whom() {
    let (mut states, mut worlds) = (0, 0);
    for sentinels in partitions() {
        states += match model::search(&World::new(sentinels, false)) {
            Ok(seen) => seen.states,
            Err(violation) => panic!("{sentinels:?}: {violation}"),
        };
        worlds += 1;
    }
    println!("{worlds} partitions: {states} states");
    assert!(states > 5000);
    holds("a planned failover", &World::new([WELL; 3], true));
}

#[test]
fn each_part_of_the_second_look_is_needed() {
    let gone = "a session that is there is not told to be gone";
    let planned = World::new([WELL; 3], true);
    finds("no role", &planned.without(Mistake::NoRole), gone);
    finds("no word", &planned.without(Mistake::NoWord), gone);
    finds("forgetful", &planned.without(Mistake::Forgetful), gone);
    finds("deaf", &planned.without(Mistake::Deaf), gone);
    // With the old master we are on the side of the fewer.
    let with_us = Sentinel { apart: true, ..WELL };
    let beyond = Sentinel { heard: false, sees: false, ..WELL };
    let few = World::new([with_us, beyond, beyond], false);
    finds("one word", &few.without(Mistake::OneWord), gone);
    finds("old words", &few.without(Mistake::OldWords), gone);
    // The leader is out of our reach; who has heard of its failover is not.
    let blind = Sentinel { sees: false, ..WELL };
    let other = World::new([Sentinel { heard: false, ..blind }, blind, WELL], false);
    finds("blind", &other.without(Mistake::Blind), gone);
}
