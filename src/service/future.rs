//! The future of a response: the handler first, then, only if the store is to be asked, the settling.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::answer;
use crate::layer::Shared;
use crate::session::{LazySession, Settled};

/// What the handler came to: a response or error, or a panic to go on with.
pub(super) type Handled<T> = Result<T, Box<dyn std::any::Any + Send>>;

pin_project! {
    /// The response of a [`SessionService`].
    ///
    /// ```
    /// use stickless::{ResponseFuture, SessionService};
    /// use tower::Service;
    ///
    /// fn call<S>(service: &mut SessionService<S>, request: http::Request<()>) -> ResponseFuture<S::Future>
    /// where
    ///     S: Service<http::Request<()>, Response = http::Response<String>>,
    /// {
    ///     service.call(request)
    /// }
    /// ```
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

impl<F: Future> ResponseFuture<F> {
    pub(super) fn new(handler: F, shared: Arc<Shared>, session: LazySession) -> Self {
        Self { step: Step::Handling { handler }, shared, session }
    }
}

impl<F: Future> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("session", &self.session).finish_non_exhaustive()
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
