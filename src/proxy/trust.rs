//! Whom to believe, and which headers.

use std::net::IpAddr;
use std::num::NonZeroU16;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri};

use super::Origin;
use super::forwarded::{self, Element};
use super::host::{Host, asked};
use super::list::{from_right, last_element, last_lines};
use super::node;
use super::peer::{Encrypted, Peer};
use super::ranges::Ranges;
use crate::error::ConfigError;

pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What stands between the client and this process, and so whose headers are believed.
///
/// | in front | trust |
/// |---|---|
/// | nobody | [`Trust::Peer`], the default |
/// | one nginx on this machine | [`Trust::behind_nginx`] |
/// | a CDN, then nginx on this machine | [`Trust::behind_cdn_and_nginx`] |
/// | an ingress in Kubernetes | [`Trust::behind_ingress`] |
/// | else | [`Trust::proxies`] by address, where addresses are known; [`Trust::hops`] by number, where only that is |
///
/// With `Proxies` a request that came around the proxies is seen through, whoever sent it; with `Hops` it is not: let
/// nobody but the nearest proxy reach this process then.
///
/// ```
/// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
/// let builder = builder.trust(stickless::Trust::behind_nginx());
/// # builder.build()?; Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Nobody: the connection's peer is the client, and no header is read but `Host`.
    #[default]
    Peer,
    /// Proxies at these addresses.
    Proxies(Ranges, Forwarding),
    /// So many proxies in a row, whatever their addresses; the peer is the first.
    Hops(NonZeroU16, Forwarding),
}

/// The one family of headers in which the trusted proxies speak. All others are ignored.
///
/// ```
/// use stickless::{Forwarding, Trust};
///
/// let trust = Trust::proxies("10.0.0.7", Forwarding::Forwarded)?;
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forwarding {
    /// `X-Forwarded-For`, to which each proxy appends, with `X-Forwarded-Proto` and `X-Forwarded-Host`, of which the
    /// rightmost value counts.
    XForwardedFor,
    /// `Forwarded` (RFC 7239). Scheme and host are those of the element that names the client.
    Forwarded,
    /// `X-Real-IP`, which names the client alone, with `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XRealIp,
}

impl Trust {
    /// Proxies at these addresses and ranges, separated by commas.
    ///
    /// ```
    /// use stickless::{Forwarding, Trust};
    ///
    /// let trust = Trust::proxies("127.0.0.1, 10.0.0.0/8, 2001:db8::/32", Forwarding::XForwardedFor)?;
    /// assert!(Trust::proxies("10.0.0.0/33", Forwarding::XForwardedFor).is_err());
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An entry that is neither an address nor a range in CIDR notation.
    pub fn proxies(addresses: &str, headers: Forwarding) -> Result<Self, ConfigError> {
        Ok(Self::Proxies(addresses.parse()?, headers))
    }

    /// So many proxies in a row, the peer included.
    ///
    /// A list that is shorter ends at its leftmost address: somebody came around a proxy, and the nearest ones say
    /// who it is.
    ///
    /// ```
    /// use stickless::{Forwarding, Trust};
    ///
    /// let trust = Trust::hops(2, Forwarding::XForwardedFor)?;
    /// assert!(Trust::hops(0, Forwarding::XForwardedFor).is_err());
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None at all: that is [`Trust::Peer`].
    pub fn hops(count: u16, headers: Forwarding) -> Result<Self, ConfigError> {
        let count = NonZeroU16::new(count)
            .ok_or_else(|| ConfigError::new("trust", format_args!("hops:{count}"), "must be one proxy or more"))?;
        Ok(Self::Hops(count, headers))
    }

    /// Behind one nginx on this machine, with the bundled configuration: loopback is believed, in `X-Forwarded-For`.
    ///
    /// ```
    /// let trust = stickless::Trust::behind_nginx();
    /// ```
    pub fn behind_nginx() -> Self {
        Self::Proxies(Ranges::loopback(), Forwarding::XForwardedFor)
    }

    /// Behind a CDN and an nginx on this machine that appends to the CDN's `X-Forwarded-For`: loopback is believed, and
    /// the ranges that the CDN publishes.
    ///
    /// ```
    /// let trust = stickless::Trust::behind_cdn_and_nginx("198.51.100.0/24, 2001:db8:100::/40")?;
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`Trust::proxies`].
    pub fn behind_cdn_and_nginx(cdn: &str) -> Result<Self, ConfigError> {
        Ok(Self::Proxies(Ranges::loopback().and(cdn.parse()?), Forwarding::XForwardedFor))
    }

    /// In Kubernetes behind an ingress: its address changes and clients may have private ones too, so one hop is
    /// believed, in `X-Forwarded-For`. A network policy must keep other pods away.
    ///
    /// ```
    /// let trust = stickless::Trust::behind_ingress();
    /// ```
    pub fn behind_ingress() -> Self {
        Self::Hops(NonZeroU16::MIN, Forwarding::XForwardedFor)
    }

    /// Where a request came from. Reads [`Peer`] and [`Encrypted`] from its extensions, and allocates nothing.
    ///
    /// ```
    /// use stickless::{Peer, Trust};
    ///
    /// let mut request = http::Request::get("/").header("x-forwarded-for", "203.0.113.9").body(())?;
    /// request.extensions_mut().insert(Peer::Address([127, 0, 0, 1].into()));
    /// assert_eq!(Trust::behind_nginx().origin(&request).client, Some([203, 0, 113, 9].into()));
    /// assert_eq!(Trust::Peer.origin(&request).client, Some([127, 0, 0, 1].into()));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn origin<B>(&self, request: &Request<B>) -> Origin {
        self.see(request.extensions(), request.headers(), request.uri())
    }

    pub(super) fn see(&self, extensions: &Extensions, headers: &HeaderMap, uri: &Uri) -> Origin {
        let peer = Peer::of(extensions);
        let word = self.word(peer, headers);
        Origin {
            client: word.client,
            https: word.https.unwrap_or_else(|| extensions.get::<Encrypted>().is_some()),
            host: word.host.or_else(|| asked(headers, uri)),
        }
    }

    /// What those say who are believed; without any, nothing but who the peer is.
    pub(super) fn word(&self, peer: Option<Peer>, headers: &HeaderMap) -> Word {
        let client = peer.and_then(Peer::address);
        match self.believed(peer) {
            Some(Forwarding::XForwardedFor) => self.x_forwarded_for(client, headers),
            Some(Forwarding::Forwarded) => self.forwarded(client, headers),
            Some(Forwarding::XRealIp) => x_real_ip(client, headers),
            None => Word::of(client),
        }
    }

    /// The headers that are believed from this peer.
    pub(super) fn believed(&self, peer: Option<Peer>) -> Option<Forwarding> {
        match (self, peer?) {
            (Self::Peer, _) => None,
            (Self::Proxies(ranges, headers), Peer::Unix) => ranges.has_unix().then_some(*headers),
            (Self::Proxies(ranges, headers), Peer::Address(peer)) => ranges.contains(peer).then_some(*headers),
            (Self::Hops(_, headers), _) => Some(*headers),
        }
    }

    /// Whether the hop so far to the left of the peer is one of the trusted ones.
    fn trusts(&self, hop: usize, address: IpAddr) -> bool {
        match self {
            Self::Peer => false,
            Self::Proxies(ranges, _) => ranges.contains(address),
            Self::Hops(count, _) => hop < usize::from(count.get()),
        }
    }

    fn x_forwarded_for(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Word {
        let [list, said @ ..] = last_lines(headers, [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST]);
        let mut word = x_forwarded(peer, said);
        for (hop, entry) in (1..).zip(from_right(list, headers, &X_FORWARDED_FOR)) {
            let Some(address) = node::address(entry) else { break };
            word.client = Some(address);
            word.elements = hop;
            if !self.trusts(hop, address) {
                break;
            }
        }
        word
    }

    fn forwarded(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Word {
        let mut word = Word::of(peer);
        let mut outermost = None;
        for (hop, element) in (1..).zip(forwarded::from_right(headers)) {
            let Some(element) = element else { break };
            word.elements = hop;
            let said = outermost.insert(element).client;
            word.client = said.or(word.client);
            if !said.is_some_and(|address| self.trusts(hop, address)) {
                break;
            }
        }
        word.https = outermost.as_ref().and_then(Element::https);
        word.host = outermost.as_ref().and_then(Element::host);
        word
    }
}

/// What the outermost trusted hop says.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) client: Option<IpAddr>,
    pub(super) https: Option<bool>,
    pub(super) host: Option<Host>,
    /// So many elements of the list of addresses are believed, from the right.
    pub(super) elements: usize,
}

impl Word {
    fn of(client: Option<IpAddr>) -> Self {
        Self { client, https: None, host: None, elements: 0 }
    }
}

/// One address, and no list to walk: a proxy that sets it replaces the client's. Of several the nearest one's counts.
fn x_real_ip(peer: Option<IpAddr>, headers: &HeaderMap) -> Word {
    let [address, said @ ..] = last_lines(headers, [&X_REAL_IP, &X_FORWARDED_PROTO, &X_FORWARDED_HOST]);
    let word = x_forwarded(peer, said);
    match address.map(last_element).and_then(node::address) {
        Some(address) => Word { client: Some(address), elements: 1, ..word },
        None => word,
    }
}

/// Scheme and host as the peer says. Some proxies pass what came from the left, so no other value can be believed.
fn x_forwarded(client: Option<IpAddr>, [scheme, host]: [Option<&HeaderValue>; 2]) -> Word {
    Word {
        client,
        elements: 0,
        https: scheme.map(last_element).and_then(is_https),
        host: host.map(last_element).and_then(Host::parse),
    }
}

/// Whether a scheme is encrypted; none for words that no browser's request has. Some proxies say `wss` of a `WebSocket`.
pub(super) fn is_https(scheme: &[u8]) -> Option<bool> {
    let is = |word: &[u8]| scheme.eq_ignore_ascii_case(word);
    if is(b"https") || is(b"wss") {
        Some(true)
    } else if is(b"http") || is(b"ws") {
        Some(false)
    } else {
        None
    }
}
