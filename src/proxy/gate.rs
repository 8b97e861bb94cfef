//! What the layers do with each request: see its origin, and strip what was not believed.

use http::Request;

use super::Origin;
use super::peer::Peer;
use super::strip::strip;
use super::trust::Trust;
use crate::event::{self, Throttle};

/// A layer's trust.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    pub(crate) trust: Trust,
    pub(crate) strip: bool,
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
        if self.strip {
            strip(request.headers_mut(), &self.trust, peer);
        }
        origin
    }
}
