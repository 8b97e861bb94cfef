//! A setting that cannot work, refused before anything is served.

use std::error::Error as StdError;
use std::fmt;

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
