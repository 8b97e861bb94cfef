//! Addresses as proxies write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// No address with brackets, zone and port is longer.
const LONGEST: usize = 100;

/// A hop in `Forwarded` (RFC 7239, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Address(IpAddr),
    /// `unknown`, or a word of the proxy's own such as `_hidden`.
    Hidden,
}

impl Node {
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Hidden => None,
        }
    }
}

/// An entry of `X-Forwarded-For` or `X-Real-IP`, which have no grammar: an address, perhaps with a port. IPv6 may stand
/// in brackets, and must where a port follows.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = quad(text) {
        return Some(address.into()).filter(is_somebody);
    }
    let text = ascii(text)?;
    match text.strip_prefix('[') {
        Some(rest) => bracketed(rest),
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => is_port(port).then(|| v4(address))?,
            Some(_) => v6(text),
            None => None,
        },
    }
}

/// A `for` of RFC 7239. As elsewhere, the brackets around IPv6 may be missing where no port follows.
pub(super) fn node(text: &[u8]) -> Option<Node> {
    if let Some(address) = quad(text) {
        return Some(address.into()).filter(is_somebody).map(Node::Address);
    }
    let text = ascii(text)?;
    let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let is_hidden = |name: &str| name.eq_ignore_ascii_case("unknown") || is_obfuscated(name);
    let found = if is_hidden(text) || is_hidden(name) && (is_port(port) || is_obfuscated(port)) {
        return Some(Node::Hidden);
    } else if !is_obfuscated(port) {
        address(text.as_bytes())
    } else if name.ends_with(']') {
        address(name.as_bytes())
    } else {
        v4(name)
    };
    found.map(Node::Address)
}

fn ascii(text: &[u8]) -> Option<&str> {
    let text = (text.len() <= LONGEST).then_some(text)?;
    std::str::from_utf8(text).ok()
}

/// What follows an opening bracket.
fn bracketed(rest: &str) -> Option<IpAddr> {
    let (address, tail) = rest.split_once(']')?;
    let good = tail.is_empty() || tail.strip_prefix(':').is_some_and(is_port);
    good.then(|| v6(address))?
}

fn v4(text: &str) -> Option<IpAddr> {
    quad(text.as_bytes()).map(IpAddr::from).filter(is_somebody)
}

/// What the standard library's parser makes of it, in a third of the time: nothing else is done for every hop.
fn quad(text: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = text.split(|byte| *byte == b'.');
    let mut octets = [0; 4];
    for octet in &mut octets {
        let part = parts.next().filter(|part| (1..=3).contains(&part.len()))?;
        let zeros_lead = part.len() > 1 && part[0] == b'0';
        let mut number = 0_u16;
        for byte in part {
            let digit = byte.wrapping_sub(b'0');
            number = (digit <= 9 && !zeros_lead).then(|| number * 10 + u16::from(digit))?;
        }
        *octet = u8::try_from(number).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// With or without a zone, which says nothing to anyone but the machine that wrote it.
fn v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| {
        !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let address: Ipv6Addr = address.parse().ok().filter(|_| zone.is_none_or(is_zone))?;
    Some(address.to_canonical()).filter(is_somebody)
}

/// `0.0.0.0` and `::` are nobody's.
fn is_somebody(address: &IpAddr) -> bool {
    !address.is_unspecified()
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_obfuscated(text: &str) -> bool {
    let is_own = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.strip_prefix('_').is_some_and(|word| !word.is_empty() && word.bytes().all(is_own))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_ipv4_address_is_what_the_standard_library_says(
            text in prop_oneof!["[0-9.]{0,16}", "[0-3]{1,3}(\\.[0-9]{1,3}){2,4}", "([0-9]{1,3}\\.){3}[0-9x ]{1,3}"],
            octets: [u8; 4],
        ) {
            prop_assert_eq!(quad(text.as_bytes()), text.parse().ok());
            let address = Ipv4Addr::from(octets);
            prop_assert_eq!(quad(address.to_string().as_bytes()), Some(address));
        }
    }
}
