//! What the nodes of a Cluster say, put together. Pure.
//!
//! Nodes disagree while something changes, and one that was cut off or frozen goes on believing what was. Of two claims
//! to a slot the higher epoch wins: the Cluster's own rule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::super::url::Address;
use super::slot::SLOTS;
use super::view::{Member, View};

/// A view may be trusted for this long.
const FRESH: Duration = Duration::from_secs(1);
/// It counts among others for this long: a Cluster that was made anew begins with low epochs.
const COUNTS: Duration = Duration::from_secs(10);
/// Stands for no master.
const NOBODY: u16 = u16::MAX;

/// Which master has which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chart {
    /// By id; also those without slots.
    pub(super) masters: Vec<Master>,
    /// For each slot, which of them.
    owners: Vec<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Master {
    pub(super) id: String,
    pub(super) address: Address,
    pub(super) epoch: u64,
    /// How many it has.
    pub(super) slots: usize,
}

/// Whether the masters confirm that a node has a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Most do, and none speaks against it.
    Confirmed,
    /// One names another, or finds the node failing.
    Doubtful,
    /// Too few have said anything lately.
    Unknown,
}

/// The latest view of each node.
#[derive(Debug, Default)]
pub(super) struct Council {
    views: BTreeMap<String, (Instant, View)>,
    chart: Chart,
}

impl Council {
    /// A node, asked at this moment, said this.
    pub(super) fn say(&mut self, at: Instant, view: View) {
        self.views.insert(view.of.clone(), (at, view));
        let newest = self.views.values().map(|(at, _)| *at).max().unwrap_or(at);
        self.views.retain(|_, (at, _)| newest.duration_since(*at) < COUNTS);
        self.chart = Chart::of(self.views.values());
    }

    pub(super) fn chart(&self) -> &Chart {
        &self.chart
    }

    /// All nodes that anyone knows, replicas too.
    pub(super) fn addresses(&self) -> BTreeSet<Address> {
        self.views
            .values()
            .flat_map(|(_, view)| view.members.values())
            .filter_map(|member| member.address.clone())
            .collect()
    }

    /// Whether this node has this slot beyond doubt. A majority of the masters elects another, so a majority knows.
    pub(super) fn confirms(&self, slot: u16, node: &Address, now: Instant) -> Verdict {
        let Some(owner) = self.chart.owner(slot).filter(|owner| owner.address == *node) else {
            return Verdict::Doubtful;
        };
        let voters = || self.chart.masters.iter().filter(|master| master.slots > 0);
        let fresh = self.views.values().filter(|(at, _)| now.duration_since(*at) < FRESH);
        let mut agree = 0;
        for (_, view) in fresh {
            match view.owner(slot) {
                Some((id, member)) if id == owner.id && !member.suspect => {
                    agree += usize::from(voters().any(|voter| voter.id == view.of));
                }
                // What it has not heard of yet is no objection.
                Some((id, member)) if id != owner.id && member.epoch < owner.epoch => {}
                _ => return Verdict::Doubtful,
            }
        }
        if agree * 2 > voters().count() { Verdict::Confirmed } else { Verdict::Unknown }
    }
}

impl Chart {
    fn of<'a>(views: impl Iterator<Item = &'a (Instant, View)>) -> Self {
        let mut claims: Vec<Option<(u64, Instant, &str)>> = vec![None; SLOTS];
        let mut known: BTreeMap<&str, (Instant, &Member)> = BTreeMap::new();
        for (at, view) in views {
            for (id, member) in &view.members {
                for range in &member.slots {
                    for held in &mut claims[usize::from(*range.start())..=usize::from(*range.end())] {
                        *held = (*held).max(Some((member.epoch, *at, id)));
                    }
                }
                let newer = known.get(id.as_str()).is_none_or(|(before, _)| before < at);
                if newer && member.address.is_some() {
                    known.insert(id, (*at, member));
                }
            }
        }
        let mut counts: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for (epoch, _, id) in claims.iter().flatten() {
            let (slots, highest) = counts.entry(id).or_default();
            (*slots, *highest) = (*slots + 1, (*highest).max(*epoch));
        }
        let masters: Vec<Master> = known
            .iter()
            .filter(|(id, (_, member))| counts.contains_key(*id) || member.is_master && !member.suspect)
            .filter_map(|(id, (_, member))| {
                let (slots, epoch) = counts.get(id).copied().unwrap_or((0, member.epoch));
                Some(Master { id: (*id).to_owned(), address: member.address.clone()?, epoch, slots })
            })
            .collect();
        let index = |id: &str| masters.binary_search_by(|master| master.id.as_str().cmp(id)).ok();
        let indexes: BTreeMap<&str, u16> =
            counts.keys().filter_map(|id| Some((*id, u16::try_from(index(id)?).ok()?))).collect();
        let owner = |claim: &Option<(u64, Instant, &str)>| {
            claim.and_then(|(_, _, id)| indexes.get(id).copied()).unwrap_or(NOBODY)
        };
        Self { owners: claims.iter().map(owner).collect(), masters }
    }

    /// The master that has a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Master> {
        self.masters.get(usize::from(self.owners[usize::from(slot)]))
    }

    pub(super) fn master(&self, id: &str) -> Option<&Master> {
        self.masters.iter().find(|master| master.id == id)
    }

    /// Who was promoted in whose place: a master that was none before and has slots of one that lost all its own.
    pub(super) fn heirs(&self, next: &Self) -> BTreeMap<String, String> {
        let mut heirs = BTreeMap::new();
        for (before, after) in
            (0..).zip(&self.owners).filter_map(|(slot, _)| Some((self.owner(slot)?, next.owner(slot)?)))
        {
            let left = next.master(&before.id).is_none_or(|master| master.slots == 0);
            if left && self.master(&after.id).is_none() {
                heirs.entry(before.id.clone()).or_insert_with(|| after.id.clone());
            }
        }
        heirs
    }
}

impl Default for Chart {
    fn default() -> Self {
        Self { masters: Vec::new(), owners: vec![NOBODY; SLOTS] }
    }
}

#[cfg(test)]
mod tests;
