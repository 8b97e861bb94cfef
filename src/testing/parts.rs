//! Steps of a request that are not public, for this crate's own benches.

use http::HeaderMap;

use crate::cookie::candidates;
use crate::id::Id;
use crate::keys::KeyRing;

/// A cookie's value under the first key.
pub fn sign(ring: &KeyRing, name: &str) -> String {
    ring.sign(name, &Id::from_bytes([7; 16]), 1, 1_600_000_000)
}

/// Whether a cookie's value is signed by one of the keys.
pub fn verify(ring: &KeyRing, name: &str, value: &[u8]) -> bool {
    ring.verify(name, value).is_some()
}

/// How many of our cookies are found.
pub fn find(headers: &HeaderMap, name: &str, ring: &KeyRing) -> usize {
    candidates(headers, name, ring).tokens.len()
}
