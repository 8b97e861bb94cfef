//! What is kept of a client, and who is told when it changes.

use std::sync::Arc;

use super::SessionLayerBuilder;
use crate::drift::{Addresses, Drift};
use crate::store::Store;
use crate::store::roster::Roster;

/// Drift.
impl<S: Store + Roster> SessionLayerBuilder<S> {
    /// Whether a session's record keeps the client's address and user agent, and a change of either is told.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.drift(false);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn drift(mut self, on: bool) -> Self {
        self.drift.on = on;
        self
    }

    /// What of clients' addresses is kept.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.keep_addresses(stickless::Addresses::Truncated);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn keep_addresses(mut self, addresses: Addresses) -> Self {
        self.drift.addresses = addresses;
        self
    }

    /// What the application does when a session is seen with another address or user agent: ask for a second factor,
    /// notify the user. It is called once for each change, on one instance, beside the request, and must not block.
    ///
    /// ```
    /// use stickless::{Distance, KeyRing, SessionLayer, store::MemoryStore};
    ///
    /// let layer = SessionLayer::builder(MemoryStore::new(), KeyRing::random()?)
    ///     .on_drift(|drift| {
    ///         if drift.distance == Distance::OtherPlatform {
    ///             println!("{:?}: was it you? {} in place of {}", drift.user, drift.to, drift.from);
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn on_drift(mut self, act: impl Fn(&Drift) + Send + Sync + 'static) -> Self {
        self.drift.hook = Some(Arc::new(act));
        self
    }
}
