//! A verified cookie whose record is missing, while a failover begins: every order of what the Sentinels know, say and do,
//! of the node that is read, and of a session that begins on the new master. On the words as the [`Panel`](super::panel::Panel) weighs them.
//!
//! It is taken for granted that an announcement is heard at once by whoever is connected to its Sentinel, and that nobody
//! is cut off from the Sentinel that leads a failover which somebody asked for. Any other takes more than a second from the
//! moment that enough Sentinels find the master down: they ask each other, and the new master, once a second. All
//! happens within the ten seconds that an announcement counts.

mod world;

use self::world::{Mistake, Sentinel, World};
use crate::model::{finds, hold, holds};

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
    let worlds = partitions().map(|sentinels| (format!("{sentinels:?}"), World::new(sentinels, false)));
    assert!(hold("partitions", worlds).states > 5000);
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
