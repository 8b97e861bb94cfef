//! How far a reply goes, and what is in it: as much of RESP2 as that needs. Pure.

use redis::Value;

/// Arrays from this length on pass in one piece. Records have more elements, and so do a script's words on a write that
/// was done; whatever else is asked for has fewer, or arrays inside.
pub(super) const MANY: usize = 4;

/// These bytes are no RESP2.
pub(super) struct Foreign;

/// How far a reply was looked at.
pub(super) struct Scan {
    /// Bytes of it.
    pub(super) length: usize,
    /// Values that are still to come.
    missing: usize,
    /// Of the array that it is.
    elements: usize,
    /// Nothing but bulk strings and integers is in it.
    flat: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self { length: 0, missing: 1, elements: 0, flat: true }
    }
}

impl Scan {
    /// Whether the reply is whole with these bytes, which begin where it begins.
    pub(super) fn go_on(&mut self, bytes: &[u8]) -> Result<bool, Foreign> {
        while self.missing > 0 {
            let rest = &bytes[self.length..];
            if let Some((head, length)) = bulk(rest) {
                let end = head + length + 2;
                if end > rest.len() {
                    return Ok(false);
                }
                self.length += end;
                self.missing -= 1;
                continue;
            }
            let Some(Line { kind, text, length: mut end }) = line(rest)? else { return Ok(false) };
            let mut inside = 0;
            match kind {
                b'$' => match length(text)? {
                    Some(bytes) => end = end.saturating_add(bytes).saturating_add(2),
                    None => self.flat = false,
                },
                b'*' => {
                    inside = length(text)?.unwrap_or(0);
                    if self.length == 0 {
                        self.elements = inside;
                    } else {
                        self.flat = false;
                    }
                }
                b':' => {}
                _ => self.flat = false,
            }
            if end > rest.len() {
                // Its line is looked at again when more has come.
                return Ok(false);
            }
            self.length += end;
            self.missing = (self.missing - 1).checked_add(inside).ok_or(Foreign)?;
        }
        Ok(true)
    }

    /// Whether it may pass in one piece.
    pub(super) fn is_flat(&self) -> bool {
        self.flat && self.elements >= MANY
    }
}

/// The line that a value begins with.
struct Line<'a> {
    kind: u8,
    text: &'a [u8],
    /// With its end.
    length: usize,
}

/// Of a bulk string, how long its line is, and how long it is itself. None where that takes a closer look: the length of
/// nearly all that comes has three digits at most.
#[inline]
fn bulk(bytes: &[u8]) -> Option<(usize, usize)> {
    let value = |digit: u8| usize::from(digit.wrapping_sub(b'0'));
    let (head, length) = match *bytes {
        [b'$', a, b'\r', b'\n', ..] => (4, [0, 0, value(a)]),
        [b'$', a, b, b'\r', b'\n', ..] => (5, [0, value(a), value(b)]),
        [b'$', a, b, c, b'\r', b'\n', ..] => (6, [value(a), value(b), value(c)]),
        _ => return None,
    };
    let [hundreds, tens, ones] = length;
    (hundreds.max(tens).max(ones) < 10).then_some((head, hundreds * 100 + tens * 10 + ones))
}

/// The first line, if it has come whole.
fn line(bytes: &[u8]) -> Result<Option<Line<'_>>, Foreign> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let [kind @ (b'$' | b'*' | b'+' | b'-' | b':'), text @ .., b'\r'] = &bytes[..end] else { return Err(Foreign) };
    Ok(Some(Line { kind: *kind, text, length: end + 1 }))
}

/// A length; nothing is that of nil.
fn length(text: &[u8]) -> Result<Option<usize>, Foreign> {
    if text == b"-1" {
        return Ok(None);
    }
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    let number = text.iter().try_fold(0_usize, |number, byte| number.checked_mul(10)?.checked_add(digit(byte)?));
    number.filter(|_| !text.is_empty()).map(Some).ok_or(Foreign)
}

/// The elements of a reply of bulk strings, in one piece or not; none when it is another one. Of a reply in one piece,
/// integers as they are written.
pub(in super::super) fn elements(reply: &Value) -> Option<Vec<&[u8]>> {
    match reply {
        Value::BulkString(array) => inside(array),
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Map(pairs) => pairs.iter().flat_map(|(field, value)| [field, value]).map(text).collect(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&[u8]> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}

fn inside(array: &[u8]) -> Option<Vec<&[u8]>> {
    let head = first(array).filter(|head| head.kind == b'*')?;
    let count = length(head.text).ok()??;
    // A wrong number makes no vast room.
    let mut elements = Vec::with_capacity(count.min(array.len()));
    let mut at = head.length;
    for _ in 0..count {
        let rest = array.get(at..)?;
        if let Some((head, length)) = bulk(rest) {
            elements.push(rest.get(head..head + length)?);
            at += head + length + 2;
            continue;
        }
        let head = first(rest)?;
        at += head.length;
        match head.kind {
            b':' => elements.push(head.text),
            b'$' => {
                let length = length(head.text).ok()??;
                elements.push(array.get(at..at.checked_add(length)?)?);
                at += length + 2;
            }
            _ => return None,
        }
    }
    Some(elements)
}

fn first(bytes: &[u8]) -> Option<Line<'_>> {
    line(bytes).ok()?
}
