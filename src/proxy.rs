//! Who the client is, and by which scheme and host it came.
//!
//! Headers are words of whoever sent them. They are believed from proxies that the operator named, the connection's
//! peer first; all lines of a header are one list, walked from the right, and the first hop that is not trusted is the
//! client. What cannot be read ends the walk at the last address that a trusted hop vouched for: nothing to its left is
//! looked at.
//!
//! ```
//! use stickless::{Forwarding, Peer, Trust};
//!
//! let trust = Trust::proxies("127.0.0.1, 10.0.0.0/8", Forwarding::XForwardedFor)?;
//! let mut request = http::Request::get("/")
//!     .header("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.2.3")
//!     .header("x-forwarded-proto", "https")
//!     .header("host", "example.org:8080")
//!     .body(())?;
//! request.extensions_mut().insert(Peer::Address([127, 0, 0, 1].into()));
//!
//! let origin = trust.origin(&request);
//! assert_eq!(origin.client, Some("203.0.113.9".parse()?));
//! assert_eq!((origin.scheme(), origin.host.as_deref()), ("https", Some("example.org")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod forwarded;
mod gate;
mod host;
mod layer;
mod list;
mod node;
mod peer;
mod ranges;
mod strip;
mod trust;

pub(crate) use self::gate::Gate;
pub use self::host::Host;
pub use self::layer::{OriginLayer, OriginService};
pub use self::peer::{Encrypted, Peer};
pub use self::ranges::Ranges;
pub use self::trust::{Forwarding, Trust};

use std::net::IpAddr;

use http::{Extensions, HeaderMap, Request, Uri};

use crate::session::LazySession;

/// Where a request came from, as far as the connection and trusted proxies say.
///
/// An extractor for axum. Elsewhere, [`Origin::of`].
///
/// ```
/// use stickless::Origin;
///
/// async fn whoami(origin: Origin) -> String {
///     let host = origin.host.as_deref().unwrap_or("somewhere");
///     format!("{:?} asks for {}://{host}", origin.client, origin.scheme())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's address; none where the peer is unknown.
    pub client: Option<IpAddr>,
    /// Whether it came by https.
    pub https: bool,
    /// The host it asked for, where that is well formed.
    pub host: Option<Host>,
}

impl Origin {
    /// What the [`SessionLayer`](crate::SessionLayer) or [`OriginLayer`] around this service found. Outside both, what
    /// the connection and `Host` say.
    ///
    /// ```
    /// use stickless::{Origin, Peer};
    ///
    /// let mut request = http::Request::get("/").header("host", "Example.org:8080").body(())?;
    /// request.extensions_mut().insert(Peer::Address("::ffff:192.0.2.7".parse()?));
    /// let origin = Origin::of(&request);
    /// assert_eq!(origin.client, Some("192.0.2.7".parse()?));
    /// assert_eq!(origin.host.as_deref(), Some("example.org"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::found(request.extensions(), request.headers(), request.uri())
    }

    pub(crate) fn found(extensions: &Extensions, headers: &HeaderMap, uri: &Uri) -> Self {
        let known = extensions.get::<Self>().or_else(|| extensions.get::<LazySession>().map(LazySession::origin));
        known.cloned().unwrap_or_else(|| Trust::Peer.see(extensions, headers, uri))
    }

    /// `https` or `http`.
    ///
    /// ```
    /// assert_eq!(stickless::Origin::of(&http::Request::new(())).scheme(), "http");
    /// ```
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}
