//! Takes from a request what its headers say and nobody trusted vouches for.

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::forwarded;
use super::list::last_comma;
use super::peer::Peer;
use super::trust::{Forwarding, Trust, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP};
use crate::white_space::trim;

/// Leaves of each forwarding header what is believed: of a list its right end, of other families nothing.
pub(super) fn strip(headers: &mut HeaderMap, trust: &Trust, peer: Option<Peer>) {
    let family = trust.believed(peer);
    let word = trust.word(peer, headers);
    let elements = |of| if family == Some(of) { word.elements } else { 0 };
    let (https, host) = match family {
        Some(Forwarding::XForwardedFor | Forwarding::XRealIp) => (word.https.is_some(), word.host.is_some()),
        _ => (false, false),
    };
    keep(headers, &X_FORWARDED_FOR, elements(Forwarding::XForwardedFor), last_comma);
    keep(headers, &X_REAL_IP, elements(Forwarding::XRealIp), last_comma);
    keep(headers, &FORWARDED, elements(Forwarding::Forwarded), forwarded::last_comma);
    keep(headers, &X_FORWARDED_PROTO, https.into(), last_comma);
    keep(headers, &X_FORWARDED_HOST, host.into(), last_comma);
}

/// So many elements of a header, from the right.
fn keep(headers: &mut HeaderMap, name: &HeaderName, mut elements: usize, last_comma: fn(&[u8]) -> Option<usize>) {
    let mut kept = Vec::new();
    for line in headers.get_all(name).iter().rev().map(HeaderValue::as_bytes) {
        let (mut start, mut left) = (line.len(), Some(line.len()));
        while elements > 0
            && let Some(end) = left
        {
            elements -= 1;
            left = last_comma(&line[..end]);
            start = left.map_or(0, |comma| comma + 1);
        }
        let right = trim(&line[start..]);
        kept.extend(HeaderValue::from_bytes(right).ok().filter(|right| !right.is_empty()));
    }
    headers.remove(name);
    for line in kept.into_iter().rev() {
        headers.append(name, line);
    }
}
