//! The sessions of one user, as roster and records have them together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};

use super::admission::Verdict;
use super::aftermath::{announce, leave};
use super::allowance::Allowance;
use crate::beside::beside;
use crate::error::Unavailable;
use crate::event;
use crate::id::{Handle, WriteId};
use crate::record::Record;
use crate::store::roster::{Act, Listed, Member, Name, Outcome};
use crate::store::{self, AnyStore, GRACE, Loaded, Reason, Timestamp, Write};

/// Records asked for in one pipeline.
const ASKED_AT_ONCE: usize = 250;
/// Sessions ended at the same time, on one connection.
const ENDED_AT_ONCE: usize = 250;
/// A log-in that nobody has come back from for so long was lost in a crash: shorter than the minute that nobody may be
/// kept out for.
const ABANDONED: Duration = Duration::from_secs(45);

/// One user's sessions.
pub(crate) struct Sessions<'a> {
    store: &'a Arc<dyn AnyStore>,
    user: &'a str,
    name: Name,
    time: Allowance,
}

/// A session that asks for something of its user's, and how long it lives if it is not used again.
pub(crate) type Asking = (Listed, Duration);

/// A session that is there.
pub(crate) struct Found {
    pub(crate) member: Member,
    pub(crate) record: Box<Record>,
}

impl<'a> Sessions<'a> {
    pub(crate) fn of(store: &'a Arc<dyn AnyStore>, user: &'a str, time: Allowance) -> Self {
        Self { store, user, name: Name::of_user(user), time }
    }

    pub(crate) async fn enrol(&self, act: &Act) -> Result<Outcome, Unavailable> {
        self.store.enrol(self.name, act, &self.time.budget()).await
    }

    /// Those that are in and alive. Members whose record is gone leave the roster beside.
    pub(crate) async fn list(&self) -> Result<Vec<Found>, Unavailable> {
        let (_, members) = members(self.enrol(&Act::List).await?);
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for (member, loaded) in self.load(members).await? {
            match loaded {
                Loaded::Found(record) if record.user.as_deref() == Some(self.user) => {
                    if member.confirmed {
                        found.push(Found { member, record });
                    }
                }
                Loaded::Unreadable(_) => {}
                // A place that is reserved has no record yet.
                _ if !member.confirmed && member.deadline > self.store.now() => {}
                _ => gone.push(member.listed()),
            }
        }
        self.leave_beside(gone).await;
        Ok(found)
    }

    /// What the records of these members say.
    pub(crate) async fn ask(&self, members: Vec<Member>) -> Result<Vec<Verdict>, Unavailable> {
        let now = self.store.now();
        let loaded = self.load(members).await?;
        Ok(loaded.iter().map(|(_, loaded)| verdict(loaded, self.user, now)).collect())
    }

    /// Ends one session: whether it was there, and this user's.
    pub(crate) async fn end(&self, handle: Handle, reason: Reason) -> Result<bool, Unavailable> {
        let ended = self.end_record(handle, None, reason).await?;
        if ended == Some(true) {
            self.gone_beside(vec![handle], reason).await;
        }
        Ok(ended == Some(true))
    }

    /// Ends all of these that are still there, and did not come in anew since they were listed. What could not be ended
    /// is an error, after all others were.
    pub(crate) async fn end_these(&self, these: Vec<Listed>, reason: Reason) -> Result<(), Unavailable> {
        let mut failed = None;
        let mut ended = Vec::new();
        let mut ending = iter(these)
            .map(|Listed { handle, serial }| async move {
                (handle, self.end_record(handle, Some(serial.saturating_add(1)), reason).await)
            })
            .buffer_unordered(ENDED_AT_ONCE);
        while let Some((handle, outcome)) = ending.next().await {
            match outcome {
                Ok(done) => ended.extend((done == Some(true)).then_some(handle)),
                Err(cause) => failed = Some(cause),
            }
        }
        self.announce_beside(ended, reason).await;
        failed.map_or(Ok(()), Err)
    }

    /// Ends all: how many there were. A session that could not be ended stays listed, and is an error.
    pub(crate) async fn end_all(&self) -> Result<usize, Unavailable> {
        Ok(self.everywhere(None).await?.map_or(0, |(_, ended)| ended))
    }

    /// Ends all but the one that asks; none when that has ended itself.
    pub(crate) async fn end_others(&self, asks: Asking) -> Result<Option<usize>, Unavailable> {
        Ok(self.everywhere(Some(asks)).await?.map(|(_, ended)| ended))
    }

    /// Ends all, the one that asks last: as long as another is left, it can ask again. None when it has ended itself.
    pub(crate) async fn end_all_and_own(&self, asks: Asking) -> Result<Option<usize>, Unavailable> {
        let Some((epoch, others)) = self.everywhere(Some(asks)).await? else { return Ok(None) };
        let (handle, reason) = (asks.0.handle, Reason::Everywhere);
        let own = self.end_record(handle, Some(epoch), reason).await? == Some(true);
        if own {
            self.gone_beside(vec![handle], reason).await;
        }
        Ok(Some(others + usize::from(own)))
    }

    /// A new epoch, then the end of every session that was in before it, but one: that epoch, and how many there were.
    async fn everywhere(&self, keep: Option<Asking>) -> Result<Option<(u64, usize)>, Unavailable> {
        let (epoch, members) = match (self.enrol(&Act::Everywhere { keep, id: WriteId::random()? }).await?, keep) {
            (Outcome::Outdated { epoch }, Some((asks, _))) => {
                self.end_outdated(asks.handle, epoch).await?;
                return Ok(None);
            }
            (outcome, _) => members(outcome),
        };
        let (mut ended, mut gone, mut failed) = (Vec::new(), Vec::new(), None);
        let mut ending = iter(members)
            .map(
                |member| async move { (member, self.end_record(member.handle, Some(epoch), Reason::Everywhere).await) },
            )
            .buffer_unordered(ENDED_AT_ONCE);
        while let Some((member, outcome)) = ending.next().await {
            match outcome {
                Ok(outcome) => {
                    if leaves(&member, outcome) {
                        gone.push(member.listed());
                        ended.extend((outcome == Some(true)).then_some(member.handle));
                    }
                }
                Err(cause) => failed = Some(cause),
            }
        }
        let count = ended.len();
        if !gone.is_empty() {
            // What stays listed by a failure here is asked for, and found gone.
            let _ = self.enrol(&Act::Leave(gone)).await;
        }
        self.announce_beside(ended, Reason::Everywhere).await;
        failed.map_or(Ok(Some((epoch, count))), Err)
    }

    /// Ends one that was in before an end of all. Who ends all may be on the way to it, and counts it then: it stays
    /// listed for that.
    pub(crate) async fn end_outdated(&self, handle: Handle, epoch: u64) -> Result<(), Unavailable> {
        if self.end_record_as(WriteId::default(), handle, Some(epoch), Reason::Everywhere).await? == Some(true) {
            self.announce_beside(vec![handle], Reason::Everywhere).await;
        }
        Ok(())
    }

    /// Looks after members whose deadline has passed, beside: their records are asked.
    pub(crate) async fn look_after(store: Arc<dyn AnyStore>, user: String, passed: Vec<Member>) {
        if passed.is_empty() {
            return;
        }
        beside(async move {
            let sessions = Sessions::of(&store, &user, Allowance::after(Duration::ZERO));
            if let Err(cause) = sessions.tidy(passed).await {
                event::roster_failed(&cause);
            }
        })
        .await;
    }

    async fn tidy(&self, passed: Vec<Member>) -> Result<(), Unavailable> {
        let mut gone = Vec::new();
        for (member, loaded) in self.load(passed).await? {
            match loaded {
                Loaded::Found(record) if record.user.as_deref() != Some(self.user) => gone.push(member.listed()),
                Loaded::Found(record) if member.confirmed => {
                    let (handle, life) = (member.handle, record.expires_in);
                    self.enrol(&Act::Touch { handle, serial: record.serial(), life }).await?;
                }
                // A log-in that crashed between its record and its confirmation.
                Loaded::Found(_) => {
                    self.end_record(member.handle, None, Reason::Ended).await?;
                    gone.push(member.listed());
                }
                Loaded::Unreadable(_) => {}
                Loaded::Missing | Loaded::Tombstone | Loaded::Ended { .. } => gone.push(member.listed()),
            }
        }
        if !gone.is_empty() {
            self.enrol(&Act::Leave(gone)).await?;
        }
        Ok(())
    }

    /// Ends one record: whether it was there, and this user's; none when it came in at or after `before`.
    async fn end_record(
        &self,
        handle: Handle,
        before: Option<u64>,
        reason: Reason,
    ) -> Result<Option<bool>, Unavailable> {
        self.end_record_as(WriteId::random()?, handle, before, reason).await
    }

    async fn end_record_as(
        &self,
        id: WriteId,
        handle: Handle,
        before: Option<u64>,
        reason: Reason,
    ) -> Result<Option<bool>, Unavailable> {
        let act = store::Act::End { user: self.user.to_owned(), before, reason };
        let write = Write { handle, generation: 0, id, act };
        Ok(match self.store.apply(&write, &self.time.budget()).await? {
            store::Outcome::Done(_) => Some(true),
            store::Outcome::Superseded => None,
            _ => Some(false),
        })
    }

    /// The records of these members, a few pipelines at a time. What is missing is looked at twice: one record that is
    /// there does not prove that its neighbour is not.
    async fn load(&self, members: Vec<Member>) -> Result<Vec<(Member, Loaded)>, Unavailable> {
        let mut loaded = self.load_once(&members).await?;
        let missing: Vec<usize> = (0..loaded.len()).filter(|at| loaded[*at] == Loaded::Missing).collect();
        if !missing.is_empty() && missing.len() < loaded.len() {
            let again: Vec<Member> = missing.iter().map(|at| members[*at]).collect();
            for (at, answer) in missing.into_iter().zip(self.load_once(&again).await?) {
                loaded[at] = answer;
            }
        }
        Ok(members.into_iter().zip(loaded).collect())
    }

    async fn load_once(&self, members: &[Member]) -> Result<Vec<Loaded>, Unavailable> {
        let handles: Vec<Handle> = members.iter().map(|member| member.handle).collect();
        let mut answers = Vec::with_capacity(handles.len());
        for some in handles.chunks(ASKED_AT_ONCE) {
            answers.extend(self.store.load(some, &self.time.budget()).await?);
        }
        Ok(answers)
    }

    async fn gone_beside(&self, handles: Vec<Handle>, reason: Reason) {
        let gone = handles.iter().map(|handle| Listed { handle: *handle, serial: u64::MAX }).collect();
        self.leave_beside(gone).await;
        self.announce_beside(handles, reason).await;
    }

    async fn leave_beside(&self, gone: Vec<Listed>) {
        if gone.is_empty() {
            return;
        }
        leave(self.store.clone(), self.name, gone).await;
    }

    async fn announce_beside(&self, handles: Vec<Handle>, reason: Reason) {
        if !handles.is_empty() {
            announce(self.store.clone(), handles, reason).await;
        }
    }
}

fn members(outcome: Outcome) -> (u64, Vec<Member>) {
    match outcome {
        Outcome::Members { epoch, members } => (epoch, members),
        // No other answer lists anybody.
        _ => (0, Vec::new()),
    }
}

/// Whether a member leaves whose record was to be ended, and was there or not; none when it was logged in anew since. A
/// place that is only reserved stays: its log-in may be about to write its record, which must not be alive and unlisted.
pub(crate) fn leaves(member: &Member, ended: Option<bool>) -> bool {
    member.confirmed && ended.is_some()
}

/// What a record says of a member.
pub(crate) fn verdict(loaded: &Loaded, user: &str, now: Timestamp) -> Verdict {
    match loaded {
        Loaded::Found(record) if record.user.as_deref() == Some(user) => {
            let since = record.rotated.unwrap_or(record.born).max(record.born);
            let unproved = record.membership.is_some_and(|membership| membership.unproved);
            if unproved && now.since(since) > ABANDONED { Verdict::Abandoned } else { Verdict::Live }
        }
        Loaded::Found(_) | Loaded::Missing | Loaded::Tombstone | Loaded::Ended { .. } => Verdict::Dead,
        Loaded::Unreadable(_) => Verdict::Live,
    }
}

/// A minute at most: the reservation, or the log-in that nobody came back from.
const _: () = assert!(ABANDONED.as_secs() < GRACE.as_secs());
