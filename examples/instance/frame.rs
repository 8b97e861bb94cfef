//! What stands around the session: the peer's address goes in with each request; the instance's name, and a panic as
//! 500, come out.
//!
//! It is one service around the whole router, without a box: axum boxes each layer of a router twice a request, which
//! costs as much as a session does.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use pin_project_lite::pin_project;
use stickless::Peer;
use tower::Service;

use crate::leaving::{self, Door};

/// Makes the service of each connection; it is that service, once the peer is known.
#[derive(Clone)]
pub(crate) struct Frame<S> {
    inner: S,
    name: HeaderValue,
    peer: Option<Peer>,
}

impl<S> Frame<S> {
    pub(crate) fn new(inner: S, name: HeaderValue) -> Self {
        Self { inner, name, peer: None }
    }
}

impl<S: Clone> Service<IncomingStream<'_, Door>> for Frame<S> {
    type Response = Self;
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, Door>) -> Self::Future {
        ready(Ok(Self { peer: Some((*stream.remote_addr()).into()), ..self.clone() }))
    }
}

impl<S> Service<Request> for Frame<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Framed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let inner = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Framed { inner, name: self.name.clone() }
    }
}

pin_project! {
    /// A response on its way out.
    pub(crate) struct Framed<F> {
        #[pin]
        inner: CatchUnwind<AssertUnwindSafe<F>>,
        name: HeaderValue,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Framed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = match ready!(this.inner.poll(cx)) {
            Ok(Ok(response)) => response,
            Err(panic) => {
                tracing::error!(panic = said(&*panic), "a handler panicked");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        };
        response.headers_mut().insert("x-instance", this.name.clone());
        leaving::say_goodbye(&mut response);
        Poll::Ready(Ok(response))
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
