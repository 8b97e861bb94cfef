//! A store that could not say: never a reason to log anybody out.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

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
    /// The store refuses writes: out of memory or disk.
    Refused,
    /// The store refuses writes while it has too few replicas (`min-replicas-to-write`): nothing was written.
    NoReplicas,
    /// The write was done and stands, but fewer replicas have it than the store's `Durability` asks for: a failover may
    /// lose it.
    NotReplicated,
    /// The store does not let us in, or not do this: credentials, a client certificate, or permissions.
    Denied,
    /// What is at the store's address cannot be trusted to be it: its certificate, or TLS on one side only.
    Untrusted,
    /// This record is not as this version writes it: wrong type, broken field. Others are unharmed.
    Corrupt,
    /// This record was written by a newer version; it is kept as it is.
    Newer,
    /// What became of an earlier write can no longer be told: a repeated one, or one that a failover lost.
    Unknown,
    /// Too many others changed the same value at the same time.
    Contended,
    /// The service lacks the session layer, or the operating system has no random numbers.
    Internal,
}

#[cfg(feature = "redis")]
impl UnavailableKind {
    /// Whether a person has to mend it: trying again does not, nor does waiting.
    pub(crate) fn needs_a_person(self) -> bool {
        matches!(self, Self::Denied | Self::Untrusted)
    }
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
            UnavailableKind::NoReplicas => "the session store refuses writes without its replicas",
            UnavailableKind::NotReplicated => "the session store's replicas do not have the write in time",
            UnavailableKind::Denied => "the session store denies access",
            UnavailableKind::Untrusted => "no connection to the session store can be trusted",
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
