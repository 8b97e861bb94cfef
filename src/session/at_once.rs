//! What is applied when it is awaited, because its result matters: additions, exact updates, log-in, rotation, saving.
//!
//! Operations of one request take turns. Each takes along what was staged before it; when it fails, or its future is
//! dropped, that is staged again, and will be applied or refused with the response.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::held::{Dead, Standing, Why, created_record};
use super::{Session, Visit, decode, encode};
use crate::clock::jitter;
use crate::delta::{Change, Delta};
use crate::error::{Error, ErrorKind, Unavailable, UnavailableKind};
use crate::id::{Handle, Id, WriteId};
use crate::record::Life;
use crate::store::{Act, Add, Apply, Budget, Create, Done, GRACE, Intent, Loaded, Outcome, Write, integer};

/// The longest user id, in bytes.
const USER: usize = 1024;
/// So often an update is tried against others' changes.
const UPDATES_MOST: usize = 1000;

impl Session {
    /// Adds to an integer, exactly: concurrent additions all count. An absent value is zero. The sum.
    ///
    /// # Errors
    ///
    /// [`NotANumber`](ErrorKind::NotANumber) and [`Overflow`](ErrorKind::Overflow) (64 bits, signed), and those of
    /// [`set`](Self::set) and [`save`](Self::save). Nothing is added then, unless the store did not answer: then it
    /// was added once or not at all.
    pub async fn incr(&self, key: &str, by: i64) -> Result<i64, Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await;
        let own = visit.held(|held| {
            held.check(key, &by.to_string(), &visit.layer().limits)?;
            let known = held.is_staged(key) || held.live().is_none();
            Ok::<_, Error>(known.then(|| held.read(key).map(str::to_owned)))
        })?;
        let Some(own) = own else {
            let add = Add { key: key.to_owned(), by };
            let done = visit.apply(Along { add: Some(add), ..Along::default() }).await?.done()?;
            return done.value.ok_or_else(|| ErrorKind::NotANumber.into());
        };
        // The request's own change is what is added to, and no one else's: the sum is known here.
        let before = own.map_or(Ok(0), |text| integer(&text).ok_or(ErrorKind::NotANumber))?;
        let sum = before.checked_add(by).ok_or(ErrorKind::Overflow)?;
        visit.apply(Along::set(key, sum.to_string())).await?.done()?;
        Ok(sum)
    }

    /// Replaces a value by a function of it, exactly: when another request changes it meanwhile, the function is asked
    /// again with the new value. It gets `None` where the key is absent. The value that was stored.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get), [`set`](Self::set) and [`save`](Self::save).
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> T,
    {
        let visit = &*self.0;
        let _turn = visit.take_turn().await;
        let (mut text, certain) = visit.held(|held| {
            let certain = held.is_staged(key) || held.live().is_none();
            (held.read(key).map(str::to_owned), certain)
        });
        for round in 0..UPDATES_MOST {
            let value = change(text.as_deref().map(decode).transpose()?);
            let new = encode(&value)?;
            visit.held(|held| held.check(key, &new, &visit.layer().limits))?;
            let expect = (!certain).then(|| (key.to_owned(), text));
            match visit.apply(Along { expect, ..Along::set(key, new) }).await? {
                Outcome::Conflict(current) => {
                    text = current;
                    visit.make_way(round).await;
                }
                outcome => return outcome.done().map(|_| value),
            }
        }
        Err(Unavailable::from(UnavailableKind::Contended).into())
    }

    /// Binds the session to a user who has proved who they are. Its generation rises, so a cookie from before is dead
    /// at once (session fixation, CWE-384); its data are kept, but another user's are dropped. The absolute limit
    /// begins anew. A session that had ended, or was none, starts anew.
    ///
    /// When the same user's log-in was faster (a form clicked twice, or an answer that was lost), the current cookie is
    /// issued again.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) for an id of more than 1,024 bytes, [`Sealed`](ErrorKind::Sealed) when the
    /// response's headers are gone, and those of [`save`](Self::save).
    pub async fn log_in(&self, user: &str) -> Result<(), Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await;
        if user.len() > USER {
            return Err(ErrorKind::TooLarge.into());
        }
        visit.held(|held| held.may_send_cookie())?;
        match visit.destroy_staged().await {
            // Another log-in was faster than the log-out, and this one decides anew.
            Err(error) if error.kind() == ErrorKind::Ended => {}
            destroyed => destroyed?,
        }
        let presented = visit.held(|held| match held.standing() {
            Standing::Live(live) => {
                let (id, generation) = (live.id.clone(), live.record.generation);
                Some(Dead { id, generation, superseded: true })
            }
            _ => held.dead().cloned(),
        });
        let bound = match &presented {
            Some(dead) if dead.superseded => visit.bind(dead, user).await?,
            _ => false,
        };
        if !bound {
            visit.create(Some(user), None).await?;
            if let Some(dead) = presented {
                // Best effort: the log-in is done, and answering otherwise would not undo it.
                let _ = visit.bury(&dead).await;
            }
        }
        visit.held(|held| held.expire_variants = true);
        Ok(())
    }

    /// Raises the session's generation: cookies from before are dead at once. For a change of privilege that is no
    /// log-in. A session that does not exist yet has nothing to raise.
    ///
    /// # Errors
    ///
    /// [`Sealed`](ErrorKind::Sealed) when the response's headers are gone, and those of [`save`](Self::save).
    pub async fn rotate(&self) -> Result<(), Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await;
        visit.held(|held| held.may_send_cookie())?;
        if visit.held(|held| matches!(held.standing(), Standing::New { .. })) {
            return Ok(());
        }
        visit.apply(Along { intent: Some(Intent::Rotate), ..Along::default() }).await?.done().map(|_| ())
    }

    /// Applies now what is staged, a log-out too. When it succeeds, the data are stored, and the cookie is sent with
    /// the response.
    ///
    /// # Errors
    ///
    /// [`Ended`](ErrorKind::Ended) when the session was ended or logged in anew meanwhile,
    /// [`TooLarge`](ErrorKind::TooLarge) when others filled it meanwhile, [`Sealed`](ErrorKind::Sealed) when it would
    /// need a cookie and the response's headers are gone, [`Unavailable`](ErrorKind::Unavailable) when the store did
    /// not answer.
    pub async fn save(&self) -> Result<(), Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await;
        visit.destroy_staged().await?;
        if !visit.held(|held| held.is_changed()) {
            return Ok(());
        }
        visit.apply(Along::default()).await?.done().map(|_| ())
    }
}

/// What goes to the store along with what is staged.
#[derive(Default)]
pub(super) struct Along {
    pub(super) set: Option<(String, String)>,
    pub(super) add: Option<Add>,
    pub(super) expect: Option<(String, Option<String>)>,
    pub(super) intent: Option<Intent>,
}

impl Along {
    fn set(key: &str, text: String) -> Self {
        Self { set: Some((key.to_owned(), text)), ..Self::default() }
    }
}

impl Visit {
    pub(super) async fn take_turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // The semaphore is never closed, so there always is a permit.
        self.turn.acquire().await.ok()
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
        match target {
            Some((handle, generation)) => self.change(handle, generation, along).await,
            None => self.create(None, along.set).await.map(Outcome::Done),
        }
    }

    async fn change(&self, handle: Handle, generation: u32, along: Along) -> Result<Outcome, Error> {
        let staged = Staged::take(self);
        let mut delta = staged.delta.clone();
        if let Some((key, text)) = along.set {
            delta.change(&key, Change::Set(text));
        }
        let intent = along.intent.unwrap_or(Intent::Keep);
        let apply = Apply { delta, add: along.add, expect: along.expect, intent, limits: self.layer().limits };
        let write = Write { handle, generation, id: WriteId::random()?, act: Act::Apply(apply) };
        let outcome = self.layer().store.apply(&write, &self.call_budget()).await?;
        if let (Outcome::Done(done), Act::Apply(apply)) = (&outcome, write.act) {
            staged.applied();
            self.changed(*done, &apply);
        }
        Ok(outcome)
    }

    /// Many requests update the same value: every other time one waits a while, the longer the more often it met
    /// others, and tries twice then: once for the newest value, and once with it. The time counts.
    async fn make_way(&self, round: usize) {
        if round % 2 == 1 {
            let pause = jitter(Duration::from_millis(2 << round.min(10).div_ceil(2)));
            self.budget.spend(pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Carries a change that was applied over into what this request sees.
    fn changed(&self, done: Done, apply: &Apply) {
        let why = match (&apply.intent, apply.delta.life) {
            (Intent::Keep, None) => None,
            _ => Some(Why::Changed),
        };
        let change = |record: &mut crate::record::Record| {
            if let Intent::LogIn { user, idle, .. } = &apply.intent {
                if record.user.as_ref().is_some_and(|before| before != user) {
                    record.data.clear();
                    record.life.own = false;
                }
                record.user = Some(user.clone());
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

    /// Creates the session, for a user or without, with what is staged and what goes along.
    async fn create(&self, user: Option<&str>, set: Option<(String, String)>) -> Result<Done, Error> {
        let staged = Staged::take(self);
        let (mut delta, mut data) = (staged.delta.clone(), BTreeMap::new());
        if let Some((key, text)) = set {
            delta.change(&key, Change::Set(text));
        }
        delta.apply_to(&mut data);
        let lifetime = &self.layer().lifetime;
        let id = Id::random()?;
        let life = lifetime.begin(self.layer().store.now(), user.is_some(), delta.life);
        let create = Create {
            user: user.map(str::to_owned),
            idle: (life.idle, life.own),
            absolute: lifetime.absolute,
            data: data.clone(),
        };
        let write = Write { handle: id.handle(), generation: FIRST, id: WriteId::random()?, act: Act::Create(create) };
        let done = self.layer().store.apply(&write, &self.call_budget()).await?.done()?;
        if user.is_none() {
            self.yield_to_log_in(write.handle).await?;
        }
        staged.applied();
        let life = Life { end: done.end, ..life };
        let mut record = created_record(FIRST, life, done.at);
        (record.data, record.user) = (data, user.map(str::to_owned));
        self.held(|held| held.created(id, record, done.at));
        Ok(done)
    }

    /// A session was created in place of a dead cookie's: was a log-in with that cookie faster? Then its cookie must
    /// not be replaced, so what was created is destroyed again.
    async fn yield_to_log_in(&self, created: Handle) -> Result<(), Error> {
        let Some(dead) = self.held(|held| held.dead().cloned()) else { return Ok(()) };
        let store = &self.layer().store;
        let loaded = store.load(&[dead.id.handle()], &self.call_budget()).await?;
        let faster = loaded.into_iter().any(|loaded| match loaded {
            Loaded::Tombstone => true,
            Loaded::Missing => false,
            Loaded::Found(record) => record.rotated.is_some_and(|at| store.now().since(at) < GRACE),
        });
        if faster {
            let write = Write { handle: created, generation: FIRST, id: WriteId::random()?, act: Act::Destroy };
            store.apply(&write, &self.call_budget()).await?;
            self.held(|held| held.stand(Standing::Stale { dead }));
            return Err(ErrorKind::Ended.into());
        }
        Ok(())
    }

    /// Binds the presented session to the user: true when it is theirs now, or was under a newer generation.
    async fn bind(&self, presented: &Dead, user: &str) -> Result<bool, Error> {
        let lifetime = &self.layer().lifetime;
        let intent = Intent::LogIn { user: user.to_owned(), idle: lifetime.idle, absolute: lifetime.absolute };
        let along = Along { intent: Some(intent), ..Along::default() };
        let handle = presented.id.handle();
        match self.change(handle, presented.generation, along).await? {
            Outcome::Done(done) => {
                if self.held(|held| held.live().is_none()) {
                    self.adopt(presented, done).await?;
                }
                Ok(true)
            }
            Outcome::Gone | Outcome::Superseded => Ok(false),
            outcome => outcome.done().map(|_| false),
        }
    }

    /// The presented cookie was superseded, and its record is this user's: this request goes on with it.
    async fn adopt(&self, presented: &Dead, done: Done) -> Result<(), Error> {
        let handle = presented.id.handle();
        let loaded = self.layer().store.load(&[handle], &self.call_budget()).await?;
        let Some(Loaded::Found(record)) = loaded.into_iter().next() else { return Err(ErrorKind::Ended.into()) };
        self.held(|held| held.created(presented.id.clone(), *record, done.at));
        Ok(())
    }

    /// Leaves a tombstone at the cookie that a log-in replaced, so that requests still under way with it stay silent.
    async fn bury(&self, dead: &Dead) -> Result<(), Error> {
        let (handle, generation) = (dead.id.handle(), dead.generation);
        let write = Write { handle, generation, id: WriteId::random()?, act: Act::Bury };
        self.layer().store.apply(&write, &self.call_budget()).await?;
        Ok(())
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
        match self.layer().store.apply(&write, &self.call_budget()).await? {
            Outcome::Done(_) => self.held(|held| held.ended(true)),
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

/// Sessions begin with this generation.
const FIRST: u32 = 1;

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

/// What was staged, on its way to the store. Unless it was applied, dropping this stages it again: also when the
/// future that holds it is dropped.
struct Staged<'a> {
    visit: &'a Visit,
    delta: Delta,
}

impl<'a> Staged<'a> {
    fn take(visit: &'a Visit) -> Self {
        Self { visit, delta: visit.held(super::held::Held::take_staged) }
    }

    fn applied(mut self) {
        self.delta = Delta::default();
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
            Self::Done(done) => Ok(done),
            Self::Gone | Self::Superseded => Err(ErrorKind::Ended.into()),
            Self::NotANumber => Err(ErrorKind::NotANumber.into()),
            Self::Overflow => Err(ErrorKind::Overflow.into()),
            Self::TooLarge => Err(ErrorKind::TooLarge.into()),
            Self::Conflict(_) | Self::Exists => Err(Unavailable::from(UnavailableKind::Contended).into()),
        }
    }
}
