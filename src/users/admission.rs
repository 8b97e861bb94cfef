//! How a log-in comes into its user's roster, as steps without I/O: what is needed next, given what was said last.
//!
//! *Reserve* a place; *bind* the record, or create it; end whoever must make room; *confirm*. The cookie is sent when
//! all of it is done. A crash anywhere in between leaves a record that nobody has the cookie of, and that is listed.
//! Whoever is confirmed is alive until its record says otherwise, so nobody is refused, and nobody is ended, before
//! the records of those who are said to be in were asked.

#[cfg(test)]
mod model;

use std::time::Duration;

use crate::error::{Error, ErrorKind, Unavailable, UnavailableKind};
use crate::id::Handle;
use crate::store::Reason;
use crate::store::roster::{Act, Cap, Listed, Member, Outcome};

/// So often a log-in makes room for itself before it gives up.
const ROUNDS_MOST: usize = 32;

/// What a log-in needs next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// An act on the user's roster.
    Roster(Act),
    /// The records of these.
    Ask(Vec<Member>),
    /// Bind or create the record, noting this serial; the records of these, at the same time.
    Bind { serial: u64, ask: Vec<Member> },
    /// These sessions of the user ended, all of them, unless they came in anew since they were listed.
    End(Vec<Listed>, Reason),
    /// Nothing: it is in, or why not.
    Nothing(Result<(), Refusal>),
}

/// What was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Roster(Outcome),
    /// What the records of those who were asked for say, in their order.
    Asked(Vec<Verdict>),
    /// Whether the record was there to be bound, how long it lives, and what the others' say.
    Bound(Option<Duration>, Vec<Verdict>),
    Ended,
}

/// What a member's record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// It is this user's.
    Live,
    /// It is gone, or another's.
    Dead,
    /// It is this user's, but nobody came with its cookie in all the time that a refused log-in may have to wait.
    Abandoned,
}

/// Why a log-in does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// The cap is reached.
    Full,
    /// There was no record to bind. Nothing is reserved any more.
    Unbound,
    /// Its session was ended, all were, or later log-ins took its place.
    Ended,
    /// A failover lost its place.
    Lost,
    /// Too many at once.
    Contended,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => ErrorKind::Cap.into(),
            Refusal::Unbound | Refusal::Ended => ErrorKind::Ended.into(),
            Refusal::Lost => Unavailable::from(UnavailableKind::Unknown).into(),
            Refusal::Contended => Unavailable::from(UnavailableKind::Contended).into(),
        }
    }
}

/// A log-in on its way in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Admission {
    handle: Handle,
    cap: Option<Cap>,
    step: Step,
    serial: u64,
    life: Duration,
    gone: Vec<Listed>,
    asked: Vec<Member>,
    passed: Vec<Member>,
    rounds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Reserving { again: bool },
    AskingBeforeRefusal,
    EndingAbandoned,
    Binding,
    AskingRivals,
    EndingRivals,
    Confirming,
    Undoing(Refusal),
    Withdrawing(Refusal),
}

impl Admission {
    pub(crate) fn new(handle: Handle, cap: Option<Cap>) -> Self {
        Self {
            handle,
            cap,
            step: Step::Reserving { again: false },
            serial: 0,
            life: Duration::ZERO,
            gone: Vec::new(),
            asked: Vec::new(),
            passed: Vec::new(),
            rounds: 0,
        }
    }

    /// The first need.
    pub(crate) fn begin(&mut self) -> Need {
        let gone = std::mem::take(&mut self.gone);
        Need::Roster(Act::Reserve { handle: self.handle, cap: self.cap, gone })
    }

    /// The place that is reserved, if one is.
    pub(crate) fn reserved(&self) -> Option<Listed> {
        (self.serial > 0).then_some(Listed { handle: self.handle, serial: self.serial })
    }

    /// Members whose deadline has passed, to be looked after when there is time.
    pub(crate) fn passed(&mut self) -> Vec<Member> {
        std::mem::take(&mut self.passed)
    }

    /// The next need. What was said must answer the last one.
    pub(crate) fn next(&mut self, said: Said) -> Need {
        match (self.step, said) {
            (Step::Reserving { again }, Said::Roster(outcome)) => self.reserving(again, outcome),
            (Step::AskingBeforeRefusal, Said::Asked(verdicts)) => self.asked_before_refusal(&verdicts),
            (Step::EndingAbandoned, Said::Ended) => {
                self.step = Step::Reserving { again: true };
                self.begin()
            }
            (Step::Binding, Said::Bound(Some(life), verdicts)) => {
                self.life = life;
                self.make_room(&verdicts)
            }
            (Step::Binding, Said::Bound(None, _)) => self.withdraw(Refusal::Unbound),
            (Step::AskingRivals, Said::Asked(verdicts)) => self.make_room(&verdicts),
            (Step::EndingRivals, Said::Ended) => self.confirm(),
            (Step::Confirming, Said::Roster(outcome)) => self.confirming(outcome),
            (Step::Undoing(refusal), Said::Ended) => self.withdraw(refusal),
            (Step::Withdrawing(refusal), Said::Roster(_)) => Need::Nothing(Err(refusal)),
            // Whoever drives it answers what was asked.
            _ => Need::Nothing(Err(Refusal::Contended)),
        }
    }

    fn reserving(&mut self, again: bool, outcome: Outcome) -> Need {
        match outcome {
            Outcome::Reserved { serial, rivals, passed } => {
                (self.serial, self.passed, self.step) = (serial, passed, Step::Binding);
                self.asked.clone_from(&rivals);
                // When all must go, it makes no difference whether they are alive.
                let ask = if self.most() == 1 { Vec::new() } else { rivals };
                Need::Bind { serial, ask }
            }
            Outcome::Full(members) if !again => {
                self.step = Step::AskingBeforeRefusal;
                self.asked.clone_from(&members);
                Need::Ask(members)
            }
            _ => Need::Nothing(Err(Refusal::Full)),
        }
    }

    fn asked_before_refusal(&mut self, verdicts: &[Verdict]) -> Need {
        let asked = std::mem::take(&mut self.asked);
        let (mut gone, mut abandoned) = (Vec::new(), Vec::new());
        for (member, verdict) in asked.iter().zip(verdicts) {
            match verdict {
                Verdict::Live => continue,
                Verdict::Dead => {}
                Verdict::Abandoned => abandoned.push(member.listed()),
            }
            gone.push(member.listed());
        }
        if gone.is_empty() {
            return Need::Nothing(Err(Refusal::Full));
        }
        (self.gone, self.step) = (gone, Step::EndingAbandoned);
        if abandoned.is_empty() { self.next(Said::Ended) } else { Need::End(abandoned, Reason::Ended) }
    }

    /// Ends as many of those who are in as are too many, the oldest first. Those who are dead or abandoned count for
    /// nothing.
    fn make_room(&mut self, verdicts: &[Verdict]) -> Need {
        let asked = std::mem::take(&mut self.asked);
        let (mut dead, mut abandoned, mut live) = (Vec::new(), Vec::new(), Vec::new());
        for (at, member) in asked.iter().enumerate() {
            match verdicts.get(at) {
                Some(Verdict::Dead) => dead.push(member.listed()),
                Some(Verdict::Abandoned) => abandoned.push(member.listed()),
                Some(Verdict::Live) | None => live.push(member.listed()),
            }
        }
        live.truncate((live.len() + 1).saturating_sub(self.most()));
        let rivals = [abandoned, live].concat();
        self.gone = [dead, rivals.clone()].concat();
        if rivals.is_empty() {
            return self.confirm();
        }
        self.step = Step::EndingRivals;
        Need::End(rivals, Reason::Evicted)
    }

    fn confirm(&mut self) -> Need {
        self.step = Step::Confirming;
        let gone = std::mem::take(&mut self.gone);
        let (handle, serial, life, cap) = (self.handle, self.serial, self.life, self.cap);
        Need::Roster(Act::Confirm { handle, serial, life, cap, gone })
    }

    fn confirming(&mut self, outcome: Outcome) -> Need {
        let (refusal, reason) = match outcome {
            Outcome::Confirmed => return Need::Nothing(Ok(())),
            Outcome::Over(rivals) if self.rounds < ROUNDS_MOST => {
                self.rounds += 1;
                self.asked.clone_from(&rivals);
                if self.most() == 1 {
                    return self.make_room(&[]);
                }
                self.step = Step::AskingRivals;
                return Need::Ask(rivals);
            }
            Outcome::Over(_) => (Refusal::Contended, Reason::Ended),
            Outcome::Full(_) => (Refusal::Full, Reason::Ended),
            Outcome::Lost => (Refusal::Lost, Reason::Ended),
            Outcome::Overtaken => (Refusal::Ended, Reason::Evicted),
            Outcome::Outdated { .. } => (Refusal::Ended, Reason::Everywhere),
            _ => (Refusal::Ended, Reason::Ended),
        };
        self.step = Step::Undoing(refusal);
        Need::End(vec![Listed { handle: self.handle, serial: self.serial }], reason)
    }

    fn withdraw(&mut self, refusal: Refusal) -> Need {
        self.step = Step::Withdrawing(refusal);
        Need::Roster(Act::Withdraw(Listed { handle: self.handle, serial: self.serial }))
    }

    fn most(&self) -> usize {
        match self.cap {
            Some(Cap::Evict(most) | Cap::Refuse(most)) => most as usize,
            None => usize::MAX,
        }
    }
}
