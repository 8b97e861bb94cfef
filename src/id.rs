//! The session's secret id, and the handle that stands for it everywhere else.
//!
//! The id lives in the cookie only. The record's key, log lines and lists of devices show the handle, a one-way
//! digest, so a dump of the store opens no session.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

use crate::error::{Unavailable, UnavailableKind};

/// 16 random bytes: whoever knows them, and can sign, is the session.
#[derive(Clone)]
pub(crate) struct Id {
    bytes: [u8; Id::LEN],
    /// A request asks for it more than once, and most requests that carry an id do not ask at all.
    handle: OnceLock<Handle>,
}

impl Id {
    pub(crate) const LEN: usize = 16;

    /// A new id from the operating system's random numbers.
    pub(crate) fn random() -> Result<Self, Unavailable> {
        random_bytes().map(Self::from_bytes)
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self { bytes, handle: OnceLock::new() }
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }

    /// The first 16 bytes of SHA-256 over the id.
    pub(crate) fn handle(&self) -> Handle {
        *self.handle.get_or_init(|| Handle::from_digest(&Sha256::digest(self.bytes).into()))
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Id {}

impl Drop for Id {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Id(..)")
    }
}

/// The public name of a session: safe to log, to store and to show.
///
/// It is the first 16 bytes of SHA-256 over the secret id, written as 22 characters of base64url (RFC 4648,
/// section 5, without padding). It cannot be turned back into a cookie.
///
/// ```
/// let handle: stickless::Handle = "47DEQpj8HBSa-_TImW-5JA".parse()?;
/// assert_eq!(handle.to_string(), "47DEQpj8HBSa-_TImW-5JA");
/// assert!("not a handle".parse::<stickless::Handle>().is_err());
/// # Ok::<(), stickless::ParseHandleError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle([u8; Handle::LEN]);

impl Handle {
    pub(crate) const LEN: usize = 16;

    /// Characters of its text.
    #[cfg(feature = "redis")]
    pub(crate) const TEXT: usize = 22;

    /// Adds its text.
    #[cfg(feature = "redis")]
    pub(crate) fn push_to(self, text: &mut String) {
        URL_SAFE_NO_PAD.encode_string(self.0, text);
    }

    /// The first 16 bytes of a digest.
    pub(crate) fn from_digest(digest: &[u8; 32]) -> Self {
        let mut handle = [0; Self::LEN];
        handle.copy_from_slice(&digest[..Self::LEN]);
        Self(handle)
    }

    /// One of `count` places, the same each time.
    pub(crate) fn slot(self, count: usize) -> usize {
        usize::from(self.0[0]) % count
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

impl FromStr for Handle {
    type Err = ParseHandleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ParseHandleError(()))?;
        bytes.try_into().map(Self).map_err(|_| ParseHandleError(()))
    }
}

/// The text is not 22 characters of base64url.
///
/// ```
/// let wrong = "short".parse::<stickless::Handle>().unwrap_err();
/// assert_eq!(wrong.to_string(), "a session handle is 22 characters of base64url");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseHandleError(());

impl fmt::Display for ParseHandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session handle is 22 characters of base64url")
    }
}

impl std::error::Error for ParseHandleError {}

/// Marks one write, so that a second delivery of the same write is recognised instead of done again. The default one is for writes that need not be.
///
/// ```
/// use stickless::store::WriteId;
///
/// assert_ne!(WriteId::random()?, WriteId::random()?);
/// # Ok::<(), stickless::Unavailable>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WriteId([u8; WriteId::LEN]);

impl WriteId {
    const LEN: usize = 8;

    #[cfg(feature = "redis")]
    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// A new id from the operating system's random numbers.
    ///
    /// ```
    /// let id = stickless::store::WriteId::random()?;
    /// # Ok::<(), stickless::Unavailable>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnavailableKind::Internal`] when the operating system has no random numbers to give.
    pub fn random() -> Result<Self, Unavailable> {
        thread_local! {
            /// The system is asked once for many.
            static UNUSED: RefCell<Vec<WriteId>> = const { RefCell::new(Vec::new()) };
        }
        UNUSED.with_borrow_mut(|unused| {
            if unused.is_empty() {
                let bytes = random_bytes::<256>()?;
                unused.extend(bytes.as_chunks().0.iter().map(|id| Self(*id)));
            }
            Ok(unused.pop().unwrap_or_default())
        })
    }
}

#[cfg(test)]
impl WriteId {
    pub(crate) fn numbered(number: u8) -> Self {
        Self([number; Self::LEN])
    }
}

impl fmt::Display for WriteId {
    /// 11 characters of base64url.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({self})")
    }
}

fn random_bytes<const N: usize>() -> Result<[u8; N], Unavailable> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Unavailable::new(UnavailableKind::Internal, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handle_is_the_head_of_sha256_and_debug_shows_no_id() {
        let id = Id::from_bytes([7; 16]);
        // printf '\7%.0s' {1..16} | sha256sum
        assert_eq!(id.handle().to_string().len(), 22);
        assert_ne!(id.handle().0, *id.as_bytes());
        assert_eq!(format!("{id:?}"), "Id(..)");
        assert_eq!(id.handle().to_string().parse(), Ok(id.handle()));
    }
}
