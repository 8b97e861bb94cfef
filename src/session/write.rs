//! One write of a request to its session, with what is staged: changes the record that is there, creates one, or ends
//! it.

use std::future::Future;
use std::time::Instant;

use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::Visit;
use super::held::Held;
use super::standing::{Standing, Why};
use crate::delta::{Change, Delta};
use crate::error::{Error, ErrorKind, Unavailable, UnavailableKind};
use crate::id::{Handle, Id, WriteId};
use crate::record::{Life, Record, Seen};
use crate::store::roster::Membership;
use crate::store::{Act, Add, Apply, Budget, Create, Done, Intent, Outcome, Write};

/// Sessions begin with this generation.
pub(super) const FIRST: u32 = 1;

/// What goes to the store along with what is staged.
#[derive(Default)]
pub(super) struct Along {
    pub(super) set: Option<(String, String)>,
    pub(super) add: Option<Add>,
    pub(super) expect: Option<(String, Option<String>)>,
    pub(super) intent: Option<Intent>,
    pub(super) how: How,
}

/// How sure the application wants to be of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum How {
    #[default]
    AsEver,
    /// It asked for it to be saved.
    Surely,
}

impl Along {
    pub(super) fn set(key: &str, text: String) -> Self {
        Self { set: Some((key.to_owned(), text)), ..Self::default() }
    }
}

impl Visit {
    /// A turn among the operations of this request, within its budget: another one may be held by a future that
    /// nobody polls.
    pub(super) async fn take_turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(turn) = self.turn.try_acquire() {
            return Ok(turn);
        }
        let (asked, budget) = (Instant::now(), self.call_budget());
        let turn = timeout(budget.left(self.layer().store.budget()), self.turn.acquire()).await;
        budget.spend(asked.elapsed());
        // The semaphore is never closed.
        turn.ok().and_then(Result::ok).ok_or_else(|| Unavailable::from(UnavailableKind::Contended).into())
    }

    /// One write to the session: changes the record that is there, or creates one.
    pub(super) async fn apply(&self, along: Along) -> Result<Outcome, Error> {
        let target = self.held(|held| {
            if held.is_log_out() {
                return Err(ErrorKind::Ended);
            }
            match held.standing() {
                Standing::Live(live) => Ok(Some((live.id.handle(), live.record.generation))),
                Standing::New { .. } => held.may_create().map(|()| None),
                Standing::Stale { .. } | Standing::Ended => Err(ErrorKind::Ended),
            }
        })?;
        if let Some((handle, generation)) = target {
            let change = self.change(handle, generation, along)?;
            return change.await;
        }
        let id = Id::random()?;
        Box::pin(self.create_as(id, None, along.set, along.how)).await.map(Outcome::Done)
    }

    /// Changes the record. The write is made before the future is, which would have room for each of its parts twice.
    pub(super) fn change(
        &self,
        handle: Handle,
        generation: u32,
        along: Along,
    ) -> Result<impl Future<Output = Result<Outcome, Error>>, Error> {
        let staged = Staged::take(self);
        let mut delta = staged.delta.clone();
        if let Some((key, text)) = along.set {
            delta.change(&key, Change::Set(text));
        }
        let intent = along.intent.unwrap_or(Intent::Keep);
        // A log-in tells the roster itself.
        let life = delta.life.filter(|_| !matches!(intent, Intent::LogIn { .. }));
        let apply = Apply { delta, add: along.add, expect: along.expect, intent, limits: self.layer().limits };
        let write = Write { handle, generation, id: WriteId::random()?, act: Act::Apply(apply) };
        Ok(async move {
            if life.is_some() {
                // Boxed, like all that is seldom, so that the futures of what is frequent stay small.
                Box::pin(self.live_longer(handle, life)).await?;
            }
            let outcome = self.send(&write, along.how).await?;
            if let (Outcome::Done(done), Act::Apply(apply)) = (&outcome, &write.act) {
                staged.applied();
                self.changed(*done, apply);
            }
            Ok(outcome)
        })
    }

    /// Carries a change that was applied over into what this request sees.
    fn changed(&self, done: Done, apply: &Apply) {
        let why = match (&apply.intent, apply.delta.life) {
            (Intent::Keep, None) => None,
            _ => Some(Why::Changed),
        };
        let change = |record: &mut Record| {
            if let Intent::LogIn { user, idle, membership, .. } = &apply.intent {
                if record.user.as_ref().is_some_and(|before| before != user) {
                    record.data.clear();
                    record.life.own = false;
                }
                record.user = Some(user.clone());
                record.membership = *membership;
                record.life.idle = if record.life.own { record.life.idle } else { *idle };
            }
            apply.delta.apply_to(&mut record.data);
            if let (Some(add), Some(sum)) = (&apply.add, done.value) {
                record.data.insert(add.key.clone(), sum.to_string());
            }
            if let Some(idle) = apply.delta.life {
                (record.life.idle, record.life.own) = (idle, true);
            }
        };
        self.held(|held| held.done(done, change, why));
    }

    async fn send(&self, write: &Write, how: How) -> Result<Outcome, Unavailable> {
        let (store, budget) = (&self.layer().store, self.call_budget());
        match how {
            How::AsEver => store.apply(write, &budget).await,
            How::Surely => store.save(write, &budget).await,
        }
    }

    /// Creates the session under this id, with what is staged and what goes along, for a user and their place in the
    /// roster, or without.
    pub(super) async fn create_as(
        &self,
        id: Id,
        member: Option<(&str, Membership)>,
        set: Option<(String, String)>,
        how: How,
    ) -> Result<Done, Error> {
        let (user, membership) = member.unzip();
        let staged = Staged::take(self);
        let mut data = staged.delta.values();
        data.extend(set);
        let lifetime = &self.layer().lifetime;
        let life = lifetime.begin(self.layer().store.now(), user.is_some(), staged.delta.life);
        let create = Create {
            user: user.map(str::to_owned),
            membership,
            idle: (life.idle, life.own),
            absolute: lifetime.absolute,
            seen: self.sighting(),
            data,
        };
        let write = Write { handle: id.handle(), generation: FIRST, id: WriteId::random()?, act: Act::Create(create) };
        let done = self.send(&write, how).await?.done()?;
        let dead = self.held(|held| held.dead().cloned()).filter(|_| user.is_none());
        if let Some(dead) = &dead {
            Box::pin(self.look_behind(write.handle, dead)).await?;
        }
        staged.applied();
        let record = born(write, done, life);
        self.held(|held| {
            // What is created with the response was looked at just now; what is created before, once more then.
            held.replaced = dead.filter(|_| held.is_open());
            held.created(id, record, done.at);
        });
        Ok(done)
    }

    /// Carries out a staged log-out now.
    pub(super) async fn destroy_staged(&self) -> Result<(), Error> {
        let target = self.held(|held| match (held.is_log_out(), held.standing()) {
            (true, Standing::Live(live)) => Ok(Some((live.id.handle(), live.record.generation))),
            (true, Standing::Stale { dead }) if dead.superseded => Err(ErrorKind::Ended),
            _ => Ok(None),
        })?;
        let Some((handle, generation)) = target else { return Ok(()) };
        let write = Write { handle, generation, id: WriteId::random()?, act: Act::Destroy };
        let user = self.held(|held| held.user().map(str::to_owned));
        match self.layer().store.apply(&write, &self.call_budget()).await? {
            Outcome::Done(_) => {
                self.held(|held| held.ended(true));
                self.logged_out(handle, user).await;
            }
            // Another log-out was faster; its own response removes the cookie.
            Outcome::Gone => self.held(|held| held.ended(false)),
            outcome => return outcome.done().map(|_| ()),
        }
        Ok(())
    }

    /// The request's budget; a call after its response (in a stream) has one of its own.
    pub(super) fn call_budget(&self) -> BudgetOfCall<'_> {
        if self.held(|held| held.is_sent()) {
            BudgetOfCall::Own(Budget::default())
        } else {
            BudgetOfCall::Request(&self.budget)
        }
    }
}

pub(super) enum BudgetOfCall<'a> {
    Request(&'a Budget),
    Own(Budget),
}

impl std::ops::Deref for BudgetOfCall<'_> {
    type Target = Budget;

    fn deref(&self) -> &Budget {
        match self {
            Self::Request(budget) => budget,
            Self::Own(budget) => budget,
        }
    }
}

/// The record that a creation made.
fn born(write: Write, done: Done, life: Life) -> Record {
    let mut record = Record { generation: write.generation, born: done.at, ..Record::default() };
    record.life = Life { end: done.end, ..life };
    record.expires_in = record.life.span(done.at);
    if let Act::Create(create) = write.act {
        record.seen = Seen::first(&create.seen, done.at);
        (record.user, record.membership, record.data) = (create.user, create.membership, create.data);
    }
    record
}

/// What was staged, on its way to the store. Unless it was applied, dropping this stages it again: also when the
/// future that holds it is dropped.
struct Staged<'a> {
    visit: &'a Visit,
    delta: Delta,
}

impl<'a> Staged<'a> {
    fn take(visit: &'a Visit) -> Self {
        Self { visit, delta: visit.held(Held::take_staged) }
    }

    fn applied(mut self) {
        self.delta = Delta::default();
        self.visit.held(Held::stored);
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        let delta = std::mem::take(&mut self.delta);
        if !delta.is_empty() {
            self.visit.held(|held| held.restore(delta));
        }
    }
}

impl Outcome {
    /// The state after the write, or why there is none.
    pub(super) fn done(self) -> Result<Done, Error> {
        match self {
            Self::Done(done) | Self::Drifted(done, _) => Ok(done),
            Self::Gone | Self::Superseded => Err(ErrorKind::Ended.into()),
            Self::NotANumber => Err(ErrorKind::NotANumber.into()),
            Self::Overflow => Err(ErrorKind::Overflow.into()),
            Self::TooLarge => Err(ErrorKind::TooLarge.into()),
            Self::Conflict(_) | Self::Exists => Err(Unavailable::from(UnavailableKind::Contended).into()),
        }
    }
}
