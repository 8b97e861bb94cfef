//! What the layers do with each request: see its origin, and strip what was not believed.

use http::{HeaderMap, Request};

use super::Origin;
use super::forwarded;
use super::list::last_element;
use super::peer::Peer;
use super::strip::strip;
use super::trust::{Trust, X_FORWARDED_PROTO};
use crate::event::{self, Throttle};

/// A layer's trust.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    pub(crate) trust: Trust,
    pub(crate) strip: bool,
    /// Tell when a proxy that is not believed says https.
    pub(crate) tell_https: bool,
}

impl Gate {
    /// Tells of settings that work, but perhaps not as they were meant.
    pub(crate) fn check(self) -> Self {
        if let Trust::Proxies(ranges, _) = &self.trust {
            if ranges.are_empty() {
                event::nobody_trusted();
            }
            ranges.boundless().for_each(event::everybody_trusted);
            ranges.with_host_bits().for_each(event::host_bits);
        }
        self
    }

    /// The request's origin. One that is in its extensions already, such as that of an
    /// [`OriginLayer`](super::OriginLayer) around us, is taken as it is.
    pub(crate) fn admit<B>(&self, request: &mut Request<B>, told: &Throttle) -> Origin {
        if let Some(origin) = request.extensions().get::<Origin>() {
            return origin.clone();
        }
        let peer = Peer::of(request.extensions());
        if peer.is_none() && self.trust != Trust::Peer {
            event::unknown_peer(told);
        }
        let origin = self.trust.origin(request);
        if self.tell_https
            && !origin.https
            && let Some(header) = says_https(request.headers())
        {
            event::https_not_believed(told, peer, header);
        }
        if self.strip {
            strip(request.headers_mut(), &self.trust, peer);
        }
        origin
    }
}

/// Which header says that the client came by https, whoever sent it.
fn says_https(headers: &HeaderMap) -> Option<&'static str> {
    let proto = headers.get_all(&X_FORWARDED_PROTO).iter().next_back().map(last_element);
    if proto.is_some_and(|word| word.eq_ignore_ascii_case(b"https")) {
        return Some("X-Forwarded-Proto");
    }
    let forwarded = forwarded::from_right(headers).next().flatten();
    forwarded.is_some_and(|element| element.https() == Some(true)).then_some("Forwarded")
}
