//! The origin without a session.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::gate::Gate;
use super::trust::Trust;
use crate::event::Throttle;

/// A [`Layer`] that puts each request's [`Origin`](crate::Origin) into its extensions: for services without a session,
/// and around layers that want to know the client too. A [`SessionLayer`](crate::SessionLayer) does the same by itself.
///
/// ```
/// use stickless::{OriginLayer, Trust};
/// use tower::Layer as _;
///
/// let service = OriginLayer::new(Trust::behind_nginx()).layer(tower::service_fn(async |request: http::Request<()>| {
///     Ok::<_, std::convert::Infallible>(http::Response::new(format!("{:?}", stickless::Origin::of(&request).client)))
/// }));
/// ```
#[derive(Debug, Clone)]
pub struct OriginLayer {
    gate: Gate,
    told: Arc<Throttle>,
}

impl OriginLayer {
    /// With this trust.
    ///
    /// ```
    /// use stickless::{OriginLayer, Trust};
    ///
    /// let layer = OriginLayer::new(Trust::behind_ingress());
    /// ```
    pub fn new(trust: Trust) -> Self {
        let gate = Gate { trust, ..Gate::default() }.check();
        Self { gate, told: Arc::default() }
    }

    /// Whether forwarding headers that are not believed are taken from the request, so that nothing behind reads them.
    ///
    /// ```
    /// use stickless::{OriginLayer, Trust};
    ///
    /// let layer = OriginLayer::new(Trust::behind_nginx()).strip_unbelieved(true);
    /// ```
    #[must_use]
    pub fn strip_unbelieved(mut self, strip: bool) -> Self {
        self.gate.strip = strip;
        self
    }
}

impl<S> Layer<S> for OriginLayer {
    type Service = OriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OriginService { inner, layer: self.clone() }
    }
}

/// A service whose requests have an origin. Made by [`OriginLayer`].
///
/// ```
/// use stickless::{OriginLayer, OriginService, Trust};
/// use tower::Layer as _;
///
/// fn around<S>(inner: S) -> OriginService<S> {
///     OriginLayer::new(Trust::behind_nginx()).layer(inner)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct OriginService<S> {
    inner: S,
    layer: OriginLayer,
}

impl<S, B> Service<Request<B>> for OriginService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let origin = self.layer.gate.admit(&mut request, &self.layer.told);
        request.extensions_mut().insert(origin);
        self.inner.call(request)
    }
}
