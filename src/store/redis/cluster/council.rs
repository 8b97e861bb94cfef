//! What the nodes of a Cluster say, put together. Pure.
//!
//! Nodes disagree while something changes, and one that was cut off or frozen goes on believing what was. Of two claims
//! to a slot the higher epoch wins: the Cluster's own rule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::super::url::Address;
use super::slot::SLOTS;
use super::spans::Spans;
use super::view::{Member, View};

/// A view may be trusted for this long: as long as a replica waits at least, once most masters find its own failing, before
/// it asks for their votes. So of those who elected it none has a younger view from before.
const FRESH: Duration = Duration::from_millis(500);
/// It counts among others for this long: a Cluster that was made anew begins with low epochs.
const COUNTS: Duration = Duration::from_secs(10);

/// Which master has which slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chart {
    /// By id; also those without slots.
    pub(super) masters: Vec<Master>,
    /// Which of them.
    owners: Spans<Option<usize>>,
}

/// What speaks for the owner of a slot: the epoch, then who was asked last. And who that is.
type Claim<'a> = (u64, Instant, &'a str);

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
        let views: Vec<_> = views.collect();
        let claims = claims(&views);
        let mut known: BTreeMap<&str, (Instant, &Member)> = BTreeMap::new();
        for (at, view) in views {
            for (id, member) in view.members.iter().filter(|(_, member)| member.address.is_some()) {
                if known.get(id.as_str()).is_none_or(|(before, _)| before < at) {
                    known.insert(id, (*at, member));
                }
            }
        }
        let mut counts: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for (length, claim) in claims.lengths() {
            if let Some((epoch, _, id)) = claim {
                let (slots, highest) = counts.entry(id).or_default();
                (*slots, *highest) = (*slots + length, (*highest).max(*epoch));
            }
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
        let owner = |claim: &Option<Claim<'_>>| claim.and_then(|(_, _, id)| index(id));
        Self { owners: Spans::of(claims.iter().map(|(from, claim)| (from, owner(claim)))), masters }
    }

    /// The master that has a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Master> {
        self.masters.get((*self.owners.at(slot)?)?)
    }

    /// The same for all slots.
    pub(super) fn owners(&self) -> impl Iterator<Item = (u16, Option<&Master>)> {
        self.owners.iter().map(|(from, index)| (from, index.and_then(|index| self.masters.get(index))))
    }

    /// Whether a node has slots.
    pub(super) fn serves(&self, id: &str) -> bool {
        self.masters.iter().any(|master| master.id == id && master.slots > 0)
    }

    /// Who was promoted in whose place: a master that had no slots before and has those of one that lost all its own.
    pub(super) fn heirs(&self, next: &Self) -> BTreeMap<String, String> {
        let mut heirs = BTreeMap::new();
        let edges = self.owners.iter().map(|(from, _)| from).chain(next.owners.iter().map(|(from, _)| from));
        for (before, after) in edges.filter_map(|slot| Some((self.owner(slot)?, next.owner(slot)?))) {
            if !next.serves(&before.id) && !self.serves(&after.id) {
                heirs.entry(before.id.clone()).or_insert_with(|| after.id.clone());
            }
        }
        heirs
    }
}

/// For each slot, what speaks for its owner.
fn claims<'a>(views: &[&'a (Instant, View)]) -> Spans<Option<Claim<'a>>> {
    let members = || views.iter().flat_map(|(at, view)| view.members.iter().map(move |(id, member)| (at, id, member)));
    let ranges = members().flat_map(|(_, _, member)| &member.slots);
    let mut edges: Vec<u16> = ranges.flat_map(|range| [*range.start(), range.end() + 1]).chain([0]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges.retain(|edge| usize::from(*edge) < SLOTS);
    let mut claims: Vec<(u16, Option<Claim<'_>>)> = edges.iter().map(|edge| (*edge, None)).collect();
    for (at, id, member) in members() {
        for range in &member.slots {
            let of = |slot: u16| edges.partition_point(|edge| *edge < slot);
            for (_, held) in &mut claims[of(*range.start())..of(*range.end() + 1)] {
                *held = (*held).max(Some((member.epoch, *at, id)));
            }
        }
    }
    Spans::of(claims)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
