//! The connection's other end, as the server tells it.

use std::net::{IpAddr, SocketAddr};

use http::Extensions;

/// The other end of the connection. Put it into the request's extensions where the server is not
/// `axum::serve` with `into_make_service_with_connect_info::<SocketAddr>()`, whose word is read by itself.
///
/// ```
/// use std::net::SocketAddr;
/// use stickless::Peer;
///
/// // In a server of one's own, where a connection was accepted from `peer`.
/// fn admit<B>(mut request: http::Request<B>, peer: SocketAddr) -> http::Request<B> {
///     request.extensions_mut().insert(Peer::from(peer));
///     request
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// At this address.
    Address(IpAddr),
    /// On a Unix socket, where peers have none.
    Unix,
}

/// The connection that brought the request was encrypted: put it into the request's extensions where this process
/// itself ends TLS.
///
/// ```
/// use stickless::{Encrypted, Origin};
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Encrypted);
/// assert_eq!(Origin::of(&request).scheme(), "https");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted;

impl Peer {
    /// The peer, if anyone said who it is.
    pub(super) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied().or_else(|| by_axum(extensions).map(Self::from))
    }

    /// In its own form: a dual-stack listener sees IPv4 addresses mapped into IPv6.
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.to_canonical()),
            Self::Unix => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address.ip())
    }
}

#[cfg(feature = "axum")]
fn by_axum(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|info| info.0)
}

#[cfg(not(feature = "axum"))]
fn by_axum(_: &Extensions) -> Option<SocketAddr> {
    None
}
