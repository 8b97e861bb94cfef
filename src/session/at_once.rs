//! What is applied when it is awaited, because its result matters: additions, exact updates, rotation, saving.
//!
//! Operations of one request take turns. Each takes along what was staged before it; when it fails, or its future is
//! dropped, that is staged again, and will be applied or refused with the response.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;

use super::json::{decode, encode};
use super::standing::Standing;
use super::write::{Along, How};
use super::{Session, Visit};
use crate::error::{Error, ErrorKind, Unavailable, UnavailableKind};
use crate::store::{Add, Intent, Outcome, integer};

/// So often an update is tried against others' changes.
const UPDATES_MOST: usize = 1000;

impl Session {
    /// Adds to an integer, exactly: concurrent additions all count. An absent value is zero. The sum.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// let visits = session.incr("visits", 1).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotANumber`](ErrorKind::NotANumber) and [`Overflow`](ErrorKind::Overflow) (64 bits, signed), and those of
    /// [`set`](Self::set) and [`save`](Self::save). Nothing is added then, unless the store did not answer: then it
    /// was added once or not at all.
    pub async fn incr(&self, key: &str, by: i64) -> Result<i64, Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
        visit.apply_take(key).await?;
        let own = visit.held(|held| {
            held.check(key, &by.to_string(), &visit.layer().limits)?;
            let known = held.is_staged(key) || held.live().is_none();
            Ok::<_, Error>(known.then(|| held.read(key).map(str::to_owned)))
        })?;
        let Some(own) = own else {
            let along = Along { add: Some(Add { key: key.to_owned(), by }), ..Along::default() };
            let done = visit.apply(along).await?.done()?;
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
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// let list = session.update("seen", |list: Option<Vec<u32>>| {
    ///     let mut list = list.unwrap_or_default();
    ///     list.push(7);
    ///     list
    /// }).await?;
    /// # Ok(()) }
    /// ```
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
        let _turn = visit.take_turn().await?;
        visit.apply_take(key).await?;
        let (mut text, certain) = visit.held(|held| {
            let certain = held.is_staged(key) || held.live().is_none();
            (held.read(key).map(str::to_owned), certain)
        });
        // Without it, of many that update at once each success of one would make the attempts of all others fail.
        let mut turn = None;
        for _ in 0..UPDATES_MOST {
            let value = change(text.as_deref().map(decode).transpose()?);
            let new = encode(&value)?;
            visit.held(|held| held.check(key, &new, &visit.layer().limits))?;
            let expect = (!certain).then(|| (key.to_owned(), text));
            let outcome = visit.apply(Along { expect, ..Along::set(key, new) }).await?;
            match outcome {
                Outcome::Conflict(current) => {
                    text = current;
                    // Kept until it succeeds: the first attempt in turn only brings the newest value.
                    if turn.is_none() {
                        turn = visit.take_turn_among_updates().await;
                    }
                }
                outcome => return outcome.done().map(|_| value),
            }
        }
        Err(Unavailable::from(UnavailableKind::Contended).into())
    }

    /// Raises the session's generation: cookies from before are dead at once. For a change of privilege that is no
    /// log-in. A session that does not exist yet has nothing to raise.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// // The user has just proved a second factor.
    /// session.set("second_factor", &true)?;
    /// session.rotate().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Sealed`](ErrorKind::Sealed) when the response's headers are gone, and those of [`save`](Self::save).
    pub async fn rotate(&self) -> Result<(), Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
        visit.held(|held| held.may_send_cookie())?;
        if visit.held(|held| matches!(held.standing(), Standing::New { .. })) {
            return Ok(());
        }
        visit.apply(Along { intent: Some(Intent::Rotate), ..Along::default() }).await?.done().map(|_| ())
    }

    /// Applies now what is staged, a log-out too. When it succeeds, the data are stored, on as many replicas as the store's
    /// [`Durability`](crate::store::Durability) asks for, and the cookie is sent with the response.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// session.set("download", "begun")?;
    /// session.save().await?;
    /// // From here on a body may be streamed.
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Ended`](ErrorKind::Ended) when the session was ended or logged in anew meanwhile,
    /// [`TooLarge`](ErrorKind::TooLarge) when others filled it meanwhile, [`Sealed`](ErrorKind::Sealed) when it would
    /// need a cookie and the response's headers are gone, [`Unavailable`](ErrorKind::Unavailable) when the store did
    /// not answer.
    pub async fn save(&self) -> Result<(), Error> {
        let visit = &*self.0;
        let _turn = visit.take_turn().await?;
        visit.destroy_staged().await?;
        if !visit.held(|held| held.is_changed()) {
            return Ok(());
        }
        visit.apply(Along { how: How::Surely, ..Along::default() }).await?.done().map(|_| ())
    }
}

impl Visit {
    /// A take is done only if nobody changed the value meanwhile, so what comes of it must be known before the value
    /// can be added to.
    async fn apply_take(&self, key: &str) -> Result<(), Error> {
        if self.held(|held| held.is_taken(key)) {
            Box::pin(self.apply(Along::default())).await?.done()?;
        }
        Ok(())
    }

    async fn take_turn_among_updates(&self) -> Option<SemaphorePermit<'_>> {
        let handle = self.held(|held| held.live().map(|live| live.id.handle()))?;
        self.layer().turns.take(handle, &self.call_budget(), self.layer().store.budget()).await
    }
}
