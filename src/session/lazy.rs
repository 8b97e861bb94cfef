//! The cheap handle that the layer puts into each request: the record is read at first use, once.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use http::HeaderValue;
use tokio::sync::{OnceCell, Semaphore};

use super::Session;
use super::held::Held;
use super::standing::{Stand, stand};
use super::upkeep::Upkeep;
use crate::beside::beside;
use crate::cookie::Candidates;
use crate::error::{Unavailable, UnavailableKind};
use crate::event;
use crate::keys::Token;
use crate::layer::Shared;
use crate::proxy::Origin;
use crate::store::{Budget, Sighting};
use crate::sync::{AtomicBool, Mutex};

/// The session of a request, not read yet. It is in the request's extensions, for services without extractors.
///
/// A request that never loads it costs no round trip and does not count as activity.
///
/// ```
/// use stickless::{LazySession, Unavailable};
///
/// async fn greet<B>(request: &http::Request<B>) -> Result<String, Unavailable> {
///     let session = LazySession::of(request)?.load().await?;
///     Ok(session.user().unwrap_or_else(|| "stranger".to_owned()))
/// }
/// ```
#[derive(Clone)]
pub struct LazySession(Arc<Visit>);

/// One request's visit to its session.
pub(crate) struct Visit {
    layer: Arc<Shared>,
    /// Verified, newest first.
    tokens: Vec<Token>,
    /// The request carried several cookies of our name.
    several: bool,
    /// All of them are ours.
    all_ours: bool,
    pub(super) origin: Origin,
    agent: Option<HeaderValue>,
    pub(super) budget: Budget,
    looked: AtomicBool,
    loaded: OnceCell<()>,
    /// At-once operations take turns. It is never closed.
    pub(super) turn: Semaphore,
    held: Mutex<Held>,
}

impl LazySession {
    pub(crate) fn new(layer: Arc<Shared>, found: Candidates, origin: Origin, agent: Option<HeaderValue>) -> Self {
        Self(Arc::new(Visit {
            layer,
            tokens: found.tokens,
            several: found.several,
            all_ours: found.all_ours,
            origin,
            agent,
            budget: Budget::default(),
            looked: AtomicBool::new(false),
            loaded: OnceCell::new(),
            turn: Semaphore::new(1),
            held: Mutex::default(),
        }))
    }

    /// The handle in a request's extensions.
    ///
    /// ```
    /// use stickless::LazySession;
    ///
    /// // Outside of the layer there is none.
    /// assert!(LazySession::of(&http::Request::new(())).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnavailableKind::Internal`] when the service is not inside a [`SessionLayer`](crate::SessionLayer).
    pub fn of<B>(request: &http::Request<B>) -> Result<Self, Unavailable> {
        Self::in_extensions(request.extensions())
    }

    pub(crate) fn in_extensions(extensions: &http::Extensions) -> Result<Self, Unavailable> {
        extensions.get::<Self>().cloned().ok_or_else(|| UnavailableKind::Internal.into())
    }

    /// The session; the record is read by the first call. Without a verified cookie there is nothing to read.
    ///
    /// ```
    /// # async fn example(lazy: stickless::LazySession) -> Result<(), stickless::Unavailable> {
    /// let session = lazy.load().await?;
    /// let again = lazy.load().await?; // costs nothing
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store could not say. The next call asks again, within what is left of the request's budget.
    pub async fn load(&self) -> Result<Session, Unavailable> {
        self.0.looked.store(true, Ordering::Relaxed);
        self.0.loaded.get_or_try_init(|| self.0.look_up()).await?;
        Ok(Session(self.0.clone()))
    }

    /// Where the request came from.
    pub(crate) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Whether anyone asked for the session, with success or without.
    pub(crate) fn was_looked_at(&self) -> bool {
        self.0.looked.load(Ordering::Relaxed)
    }

    /// The session, if it was loaded. If not, whoever loads it later finds the headers gone.
    pub(crate) fn loaded_or_sealed(&self) -> Option<Session> {
        if self.0.loaded.initialized() {
            return Some(Session(self.0.clone()));
        }
        self.0.held(Held::sent);
        None
    }
}

impl fmt::Debug for LazySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazySession").field("loaded", &self.0.loaded.initialized()).finish_non_exhaustive()
    }
}

impl Visit {
    pub(crate) fn layer(&self) -> &Shared {
        &self.layer
    }

    /// Looks at or changes what this request holds. The guard does not outlive the closure, so no lock is held across
    /// an await.
    pub(super) fn held<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether cookies of our name may stand in other places than where they are set now: the request brought several,
    /// or one that may have been set under another configuration. And whether all it brought are ours.
    pub(super) fn others(&self) -> Option<bool> {
        let old = self.tokens.iter().any(|token| token.issued < self.layer.begun.as_token_secs());
        (self.several || old).then_some(self.all_ours)
    }

    async fn look_up(&self) -> Result<(), Unavailable> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let handles: Vec<_> = self.tokens.iter().map(|token| token.id.handle()).collect();
        let loaded = self.layer.store.load(&handles, &self.budget).await?;
        let now = self.layer.store.now();
        let Stand { standing, due, behind } = stand(&self.tokens, loaded, now)
            .inspect_err(|cause| event::record_unreadable(&self.layer.told, handles.first().copied(), cause))?;
        let upkeep = Upkeep::of(self, &standing, behind, now);
        self.held(|held| held.looked_up(standing, due));
        if let Some(upkeep) = upkeep {
            let layer = self.layer.clone();
            beside(async move { upkeep.carry_out(&layer).await }).await;
        }
        Ok(())
    }

    /// The client's address and user agent, as this request has them.
    pub(super) fn client(&self) -> (Option<IpAddr>, Option<&HeaderValue>) {
        (self.origin.client, self.agent.as_ref())
    }

    /// What is kept of this request's client.
    pub(super) fn sighting(&self) -> Sighting {
        let (client, agent) = self.client();
        self.layer.drift.sighting(client, agent)
    }
}
