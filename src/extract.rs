//! Extractors for axum: `Session`, `Option<Session>`, `Result<Session, Unavailable>`, `LazySession`, `Origin`.

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use http::request::Parts;

use crate::error::{Error, Unavailable};
use crate::proxy::Origin;
use crate::session::{LazySession, Session, State};

/// Reads the session at first use. An unreachable store rejects with 503, so that the handler does not run.
impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Unavailable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        LazySession::in_extensions(&parts.extensions)?.load().await
    }
}

/// `None` when there is no live session. An unreachable store is never `None`: it rejects.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Unavailable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        let session = LazySession::in_extensions(&parts.extensions)?.load().await?;
        Ok((session.state() == State::Live).then_some(session))
    }
}

/// The session's handle without reading it: for a handler that decides late.
impl<S: Send + Sync> FromRequestParts<S> for LazySession {
    type Rejection = Unavailable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Self::in_extensions(&parts.extensions)
    }
}

/// Who the client is, with a session or without: see [`Origin::of`].
impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::found(&parts.extensions, &parts.headers, &parts.uri))
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        respond(self.status())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        respond(self.status())
    }
}

/// A generic body: what failed is for the log, not for the client.
fn respond(status: StatusCode) -> Response {
    let body = status.canonical_reason().unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
