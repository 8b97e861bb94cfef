//! What was done and seen, and what of it excuses what. Pure.

use std::time::Duration;

use super::plan::{Harm, Role, What, Wire};
use crate::load::{Excuses, Window};

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) rounds: Vec<Passed>,
    /// Instances that were not there, or hung.
    pub(super) away: Vec<(usize, Window)>,
    /// When this machine did not come to run us, and for how long.
    pub(super) stalls: Vec<(Duration, Duration)>,
}

/// A round. Times are the load's.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) hits: Vec<Hit>,
    /// When a replica was seen to be a master.
    pub(super) switches: Vec<Duration>,
    /// When the store was whole again, by its own word.
    pub(super) whole: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) what: What,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// Healthy within a second, and as much again for a busy machine.
const GRACE: Duration = Duration::from_secs(2);
/// A replica is so far behind at most.
const LAG: Duration = Duration::from_millis(150);
/// A failover that nobody asked for begins with a silence of a second or two.
const UNASKED: Duration = Duration::from_secs(3);
/// An instance that is back has to find its store again.
const RETURN: Duration = Duration::from_secs(1);
/// So much longer an instance may be the last to leave an old master.
const LEAVING: Duration = Duration::from_secs(1);

impl Record {
    /// The longest that this machine kept us waiting.
    pub(super) fn late(&self) -> Duration {
        self.stalls.iter().map(|(_, late)| *late).max().unwrap_or_default()
    }

    /// From which on nothing excuses anything, after the store was whole.
    pub(super) fn grace(&self) -> Duration {
        GRACE + 2 * self.late()
    }

    pub(super) fn excuses(&self) -> Excuses {
        let mut excuses = Excuses::default();
        let (grace, lag) = (self.grace(), LAG + 2 * self.late());
        for round in &self.rounds {
            excuses.losing.extend(round.losing(grace, lag));
            excuses.refusing.extend(round.refusing(grace));
        }
        for (at, late) in &self.stalls {
            let from = at.saturating_sub(*late + GRACE);
            excuses.refusing.push(Window { from, to: *at + GRACE });
        }
        let back = |(instance, window): &(usize, Window)| {
            (*instance, Window { to: window.to + RETURN + 2 * self.late(), ..*window })
        };
        excuses.away = self.away.iter().map(back).collect();
        excuses
    }
}

impl Passed {
    /// Where no replica was promoted, nothing may be lost.
    fn losing(&self, grace: Duration, lag: Duration) -> Option<Window> {
        let asked = |hit: &&Hit| matches!(hit.what, What::Failover(_));
        let hurting: Vec<&Hit> =
            self.hits.iter().filter(|hit| matches!(hit.what, What::Node(..)) || asked(hit)).collect();
        let led = self.hits.iter().filter(asked).map(|hit| hit.to);
        let last = led.chain(self.switches.iter().copied()).max()?;
        let first = hurting.iter().map(|hit| hit.from).min();
        let unasked = self.switches.iter().copied().find(|switch| first.is_none_or(|first| *switch < first));
        if let Some(hit) = self.crash(&hurting, last + grace) {
            return Some(Window { from: hit.from.saturating_sub(lag), to: hit.from + lag });
        }
        let from = first.into_iter().chain(unasked.map(|switch| switch.saturating_sub(UNASKED))).min()?;
        // One that hung may be the last to hear of it. A Sentinel that is away may know of a promotion that is undone.
        let woken =
            self.hits.iter().filter(|hit| matches!(hit.what, What::Instance(_, Harm::Frozen))).map(|hit| hit.to);
        let undone = self.hits.iter().any(|hit| matches!(hit.what, What::Sentinel(..))).then_some(self.whole);
        Some(Window {
            from: from.saturating_sub(lag),
            to: woken.chain(undone).fold(last, Duration::max) + grace + LEAVING,
        })
    }

    /// The master died or hung, and nothing else, and came back when all had left it: what it had acknowledged and not
    /// sent on by then is lost, and nothing that was acknowledged later.
    fn crash(&self, hurting: &[&Hit], left: Duration) -> Option<Hit> {
        let [hit] = hurting else { return None };
        let others = self.hits.iter().any(|hit| matches!(hit.what, What::Sentinel(..)));
        let is_crash = matches!(hit.what, What::Node(node, Harm::Killed | Harm::Frozen) if node.role == Role::Master);
        (is_crash && self.switches.len() == 1 && !others && hit.to > left).then_some(**hit)
    }

    fn refusing(&self, grace: Duration) -> impl Iterator<Item = Window> {
        let refused = self.hits.iter().filter(|hit| hit.what.may_refuse()).map(|hit| hit.from).min();
        let planned = refused.map(|from| Window { from, to: self.whole + grace });
        let around = move |switch: &Duration| Window { from: switch.saturating_sub(UNASKED), to: *switch + grace };
        let unasked: Vec<Window> = self.switches.iter().map(around).collect();
        planned.into_iter().chain(unasked)
    }
}

impl What {
    /// Whether users may see it at all.
    fn may_refuse(self) -> bool {
        match self {
            Self::Node(node, _) => node.role == Role::Master,
            Self::Wire(_, Wire::Slow(more)) => more > 50,
            // Without Sentinels those who come with the cookie of an ended session.
            Self::Failover(_) | Self::Wire(..) | Self::Sentinels | Self::Deaf => true,
            Self::Sentinel(..) | Self::Instance(..) | Self::Instances | Self::Clock(..) | Self::Keys => false,
        }
    }
}
