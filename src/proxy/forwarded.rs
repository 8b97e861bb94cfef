//! The `Forwarded` header (RFC 7239), from the right.

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderValue};

use super::host::Host;
use super::list::trim;
use super::node::{self, Node};
use super::trust::is_https;

/// What one hop says, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// None where the hop does not say.
    pub(super) client: Option<IpAddr>,
    pub(super) https: Option<bool>,
    pub(super) host: Option<Host>,
}

/// The elements of all lines, the last one first; none for one that is not an element.
pub(super) fn from_right(headers: &HeaderMap) -> impl Iterator<Item = Option<Element>> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    lines.flat_map(|line: &HeaderValue| Elements(Some(line.as_bytes()))).map(element)
}

/// The elements of a line as they stand there, the last one first. A line without any is one empty element.
struct Elements<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0?;
        let comma = last_comma(line);
        self.0 = comma.map(|comma| &line[..comma]);
        Some(comma.map_or(line, |comma| &line[comma + 1..]))
    }
}

/// The last comma outside a quoted string. Found from the right, so that no quote to the left, which may be the
/// client's, changes what a trusted hop appended.
pub(super) fn last_comma(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if quoted => quoted = is_escaped(&line[..at]),
            b'"' => quoted = true,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether what follows is escaped: an odd number of backslashes stands before it.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// `[pair] *(";" [pair])`, each parameter once at most.
fn element(mut text: &[u8]) -> Option<Element> {
    let mut found = Element::default();
    let (mut clients, mut schemes, mut hosts) = (0, 0, 0);
    while !text.is_empty() {
        let (pair, rest) = split_pair(text)?;
        text = rest;
        let Some((name, value)) = pair else { continue };
        if name.eq_ignore_ascii_case(b"for") {
            clients += 1;
            found.client = match value.with(node::node)? {
                Node::Address(address) => Some(address),
                Node::Hidden => None,
            };
        } else if name.eq_ignore_ascii_case(b"proto") {
            schemes += 1;
            found.https = value.with(is_https);
        } else if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
            found.host = Host::parse(value.bytes());
        }
    }
    (clients <= 1 && schemes <= 1 && hosts <= 1).then_some(found)
}

type Pair<'a> = (&'a [u8], Value<'a>);

/// A pair, if one stands before the next semicolon, and what follows that. Blanks may stand around a semicolon, as some
/// proxies write them, and nowhere else.
fn split_pair(text: &[u8]) -> Option<(Option<Pair<'_>>, &[u8])> {
    let text = trim(text);
    if let [b';', rest @ ..] = text {
        return Some((None, rest));
    }
    if text.is_empty() {
        return Some((None, text));
    }
    let name = leading(text, b"");
    let rest = text[name.len()..].strip_prefix(b"=").filter(|_| !name.is_empty())?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(rest) => Value::quoted(rest)?,
        None => Value::bare(rest),
    };
    match trim(rest) {
        [] => Some((Some((name, value)), b"")),
        [b';', rest @ ..] => Some((Some((name, value)), rest)),
        _ => None,
    }
}

/// The token at the beginning (RFC 9110, section 5.6.2), in which these bytes may stand too.
fn leading<'a>(text: &'a [u8], also: &[u8]) -> &'a [u8] {
    let may_stand =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte) || also.contains(byte);
    let end = text.iter().position(|byte| !may_stand(byte)).unwrap_or(text.len());
    &text[..end]
}

/// A parameter's value, without its quotes.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    text: &'a [u8],
    escaped: bool,
}

impl<'a> Value<'a> {
    /// A value without quotes, and what follows it. Proxies leave the quotes out where RFC 7239 asks for them, around
    /// ports and IPv6 addresses; nothing else can be meant by that.
    fn bare(text: &'a [u8]) -> (Self, &'a [u8]) {
        let value = leading(text, b":[]");
        (Self { text: value, escaped: false }, &text[value.len()..])
    }

    /// What follows an opening quote, and what follows the closing one.
    fn quoted(rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut escaped = false;
        let mut at = 0;
        loop {
            match rest.get(at)? {
                b'"' => return Some((Self { text: &rest[..at], escaped }, &rest[at + 1..])),
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
    }

    /// Its bytes, unescaped.
    fn bytes(self) -> impl Iterator<Item = u8> + Clone {
        let mut after_backslash = false;
        self.text.iter().copied().filter(move |byte| {
            after_backslash = self.escaped && *byte == b'\\' && !after_backslash;
            !after_backslash
        })
    }

    /// What a reader of bytes makes of it. Escapes that nobody needs are undone in a small buffer.
    fn with<T>(self, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        if !self.escaped {
            return read(self.text);
        }
        let mut buffer = [0; 128];
        let mut length = 0;
        for byte in self.bytes() {
            *buffer.get_mut(length)? = byte;
            length += 1;
        }
        read(&buffer[..length])
    }
}
