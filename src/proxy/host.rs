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
///
/// ```
/// let request = http::Request::get("/").header("host", "Example.org:8080").body(())?;
/// let host = stickless::Origin::of(&request).host.expect("well formed");
/// assert_eq!(host.to_string(), "example.org");
/// assert!(host.ends_with(".org"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct Host(Text);

/// Hosts are short: finding one allocates nothing.
#[derive(Clone)]
enum Text {
    Short([u8; SHORT], u8),
    Long(Box<[u8]>),
}

const SHORT: usize = 62;

impl Host {
    /// A host with or without a port.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let host = without_port(text)?;
        let mut bytes = [0; LONGEST];
        let lower = bytes.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        is_host(lower).then(|| Self(Text::of(lower)))
    }

    /// Its text.
    ///
    /// ```
    /// let request = http::Request::get("/").header("host", "Example.org:8080").body(())?;
    /// let host = stickless::Origin::of(&request).host.expect("well formed");
    /// assert_eq!(host.as_str(), "example.org");
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn as_str(&self) -> &str {
        let bytes = match &self.0 {
            Text::Short(bytes, length) => &bytes[..usize::from(*length)],
            Text::Long(bytes) => bytes,
        };
        // It was checked to be ASCII.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Text {
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(short), Ok(length)) => {
                short.copy_from_slice(text);
                Self::Short(bytes, length)
            }
            _ => Self::Long(text.into()),
        }
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
        return Host::parse(authority.as_str().as_bytes());
    }
    let mut lines = headers.get_all(HOST).iter();
    let host = lines.next()?;
    lines.next().is_none().then(|| Host::parse(host.as_bytes()))?
}

/// What stands before the port: digits, or none after the colon (RFC 3986, section 3.2.3).
fn without_port(text: &[u8]) -> Option<&[u8]> {
    let Some(colon) = text.iter().rposition(|byte| *byte == b':').filter(|_| !text.ends_with(b"]")) else {
        return Some(text);
    };
    let port = std::str::from_utf8(&text[colon + 1..]).ok()?;
    let is_port = port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_port.then(|| &text[..colon])
}

/// Whether it is one of the three, in lower case.
fn is_host(text: &[u8]) -> bool {
    let parses = |text: &[u8], as_address: fn(&str) -> bool| std::str::from_utf8(text).is_ok_and(as_address);
    if let [b'[', address @ .., b']'] = text {
        return parses(address, |address| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = text.strip_suffix(b".").unwrap_or(text);
    let (mut label, mut is_number) = (0, true);
    for byte in name {
        match byte {
            b'0'..=b'9' => label += 1,
            b'a'..=b'z' | b'-' | b'_' => (label, is_number) = (label + 1, false),
            b'.' if label > 0 => (label, is_number) = (0, true),
            _ => return false,
        }
        if label > 63 {
            return false;
        }
    }
    // A name whose last label is a number is an address, or nothing (the URL standard's host parser).
    label > 0 && name.len() < LONGEST && (!is_number || parses(text, |address| address.parse::<Ipv4Addr>().is_ok()))
}
