//! The host that a request asked for.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use http::header::HOST;
use http::{HeaderMap, Uri};

/// The longest name (RFC 1035, section 2.3.4) with a dot at its end.
const LONGEST: usize = 254;

/// A host, without its port, in lower case: a name, an IPv4 address, or an IPv6 address in brackets.
///
/// Names are labels of letters, digits, hyphens and underscores; nothing else is ever a host, so it may be put into a
/// link or a cookie's domain as it is.
#[derive(Clone, Copy)]
pub struct Host {
    // In place: hosts are short, and finding one allocates nothing.
    bytes: [u8; LONGEST],
    length: u8,
}

impl Host {
    /// A host with or without a port.
    pub(super) fn parse(text: impl Iterator<Item = u8>) -> Option<Self> {
        const PORT: usize = ":65535".len();
        let mut bytes = [0; LONGEST + PORT];
        let mut length = 0;
        for byte in text {
            *bytes.get_mut(length)? = byte.to_ascii_lowercase();
            length += 1;
        }
        let end = without_port(&bytes[..length])?;
        let host = std::str::from_utf8(&bytes[..end]).ok()?;
        if !is_host(host) {
            return None;
        }
        let mut host = Self { bytes: [0; LONGEST], length: u8::try_from(end).ok()? };
        host.bytes.get_mut(..end)?.copy_from_slice(&bytes[..end]);
        Some(host)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        // It was checked to be ASCII.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl Deref for Host {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Host {}

/// The host in the request itself. A target with an authority, as HTTP/2 has it, goes before `Host` (RFC 9112, section
/// 3.2.2; RFC 9113, section 8.3.1). Two `Host`s are none.
pub(super) fn asked(headers: &HeaderMap, uri: &Uri) -> Option<Host> {
    if let Some(authority) = uri.authority() {
        return Host::parse(authority.as_str().bytes());
    }
    let mut lines = headers.get_all(HOST).iter();
    let host = lines.next()?;
    lines.next().is_none().then(|| Host::parse(host.as_bytes().iter().copied()))?
}

/// Where the port begins, if there is one: digits, or none after the colon (RFC 3986, section 3.2.3).
fn without_port(text: &[u8]) -> Option<usize> {
    let Some(colon) = text.iter().rposition(|byte| *byte == b':') else { return Some(text.len()) };
    if text.ends_with(b"]") {
        return Some(text.len());
    }
    let port = std::str::from_utf8(&text[colon + 1..]).ok()?;
    let is_port = port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_port.then_some(colon)
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A name whose last label is a number is an address, or nothing (the URL standard's host parser).
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() < LONGEST && name.split('.').all(is_label) && (!numeric || text.parse::<Ipv4Addr>().is_ok())
}
