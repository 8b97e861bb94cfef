//! What each slot has, written down once for all in a row that have the same. Pure.

use super::slot::SLOTS;

/// From which slot on it is what, up to the next. A Cluster has few of these, and 16,384 slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spans<T>(Vec<(u16, T)>);

impl<T: PartialEq> Spans<T> {
    /// Of values in the order of the slots that they begin at; the first is 0.
    pub(super) fn of(values: impl IntoIterator<Item = (u16, T)>) -> Self {
        let mut spans: Vec<(u16, T)> = values.into_iter().collect();
        spans.dedup_by(|next, before| next.1 == before.1);
        Self(spans)
    }

    /// What a slot has.
    pub(super) fn at(&self, slot: u16) -> Option<&T> {
        let before = self.0.partition_point(|(from, _)| *from <= slot);
        self.0.get(before.checked_sub(1)?).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &T)> {
        self.0.iter().map(|(from, value)| (*from, value))
    }

    /// Each value, and how many slots have it there.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (usize, &T)> {
        let ends = self.0.iter().skip(1).map(|(from, _)| usize::from(*from)).chain([SLOTS]);
        self.0.iter().zip(ends).map(|((from, value), end)| (end - usize::from(*from), value))
    }
}

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_what_began_last_before_it() {
        let spans = Spans::of([(0, 'a'), (3, 'b'), (5, 'b'), (9, 'a')]);
        let at = [0, 2, 3, 8, 9, 16383].map(|slot| spans.at(slot).copied());
        assert_eq!(at, ['a', 'a', 'b', 'b', 'a', 'a'].map(Some));
        assert_eq!(spans.lengths().collect::<Vec<_>>(), [(3, &'a'), (6, &'b'), (16375, &'a')]);
        assert_eq!(spans, Spans::of([(0, 'a'), (3, 'b'), (9, 'a')]));
        assert_eq!(Spans::<char>::default().at(0), None);
    }
}
