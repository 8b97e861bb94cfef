//! What the Sentinels say, put together. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::super::url::Address;
use crate::error::Unavailable;

/// A word may be trusted for this long.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// An announced failover that nobody ends is over after this, and all Sentinels know of one that has ended.
const ANNOUNCED: Duration = Duration::from_secs(10);
/// More Sentinels than these are not asked.
const SEATS_MOST: usize = 16;

/// A Sentinel's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// When it was asked.
    pub(super) at: Instant,
    /// Where it says the master is; none when it does not know the service.
    pub(super) master: Option<Address>,
    /// The number of the configuration that this is of.
    pub(super) epoch: u64,
    /// A failover is under way, or about to be.
    pub(super) failing: bool,
    /// It does not reach the master itself.
    pub(super) blind: bool,
    /// The other Sentinels that it knows, by id.
    pub(super) others: BTreeMap<String, Address>,
}

#[derive(Debug, Clone, Default)]
struct Seat {
    /// Named in the URL: asked as long as the store lives.
    configured: bool,
    id: Option<String>,
    word: Option<Word>,
    /// The last question that it answered or failed.
    answered: u64,
    reachable: bool,
}

/// The Sentinels, by where they are.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    seats: BTreeMap<Address, Seat>,
    /// The highest configuration seen.
    epoch: u64,
    announced: Option<Instant>,
    /// Where a Sentinel announced that the master is now, and when.
    switched: Option<(Address, Instant)>,
    /// Why a Sentinel could not be asked, the last time that one could not.
    cause: Option<Unavailable>,
}

/// Whether the Sentinels confirm that a node is the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A majority does, and none speaks against it.
    Confirmed,
    /// One names another, or a failover is under way.
    Doubtful,
    /// Too few have said anything lately.
    Unknown,
}

impl Panel {
    pub(super) fn new(configured: &[Address]) -> Self {
        let seat = |address: &Address| (address.clone(), Seat { configured: true, ..Seat::default() });
        Self { seats: configured.iter().map(seat).collect(), epoch: 0, announced: None, switched: None, cause: None }
    }

    /// Whom to ask.
    pub(super) fn addresses(&self) -> BTreeSet<Address> {
        self.seats.keys().cloned().collect()
    }

    /// How many answer, of how many.
    pub(super) fn reachable(&self) -> (usize, usize) {
        (self.seats.values().filter(|seat| seat.reachable).count(), self.seats.len())
    }

    /// A Sentinel answered.
    pub(super) fn say(&mut self, from: &Address, id: Option<String>, question: u64, word: Word) {
        let Some(seat) = self.seats.get_mut(from) else { return };
        self.epoch = self.epoch.max(word.epoch);
        *seat = Seat { configured: seat.configured, id, word: Some(word), answered: question, reachable: true };
        self.learn();
    }

    /// A Sentinel could not be asked.
    pub(super) fn lose(&mut self, from: &Address, question: u64, cause: Option<Unavailable>) {
        self.cause = cause.or(self.cause.take());
        if let Some(seat) = self.seats.get_mut(from) {
            (seat.answered, seat.reachable) = (question, false);
        }
    }

    /// Why one could not be asked.
    pub(super) fn cause(&self) -> Option<&Unavailable> {
        self.cause.as_ref()
    }

    /// Keeps the list fresh: those of the URL, and whom they know besides.
    fn learn(&mut self) {
        let seated: BTreeSet<_> =
            self.seats.values().filter(|seat| seat.configured).filter_map(|seat| seat.id.clone()).collect();
        let words = self.seats.values().filter(|seat| seat.reachable).filter_map(|seat| seat.word.as_ref());
        let mut known: BTreeMap<String, Address> = BTreeMap::new();
        for (id, address) in words.flat_map(|word| &word.others) {
            known.entry(id.clone()).or_insert_with(|| address.clone());
        }
        // Under the address in the URL, or another.
        known.retain(|id, _| !seated.contains(id));
        let known: BTreeSet<Address> = known.into_values().collect();
        self.seats.retain(|address, seat| seat.configured || known.contains(address));
        for address in known {
            if self.seats.len() < SEATS_MOST {
                self.seats.entry(address).or_default();
            }
        }
    }

    /// Whether every Sentinel has answered this question, or failed to.
    pub(super) fn all_asked(&self, question: u64) -> bool {
        self.seats.values().all(|seat| seat.answered >= question)
    }

    /// Where the master is, by the answers to this question: the first of the newest configuration known, else the best
    /// when no more are to be waited for.
    pub(super) fn master(&self, question: u64, over: bool) -> Option<&Address> {
        let answers = self.seats.values().filter(|seat| seat.answered >= question && seat.reachable);
        let best = answers
            .filter_map(|seat| seat.word.as_ref())
            .filter(|word| word.master.is_some())
            .max_by_key(|word| word.epoch)?;
        let enough = best.epoch >= self.epoch || over || self.all_asked(question);
        best.master.as_ref().filter(|_| enough)
    }

    /// Where the newest configuration among fresh words has the master.
    pub(super) fn newest(&self, now: Instant) -> Option<&Address> {
        self.fresh(now).max_by_key(|(_, word)| word.epoch).and_then(|(_, word)| word.master.as_ref())
    }

    /// Whether this node is the master beyond doubt.
    pub(super) fn confirms(&self, node: &Address, now: Instant) -> Verdict {
        let lately = |at: Instant| now.duration_since(at) < ANNOUNCED;
        let replaced = self.switched.as_ref().is_some_and(|(to, at)| to != node && lately(*at));
        if self.announced.is_some_and(lately) || replaced || self.fresh(now).any(|(_, word)| word.failing) {
            return Verdict::Doubtful;
        }
        if self.newest(now).is_some_and(|master| master != node) {
            return Verdict::Doubtful;
        }
        let mut agree = BTreeSet::new();
        let mut all = 1;
        for (name, word) in self.fresh(now) {
            all = all.max(word.others.len() + 1);
            // One that does not reach it may have helped to elect another, and hear of that later than we.
            if word.master.as_ref() == Some(node) && !word.blind {
                agree.insert(name);
            }
        }
        // Fewer might be cut off, together with a master that the rest have replaced.
        if agree.len() * 2 > all { Verdict::Confirmed } else { Verdict::Unknown }
    }

    /// A failover was announced.
    pub(super) fn announced(&mut self, now: Instant) {
        self.announced = Some(now);
    }

    /// A failover is over, or will not be.
    pub(super) fn settled(&mut self) {
        self.announced = None;
    }

    /// A failover is over, and this is the master. The other Sentinels name the old one for a while.
    pub(super) fn switched(&mut self, to: Address, now: Instant) {
        (self.announced, self.switched) = (None, Some((to, now)));
    }

    /// Words that may be trusted, each with a name of its Sentinel.
    fn fresh(&self, now: Instant) -> impl Iterator<Item = (String, &Word)> {
        self.seats.iter().filter(|(_, seat)| seat.reachable).filter_map(move |(address, seat)| {
            let word = seat.word.as_ref().filter(|word| now.duration_since(word.at) < FRESH)?;
            Some((seat.id.clone().unwrap_or_else(|| address.to_string()), word))
        })
    }
}
