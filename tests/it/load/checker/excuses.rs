//! What is excused when: from the faults that were made, and from what the store was seen to do about them.

use std::fmt;
use std::time::Duration;

use super::super::history::Event;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Excuses {
    /// A failover, from the last moment at which everything acknowledged is known to be on the next master, until no
    /// instance uses the old one. What is acknowledged meanwhile may be lost, what is read meanwhile may be of before,
    /// and a log-out that was answered meanwhile may be undone until its end. All else is there, and stays.
    pub(crate) losing: Vec<Window>,
    /// The statuses of the rules' refusals.
    pub(crate) refusing: Vec<Window>,
    /// An instance is not there, or hangs: no answer, or a late one, or a refusal.
    pub(crate) away: Vec<(usize, Window)>,
}

impl Window {
    pub(crate) fn meets(&self, from: Duration, to: Duration) -> bool {
        from <= self.to && to >= self.from
    }

    fn met_by(&self, event: &Event) -> bool {
        self.meets(event.begin, event.end)
    }
}

impl Excuses {
    pub(super) fn losing(&self, event: &Event) -> Option<Window> {
        let all = self.losing.iter().filter(|window| window.met_by(event));
        all.copied().reduce(|one, other| Window { from: one.from.min(other.from), to: one.to.max(other.to) })
    }

    pub(super) fn refusal_of(&self, event: &Event) -> bool {
        self.is_away(event) || self.refusing.iter().any(|window| window.met_by(event))
    }

    pub(super) fn is_away(&self, event: &Event) -> bool {
        self.was_away(event.instance, event.begin, event.end)
    }

    /// Whether an instance was away at any moment from one time to another.
    pub(super) fn was_away(&self, instance: usize, from: Duration, to: Duration) -> bool {
        self.away.iter().any(|(other, window)| *other == instance && window.meets(from, to))
    }
}

impl fmt::Display for Excuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, windows) in [("losses", &self.losing), ("refusals", &self.refusing)] {
            write!(f, "excused {what}:")?;
            windows.iter().try_for_each(|window| write!(f, " {window}"))?;
            writeln!(f)?;
        }
        write!(f, "instances away:")?;
        self.away.iter().try_for_each(|(instance, window)| write!(f, " {instance} {window}"))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}-{:.3}", self.from.as_secs_f32(), self.to.as_secs_f32())
    }
}
