//! Staging: what is applied as one write when the handler has answered.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use super::held::Held;
use super::json::{decode, encode};
use crate::delta::Change;
use crate::error::{Error, ErrorKind};
use crate::lifetime;

/// Staging.
impl Session {
    /// Stages `key = value`, as JSON.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// session.set("theme", "dark")?;
    /// session.set("cart", &["tea", "milk"])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Key`](ErrorKind::Key) and [`TooLarge`](ErrorKind::TooLarge) by the layer's limits,
    /// [`Serialize`](ErrorKind::Serialize), [`Ended`](ErrorKind::Ended) after a log-out in this request,
    /// [`Sealed`](ErrorKind::Sealed) when the response's headers are gone.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let text = encode(value)?;
        let limits = &self.0.layer().limits;
        self.0.held(|held| held.set(key, text, limits))
    }

    /// Stages the removal of a key.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// session.remove("cart")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn remove(&self, key: &str) -> Result<(), Error> {
        self.0.held(|held| {
            held.may_stage()?;
            held.stage().change(key, Change::Remove);
            Ok(())
        })
    }

    /// The value under a key, and stages its removal, which happens only if nobody changes it meanwhile.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// // A message that is shown once.
    /// if let Some(notice) = session.take::<String>("notice")? {
    ///     println!("{notice}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set), and [`ErrorKind::Undecodable`], which removes nothing.
    pub fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.0.held(|held| {
            held.may_stage()?;
            let Some(text) = held.read(key).map(str::to_owned) else { return Ok(None) };
            let value = decode(&text)?;
            let removal = if held.is_staged(key) { Change::Remove } else { Change::Take(text) };
            held.stage().change(key, removal);
            Ok(Some(value))
        })
    }

    /// Stages the removal of all that is there when it is applied. What this request sets later stays.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// session.clear()?;
    /// session.set("theme", "dark")?; // stays
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn clear(&self) -> Result<(), Error> {
        self.0.held(|held| {
            held.may_stage()?;
            held.stage().clear();
            Ok(())
        })
    }

    /// Stages an idle limit of its own for this session, and a cookie that outlives the browser. It survives a log-in;
    /// the absolute limit stands.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// // A box in the log-in form: two weeks.
    /// session.remember(std::time::Duration::from_secs(14 * 24 * 3600))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set), and [`ErrorKind::Life`] for less than a second or more than a hundred years.
    pub fn remember(&self, life: Duration) -> Result<(), Error> {
        if !lifetime::is_possible(life) {
            return Err(ErrorKind::Life.into());
        }
        self.0.held(|held| {
            held.may_stage()?;
            held.stage().life = Some(life);
            Ok(())
        })
    }

    /// Stages the end of the session: the record is destroyed and the cookie removed, whatever the response's status.
    /// From now on it reads as empty, and everything but a log-in is refused.
    ///
    /// ```
    /// # async fn example(session: stickless::Session) -> Result<(), stickless::Error> {
    /// session.log_out()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Sealed`] when the response's headers are gone.
    pub fn log_out(&self) -> Result<(), Error> {
        self.0.held(Held::log_out)
    }
}
