//! A search of every state that a small world can come to: for protocols of several commands, whose orders no test with
//! servers gets through.
//!
//! A world is the state between two steps. What is searched here runs the rules that the memory store runs, and wherever
//! it can the decisions of the code itself.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

/// The state between two steps.
pub(crate) trait World: Clone {
    /// What decides all that can still happen.
    type Key: Eq + Hash;

    fn key(&self) -> Self::Key;

    /// All that may happen next, by name, and the world after it.
    fn next(&self) -> Vec<(String, Self)>;

    /// What must hold in every state; `over` where nothing happens any more.
    fn check(&self, over: bool) -> Result<(), String>;
}

/// Something that may happen next, by name, and the world after it.
pub(crate) fn step<W: Clone>(from: &W, name: impl fmt::Display, change: impl FnOnce(&mut W)) -> (String, W) {
    let mut world = from.clone();
    change(&mut world);
    (name.to_string(), world)
}

/// What was searched.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) states: usize,
    pub(crate) ends: usize,
}

/// What does not hold, and the shortest way there.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) what: String,
    pub(crate) way: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, after", self.what)?;
        self.way.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// Goes through all states that can be reached, the nearest first.
pub(crate) fn search<W: World>(start: &W) -> Result<Seen, Violation> {
    let (mut seen, mut known) = (Seen::default(), HashSet::from([start.key()]));
    // Each state's predecessor and the step that led from there.
    let mut ways: Vec<(usize, String)> = vec![(0, String::new())];
    let mut open = std::collections::VecDeque::from([(0, start.clone())]);
    while let Some((at, world)) = open.pop_front() {
        seen.states += 1;
        let next = world.next();
        seen.ends += usize::from(next.is_empty());
        world.check(next.is_empty()).map_err(|what| Violation { what, way: way(&ways, at) })?;
        for (step, world) in next {
            if known.insert(world.key()) {
                ways.push((at, step));
                open.push_back((ways.len() - 1, world));
            }
        }
    }
    Ok(seen)
}

fn way(ways: &[(usize, String)], mut at: usize) -> Vec<String> {
    let mut way = Vec::new();
    while at > 0 {
        let (before, step) = &ways[at];
        way.push(step.clone());
        at = *before;
    }
    way.reverse();
    way
}

/// Searches a world in which all must hold, and tells how large it was.
#[track_caller]
pub(crate) fn holds<W: World>(name: &str, start: &W) -> Seen {
    match search(start) {
        Ok(seen) => {
            println!("{name}: {} states, {} ends", seen.states, seen.ends);
            seen
        }
        Err(violation) => panic!("{name}: {violation}"),
    }
}

/// Searches many worlds in which all must hold, and tells how large they were together.
#[track_caller]
pub(crate) fn hold<W: World>(name: &str, starts: impl IntoIterator<Item = (String, W)>) -> Seen {
    let (mut all, mut count) = (Seen::default(), 0);
    for (which, start) in starts {
        match search(&start) {
            Ok(seen) => (all.states, all.ends) = (all.states + seen.states, all.ends + seen.ends),
            Err(violation) => panic!("{name}: {which}: {violation}"),
        }
        count += 1;
    }
    println!("{name}: {} states, {} ends in {count} worlds", all.states, all.ends);
    all
}

/// Searches a world from which something was left out on purpose: it must be found, as a breach of this sentence.
#[track_caller]
pub(crate) fn finds<W: World>(name: &str, start: &W, sentence: &str) {
    match search(start) {
        Ok(seen) => panic!("{name}: {seen:?}, and nothing was found"),
        Err(violation) => {
            println!("{name}: {violation}");
            assert!(violation.what.contains(sentence), "{name}: {violation}");
        }
    }
}

/// A sentence that must hold.
pub(crate) fn must(holds: bool, sentence: impl fmt::Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(sentence.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two who each read a number and write it back, one higher.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Counter {
        number: u32,
        read: [Option<u32>; 2],
        done: [bool; 2],
        atomic: bool,
    }

    impl World for Counter {
        type Key = Self;

        fn key(&self) -> Self {
            self.clone()
        }

        fn next(&self) -> Vec<(String, Self)> {
            let mut next = Vec::new();
            for who in (0..2).filter(|who| !self.done[*who]) {
                let mut world = self.clone();
                match world.read[who] {
                    Some(read) => (world.number, world.done[who]) = (read + 1, true),
                    None if self.atomic => (world.number, world.done[who]) = (self.number + 1, true),
                    None => world.read[who] = Some(self.number),
                }
                next.push((format!("{who}"), world));
            }
            next
        }

        fn check(&self, over: bool) -> Result<(), String> {
            must(!over || self.number == 2, "both count")
        }
    }

    #[test]
    fn the_shortest_way_to_a_lost_update_is_found_and_where_there_is_none_all_is_searched() {
        let counter = |atomic| Counter { number: 0, read: [None; 2], done: [false; 2], atomic };
        let lost = search(&counter(false)).expect_err("a lost update");
        assert_eq!((lost.what.as_str(), lost.way.join("")), ("both count", "0101".to_owned()));
        assert_eq!(search(&counter(true)).expect("none"), Seen { states: 4, ends: 1 });
    }
}
