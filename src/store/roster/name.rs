//! What a roster is called in the store: whose it is does not stand there.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::id::Handle;

/// What a roster is called in the store: a digest, so that any bytes make a key and the user's id is not in it.
///
/// ```
/// use stickless::store::roster::Name;
///
/// assert_eq!(Name::of_user("alice").to_string().len(), 22);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Handle);

impl Name {
    /// The roster of a user's sessions.
    ///
    /// ```
    /// use stickless::store::roster::Name;
    ///
    /// assert_ne!(Name::of_user("alice"), Name::of_user("bob"));
    /// ```
    pub fn of_user(user: &str) -> Self {
        let digest = Sha256::new().chain_update(b"user\0").chain_update(user).finalize();
        Self(Handle::from_digest(&digest.into()))
    }
}

impl fmt::Display for Name {
    /// 22 characters of base64url.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}
