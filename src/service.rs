//! The way of a request: verify the cookie, let the handler work, apply what it staged, say what is to be said.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::cookie::{candidates, dress};
use crate::event;
use crate::layer::Shared;
use crate::proxy::Origin;
use crate::session::{LazySession, Settled};

/// A service whose requests have a session. Made by [`SessionLayer`](crate::SessionLayer).
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
        if found.sessions > 1 {
            event::duplicate_cookies(&self.shared.told, found.sessions);
        }
        let session = LazySession::new(self.shared.clone(), found, Origin::of(&request).https);
        request.extensions_mut().insert(session.clone());
        ResponseFuture {
            step: Step::Handling { handler: self.inner.call(request) },
            shared: self.shared.clone(),
            session,
        }
    }
}

/// What the handler came to: a response or error, or a panic to go on with.
type Handled<T> = Result<T, Box<dyn std::any::Any + Send>>;

pin_project! {
    /// The response of a [`SessionService`].
    pub struct ResponseFuture<F: Future> {
        #[pin]
        step: Step<F>,
        shared: Arc<Shared>,
        session: LazySession,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<F: Future> {
        Handling { #[pin] handler: F },
        Settling { handled: Option<Handled<F::Output>>, settling: Pin<Box<dyn Future<Output = Settled> + Send>> },
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.step.as_mut().project() {
                StepProj::Handling { handler } => {
                    let handled = ready!(poll_handler(handler, cx));
                    let failed = !matches!(&handled, Ok(Ok(response)) if !response.status().is_server_error());
                    let Some(session) = this.session.loaded_or_sealed() else {
                        return Poll::Ready(answer(handled, Settled::default(), this.session, this.shared));
                    };
                    if let Some(settled) = session.settle_at_once(failed) {
                        return Poll::Ready(answer(handled, settled, this.session, this.shared));
                    }
                    let settling = Box::pin(async move { session.settle(failed).await });
                    this.step.set(Step::Settling { handled: Some(handled), settling });
                }
                StepProj::Settling { handled, settling } => {
                    let settled = ready!(settling.as_mut().poll(cx));
                    // Taken once: a future is not polled again after it was ready.
                    let Some(handled) = handled.take() else { return Poll::Pending };
                    return Poll::Ready(answer(handled, settled, this.session, this.shared));
                }
            }
        }
    }
}

/// Polls the handler; a panic waits until its staged log-out is carried out.
fn poll_handler<F: Future>(handler: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Handled<F::Output>> {
    match catch_unwind(AssertUnwindSafe(|| handler.poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
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
