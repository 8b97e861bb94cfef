//! A verified cookie whose record is missing, while a master of a Cluster is replaced: every order of what the masters
//! find and say, of the node that is read, and of a session that begins on the new master. On their views as the
//! [`Council`] weighs them.
//!
//! What the Cluster does by itself is as its specification has it: most masters must find one failing before a replica
//! may ask for their votes, and that waits half a second first.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::super::url::Address;
use super::super::view::{Member, View};
use super::{Council, Verdict};
use crate::model::{self, finds, hold, must, step};

/// A moment; a replica waits for two of them.
const MOMENT: Duration = Duration::from_millis(250);
const ELECTION: u32 = 2;
/// What is older, is old.
const OLD: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mistake {
    /// The second look does not ask whether the node is a master.
    NoRole,
    /// The masters are not asked.
    NoWord,
    /// One of them is enough.
    OneWord,
    /// What they say is trusted for a second.
    OldWords,
    /// That one finds the owner failing is overlooked.
    NotSuspect,
}

/// What a master knows of the one that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Finds {
    Well,
    Failing,
    Replaced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    Waits,
    Missed,
    Doubts,
    Unavailable,
    Gone,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    mistake: Option<Mistake>,
    /// The first is replaced.
    masters: [Finds; 3],
    /// Which of them we can ask.
    heard: [bool; 3],
    /// What each said last, so many moments ago.
    words: [(u32, Finds); 3],
    /// So many moments ago most of them had found it failing.
    failed: Option<u32>,
    session: bool,
    reader: Reader,
}

fn address(number: usize) -> Address {
    Address::new("node", 1 + u16::try_from(number).expect("a few"))
}

/// The fourth takes the place of the first.
fn view(of: usize, finds: Finds) -> View {
    let replaced = finds == Finds::Replaced;
    let member = |number: usize| {
        let (slots, epoch) = match number {
            0 if replaced => (Vec::new(), 1),
            1 => (vec![1..=1], 2),
            2 => (vec![2..=2], 3),
            _ => (vec![0..=0], if replaced { 9 } else { 1 }),
        };
        let suspect = number == 0 && finds != Finds::Well;
        (number.to_string(), Member { address: Some(address(number)), is_master: true, suspect, epoch, slots })
    };
    View { of: of.to_string(), members: (0..if replaced { 4 } else { 3 }).map(member).collect() }
}

impl World {
    fn new(heard: [bool; 3]) -> Self {
        Self {
            mistake: None,
            masters: [Finds::Well; 3],
            heard,
            words: [(0, Finds::Well); 3],
            failed: None,
            session: false,
            reader: Reader::Waits,
        }
    }

    fn without(&self, mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..self.clone() }
    }

    fn is_replaced(&self) -> bool {
        self.masters[1] == Finds::Replaced
    }

    fn read(&self) -> Reader {
        // A replica sends whoever asks to its master.
        let is_master = self.masters[0] != Finds::Replaced || self.mistake == Some(Mistake::NoRole);
        match self.reader {
            Reader::Waits => Reader::Missed,
            Reader::Missed if is_master => Reader::Doubts,
            Reader::Missed => Reader::Unavailable,
            Reader::Doubts if self.is_confirmed() => Reader::Gone,
            other => other,
        }
    }

    fn is_confirmed(&self) -> bool {
        let verdict = self.verdict();
        match self.mistake {
            Some(Mistake::NoWord | Mistake::NoRole) => true,
            Some(Mistake::OneWord) => verdict != Verdict::Doubtful,
            _ => verdict == Verdict::Confirmed,
        }
    }

    /// What the council says. It has 16,384 slots to go through, so the same question is asked once.
    fn verdict(&self) -> Verdict {
        type Known = HashMap<(Option<Mistake>, [(u32, Finds); 3]), Verdict>;
        thread_local! {
            static KNOWN: RefCell<Known> = RefCell::default();
        }
        let key = (self.mistake, self.words);
        if let Some(known) = KNOWN.with_borrow(|known| known.get(&key).copied()) {
            return known;
        }
        let (mut council, begun) = (Council::default(), Instant::now());
        let mut words: Vec<_> = self.words.into_iter().enumerate().collect();
        words.sort_by_key(|(_, (age, _))| std::cmp::Reverse(*age));
        for (of, (age, finds)) in words {
            let mut view = view(of, finds);
            if self.mistake == Some(Mistake::NotSuspect) {
                view.members.values_mut().for_each(|member| member.suspect = false);
            }
            council.say(begun + MOMENT * (OLD - age), view);
        }
        // Half a second less makes a second of the time that a word is trusted.
        let less = if self.mistake == Some(Mistake::OldWords) { ELECTION } else { 0 };
        let verdict = council.confirms(0, &address(0), begun + MOMENT * (OLD - less));
        KNOWN.with_borrow_mut(|known| known.insert(key, verdict));
        verdict
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
            world.words.iter_mut().for_each(|(age, _)| *age = (*age + 1).min(OLD));
            world.failed = world.failed.map(|ago| (ago + 1).min(ELECTION));
        });
        for at in 0..3 {
            if self.heard[at] {
                may("a word from", at, &|world| world.words[at] = (0, world.masters[at]));
            }
            if at > 0 && self.masters[at] == Finds::Well {
                may("the master fails, finds", at, &|world| {
                    world.masters[at] = Finds::Failing;
                    let most = world.masters[1..].iter().all(|finds| *finds == Finds::Failing);
                    world.failed = most.then_some(0);
                });
            }
        }
        if !self.is_replaced() && self.failed == Some(ELECTION) {
            may("its replica is elected", 0, &|world| world.masters[1..].fill(Finds::Replaced));
        }
        if self.is_replaced() && !self.session {
            may("a session begins", 0, &|world| world.session = true);
        }
        if self.is_replaced() && self.masters[0] == Finds::Well {
            may("the old master hears of it", 0, &|world| world.masters[0] = Finds::Replaced);
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

/// Whom of the three we can ask.
const HEARD: [[bool; 3]; 6] = [
    [true, true, true],
    [true, true, false],
    [true, false, false],
    [false, true, true],
    [false, true, false],
    [false, false, false],
];

#[test]
fn a_session_that_is_there_is_not_told_to_be_gone_whichever_masters_we_can_ask() {
    let worlds = HEARD.map(|heard| (format!("{heard:?}"), World::new(heard)));
    assert!(hold("whom we can ask", worlds).states > 1000);
}

#[test]
fn each_part_of_the_second_look_is_needed() {
    let gone = "a session that is there is not told to be gone";
    for mistake in [Mistake::NoRole, Mistake::NoWord, Mistake::OneWord, Mistake::OldWords, Mistake::NotSuspect] {
        finds(
            &format!("{mistake:?}"),
            &World::new([true, mistake == Mistake::NotSuspect, false]).without(mistake),
            gone,
        );
    }
}
