//! The `Forwarded` header (RFC 7239), from the right.

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderValue};
use memchr::{memrchr, memrchr2};

use super::host::Host;
use super::list::Elements;
use super::node::{self, Node};
use super::trust::is_https;
use crate::white_space::trim;

/// What one hop says, as far as it matters here. Only what the last hop to be believed says is ever read further.
#[derive(Debug, Default)]
pub(super) struct Element<'a> {
    /// None where the hop does not say.
    pub(super) client: Option<IpAddr>,
    scheme: Option<Value<'a>>,
    host: Option<Value<'a>>,
}

impl Element<'_> {
    pub(super) fn https(&self) -> Option<bool> {
        self.scheme?.with(is_https)
    }

    pub(super) fn host(&self) -> Option<Host> {
        self.host?.with(Host::parse)
    }
}

/// The elements of all lines, the last one first; none for one that is not an element.
pub(super) fn from_right(headers: &HeaderMap) -> impl Iterator<Item = Option<Element<'_>>> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    lines.flat_map(|line: &HeaderValue| Elements::of(line.as_bytes(), last_comma)).map(element)
}

/// The last comma outside a quoted string. Found from the right, so that no quote to the left, which may be the
/// client's, changes what a trusted hop appended.
pub(super) fn last_comma(line: &[u8]) -> Option<usize> {
    let mut end = line.len();
    loop {
        let at = memrchr2(b',', b'"', &line[..end])?;
        if line[at] == b',' {
            return Some(at);
        }
        end = opening_quote(&line[..at])?;
    }
}

/// Where the string begins that ends behind these bytes.
fn opening_quote(mut inside: &[u8]) -> Option<usize> {
    loop {
        let at = memrchr(b'"', inside)?;
        inside = &inside[..at];
        if !is_escaped(inside) {
            return Some(at);
        }
    }
}

/// Whether what follows is escaped: an odd number of backslashes stands before it.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// `[pair] *(";" [pair])`, each parameter once at most.
fn element(mut text: &[u8]) -> Option<Element<'_>> {
    let (mut client, mut scheme, mut host) = (None, None, None);
    while !text.is_empty() {
        let (pair, rest) = split_pair(text)?;
        text = rest;
        let Some((name, value)) = pair else { continue };
        let place = match name {
            _ if name.eq_ignore_ascii_case(b"for") => &mut client,
            _ if name.eq_ignore_ascii_case(b"proto") => &mut scheme,
            _ if name.eq_ignore_ascii_case(b"host") => &mut host,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let client = match client {
        Some(client) => Some(client.with(node::node)?),
        None => None,
    };
    let client = client.and_then(Node::address);
    Some(Element { client, scheme, host })
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
    let name = leading(text, TOKEN);
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

/// The bytes of this class at the beginning.
fn leading(text: &[u8], class: u8) -> &[u8] {
    let end = text.iter().position(|byte| CLASSES[usize::from(*byte)] & class == 0).unwrap_or(text.len());
    &text[..end]
}

/// A token's bytes (RFC 9110, section 5.6.2).
const TOKEN: u8 = 1;
/// Those of a value without quotes.
const BARE: u8 = 2;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => TOKEN | BARE,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => {
                TOKEN | BARE
            }
            b':' | b'[' | b']' => BARE,
            _ => 0,
        };
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

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
        let value = leading(text, BARE);
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
        let mut buffer = [0; 272];
        let mut length = 0;
        for byte in self.bytes() {
            *buffer.get_mut(length)? = byte;
            length += 1;
        }
        read(&buffer[..length])
    }
}
