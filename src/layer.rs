//! The layer: what all requests share, and the service that gives each of them its session.

mod builder;

use std::sync::Arc;

use tower_layer::Layer;

pub use self::builder::SessionLayerBuilder;
use crate::clock::Timestamp;
use crate::cookie::Attributes;
use crate::drift::Watch;
use crate::error::ConfigError;
use crate::event::Throttle;
use crate::forgeries::Forgeries;
use crate::keys::KeyRing;
use crate::lifetime::Lifetime;
use crate::proxy::Gate;
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
        SessionLayerBuilder::new(store, keys)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, self.shared.clone())
    }
}
