//! The other sessions of the session's user.

use std::time::{Duration, Instant};

use super::standing::Standing;
use super::{Session, Visit};
use crate::error::{Error, ErrorKind, Unavailable};
use crate::id::Handle;
use crate::store::Reason;
use crate::store::roster::{Act, Listed, Name, Outcome};
use crate::users::aftermath::{announce, leave};
use crate::users::allowance::Allowance;
use crate::users::sessions::{Asking, Sessions};
use crate::users::{Device, devices};

/// Devices. Without a user who is logged in there are none.
impl Session {
    /// The live sessions of this session's user, the one that was used last first.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// for device in session.devices().await? {
    ///     let agent = device.user_agent().map_or("unknown".to_owned(), |agent| agent.to_string());
    ///     println!("{} {agent}{}", device.handle, if device.current { ", this one" } else { "" });
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when the store could not say.
    pub async fn devices(&self) -> Result<Vec<Device>, Error> {
        let Some((current, user)) = self.0.held(|held| held.live_user()) else { return Ok(Vec::new()) };
        let found = self.0.spending(self.0.sessions(&user).list()).await?;
        Ok(devices(&found, Some(current)))
    }

    /// Ends one of its user's sessions, at once: whether it was there. Ending this very session is a log-out.
    ///
    /// ```
    /// # async fn example(session: stickless::Session, from_the_form: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let was_there = session.end_device(from_the_form.parse()?).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Sealed`](ErrorKind::Sealed) when it is this one and the response's headers are gone;
    /// [`Unavailable`](ErrorKind::Unavailable) when the store did not answer: it is still listed then, if it was not ended.
    pub async fn end_device(&self, device: Handle) -> Result<bool, Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
        let Some((current, user)) = visit.held(|held| held.live_user()) else { return Ok(false) };
        if device == current {
            visit.held(|held| held.may_send_cookie())?;
        }
        let ended = visit.spending(visit.sessions(&user).end(device, Reason::Ended)).await?;
        if device == current {
            visit.held(|held| held.ended(ended));
        }
        Ok(ended)
    }

    /// Ends all other sessions of its user, and refuses every log-in that began before. How many there were.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// // The password was changed.
    /// let others = session.end_others().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Ended`](ErrorKind::Ended) when this session has ended, [`Unavailable`](ErrorKind::Unavailable) when not all
    /// could be ended: those that are left are still listed. It can be repeated.
    pub async fn end_others(&self) -> Result<usize, Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
        let Some((user, asks)) = visit.standing_member()? else { return Ok(0) };
        let ended = visit.spending(visit.sessions(&user).end_others(asks)).await?;
        ended.ok_or_else(|| ErrorKind::Ended.into())
    }

    /// Ends all sessions of its user, this one too, and refuses every log-in that began before. How many there were. The
    /// response removes this session's cookie.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// let ended = session.end_everywhere().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`end_others`](Self::end_others), and [`Sealed`](ErrorKind::Sealed) when the response's headers are gone. This
    /// session ends last: as long as another could not be ended, it is there to repeat it.
    pub async fn end_everywhere(&self) -> Result<usize, Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
        visit.held(|held| held.may_send_cookie())?;
        let Some((user, asks)) = visit.standing_member()? else { return Ok(0) };
        let ended = visit.spending(visit.sessions(&user).end_all_and_own(asks)).await?;
        let ended = ended.ok_or(ErrorKind::Ended)?;
        visit.held(|held| held.ended(true));
        Ok(ended)
    }
}

impl Visit {
    pub(super) fn sessions<'a>(&'a self, user: &'a str) -> Sessions<'a> {
        Sessions::of(&self.layer().store, user, Allowance::after(self.call_budget().spent()))
    }

    /// Counts the time of calls that run side by side, once.
    pub(super) async fn spending<T>(
        &self,
        calls: impl Future<Output = Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        let began = Instant::now();
        let result = calls.await;
        self.call_budget().spend(began.elapsed());
        result
    }

    /// The user, and the session as a member that asks for something; none for a visitor.
    fn standing_member(&self) -> Result<Option<(String, Asking)>, Error> {
        self.held(|held| match held.standing() {
            Standing::Stale { .. } | Standing::Ended => Err(ErrorKind::Ended.into()),
            _ => Ok(held.live().and_then(|live| {
                let member = Listed { handle: live.id.handle(), serial: live.record.serial() };
                Some((live.record.user.clone()?, (member, live.record.expires_in)))
            })),
        })
    }

    /// The session was logged out: it leaves its user's roster, and all instances are told.
    pub(super) async fn logged_out(&self, handle: Handle, user: Option<String>) {
        let store = &self.layer().store;
        if let Some(user) = user {
            let gone = vec![Listed { handle, serial: u64::MAX }];
            leave(store.clone(), Name::of_user(&user), gone).await;
        }
        announce(store.clone(), vec![handle], Reason::LogOut).await;
    }

    /// The session is to have another life: its roster knows before, so that no session lives longer than it is listed.
    pub(super) async fn live_longer(&self, handle: Handle, life: Option<Duration>) -> Result<(), Error> {
        let member = self.held(|held| held.live().map(|live| (live.record.user.clone(), live.record.serial())));
        let (Some((Some(user), serial)), Some(life)) = (member, life) else { return Ok(()) };
        let touch = Act::Touch { handle, serial, life };
        match self.spending(self.sessions(&user).enrol(&touch)).await? {
            Outcome::Outdated { .. } => Err(ErrorKind::Ended.into()),
            _ => Ok(()),
        }
    }
}
