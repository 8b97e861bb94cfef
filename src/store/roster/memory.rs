//! Rosters in this process's memory, bounded.

use std::collections::{BTreeSet, HashMap};

use super::rules::Kept;
use super::{Act, Name, Outcome};
use crate::clock::Timestamp;
use crate::error::{Unavailable, UnavailableKind};

/// How many forgotten rosters one act clears away: more than it can add.
const SWEEP: usize = 4;

/// In which order rosters go when room is needed.
#[derive(Clone, Copy)]
enum Rank {
    /// Nobody is in; only the epoch is remembered.
    Empty,
    Peopled,
}

#[derive(Default)]
pub(crate) struct Rosters {
    kept: HashMap<Name, Kept>,
    /// The rosters of each rank by deadline.
    queues: [BTreeSet<(Timestamp, Name)>; 2],
}

impl Rosters {
    /// Carries out an act. A full store forgets the oldest epoch of a user without sessions; where there is none, it
    /// refuses a new user.
    pub(crate) fn enrol(
        &mut self,
        name: Name,
        act: &Act,
        now: Timestamp,
        capacity: usize,
    ) -> Result<Outcome, Unavailable> {
        self.sweep(now);
        let mut kept = self.remove(name).filter(|kept| kept.deadline() > now);
        let is_new = kept.is_none();
        let mut roster = kept.take().unwrap_or_default();
        let outcome = roster.carry_out(act, now);
        if roster.deadline() > now {
            if is_new {
                self.make_room(capacity)?;
            }
            self.insert(name, roster);
        }
        Ok(outcome)
    }

    fn insert(&mut self, name: Name, kept: Kept) {
        self.queues[rank(&kept) as usize].insert((kept.deadline(), name));
        self.kept.insert(name, kept);
    }

    fn remove(&mut self, name: Name) -> Option<Kept> {
        let kept = self.kept.remove(&name)?;
        self.queues[rank(&kept) as usize].remove(&(kept.deadline(), name));
        Some(kept)
    }

    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEEP {
            let passed = self.queues.iter().filter_map(BTreeSet::first).find(|(deadline, _)| *deadline <= now);
            let Some((_, name)) = passed.copied() else { return };
            self.remove(name);
        }
    }

    fn make_room(&mut self, capacity: usize) -> Result<(), Unavailable> {
        while self.kept.len() >= capacity {
            let Some((_, name)) = self.queues[Rank::Empty as usize].first().copied() else {
                return Err(UnavailableKind::Refused.into());
            };
            self.remove(name);
        }
        Ok(())
    }
}

fn rank(kept: &Kept) -> Rank {
    if kept.is_empty() { Rank::Empty } else { Rank::Peopled }
}
