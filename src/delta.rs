//! What a request changes: removals and new values, kept apart from what it has read.
//!
//! Only the delta travels to the store, so two requests that change different keys both win, and a removed key is
//! not brought back by an old copy.

use std::collections::BTreeMap;
use std::time::Duration;

/// Changes to one session, in the order clear, then each key's last change.
///
/// ```
/// use stickless::store::{Change, Delta};
///
/// let changes = [("theme".to_owned(), Change::Set("\"dark\"".to_owned()))].into();
/// let delta = Delta { changes, ..Delta::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// First remove all that is there when the change is applied.
    pub clear: bool,
    /// Then change these keys.
    pub changes: BTreeMap<String, Change>,
    /// An idle limit for this session alone.
    pub life: Option<Duration>,
}

/// The change of one key.
///
/// ```
/// use stickless::store::Change;
///
/// let text = |change: &Change| match change {
///     Change::Set(json) => Some(json.clone()),
///     Change::Remove | Change::Take(_) => None,
/// };
/// assert_eq!(text(&Change::Set("7".to_owned())).as_deref(), Some("7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Set to this JSON text.
    Set(String),
    /// Remove, whatever it is.
    Remove,
    /// Remove only while it still has this JSON text.
    Take(String),
}

impl Delta {
    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.changes.is_empty() && self.life.is_none()
    }

    /// Whether it holds anything that a session must exist for.
    pub(crate) fn sets(&self) -> bool {
        self.life.is_some() || self.changes.values().any(|change| matches!(change, Change::Set(_)))
    }

    pub(crate) fn clear(&mut self) {
        self.clear = true;
        self.changes.clear();
    }

    pub(crate) fn change(&mut self, key: &str, change: Change) {
        self.changes.insert(key.to_owned(), change);
    }

    /// Adds what was staged later.
    pub(crate) fn extend(&mut self, later: Self) {
        if later.clear {
            self.clear();
        }
        self.changes.extend(later.changes);
        self.life = later.life.or(self.life);
    }

    /// The value of a key as this request sees it: its own change, else what it read.
    pub(crate) fn read<'a>(&'a self, base: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
        match self.changes.get(key) {
            Some(Change::Set(value)) => Some(value),
            Some(Change::Remove | Change::Take(_)) => None,
            None if self.clear => None,
            None => base.get(key).map(String::as_str),
        }
    }

    /// All keys and values as this request sees them, in the order of the keys.
    pub(crate) fn view<'a>(&'a self, base: &'a BTreeMap<String, String>) -> impl Iterator<Item = (&'a str, &'a str)> {
        let kept = base.iter().filter(|(key, _)| !self.clear && !self.changes.contains_key(*key));
        let set = self.changes.iter().filter_map(|(key, change)| match change {
            Change::Set(value) => Some((key.as_str(), value.as_str())),
            Change::Remove | Change::Take(_) => None,
        });
        kept.map(|(key, value)| (key.as_str(), value.as_str())).chain(set)
    }

    /// What it makes of no data at all.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.view(&BTreeMap::new()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Carries the changes out on data, as a store does.
    pub(crate) fn apply_to(&self, data: &mut BTreeMap<String, String>) {
        if self.clear {
            data.clear();
        }
        for (key, change) in &self.changes {
            match change {
                Change::Set(value) => {
                    data.insert(key.clone(), value.clone());
                }
                Change::Take(expected) if data.get(key) != Some(expected) => {}
                Change::Remove | Change::Take(_) => {
                    data.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> BTreeMap<String, String> {
        [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_request_sees_its_own_changes_over_what_it_read() {
        let (base, mut delta) = (base(), Delta::default());
        delta.change("a", Change::Set("9".into()));
        delta.change("b", Change::Take("2".into()));
        assert_eq!(delta.read(&base, "a"), Some("9"));
        assert_eq!(delta.read(&base, "b"), None);
        delta.clear();
        assert_eq!(delta.read(&base, "a"), None);
        delta.change("c", Change::Set("3".into()));
        assert_eq!(delta.view(&base).collect::<Vec<_>>(), [("c", "3")]);
    }

    #[test]
    fn take_removes_only_what_is_unchanged() {
        let mut delta = Delta::default();
        delta.change("a", Change::Take("1".into()));
        delta.change("b", Change::Take("other".into()));
        let mut data = base();
        delta.apply_to(&mut data);
        assert_eq!(data.into_iter().collect::<Vec<_>>(), [("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn a_later_clear_drops_earlier_changes_and_keeps_later_ones() {
        let (mut first, mut later) = (Delta::default(), Delta::default());
        first.change("a", Change::Set("9".into()));
        later.clear();
        later.change("c", Change::Set("3".into()));
        first.extend(later);
        let mut data = base();
        first.apply_to(&mut data);
        assert_eq!(data.into_iter().collect::<Vec<_>>(), [("c".to_owned(), "3".to_owned())]);
    }
}
