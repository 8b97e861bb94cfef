//! Signing and verifying: the cookie's value is a token under a MAC, and nothing unsigned reaches the store.
//!
//! The value is base64url without padding of 57 bytes, `0x01 | id 16 | generation u32 BE | issued u32 BE | mac 32`,
//! where `mac = HMAC-SHA256(key, "stickless.v1\0" ‖ cookie name ‖ 0x00 ‖ the first 25 bytes)` (RFC 2104, FIPS 180-4).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::id::Id;

const VERSION: u8 = 1;
const BODY: usize = 25;
const TOKEN: usize = BODY + 32;
/// Characters of a cookie value.
const TEXT: usize = TOKEN / 3 * 4;
const CONTEXT: &[u8] = b"stickless.v1\0";
/// In place of `CONTEXT`, so that no fingerprint is the MAC of any cookie.
const FINGERPRINT: &[u8] = b"stickless.fingerprint.v1\0";
const MIN_KEY: usize = 32;

/// What a cookie says once its MAC is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) id: Id,
    /// Raised by one at every privilege change; a lower one than the record's is superseded.
    pub(crate) generation: u32,
    /// Seconds of store time. It orders duplicates, no more.
    pub(crate) issued: u32,
    /// Verified by another key than the one that signs.
    pub(crate) old_key: bool,
}

/// The keys that sign and verify session cookies: the first signs, all verify.
///
/// # Rotating keys without logging anyone out
///
/// 1. Roll out `old,new`: every instance can verify the new key before anyone signs with it.
/// 2. Roll out `new,old`: the new key signs. A session's cookie is signed anew when it is used and was issued over an
///    hour ago, so instances in the middle of a roll do not sign against each other.
/// 3. Keep `old` as long as a cookie under it may come back: the longest life of a session, at most 400 days
///    (browsers keep no cookie longer). Then roll out `new`.
///
/// To end every session at once, drop the old key in one step: its cookies count as none.
///
/// ```
/// use stickless::KeyRing;
///
/// let ring = KeyRing::parse("c3RpY2tsZXNzLW5ldy1rZXktb2YtMzItYnl0ZXMtb2s=,c3RpY2tsZXNzLW9sZC1rZXktb2YtMzItYnl0ZXMtb2s=")?;
/// assert_eq!(format!("{ring:?}"), "KeyRing { keys: 2 }");
///
/// let short = KeyRing::parse("c2hvcnQ=").unwrap_err();
/// assert_eq!(short.to_string(), "keys = key 1 of 1: has 5 bytes, at least 32 are needed");
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    /// HMAC states keyed once; zeroed when dropped (feature `zeroize` of `hmac` and `sha2`).
    macs: Vec<Hmac<Sha256>>,
}

impl KeyRing {
    /// Keys from text: base64 (either alphabet, padded or not), separated by commas; 32 bytes or more each.
    ///
    /// ```
    /// // head -c 32 /dev/urandom | base64
    /// let ring = stickless::KeyRing::parse("c3RpY2tsZXNzLW5ldy1rZXktb2YtMzItYnl0ZXMtb2s=")?;
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Says which key is wrong, and why; never shows it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let parts: Vec<&str> = text.split(',').collect();
        let mut keys = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let key = decode_key(part.trim()).map_err(|reason| refused(index, parts.len(), reason))?;
            keys.push(key);
        }
        Self::from_keys(&keys)
    }

    /// Keys from bytes, the signing key first; 32 bytes or more each.
    ///
    /// ```
    /// let ring = stickless::KeyRing::from_keys(&[[7; 32], [9; 32]])?;
    /// assert!(stickless::KeyRing::from_keys(&[b"too short"]).is_err());
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Says which key is too short, or that there is none.
    pub fn from_keys(keys: &[impl AsRef<[u8]>]) -> Result<Self, ConfigError> {
        if keys.is_empty() {
            return Err(ConfigError::new("keys", "none", "at least one key is needed"));
        }
        let mut macs = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let key = key.as_ref();
            if key.len() < MIN_KEY {
                let reason = format!("has {} bytes, at least {MIN_KEY} are needed", key.len());
                return Err(refused(index, keys.len(), reason));
            }
            macs.push(Hmac::new_from_slice(key).map_err(|error| refused(index, keys.len(), error))?);
        }
        Ok(Self { macs })
    }

    /// One random key, for a single instance or a test: no other instance can read its cookies, and none survives a
    /// restart.
    ///
    /// ```
    /// let ring = stickless::KeyRing::random()?;
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers to give.
    pub fn random() -> Result<Self, ConfigError> {
        let mut key = Zeroizing::new([0; MIN_KEY]);
        getrandom::fill(&mut key[..]).map_err(|error| ConfigError::new("keys", "random", error))?;
        Self::from_keys(&[&key[..]])
    }

    /// The cookie's value for a token, under the first key.
    pub(crate) fn sign(&self, name: &str, id: &Id, generation: u32, issued: u32) -> String {
        let mut bytes = Zeroizing::new([0; TOKEN]);
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(id.as_bytes());
        bytes[17..21].copy_from_slice(&generation.to_be_bytes());
        bytes[21..BODY].copy_from_slice(&issued.to_be_bytes());
        // A ring always has a first key: both constructors refuse an empty one.
        if let Some(first) = self.macs.first() {
            let tag = keyed(first, name, &bytes[..BODY]).finalize().into_bytes();
            bytes[BODY..].copy_from_slice(&tag);
        }
        URL_SAFE_NO_PAD.encode(&bytes[..])
    }

    /// A name for each key, by which instances find out that they have the same ones. It tells nothing of the key.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        let fingerprint = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            mac.update(FINGERPRINT);
            URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..9])
        };
        self.macs.iter().map(fingerprint).collect()
    }

    /// Whether a cookie's value has the length of one of ours.
    pub(crate) fn could_be(value: &[u8]) -> bool {
        value.len() == TEXT
    }

    /// The token in a cookie's value, if one of our keys signed it for this cookie name. Constant time in the MAC.
    pub(crate) fn verify(&self, name: &str, value: &[u8]) -> Option<Token> {
        if !Self::could_be(value) {
            return None;
        }
        let mut bytes = Zeroizing::new([0; TOKEN]);
        let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes[..]).ok()?;
        if length != TOKEN || bytes[0] != VERSION {
            return None;
        }
        let (body, tag) = bytes.split_at(BODY);
        let index = self.macs.iter().position(|mac| keyed(mac, name, body).verify_slice(tag).is_ok())?;
        let mut id = [0; Id::LEN];
        id.copy_from_slice(&body[1..17]);
        Some(Token {
            id: Id::from_bytes(id),
            generation: u32::from_be_bytes([body[17], body[18], body[19], body[20]]),
            issued: u32::from_be_bytes([body[21], body[22], body[23], body[24]]),
            old_key: index > 0,
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.macs.len()).finish()
    }
}

fn keyed(mac: &Hmac<Sha256>, name: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = mac.clone();
    mac.update(CONTEXT);
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(body);
    mac
}

fn decode_key(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let bare = text.trim_end_matches('=');
    if bare.is_empty() {
        return Err("is empty");
    }
    let engine = if bare.contains(['-', '_']) { &URL_SAFE_NO_PAD } else { &STANDARD_NO_PAD };
    engine.decode(bare).map(Zeroizing::new).map_err(|_| "is not base64")
}

fn refused(index: usize, count: usize, reason: impl fmt::Display) -> ConfigError {
    ConfigError::new("keys", format_args!("key {} of {count}", index + 1), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[u8]) -> KeyRing {
        let keys: Vec<[u8; 32]> = keys.iter().map(|byte| [*byte; 32]).collect();
        KeyRing::from_keys(&keys).expect("32 bytes each")
    }

    /// Wire vectors: a cookie that any released version signed must verify for ever.
    #[test]
    fn golden_vectors_are_signed_and_verified_to_the_letter() {
        for line in include_str!("../tests/data/token_vectors.tsv").lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [key, name, id, generation, issued, value] = fields[..] else { panic!("six fields: {line}") };
            let ring = KeyRing::parse(key).expect("a key");
            let id: [u8; 16] = URL_SAFE_NO_PAD.decode(id).expect("base64url").try_into().expect("16 bytes");
            let (generation, issued) = (generation.parse().expect("u32"), issued.parse().expect("u32"));
            let id = Id::from_bytes(id);
            assert_eq!(ring.sign(name, &id, generation, issued), value);
            let token = Token { id, generation, issued, old_key: false };
            assert_eq!(ring.verify(name, value.as_bytes()), Some(token));
        }
    }

    #[test]
    fn keyed_states_are_zeroed_when_they_are_dropped() {
        // A keyed `Hmac` is made of two hash states and nothing else; these zero themselves.
        fn zeroed<T: zeroize::ZeroizeOnDrop>() {}
        zeroed::<Sha256>();
    }

    #[test]
    fn the_first_key_signs_and_all_verify() {
        let id = Id::from_bytes([9; 16]);
        let value = ring(&[1]).sign("sid", &id, 3, 4);
        let token = ring(&[2, 1]).verify("sid", value.as_bytes()).expect("the second key verifies");
        assert!(token.old_key);
        assert!(!ring(&[1, 2]).verify("sid", value.as_bytes()).expect("the first key verifies").old_key);
        assert_eq!(ring(&[2]).verify("sid", value.as_bytes()), None);
    }

    #[test]
    fn a_token_for_another_name_or_with_any_changed_character_is_no_token() {
        let ring = ring(&[1]);
        let value = ring.sign("sid", &Id::from_bytes([9; 16]), 3, 4);
        assert_eq!(ring.verify("sid2", value.as_bytes()), None);
        for index in 0..value.len() {
            let mut forged = value.clone().into_bytes();
            forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(ring.verify("sid", &forged), None, "character {index}");
        }
        assert_eq!(ring.verify("sid", &value.as_bytes()[1..]), None);
        assert_eq!(ring.verify("sid", b""), None);
    }

    #[test]
    fn a_wrong_key_is_named_and_never_shown() {
        let good = URL_SAFE_NO_PAD.encode([1; 32]);
        let cases = [
            (format!("{good},"), "keys = key 2 of 2: is empty"),
            (format!("{good},@@"), "keys = key 2 of 2: is not base64"),
            ("c2hvcnQ".to_owned(), "keys = key 1 of 1: has 5 bytes, at least 32 are needed"),
        ];
        for (text, message) in cases {
            assert_eq!(KeyRing::parse(&text).expect_err("refused").to_string(), message);
        }
    }
}
