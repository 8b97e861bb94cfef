//! The roster, the records, who has which cookie, and those who are at work.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Cap, Listed, Verdict};
use super::actors::Process;
use crate::clock::Timestamp;
use crate::id::{Handle, Id, WriteId};
use crate::model::{self, must, step};
use crate::record::Limits;
use crate::store::roster::rules::Kept as Roster;
use crate::store::roster::{Member, Membership};
use crate::store::rules::{Kept, Live, What, carry_out};
use crate::store::{Act, Apply, Create, Delta, Intent, Loaded, Outcome, Reason, Sighting, Write};
use crate::users::sessions::verdict;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);
pub(super) const USER: &str = "ann";

pub(super) fn handle(number: u8) -> Handle {
    Id::from_bytes([number; 16]).handle()
}

/// The world between two steps.
#[derive(Clone)]
pub(super) struct World {
    pub(super) cap: Option<Cap>,
    pub(super) now: Timestamp,
    pub(super) roster: Roster,
    pub(super) records: BTreeMap<Handle, Kept>,
    /// The generation of the cookie that a client has.
    pub(super) sent: BTreeMap<Handle, u32>,
    /// The epoch of each end of all that was answered.
    pub(super) epochs: Vec<u64>,
    pub(super) processes: Vec<Process>,
    /// So many may still crash.
    pub(super) crashes: usize,
    /// So many are usable in the end, if nobody crashed.
    pub(super) come_in: Option<usize>,
    writes: u8,
}

impl World {
    pub(super) fn new(cap: Option<Cap>, crashes: usize, processes: Vec<Process>) -> Self {
        Self {
            cap,
            now: NOW,
            roster: Roster::default(),
            records: BTreeMap::new(),
            sent: BTreeMap::new(),
            epochs: Vec::new(),
            processes,
            crashes,
            come_in: None,
            writes: 0,
        }
    }

    pub(super) fn record(&self, handle: Handle) -> Option<&Live> {
        match self.records.get(&handle) {
            Some(Kept { what: What::Live(live), .. }) => Some(live),
            _ => None,
        }
    }

    /// Sessions that a client has the cookie of.
    pub(super) fn usable(&self) -> Vec<Handle> {
        let usable = |(handle, generation): (&Handle, &u32)| {
            self.record(*handle).filter(|live| live.record.generation == *generation).map(|_| *handle)
        };
        self.sent.iter().filter_map(usable).collect()
    }

    pub(super) fn apply(&mut self, handle: Handle, generation: u32, act: Act) -> Outcome {
        self.writes += 1;
        let write = Write { handle, generation, id: WriteId::numbered(self.writes), act };
        let (outcome, kept) = carry_out(self.records.get(&handle), &write, self.now);
        self.records.extend(kept.map(|kept| (handle, kept)));
        outcome
    }

    pub(super) fn verdicts(&self, members: &[Member]) -> Vec<Verdict> {
        let loaded = |member: &Member| match self.record(member.handle) {
            Some(live) => Loaded::Found(Box::new(live.record.clone())),
            None => Loaded::Missing,
        };
        members.iter().map(|member| verdict(&loaded(member), USER, self.now)).collect()
    }

    pub(super) fn end(&mut self, handle: Handle, before: Option<u64>) -> Option<bool> {
        let act = Act::End { user: USER.into(), before, reason: Reason::Ended };
        match self.apply(handle, 0, act) {
            Outcome::Done(_) => Some(true),
            Outcome::Superseded => None,
            _ => Some(false),
        }
    }

    /// Binds the record that is there, or creates one.
    pub(super) fn bind(&mut self, handle: Handle, serial: u64, presented: u32) -> Option<Duration> {
        let membership = Some(Membership { serial, unproved: true });
        let (user, there) = (USER.to_owned(), self.records.contains_key(&handle));
        let act = if there {
            let intent = Intent::LogIn { user, idle: HOUR, absolute: None, reissue: true, membership };
            let (delta, limits) = (Delta::default(), Limits::default());
            Act::Apply(Apply { delta, add: None, expect: None, intent, limits })
        } else {
            let (idle, seen, data) = ((HOUR, false), Sighting::default(), BTreeMap::new());
            Act::Create(Create { user: Some(user), membership, idle, absolute: None, seen, data })
        };
        matches!(self.apply(handle, presented, act), Outcome::Done(_)).then_some(HOUR)
    }

    /// This log-in, by itself: whether it comes in.
    pub(super) fn comes_in(&mut self, number: u8) -> bool {
        self.processes.push(Process::log_in(number, self.cap));
        let at = self.processes.len() - 1;
        while !self.processes[at].is_over() {
            self.step(at);
        }
        self.processes.pop();
        self.sent.contains_key(&handle(number))
    }

    fn most(&self) -> Option<usize> {
        self.cap.map(|cap| match cap {
            Cap::Evict(most) | Cap::Refuse(most) => most as usize,
        })
    }

    /// What holds at any moment.
    fn always(&self) -> Result<(), String> {
        for handle in self.records.keys() {
            let is_users = self.record(*handle).is_some_and(|live| live.record.user.is_some());
            must(!is_users || self.roster.lists(*handle), "whoever is alive is listed")?;
        }
        let usable = self.usable();
        must(self.most().is_none_or(|most| usable.len() <= most), "no more than the cap are usable")?;
        for handle in &usable {
            let serial = self.record(*handle).map_or(0, |live| live.record.serial());
            must(self.epochs.iter().all(|epoch| serial > *epoch), "an end of all ends what was before it")?;
        }
        Ok(())
    }

    /// Whatever crashed: a minute later a log-in comes in, unless there are as many sessions as there may be.
    fn comes_in_a_minute_later(&self) -> Result<(), String> {
        let mut later = self.clone();
        later.now = self.now.plus(Duration::from_secs(60));
        let before = later.usable().len();
        let full = matches!(self.cap, Some(Cap::Refuse(most)) if before >= most as usize);
        must(later.comes_in(99) != full, "a minute later all who may come in do, and nobody else")?;
        later.always()?;
        let Some(Cap::Evict(most)) = self.cap else { return Ok(()) };
        must(later.usable().len() == (before + 1).min(most as usize), "nobody gives way who need not")
    }
}

impl model::World for World {
    type Key = (Roster, Vec<(Handle, Option<(u32, Option<Membership>)>)>, Shown, Vec<Process>, usize);

    fn key(&self) -> Self::Key {
        let record = |handle: &Handle| {
            let live = self.record(*handle);
            (*handle, live.map(|live| (live.record.generation, live.record.membership)))
        };
        let records = self.records.keys().map(record).collect();
        let shown = (self.sent.clone(), self.epochs.clone());
        (self.roster.clone(), records, shown, self.processes.clone(), self.crashes)
    }

    fn next(&self) -> Vec<(String, Self)> {
        let mut next = Vec::new();
        for at in (0..self.processes.len()).filter(|at| !self.processes[*at].is_over()) {
            next.push(step(self, format_args!("{at} {}", self.processes[at].step()), |world| world.step(at)));
            if self.crashes > 0 {
                let crash = |world: &mut Self| {
                    (world.processes[at], world.crashes) = (Process::Crashed, self.crashes - 1);
                };
                next.push(step(self, format_args!("{at} crashes"), crash));
            }
        }
        next
    }

    fn check(&self, over: bool) -> Result<(), String> {
        self.always()?;
        if !over {
            return Ok(());
        }
        if !self.processes.contains(&Process::Crashed) {
            let come_in = self.come_in.unwrap_or(self.usable().len());
            must(self.usable().len() == come_in, "exactly as many come in as may")?;
        }
        self.comes_in_a_minute_later()
    }
}

/// What clients know.
pub(super) type Shown = (BTreeMap<Handle, u32>, Vec<u64>);

/// A member leaves, whatever its serial.
pub(super) fn leaving(handle: Handle) -> Vec<Listed> {
    vec![Listed { handle, serial: u64::MAX }]
}
