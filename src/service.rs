//! The way of a request: verify the cookie, let the handler work, apply what it staged, say what is to be said.

mod future;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use tower_service::Service;

use self::future::Handled;
pub use self::future::ResponseFuture;
use crate::cookie::{candidates, dress};
use crate::event;
use crate::layer::Shared;
use crate::session::{LazySession, Settled};

/// A service whose requests have a session. Made by [`SessionLayer`](crate::SessionLayer).
///
/// ```
/// use stickless::{KeyRing, SessionLayer, SessionService, store::MemoryStore};
/// use tower::Layer as _;
///
/// fn around<S>(inner: S) -> Result<SessionService<S>, stickless::ConfigError> {
///     Ok(SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?.layer(inner))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> SessionService<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let found = candidates(request.headers(), &self.shared.attributes.name, &self.shared.keys);
        self.shared.forgeries.add(found.forged);
        if found.sessions > 1 {
            event::duplicate_cookies(&self.shared.told, found.sessions);
        }
        let origin = self.shared.gate.admit(&mut request, &self.shared.told);
        let agent = request.headers().get(USER_AGENT).cloned();
        let session = LazySession::new(self.shared.clone(), found, origin, agent);
        request.extensions_mut().insert(session.clone());
        ResponseFuture::new(self.inner.call(request), self.shared.clone(), session)
    }
}

/// The response with what the session has to say, or in its place why the session could not be written.
fn answer<R: Default, E>(
    handled: Handled<Result<Response<R>, E>>,
    settled: Settled,
    session: &LazySession,
    shared: &Shared,
) -> Result<Response<R>, E> {
    let mut response = handled.unwrap_or_else(|panic| resume_unwind(panic))?;
    if let Some(status) = settled.refused {
        response = refusal(status);
    }
    if dress(response.headers_mut(), &shared.attributes.name, settled.cookies, session.was_looked_at()) {
        event::foreign_set_cookie(&shared.told);
    }
    Ok(response)
}

fn refusal<R: Default>(status: StatusCode) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
