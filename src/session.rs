//! The session as a handler uses it.
//!
//! Reads see what the request loaded and its own changes. Changes are *staged*: one script applies them when the
//! handler has answered, whole or not at all. What has a result is *at once*: it is applied, together with what was
//! staged before it, when its future is awaited.

mod admit;
mod at_once;
mod devices;
mod held;
mod lazy;
mod log_in;
mod seal;
mod standing;
mod turns;
mod upkeep;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::lazy::LazySession;
pub(crate) use self::lazy::Visit;
pub(crate) use self::seal::Settled;
use self::standing::{Dead, Standing};
pub(crate) use self::turns::Turns;
use crate::delta::Change;
use crate::error::{Error, ErrorKind};
use crate::id::Handle;
use crate::lifetime;
use crate::store::Reason;

/// The session of one request, shared by its clones.
///
/// ```
/// use stickless::{Error, Session};
///
/// async fn add_to_cart(session: Session) -> Result<String, Error> {
///     let mut cart: Vec<String> = session.get("cart")?.unwrap_or_default();
///     cart.push("tea".into());
///     session.set("cart", &cart)?;
///     let visits = session.incr("visits", 1).await?;
///     Ok(format!("{} things, visit {visits}", cart.len()))
/// }
/// ```
///
/// # Staged and at once
///
/// | staged: applied when the handler has answered | at once: applied when awaited |
/// |---|---|
/// | [`set`](Self::set), [`remove`](Self::remove), [`take`](Self::take), [`clear`](Self::clear), [`remember`](Self::remember), [`log_out`](Self::log_out) | [`incr`](Self::incr), [`update`](Self::update), [`log_in`](Self::log_in), [`rotate`](Self::rotate), [`save`](Self::save) |
///
/// A response of 5xx and a panic drop what is staged, but carry out a staged log-out; 4xx keeps it. When staged data
/// cannot be applied because the session was ended or logged in anew meanwhile, the answer becomes 409; when the store
/// does not answer, 503. In neither case is anything of it stored, and the cookie is left alone.
#[derive(Clone)]
pub struct Session(Arc<Visit>);

/// How a request stands to its session.
///
/// ```
/// use stickless::{Reason, Session, State};
///
/// fn line(session: &Session) -> &'static str {
///     match session.state() {
///         State::New | State::Live => "",
///         State::Ended(Reason::Evicted) => "You have logged in on too many devices.",
///         State::Stale | State::Ended(_) => "You have been logged out.",
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// There is none yet; the first value that is set creates it.
    New,
    /// It is there.
    Live,
    /// The cookie's session was ended, or logged in anew, less than a minute ago: this request was under way, or its
    /// client has not got the news. It reads as empty, and nothing but a log-in is stored.
    Stale,
    /// The cookie's session was ended by others, for this reason. It reads as empty. For a minute it is as a stale one;
    /// after that, as a new one. The reason is known for as long as the session could have lived.
    Ended(Reason),
}

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
    /// [`ErrorKind::Undecodable`] when the value is there but not of this shape. Other keys are unharmed.
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

    /// The user who is logged in.
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
        self.0.held(held::Held::log_out)
    }
}

impl fmt::Debug for Session {
    /// Shows no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("state", &self.state()).finish_non_exhaustive()
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::with_source(ErrorKind::Undecodable, Shape::of(&error)))
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::with_source(ErrorKind::Serialize, error))
}

/// Where a value's shape differs, without the value that serde's own message may quote.
#[derive(Debug)]
struct Shape {
    category: serde_json::error::Category,
    column: usize,
}

impl Shape {
    fn of(error: &serde_json::Error) -> Self {
        Self { category: error.classify(), column: error.column() }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error at column {}", self.category, self.column)
    }
}

impl std::error::Error for Shape {}
