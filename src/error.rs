//! What can go wrong: a setting that cannot work, a store that does not answer, an operation that is refused.
//!
//! Hostile input is none of these; it is ignored and counted.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// A setting that cannot work; it names the setting and its value.
///
/// ```
/// use std::time::Duration;
/// use stickless::{KeyRing, SessionLayer, store::MemoryStore};
///
/// let keys = KeyRing::random()?;
/// let refused = SessionLayer::builder(MemoryStore::new(), keys).idle(Duration::ZERO).build();
/// assert_eq!(refused.unwrap_err().to_string(), "idle = 0s: must be at least one second");
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    reason: String,
}

impl ConfigError {
    /// A refusal of `setting`, whose text goes on with the value and the reason.
    ///
    /// ```
    /// let refused = stickless::ConfigError::new("replicas", 0, "must be at least 1");
    /// assert_eq!(refused.to_string(), "replicas = 0: must be at least 1");
    /// ```
    pub fn new(setting: &'static str, value: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { setting, reason: format!("{value}: {reason}") }
    }

    /// The name of the setting, as the builder's method calls it.
    ///
    /// ```
    /// let refused = stickless::KeyRing::parse("").unwrap_err();
    /// assert_eq!(refused.setting(), "keys");
    /// ```
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// The value, and why it is refused.
    ///
    /// ```
    /// let refused = stickless::ConfigError::new("idle", "0s", "must be at least one second");
    /// assert_eq!(refused.reason(), "0s: must be at least one second");
    /// ```
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.setting, self.reason)
    }
}

impl StdError for ConfigError {}

/// The store could not say what it was asked. The session may well be there: nobody is logged out for this.
///
/// As a response it is `503 Service Unavailable` with `Retry-After: 1`, a generic body and no cookie.
///
/// ```
/// use stickless::{Session, Unavailable};
///
/// // Goes on without a session while the store is away.
/// async fn page(session: Result<Session, Unavailable>) -> String {
///     match session {
///         Ok(session) => session.user().unwrap_or_else(|| "stranger".to_owned()),
///         Err(unavailable) => format!("somebody ({unavailable})"),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Unavailable {
    kind: UnavailableKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Why the store could not say.
///
/// ```
/// use stickless::{Unavailable, UnavailableKind};
///
/// let unavailable = Unavailable::from(UnavailableKind::TimedOut);
/// assert_eq!(unavailable.to_string(), "the session store did not answer in time");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnavailableKind {
    /// No answer within the limit of an attempt or of the request.
    TimedOut,
    /// No connection, or it broke.
    Disconnected,
    /// The node that answered is not the master.
    NotMaster,
    /// The node that answered has no such session, and neither the Sentinels nor the masters of its Cluster confirm that
    /// it is the one to know.
    Unconfirmed,
    /// The store asks to come back later: it loads, is busy, or lost its own master.
    Busy,
    /// The store refuses writes: out of memory, disk or replicas.
    Refused,
    /// The store does not let us in, or not do this: credentials or permissions.
    Denied,
    /// This record is not as this version writes it: wrong type, broken field. Others are unharmed.
    Corrupt,
    /// This record was written by a newer version; it is kept as it is.
    Newer,
    /// Whether a repeated write had been done before can no longer be told.
    Unknown,
    /// Too many others changed the same value at the same time.
    Contended,
    /// The service lacks the session layer, or the operating system has no random numbers.
    Internal,
}

impl Unavailable {
    /// An error of this kind with its cause.
    ///
    /// ```
    /// use stickless::{Unavailable, UnavailableKind};
    ///
    /// // In a store of one's own.
    /// let unavailable = Unavailable::new(UnavailableKind::Disconnected, "connection refused");
    /// assert_eq!(unavailable.to_string(), "the session store is not connected");
    /// ```
    pub fn new(kind: UnavailableKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: Some(Arc::from(source.into())) }
    }

    /// Why the store could not say.
    ///
    /// ```
    /// use stickless::{Unavailable, UnavailableKind};
    ///
    /// assert_eq!(Unavailable::from(UnavailableKind::Busy).kind(), UnavailableKind::Busy);
    /// ```
    pub fn kind(&self) -> UnavailableKind {
        self.kind
    }

    /// The status that it becomes as a response: 503, or 500 when the application lacks the layer.
    ///
    /// ```
    /// use stickless::{Unavailable, UnavailableKind};
    ///
    /// assert_eq!(Unavailable::from(UnavailableKind::Busy).status(), 503);
    /// ```
    pub fn status(&self) -> StatusCode {
        match self.kind {
            UnavailableKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// By kind.
impl PartialEq for Unavailable {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Unavailable {}

impl From<UnavailableKind> for Unavailable {
    fn from(kind: UnavailableKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            UnavailableKind::TimedOut => "the session store did not answer in time",
            UnavailableKind::Disconnected => "the session store is not connected",
            UnavailableKind::NotMaster => "the session store's node is not the master",
            UnavailableKind::Unconfirmed => "the session store's master is not confirmed by others",
            UnavailableKind::Busy => "the session store is busy",
            UnavailableKind::Refused => "the session store refuses writes",
            UnavailableKind::Denied => "the session store denies access",
            UnavailableKind::Corrupt => "the session's record is corrupt",
            UnavailableKind::Newer => "the session's record is of a newer version",
            UnavailableKind::Unknown => "whether the write was done is unknown",
            UnavailableKind::Contended => "too many writers changed the same value",
            UnavailableKind::Internal => "the session layer is missing or cannot work",
        })
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unavailable").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl StdError for Unavailable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// An operation on a session that was refused; nothing of it was applied.
///
/// ```
/// use stickless::{Error, ErrorKind, Session};
///
/// async fn vote(session: Session) -> Result<String, Error> {
///     match session.incr("votes", 1).await {
///         Ok(votes) => Ok(votes.to_string()),
///         Err(error) if error.kind() == ErrorKind::Ended => Ok("please log in".to_owned()),
///         Err(error) => Err(error), // a response with its status
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Why an operation was refused.
///
/// ```
/// use stickless::{Error, ErrorKind};
///
/// assert_eq!(Error::from(ErrorKind::Ended).status(), 409);
/// assert_eq!(Error::from(ErrorKind::Cap).status(), 403);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The session was logged out, has ended, or was logged in anew since this request began: 409.
    Ended,
    /// The response's headers are gone, so a staged write would be lost, or a needed cookie not sent: 500.
    Sealed,
    /// The key is empty or longer than the limit: 400.
    Key,
    /// The value, the user id, the number of keys or the record is larger than the limit: 413.
    TooLarge,
    /// A duration that no session can have: 400.
    Life,
    /// The value under the key is not an integer, so nothing can be added: 422.
    NotANumber,
    /// The sum does not fit into 64 bits: 422.
    Overflow,
    /// The value cannot be written as JSON: 500.
    Serialize,
    /// The value under the key does not have this shape; other keys are unharmed: 500.
    Undecodable,
    /// The user has as many sessions as they may have: 403.
    Cap,
    /// The store did not answer; whether it was applied is unknown, and it will not be applied later: 503.
    Unavailable,
}

impl Error {
    pub(crate) fn with_source(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// Why it was refused.
    ///
    /// ```
    /// use stickless::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::from(ErrorKind::Cap).kind(), ErrorKind::Cap);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status that it becomes as a response.
    ///
    /// ```
    /// use stickless::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::from(ErrorKind::TooLarge).status(), 413);
    /// ```
    pub fn status(&self) -> StatusCode {
        match self.kind {
            ErrorKind::Ended => StatusCode::CONFLICT,
            ErrorKind::Key | ErrorKind::Life => StatusCode::BAD_REQUEST,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::NotANumber | ErrorKind::Overflow => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Sealed | ErrorKind::Serialize | ErrorKind::Undecodable => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::Cap => StatusCode::FORBIDDEN,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<Unavailable> for Error {
    fn from(unavailable: Unavailable) -> Self {
        Self::with_source(ErrorKind::Unavailable, unavailable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Ended => "the session has ended or was logged in anew",
            ErrorKind::Sealed => "the response's headers are already sent",
            ErrorKind::Key => "the session key is empty or too long",
            ErrorKind::TooLarge => "the session would be larger than its limits",
            ErrorKind::Life => "a session cannot have this lifetime",
            ErrorKind::NotANumber => "the session value is not an integer",
            ErrorKind::Overflow => "the session value would not fit into 64 bits",
            ErrorKind::Serialize => "the session value cannot be written as JSON",
            ErrorKind::Undecodable => "the session value does not have this shape",
            ErrorKind::Cap => "the user has as many sessions as they may have",
            ErrorKind::Unavailable => "the session store is unavailable",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
