//! What each act does to a roster, as a function of the moment: the memory store runs it, and the Redis store's
//! scripts say the same in Lua.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Act, Cap, Listed, Member, Outcome, PENDING};
use crate::clock::Timestamp;
use crate::id::{Handle, WriteId};

/// A deadline is later than the record's by this, so that one which has passed is a good guess.
const MARGIN: Duration = Duration::from_secs(60);
/// How long an epoch is remembered: no browser keeps a cookie from before it for longer (RFC 6265bis, section 5.5).
const EPOCH_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// So many whose deadline has passed are named at once.
const PASSED_MOST: usize = 32;
/// How often they are looked for.
const PASSED_EVERY: Duration = Duration::from_secs(60);

/// A roster as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    tick: u64,
    /// Zero before the first.
    epoch: u64,
    /// What began the epoch.
    by: Option<WriteId>,
    /// When those whose deadline has passed were looked for.
    looked: Timestamp,
    members: BTreeMap<Handle, Member>,
}

impl Kept {
    /// When it may be forgotten.
    pub(crate) fn deadline(&self) -> Timestamp {
        let epoch = (self.epoch > 0).then(|| Timestamp::from_millis(self.epoch).plus(EPOCH_KEPT));
        // So that no tick comes twice.
        let tick = Timestamp::from_millis(self.tick + 1);
        self.members.values().map(|member| member.deadline).chain(epoch).fold(tick, Timestamp::max)
    }

    /// Whether nobody is in.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn lists(&self, handle: Handle) -> bool {
        self.members.contains_key(&handle)
    }

    /// Carries out an act.
    pub(crate) fn carry_out(&mut self, act: &Act, now: Timestamp) -> Outcome {
        match act {
            Act::Reserve { handle, cap, gone } => {
                self.remove(gone);
                self.reserve(*handle, *cap, now)
            }
            Act::Confirm { handle, serial, life, cap, gone } => {
                self.remove(gone);
                self.confirm(*handle, *serial, *life, *cap, now)
            }
            Act::Withdraw(listed) => {
                let reserved = |member: &Member| !member.confirmed && member.serial == listed.serial;
                if self.members.get(&listed.handle).is_some_and(reserved) {
                    self.members.remove(&listed.handle);
                }
                Outcome::Left
            }
            Act::Touch { handle, serial, life } => self.touch(*handle, *serial, *life, now),
            Act::Leave(gone) => {
                self.remove(gone);
                Outcome::Left
            }
            Act::Everywhere { keep, id } => self.everywhere(*keep, *id, now),
            Act::List => self.listed(None),
        }
    }

    fn reserve(&mut self, handle: Handle, cap: Option<Cap>, now: Timestamp) -> Outcome {
        let others = self.others(handle);
        let before = self.members.get(&handle).copied();
        let is_in = before.is_some_and(|member| member.confirmed);
        if let (Some(Cap::Refuse(most)), false) = (cap, is_in) {
            let reserved = self.members.values().filter(|member| !member.confirmed && member.handle != handle);
            let reserved = reserved.filter(|member| member.deadline > now).count();
            if others.len() + reserved >= most as usize {
                return Outcome::Full(others);
            }
        }
        let serial = self.next_tick(now);
        let reserved =
            Member { handle, confirmed: false, place: serial, serial, deadline: now.plus(PENDING), seen: now };
        let member = match before {
            Some(before) if before.confirmed => Member { serial, ..before },
            _ => reserved,
        };
        self.members.insert(handle, member);
        let full = matches!(cap, Some(Cap::Evict(most)) if !is_in && others.len() >= most as usize);
        let passed = if now.since(self.looked) >= PASSED_EVERY { self.passed(now) } else { Vec::new() };
        Outcome::Reserved { serial, rivals: if full { others } else { Vec::new() }, passed }
    }

    fn confirm(&mut self, handle: Handle, serial: u64, life: Duration, cap: Option<Cap>, now: Timestamp) -> Outcome {
        if serial < self.epoch {
            return Outcome::Outdated { epoch: self.epoch };
        }
        let Some(member) = self.members.get(&handle).copied() else {
            return if self.tick < serial { Outcome::Lost } else { Outcome::Missing };
        };
        let refusal = if member.confirmed { None } else { self.refusal(member, cap, now) };
        if let Some(refusal) = refusal {
            return refusal;
        }
        let deadline = now.plus(life).plus(MARGIN);
        let deadline = if member.confirmed { deadline.max(member.deadline) } else { deadline };
        self.members.insert(handle, Member { confirmed: true, deadline, seen: now.max(member.seen), ..member });
        Outcome::Confirmed
    }

    /// Why a reserved place cannot be taken. It stays reserved: whoever asked has a record that must not be alive and
    /// not listed, and withdraws when that is ended.
    fn refusal(&self, member: Member, cap: Option<Cap>, now: Timestamp) -> Option<Outcome> {
        let others = self.others(member.handle);
        match cap? {
            Cap::Evict(most) => {
                let most = most as usize;
                let later = others.iter().filter(|other| other.place > member.place).count();
                if later >= most {
                    return Some(Outcome::Overtaken);
                }
                (others.len() >= most).then_some(Outcome::Over(others))
            }
            // A place that is reserved still counts, and so is there.
            Cap::Refuse(_) if member.deadline > now => None,
            Cap::Refuse(most) => {
                let reserved = self.members.values().filter(|other| !other.confirmed && other.deadline > now).count();
                (others.len() + reserved >= most as usize).then_some(Outcome::Full(others))
            }
        }
    }

    fn touch(&mut self, handle: Handle, serial: u64, life: Duration, now: Timestamp) -> Outcome {
        let deadline = now.plus(life).plus(MARGIN);
        let entering = Member { handle, confirmed: true, place: serial, serial, deadline, seen: now };
        let member = self.members.get(&handle).copied();
        let serial = self.latest(Listed { handle, serial });
        if serial < self.epoch {
            return Outcome::Outdated { epoch: self.epoch };
        }
        self.tick = self.tick.max(serial);
        match member {
            // A log-in is under way, and will say it itself.
            Some(member) if !member.confirmed => {}
            Some(member) => {
                let (deadline, seen) = (deadline.max(member.deadline), now.max(member.seen));
                self.members.insert(handle, Member { serial, deadline, seen, ..member });
            }
            None => {
                self.members.insert(handle, entering);
            }
        }
        Outcome::Touched
    }

    fn everywhere(&mut self, keep: Option<(Listed, Duration)>, id: WriteId, now: Timestamp) -> Outcome {
        if self.by != Some(id) {
            if keep.is_some_and(|(listed, _)| self.latest(listed) < self.epoch) {
                return Outcome::Outdated { epoch: self.epoch };
            }
            self.epoch = self.next_tick(now);
            self.by = Some(id);
            if let Some((Listed { handle, .. }, life)) = keep {
                let serial = self.next_tick(now);
                let deadline = now.plus(life).plus(MARGIN);
                let entering = Member { handle, confirmed: true, place: serial, serial, deadline, seen: now };
                let member = self.members.get(&handle).map_or(entering, |member| Member {
                    confirmed: true,
                    serial,
                    deadline: deadline.max(member.deadline),
                    ..*member
                });
                self.members.insert(handle, member);
            }
        }
        self.listed(keep.map(|(listed, _)| listed.handle))
    }

    /// When it came in last, as its record or the roster says.
    fn latest(&self, Listed { handle, serial }: Listed) -> u64 {
        self.members.get(&handle).map_or(serial, |member| serial.max(member.serial))
    }

    fn listed(&self, without: Option<Handle>) -> Outcome {
        let members = self.members.values().filter(|member| Some(member.handle) != without).copied().collect();
        Outcome::Members { epoch: self.epoch, members }
    }

    /// Who is in beside this one, oldest first.
    fn others(&self, handle: Handle) -> Vec<Member> {
        let mut others: Vec<Member> =
            self.members.values().filter(|member| member.confirmed && member.handle != handle).copied().collect();
        others.sort_by_key(|member| (member.place, member.handle));
        others
    }

    fn passed(&mut self, now: Timestamp) -> Vec<Member> {
        let passed = self.members.values().filter(|member| member.deadline <= now).take(PASSED_MOST).copied();
        let passed: Vec<Member> = passed.collect();
        // Where there may be more, the next log-in looks again: of a user who logs in all the time none is left over.
        if passed.len() < PASSED_MOST {
            self.looked = now;
        }
        passed
    }

    fn remove(&mut self, gone: &[Listed]) {
        for listed in gone {
            if self.members.get(&listed.handle).is_some_and(|member| member.serial <= listed.serial) {
                self.members.remove(&listed.handle);
            }
        }
    }

    fn next_tick(&mut self, now: Timestamp) -> u64 {
        self.tick = (self.tick + 1).max(now.as_millis());
        self.tick
    }
}
