//! Logging in: the one privilege change that may find its session gone, superseded or another's.

#[cfg(test)]
mod model;

use std::time::Duration;

use super::standing::{Dead, Standing};
use super::write::{Along, FIRST, How};
use super::{Session, Visit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::{Handle, Id, WriteId};
use crate::store::roster::Membership;
use crate::store::{Act, Done, GRACE, Intent, Loaded, Outcome, Write};

/// The longest user id, in bytes.
const USER: usize = 4096;

impl Session {
    /// Binds the session to a user who has proved who they are. Its generation rises, so a cookie from before is dead
    /// at once (session fixation, CWE-384); its data are kept, but another user's are dropped. The absolute limit
    /// begins anew. A session that had ended, or was none, starts anew.
    ///
    /// When the same user's log-in was faster (a form clicked twice, or an answer that was lost), the current cookie is
    /// issued again.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// // Check the password first: that is the application's.
    /// session.log_in("alice").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Cap`](ErrorKind::Cap) when the user has as many sessions as they may have,
    /// [`TooLarge`](ErrorKind::TooLarge) for an id of more than 4,096 bytes, [`Sealed`](ErrorKind::Sealed) when the
    /// response's headers are gone, and those of [`save`](Self::save).
    pub async fn log_in(&self, user: &str) -> Result<(), Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
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
            Standing::Live(live) => Some(Dead::new(live.id.clone(), live.record.generation, true)),
            _ => held.dead().cloned(),
        });
        let before = visit.held(|held| held.live().map(|live| (live.record.user.clone(), live.record.serial())));
        let bound = match &presented {
            Some(dead) if dead.superseded => visit.admit(user, &Target::Presented(dead.clone())).await?,
            _ => false,
        };
        if bound {
            visit.left_by_log_in(user, before).await;
        } else {
            visit.admit(user, &Target::Fresh { id: Id::random()?, presented }).await?;
        }
        let replaced = visit.held(|held| {
            held.expire_variants = true;
            held.replaced.take()
        });
        if let Some(dead) = replaced {
            // Created at once before, in place of this dead cookie: now it is a log-in's.
            let _ = visit.bury(&dead).await;
        }
        Ok(())
    }
}

/// Which record a log-in binds.
pub(super) enum Target {
    /// That of the cookie that was presented.
    Presented(Dead),
    /// A new one, in the place of a dead cookie's perhaps.
    Fresh { id: Id, presented: Option<Dead> },
}

impl Target {
    pub(super) fn handle(&self) -> Handle {
        match self {
            Self::Presented(dead) => dead.id.handle(),
            Self::Fresh { id, .. } => id.handle(),
        }
    }
}

impl Visit {
    /// Writes the record of a log-in that has a place: how long it lives; none when there is none to be bound.
    pub(super) async fn bind(
        &self,
        target: &Target,
        user: &str,
        membership: Membership,
    ) -> Result<Option<Duration>, Error> {
        match target {
            Target::Presented(dead) => {
                if !self.bind_presented(dead, user, membership).await? {
                    return Ok(None);
                }
            }
            Target::Fresh { id, presented } => {
                if let Some(dead) = presented {
                    // First, so that an answer with another new session for this cookie was decided before it, and is
                    // on its way before ours. Best effort: the log-in does not depend on it.
                    let _ = self.bury(dead).await;
                }
                self.create_as(id.clone(), Some((user, membership)), None, How::AsEver).await?;
            }
        }
        Ok(self.held(|held| held.live().map(|live| live.record.expires_in)))
    }

    /// Binds the presented session to the user: true when it is theirs now, or was under a newer generation.
    async fn bind_presented(&self, presented: &Dead, user: &str, membership: Membership) -> Result<bool, Error> {
        let lifetime = &self.layer().lifetime;
        // What was staged on what was read before another log-in is not applied after it.
        let late = self.held(|held| held.live().is_some() && held.is_changed());
        let bound_to = user;
        let (user, idle, absolute) = (user.to_owned(), lifetime.idle, lifetime.absolute);
        let intent = Intent::LogIn { user, idle, absolute, reissue: !late, membership: Some(membership) };
        let along = Along { intent: Some(intent), ..Along::default() };
        let handle = presented.id.handle();
        match self.change(handle, presented.generation, along)?.await? {
            Outcome::Done(done) => {
                let again = done.generation != presented.generation.saturating_add(1);
                if again || self.held(|held| held.live().is_none()) {
                    self.adopt(presented, done, bound_to).await?;
                }
                Ok(true)
            }
            Outcome::Gone | Outcome::Superseded if late => Err(ErrorKind::Ended.into()),
            Outcome::Gone | Outcome::Superseded => Ok(false),
            outcome => outcome.done().map(|_| false),
        }
    }

    /// The presented cookie was superseded, and its record is this user's: this request goes on with it.
    async fn adopt(&self, presented: &Dead, done: Done, user: &str) -> Result<(), Error> {
        let handle = presented.id.handle();
        let loaded = self.layer().store.load(&[handle], &self.call_budget()).await?;
        let Some(Loaded::Found(record)) = loaded.into_iter().next() else { return Err(ErrorKind::Ended.into()) };
        if record.generation != done.generation || record.user.as_deref() != Some(user) {
            // Somebody else has logged in between these two.
            return Err(ErrorKind::Ended.into());
        }
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

    /// A session was created in place of a dead cookie's: looks what is at that cookie now.
    pub(super) async fn look_behind(&self, created: Handle, dead: &Dead) -> Result<(), Error> {
        let loaded = self.layer().store.load(&[dead.id.handle()], &self.call_budget()).await;
        match loaded.as_deref() {
            Ok([behind, ..]) => self.yield_to_log_in((created, FIRST), dead.clone(), behind).await,
            Ok([]) => Ok(()),
            Err(cause) => {
                // Nobody will ever have its cookie.
                let _ = self.destroy((created, FIRST)).await;
                Err(cause.clone().into())
            }
        }
    }

    /// A session was created in place of a dead cookie's: was a log-in with that cookie faster? Then its cookie must
    /// not be replaced, so what was created is destroyed again.
    pub(super) async fn yield_to_log_in(
        &self,
        created: (Handle, u32),
        dead: Dead,
        behind: &Loaded,
    ) -> Result<(), Error> {
        if !log_in_was_faster(behind, self.layer().store.now()) {
            return Ok(());
        }
        self.destroy(created).await?;
        self.held(|held| held.stand(Standing::Stale { dead }));
        Err(ErrorKind::Ended.into())
    }

    async fn destroy(&self, (handle, generation): (Handle, u32)) -> Result<(), Error> {
        let write = Write { handle, generation, id: WriteId::random()?, act: Act::Destroy };
        self.layer().store.apply(&write, &self.call_budget()).await?;
        Ok(())
    }
}

/// Whether what is at a dead cookie's session was left by a log-in, or by an end, while a request was under way with it.
fn log_in_was_faster(behind: &Loaded, now: Timestamp) -> bool {
    match behind {
        Loaded::Tombstone => true,
        Loaded::Ended { at, .. } => now.since(*at) < GRACE,
        Loaded::Missing | Loaded::Unreadable(_) => false,
        Loaded::Found(record) => record.rotated.is_some_and(|at| now.since(at) < GRACE),
    }
}
