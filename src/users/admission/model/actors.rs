//! Who is at work on a user's sessions, one store call after another.

use super::super::{Act, Admission, Cap, Listed, Member, Need, Outcome, Said, Verdict};
use super::world::{HOUR, World, handle, leaving};
use crate::id::{Handle, WriteId};
use crate::store;
use crate::store::roster::Membership;
use crate::users::sessions::leaves;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Process {
    LogIn(LogIn),
    /// Ends all: what is still to be ended, who leaves.
    Everywhere {
        begun: bool,
        epoch: u64,
        left: Vec<Member>,
        gone: Vec<Listed>,
    },
    LogOut {
        handle: Handle,
        destroyed: bool,
    },
    /// A request with the session: the roster is touched, then the record slides.
    Use {
        handle: Handle,
        touched: bool,
    },
    Done,
    Crashed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LogIn {
    admission: Admission,
    need: Need,
    /// What a need of several steps came to so far.
    verdicts: Option<Vec<Verdict>>,
    /// The generation of the cookie that it came with.
    presented: u32,
    /// It answers when its record is written, and does not wait to be confirmed: a mistake.
    hasty: bool,
}

impl Process {
    pub(super) fn log_in(number: u8, cap: Option<Cap>) -> Self {
        let mut admission = Admission::new(handle(number), cap);
        let need = admission.begin();
        Self::LogIn(LogIn { admission, need, verdicts: None, presented: 1, hasty: false })
    }

    pub(super) fn hasty_log_in(number: u8, cap: Option<Cap>) -> Self {
        match Self::log_in(number, cap) {
            Self::LogIn(log_in) => Self::LogIn(LogIn { hasty: true, ..log_in }),
            other => other,
        }
    }

    pub(super) fn everywhere() -> Self {
        Self::Everywhere { begun: false, epoch: 0, left: Vec::new(), gone: Vec::new() }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Crashed)
    }

    /// Its next step, in a word.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::LogIn(log_in) => match &log_in.need {
                Need::Roster(Act::Reserve { .. }) => "reserves",
                Need::Roster(Act::Confirm { .. }) => "confirms",
                Need::Roster(_) => "withdraws",
                Need::Ask(_) => "asks",
                Need::Bind { .. } => "binds",
                Need::End(..) => "makes room",
                Need::Nothing(_) => "answers",
            },
            Self::Everywhere { .. } => "ends all",
            Self::LogOut { .. } => "logs out",
            Self::Use { .. } => "is used",
            Self::Done | Self::Crashed => "is over",
        }
    }
}

impl World {
    /// The next step of a process.
    pub(super) fn step(&mut self, at: usize) {
        self.processes[at] = match self.processes[at].clone() {
            Process::LogIn(log_in) => self.step_log_in(log_in),
            Process::Everywhere { begun: false, .. } => self.begin_everywhere(at),
            Process::Everywhere { epoch, left, gone, .. } => self.step_everywhere(epoch, left, gone),
            Process::LogOut { handle, destroyed } => self.step_log_out(handle, destroyed),
            Process::Use { handle, touched: false } => self.touch(handle),
            Process::Use { handle, .. } => {
                let generation = self.sent.get(&handle).copied().unwrap_or(1);
                self.apply(handle, generation, store::Act::Slide { within: HOUR, seen: None });
                Process::Done
            }
            over => over,
        };
    }

    fn begin_everywhere(&mut self, at: usize) -> Process {
        let id = WriteId::numbered(200 + u8::try_from(at).expect("a few"));
        match self.roster.carry_out(&Act::Everywhere { keep: None, id }, self.now) {
            Outcome::Members { epoch, members } => {
                Process::Everywhere { begun: true, epoch, left: members, gone: Vec::new() }
            }
            other => panic!("{other:?}"),
        }
    }

    fn step_everywhere(&mut self, epoch: u64, mut left: Vec<Member>, mut gone: Vec<Listed>) -> Process {
        if let Some(member) = left.pop() {
            let ended = self.end(member.handle, Some(epoch));
            gone.extend(leaves(&member, ended).then(|| member.listed()));
            return Process::Everywhere { begun: true, epoch, left, gone };
        }
        self.roster.carry_out(&Act::Leave(gone), self.now);
        self.epochs.push(epoch);
        Process::Done
    }

    fn step_log_out(&mut self, handle: Handle, destroyed: bool) -> Process {
        if destroyed {
            self.roster.carry_out(&Act::Leave(leaving(handle)), self.now);
            return Process::Done;
        }
        let generation = self.sent.get(&handle).copied().unwrap_or(1);
        match self.apply(handle, generation, store::Act::Destroy) {
            store::Outcome::Superseded => Process::Done,
            _ => Process::LogOut { handle, destroyed: true },
        }
    }

    fn touch(&mut self, handle: Handle) -> Process {
        let Some(serial) = self.record(handle).map(|live| live.record.serial()) else { return Process::Done };
        match self.roster.carry_out(&Act::Touch { handle, serial, life: HOUR }, self.now) {
            Outcome::Outdated { epoch } => {
                self.end(handle, Some(epoch));
                Process::Done
            }
            _ => Process::Use { handle, touched: true },
        }
    }

    fn step_log_in(&mut self, mut log_in: LogIn) -> Process {
        let said = match log_in.need.clone() {
            Need::Roster(Act::Confirm { .. }) if log_in.hasty => return self.answer(log_in.admission.handle),
            Need::Roster(act) => Said::Roster(self.roster.carry_out(&act, self.now)),
            Need::Ask(members) => Said::Asked(self.verdicts(&members)),
            // Asked first, so that what they said may be old.
            Need::Bind { ask, .. } if log_in.verdicts.is_none() => {
                log_in.verdicts = Some(self.verdicts(&ask));
                return Process::LogIn(log_in);
            }
            Need::Bind { serial, .. } => {
                let life = self.bind(log_in.admission.handle, serial, log_in.presented);
                Said::Bound(life, log_in.verdicts.take().unwrap_or_default())
            }
            Need::End(mut these, reason) => match these.pop() {
                Some(listed) => {
                    self.end(listed.handle, Some(listed.serial + 1));
                    log_in.need = Need::End(these, reason);
                    return Process::LogIn(log_in);
                }
                None => Said::Ended,
            },
            Need::Nothing(Ok(())) => return self.answer(log_in.admission.handle),
            Need::Nothing(Err(_)) => return Process::Done,
        };
        log_in.need = log_in.admission.next(said);
        Process::LogIn(log_in)
    }

    /// The answer of a log-in goes out; the client comes back with its cookie.
    fn answer(&mut self, handle: Handle) -> Process {
        if let Some(record) = self.record(handle).map(|live| live.record.clone()) {
            self.sent.insert(handle, record.generation);
            let membership = Membership { serial: record.serial(), unproved: false };
            self.apply(handle, record.generation, store::Act::Place(membership));
        }
        Process::Done
    }
}
