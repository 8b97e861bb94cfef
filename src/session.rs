//! The session as a handler uses it.
//!
//! Reads see what the request loaded and its own changes. Changes are *staged*: one script applies them when the
//! handler has answered, whole or not at all. What has a result is *at once*: it is applied, together with what was
//! staged before it, when its future is awaited.

mod admit;
mod at_once;
mod devices;
mod held;
mod json;
mod lazy;
mod log_in;
mod read;
mod seal;
mod stage;
mod standing;
mod turns;
mod upkeep;
mod write;

use std::fmt;
use std::sync::Arc;

pub use self::lazy::LazySession;
pub(crate) use self::lazy::Visit;
pub(crate) use self::seal::Settled;
pub(crate) use self::turns::Turns;
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

impl fmt::Debug for Session {
    /// Shows no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("state", &self.state()).finish_non_exhaustive()
    }
}
