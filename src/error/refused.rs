//! An operation on a session that was refused, and the status that its client gets.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use super::Unavailable;

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
