//! What a store in memory keeps: by handle, and by who goes first when there is no room.
//!
//! Each entry stands in the queue of its rank under its deadline, and in no other.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::error::{Unavailable, UnavailableKind};
use crate::id::Handle;
use crate::store::rules::{Kept, What};

/// How many expired entries one write clears away: more than it can add, so that they never pile up.
const SWEEP: usize = 8;

/// In which order entries go when room is needed.
#[derive(Clone, Copy)]
enum Rank {
    Anonymous,
    Tombstone,
    User,
}

#[derive(Default)]
pub(super) struct Sessions {
    pub(super) entries: HashMap<Handle, Kept>,
    /// The entries of each rank by deadline.
    queues: [BTreeSet<(Timestamp, Handle)>; 3],
}

impl Sessions {
    pub(super) fn live(&self, handle: Handle, now: Timestamp) -> Option<&Kept> {
        self.entries.get(&handle).filter(|kept| kept.deadline > now)
    }

    pub(super) fn insert(&mut self, handle: Handle, kept: Kept) {
        self.remove(handle);
        self.queues[rank(&kept) as usize].insert((kept.deadline, handle));
        self.entries.insert(handle, kept);
    }

    fn remove(&mut self, handle: Handle) {
        if let Some(kept) = self.entries.remove(&handle) {
            self.queues[rank(&kept) as usize].remove(&(kept.deadline, handle));
        }
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEEP {
            let expired = self.queues.iter().filter_map(BTreeSet::first).find(|(deadline, _)| *deadline <= now);
            let Some((_, handle)) = expired.copied() else { return };
            self.remove(handle);
        }
    }

    pub(super) fn make_room(&mut self, capacity: usize) -> Result<(), Unavailable> {
        while self.entries.len() >= capacity {
            let queues = [Rank::Anonymous, Rank::Tombstone].map(|rank| self.queues[rank as usize].first());
            let Some((_, handle)) = queues.into_iter().flatten().next().copied() else {
                return Err(UnavailableKind::Refused.into());
            };
            self.remove(handle);
        }
        Ok(())
    }
}

fn rank(kept: &Kept) -> Rank {
    match &kept.what {
        What::Tombstone(_) | What::Ended { .. } => Rank::Tombstone,
        What::Live(live) if live.record.user.is_none() => Rank::Anonymous,
        What::Live(_) => Rank::User,
    }
}
