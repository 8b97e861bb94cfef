//! The layer and its options, checked once.

use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use crate::clock::Timestamp;
use crate::cookie::{Attributes, Domains, SameSite, Secure};
use crate::drift::{Addresses, Drift, Watch};
use crate::error::ConfigError;
use crate::event::Throttle;
use crate::fleet;
use crate::forgeries::Forgeries;
use crate::id::WriteId;
use crate::keys::KeyRing;
use crate::lifetime::Lifetime;
use crate::proxy::{Gate, Trust};
use crate::record::Limits;
use crate::service::SessionService;
use crate::session::Turns;
use crate::store::roster::{Cap, Roster};
use crate::store::{AnyStore, Store};

/// A [`tower_layer::Layer`] that gives each request its session.
///
/// ```
/// use axum::{Router, routing::get};
/// use stickless::{Error, KeyRing, Session, SessionLayer, store::MemoryStore};
///
/// async fn count(session: Session) -> Result<String, Error> {
///     Ok(session.incr("n", 1).await?.to_string())
/// }
///
/// let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?;
/// let app: Router = Router::new().route("/", get(count)).layer(layer);
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionLayer {
    shared: Arc<Shared>,
}

/// What all requests of a layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) keys: KeyRing,
    pub(crate) attributes: Attributes,
    pub(crate) lifetime: Lifetime,
    pub(crate) limits: Limits,
    pub(crate) cap: Option<Cap>,
    pub(crate) gate: Gate,
    pub(crate) drift: Watch,
    pub(crate) turns: Turns,
    pub(crate) told: Throttle,
    pub(crate) forgeries: Arc<Forgeries>,
    /// When it was built, as far as the store's time was known.
    pub(crate) begun: Timestamp,
}

impl SessionLayer {
    /// A layer with the default options.
    ///
    /// ```
    /// use stickless::{KeyRing, SessionLayer, store::MemoryStore};
    ///
    /// let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?;
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None with the defaults; the signature is that of [`SessionLayerBuilder::build`].
    pub fn new(store: impl Store + Roster, keys: KeyRing) -> Result<Self, ConfigError> {
        Self::builder(store, keys).build()
    }

    /// A layer with options of one's own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stickless::{KeyRing, SessionLayer, store::MemoryStore};
    ///
    /// let layer = SessionLayer::builder(MemoryStore::new(), KeyRing::random()?)
    ///     .idle(Duration::from_secs(30 * 60))
    ///     .cookie_name("shop")
    ///     .build()?;
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn builder<S: Store + Roster>(store: S, keys: KeyRing) -> SessionLayerBuilder<S> {
        SessionLayerBuilder {
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
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, self.shared.clone())
    }
}

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
/// | [`cookie_same_site`](Self::cookie_same_site) | [`SameSite::Lax`] |
/// | [`cookie_partitioned`](Self::cookie_partitioned), [`cookie_persistent`](Self::cookie_persistent) | false, true |
/// | [`limits`](Self::limits) | [`Limits::default`] |
/// | [`cap`](Self::cap) | none |
/// | [`trust`](Self::trust), [`strip_unbelieved`](Self::strip_unbelieved) | [`Trust::Peer`], false |
/// | [`drift`](Self::drift), [`keep_addresses`](Self::keep_addresses), [`on_drift`](Self::on_drift) | true, [`Addresses::Whole`], none |
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

    /// The cookie's name.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_name("shop");
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.attributes.name = name.into();
        self
    }

    /// The cookie's path.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_path("/shop");
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.attributes.path = path.into();
        self
    }

    /// The cookie's domain: it and its subdomains get the cookie. None: the host that set it, alone. Names of other
    /// scripts are taken in their ASCII form; what browsers refuse, such as a public suffix, is refused.
    ///
    /// It can be changed while users are logged in: their cookies go on working, and the next log-in or log-out removes
    /// those of the old place. On a roll, give all instances the new one before anyone logs in at a host that only the
    /// new one covers.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_domain("example.org".to_owned());
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_domain(mut self, domain: impl Into<Option<String>>) -> Self {
        self.attributes.domains = domain.into().map_or(Domains::HostOnly, Domains::Fixed);
        self
    }

    /// Several domains, for an application with several: the longest that covers the host that was asked for, on the
    /// boundary of a dot, is the cookie's. A host that none covers gets a cookie for itself alone, and a warning tells.
    ///
    /// ```
    /// use stickless::{KeyRing, SessionLayer, store::MemoryStore};
    ///
    /// let builder = || Ok::<_, stickless::ConfigError>(SessionLayer::builder(MemoryStore::new(), KeyRing::random()?));
    /// assert!(builder()?.cookie_domains(["example.org", "bücher.example"]).build().is_ok());
    /// let refused = builder()?.cookie_domains(["example.org", "co.uk"]).build().unwrap_err();
    /// assert!(refused.to_string().starts_with("cookie_domain = example.org,co.uk: \"co.uk\" is a public suffix"));
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_domains(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let domains: Vec<String> = domains.into_iter().map(Into::into).collect();
        self.attributes.domains = if domains.is_empty() { Domains::HostOnly } else { Domains::Listed(domains) };
        self
    }

    /// Whether scripts in the page are kept from the cookie.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_http_only(true);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_http_only(mut self, http_only: bool) -> Self {
        self.attributes.http_only = http_only;
        self
    }

    /// When the cookie is sent over https only.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_secure(stickless::Secure::Always);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_secure(mut self, secure: Secure) -> Self {
        self.attributes.secure = secure;
        self
    }

    /// To which requests from other sites the cookie is attached.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_same_site(stickless::SameSite::Strict);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_same_site(mut self, same_site: SameSite) -> Self {
        self.attributes.same_site = same_site;
        self
    }

    /// Whether browsers keep the cookie apart for each top-level site (CHIPS).
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_secure(stickless::Secure::Always).cookie_partitioned(true);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_partitioned(mut self, partitioned: bool) -> Self {
        self.attributes.partitioned = partitioned;
        self
    }

    /// Whether the cookie outlives the browser. Its Max-Age covers the longest life that the session can have.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_persistent(false);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_persistent(mut self, persistent: bool) -> Self {
        self.attributes.persistent = persistent;
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
        let limits = self.limits;
        for (name, value) in
            [("key", limits.key), ("value", limits.value), ("fields", limits.fields), ("record", limits.record)]
        {
            if value == 0 {
                return Err(ConfigError::new("limits", format_args!("{name} 0"), "must be above zero"));
            }
        }
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
