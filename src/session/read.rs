//! Reading: what the request loaded, and its own changes.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::json::decode;
use super::standing::{Dead, Standing};
use super::{Session, State};
use crate::error::Error;
use crate::id::Handle;

/// Reading. None of it waits or fails for the store's sake: the record was read when the session was extracted.
impl Session {
    /// The value under a key: absent is `Ok(None)`.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// let theme: Option<String> = session.get("theme")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Undecodable`](crate::ErrorKind::Undecodable) when the value is there but not of this shape. Other keys are unharmed.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.0.held(|held| held.read(key).map(decode).transpose())
    }

    /// Whether there is a value under a key.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// if !session.contains("cart") {
    ///     session.set("cart", &Vec::<String>::new())?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn contains(&self, key: &str) -> bool {
        self.0.held(|held| held.read(key).is_some())
    }

    /// All keys, in their order.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// for key in session.keys() {
    ///     println!("{key}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn keys(&self) -> Vec<String> {
        self.0.held(|held| held.view().map(|(key, _)| key.to_owned()).collect())
    }

    /// The session's handle, safe to log and to store; none until it is created.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// if let Some(handle) = session.id() {
    ///     println!("session {handle}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn id(&self) -> Option<Handle> {
        self.0.held(|held| held.live().map(|live| live.id.handle()))
    }

    /// The user who is logged in: the id that [`log_in`](Self::log_in) was given. Whether that user still exists is the
    /// application's to know; [`Users::end_all`](crate::Users::end_all) ends the sessions of one who is deleted.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// let greeting = session.user().map_or("Hello.".to_owned(), |user| format!("Hello, {user}."));
    /// # Ok(()) }
    /// ```
    pub fn user(&self) -> Option<String> {
        self.0.held(|held| held.live().and_then(|live| live.record.user.clone()))
    }

    /// New, live, stale, or ended by others.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// use stickless::State;
    ///
    /// let line = match session.state() {
    ///     State::New => "welcome",
    ///     State::Live => "welcome back",
    ///     State::Stale => "you have been logged out",
    ///     State::Ended(reason) => reason.as_str(),
    /// };
    /// # Ok(()) }
    /// ```
    pub fn state(&self) -> State {
        self.0.held(|held| match held.standing() {
            Standing::Live(_) => State::Live,
            Standing::New { dead: Some(Dead { reason: Some(reason), .. }) }
            | Standing::Stale { dead: Dead { reason: Some(reason), .. } } => State::Ended(*reason),
            Standing::New { .. } => State::New,
            Standing::Stale { .. } | Standing::Ended => State::Stale,
        })
    }

    /// How long the session lives if it is not used again; none when there is none.
    ///
    /// It is what the store said when the record was read: a slide beside this request shows at the next.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// if session.expires_in().is_some_and(|left| left.as_secs() < 60) {
    ///     println!("your session ends within a minute");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn expires_in(&self) -> Option<Duration> {
        self.0.held(|held| held.live().map(|live| live.record.expires_in.saturating_sub(live.read_at.elapsed())))
    }
}
