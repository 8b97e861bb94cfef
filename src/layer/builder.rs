//! The layer's options, checked once: a layer that was built cannot be refused later.

mod cookie;
mod drift;

use std::sync::Arc;
use std::time::Duration;

use super::{SessionLayer, Shared};
use crate::cookie::{Attributes, Secure};
use crate::drift::Watch;
use crate::error::ConfigError;
use crate::event::Throttle;
use crate::fleet;
use crate::id::WriteId;
use crate::keys::KeyRing;
use crate::lifetime::Lifetime;
use crate::proxy::{Gate, Trust};
use crate::record::Limits;
use crate::session::Turns;
use crate::store::Store;
use crate::store::roster::{Cap, Roster};

/// Options of a [`SessionLayer`].
///
/// | option | default |
/// |---|---|
/// | [`idle`](Self::idle) | 1 hour |
/// | [`refresh_within`](Self::refresh_within) | 80 % of `idle` |
/// | [`absolute`](Self::absolute), [`idle_anonymous`](Self::idle_anonymous) | none |
/// | [`cookie_name`](Self::cookie_name) | `sid` |
/// | [`cookie_path`](Self::cookie_path), [`cookie_domain`](Self::cookie_domain), [`cookie_domains`](Self::cookie_domains) | `/`, host-only |
/// | [`cookie_secure`](Self::cookie_secure), [`cookie_http_only`](Self::cookie_http_only) | [`Secure::Auto`], true |
/// | [`cookie_same_site`](Self::cookie_same_site) | [`SameSite::Lax`](crate::SameSite::Lax) |
/// | [`cookie_partitioned`](Self::cookie_partitioned), [`cookie_persistent`](Self::cookie_persistent) | false, true |
/// | [`limits`](Self::limits) | [`Limits::default`] |
/// | [`cap`](Self::cap) | none |
/// | [`trust`](Self::trust), [`strip_unbelieved`](Self::strip_unbelieved) | [`Trust::Peer`], false |
/// | [`drift`](Self::drift), [`keep_addresses`](Self::keep_addresses), [`on_drift`](Self::on_drift) | true, [`Addresses::Whole`](crate::Addresses::Whole), none |
///
/// ```
/// use std::time::Duration;
/// use stickless::{Cap, KeyRing, SameSite, Secure, SessionLayer, Trust, store::MemoryStore};
///
/// let layer = SessionLayer::builder(MemoryStore::new(), KeyRing::random()?)
///     .idle(Duration::from_secs(30 * 60))
///     .absolute(Duration::from_secs(12 * 60 * 60))
///     .cookie_name("__Host-sid")
///     .cookie_secure(Secure::Always)
///     .cookie_same_site(SameSite::Strict)
///     .cap(Cap::Evict(5))
///     .trust(Trust::behind_nginx())
///     .build()?;
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct SessionLayerBuilder<S> {
    store: S,
    keys: KeyRing,
    attributes: Attributes,
    idle: Duration,
    refresh_within: Option<Duration>,
    absolute: Option<Duration>,
    idle_anonymous: Option<Duration>,
    limits: Limits,
    cap: Option<Cap>,
    gate: Gate,
    drift: Watch,
    instance: Option<String>,
}

impl<S: Store + Roster> SessionLayerBuilder<S> {
    /// The defaults.
    pub(super) fn new(store: S, keys: KeyRing) -> Self {
        Self {
            store,
            keys,
            attributes: Attributes::default(),
            idle: Duration::from_secs(3600),
            refresh_within: None,
            absolute: None,
            idle_anonymous: None,
            limits: Limits::default(),
            cap: None,
            gate: Gate::default(),
            drift: Watch::default(),
            instance: None,
        }
    }

    /// A session ends when it was not used for this long. Its life slides only when less than
    /// [`refresh_within`](Self::refresh_within) is left, so the effective idle limit lies between the two.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.idle(Duration::from_secs(30 * 60));
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Reading a session extends its life when less than this is left. A session with an idle limit of its own uses
    /// the same share of it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.idle(Duration::from_secs(3600)).refresh_within(Duration::from_secs(3000));
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn refresh_within(mut self, within: Duration) -> Self {
        self.refresh_within = Some(within);
        self
    }

    /// A session ends this long after it began, or after its log-in, whether used or not.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.absolute(Duration::from_secs(12 * 60 * 60));
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn absolute(mut self, absolute: impl Into<Option<Duration>>) -> Self {
        self.absolute = absolute.into();
        self
    }

    /// A shorter idle limit until log-in.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.idle_anonymous(Duration::from_secs(5 * 60));
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn idle_anonymous(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.idle_anonymous = idle.into();
        self
    }

    /// How large a session may grow.
    ///
    /// ```
    /// use stickless::store::Limits;
    ///
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.limits(Limits { record: 32 * 1024, ..Limits::default() });
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many sessions a user may have at the same time, exactly, on all instances together.
    ///
    /// Of a user's sessions under [`Cap::Evict`] the oldest end when another begins, and say so in their
    /// [`State`](crate::State). Under [`Cap::Refuse`] a log-in beyond the cap fails with
    /// [`ErrorKind::Cap`](crate::ErrorKind::Cap); one that crashed keeps nobody out for longer than a minute.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cap(stickless::Cap::Evict(5));
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cap(mut self, cap: impl Into<Option<Cap>>) -> Self {
        self.cap = cap.into();
        self
    }

    /// Whose headers say who the client is, and by which scheme and host it came.
    ///
    /// ```
    /// use stickless::{Forwarding, Trust};
    ///
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.trust(Trust::proxies("10.0.0.0/8", Forwarding::XForwardedFor)?);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn trust(mut self, trust: Trust) -> Self {
        self.gate.trust = trust;
        self
    }

    /// Whether forwarding headers that are not believed are taken from the request, so that nothing behind reads them.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.strip_unbelieved(true);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn strip_unbelieved(mut self, strip: bool) -> Self {
        self.gate.strip = strip;
        self
    }

    /// This instance's name, by which others tell of it when their settings differ from its own. All instances of a
    /// fleet must have different ones, and each should keep its own over a restart. Default: one made at random.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.instance("web-3");
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = Some(name.into());
        self
    }

    /// The layer.
    ///
    /// ```
    /// use stickless::{KeyRing, SameSite, SessionLayer, store::MemoryStore};
    ///
    /// let builder = SessionLayer::builder(MemoryStore::new(), KeyRing::random()?);
    /// let refused = builder.cookie_same_site(SameSite::None).build().unwrap_err();
    /// assert_eq!(refused.setting(), "cookie_same_site");
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An option that cannot work, or would make browsers drop the cookie, by name.
    pub fn build(mut self) -> Result<SessionLayer, ConfigError> {
        self.gate.tell_https = self.attributes.secure == Secure::Auto;
        let lifetime = Lifetime {
            idle: self.idle,
            refresh_within: self.refresh_within.unwrap_or(self.idle / 5 * 4),
            absolute: self.absolute,
            idle_anonymous: self.idle_anonymous,
        };
        let limits = checked(self.limits)?;
        if let Some(Cap::Evict(0) | Cap::Refuse(0)) = self.cap {
            return Err(ConfigError::new("cap", 0, "must be at least 1"));
        }
        let instance = match self.instance {
            Some(name) if name.is_empty() => return Err(ConfigError::new("instance", "", "must have a name")),
            Some(name) => name,
            // No two have the same, also where all processes have the same number.
            None => format!("{}-{}", std::process::id(), WriteId::random().unwrap_or_default()),
        };
        let shared = Shared {
            lifetime: lifetime.check()?,
            attributes: self.attributes.check()?,
            begun: self.store.now(),
            store: Arc::new(self.store),
            keys: self.keys,
            limits,
            cap: self.cap,
            gate: self.gate.check(),
            drift: self.drift,
            turns: Turns::default(),
            told: Throttle::default(),
            forgeries: Arc::default(),
        };
        let shared = Arc::new(shared);
        fleet::post(&shared, fleet::card(instance, &shared));
        Ok(SessionLayer { shared })
    }
}

/// Sizes that leave room for something.
fn checked(limits: Limits) -> Result<Limits, ConfigError> {
    for (name, value) in
        [("key", limits.key), ("value", limits.value), ("fields", limits.fields), ("record", limits.record)]
    {
        if value == 0 {
            return Err(ConfigError::new("limits", format_args!("{name} 0"), "must be above zero"));
        }
    }
    Ok(limits)
}
