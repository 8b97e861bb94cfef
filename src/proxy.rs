//! Who the client is, and by which scheme and host it came.
//!
//! Nobody's headers are believed: the address is the connection's peer, the host is `Host`, and the scheme is the
//! connection's. Which proxies to trust is a setting of its own.

use std::net::{IpAddr, SocketAddr};

use http::header::HOST;
use http::{Request, Uri};

/// The other end of the connection, for services outside axum: put it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The connection that brought the request was encrypted: put it into the request's extensions where this process
/// itself ends TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted;

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's address; none where the peer is unknown.
    pub client: Option<IpAddr>,
    /// Whether it came by https.
    pub https: bool,
    /// The host it asked for, without port.
    pub host: Option<String>,
}

impl Origin {
    /// The origin of a request, by its connection and `Host`.
    ///
    /// ```
    /// use stickless::{Origin, Peer};
    ///
    /// let mut request = http::Request::get("/").header("host", "example.org:8080").body(())?;
    /// request.extensions_mut().insert(Peer("[::ffff:192.0.2.7]:4711".parse()?));
    /// let origin = Origin::of(&request);
    /// assert_eq!(origin.client, Some("192.0.2.7".parse()?));
    /// assert_eq!(origin.host.as_deref(), Some("example.org"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of<B>(request: &Request<B>) -> Self {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        Self {
            client: peer.map(|address| address.to_canonical()),
            https: is_encrypted(request),
            host: host.or(request.uri().host()).and_then(without_port),
        }
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

/// Whether the connection that brought the request was encrypted.
pub(crate) fn is_encrypted<B>(request: &Request<B>) -> bool {
    request.extensions().get::<Encrypted>().is_some()
}

/// The host of an authority, if it is one.
fn without_port(authority: &str) -> Option<String> {
    let uri: Uri = authority.parse().ok()?;
    let authority = uri.authority()?;
    let host = authority.host();
    (!host.is_empty() && !authority.as_str().contains('@')).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_taken_without_its_port_and_nothing_else_is_a_host() {
        let cases = [
            ("Example.org", Some("example.org")),
            ("example.org:8080", Some("example.org")),
            ("[::1]:8080", Some("[::1]")),
            ("user@example.org", None),
            ("exa mple", None),
            ("", None),
        ];
        for (given, host) in cases {
            assert_eq!(without_port(given).as_deref(), host, "{given}");
        }
    }
}
