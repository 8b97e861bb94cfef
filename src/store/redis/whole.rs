//! A record's reply in one piece.
//!
//! The redis crate gives each element of a reply an allocation of its own and takes 0.2 µs for it: for a record, longer
//! than all the rest of a read takes. This stream stands between the connection and the crate. An array of many bulk
//! strings, which is what `HGETALL` answers for a record, passes as one bulk string of the same bytes, and [`elements`]
//! finds them in it. All other replies pass as they came, and so does everything from a byte on that is no RESP2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use redis::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Arrays from this length on pass in one piece. A record has more elements; whatever else is asked for has fewer, or
/// elements of other kinds.
const MANY: usize = 10;
/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// Buffers that have grown beyond this are let go.
const KEPT: usize = 256 * 1024;

/// A stream whose records come in one piece.
pub(super) struct Whole<S> {
    inner: S,
    chunk: Box<[u8]>,
    replies: Replies,
}

impl<S> Whole<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, chunk: vec![0; CHUNK].into(), replies: Replies::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Whole<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, chunk, replies } = self.get_mut();
        while !replies.pass(buf) && !replies.ended {
            let mut chunk = ReadBuf::new(chunk);
            ready!(Pin::new(&mut *inner).poll_read(cx, &mut chunk))?;
            replies.take_in(chunk.filled());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Whole<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// What has come and not passed yet.
#[derive(Default)]
struct Replies {
    /// The beginning of a reply.
    begun: Vec<u8>,
    scan: Scan,
    /// What is to pass, and how much of it did.
    ready: Vec<u8>,
    passed: usize,
    /// Something came that is no reply: all passes as it comes.
    foreign: bool,
    ended: bool,
}

impl Replies {
    /// Puts what is ready into a reader's buffer; whether there was any.
    fn pass(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let left = &self.ready[self.passed..];
        let passing = left.len().min(buf.remaining());
        buf.put_slice(&left[..passing]);
        self.passed += passing;
        if self.passed == self.ready.len() {
            self.passed = 0;
            empty(&mut self.ready);
        }
        passing > 0
    }

    /// Takes in what has come; nothing is the end.
    fn take_in(&mut self, bytes: &[u8]) {
        self.ended = bytes.is_empty();
        self.begun.extend_from_slice(bytes);
        let mut whole = 0;
        while !self.foreign {
            let reply = &self.begun[whole..];
            match self.scan.go_on(reply) {
                Ok(false) => break,
                Ok(true) => {
                    let scan = std::mem::take(&mut self.scan);
                    put(&mut self.ready, &reply[..scan.length], scan.is_record());
                    whole += scan.length;
                }
                Err(Foreign) => self.foreign = true,
            }
        }
        if self.foreign || self.ended {
            self.ready.extend_from_slice(&self.begun[whole..]);
            whole = self.begun.len();
        }
        if whole == self.begun.len() {
            empty(&mut self.begun);
        } else {
            self.begun.drain(..whole);
        }
    }
}

fn put(ready: &mut Vec<u8>, reply: &[u8], as_one: bool) {
    if !as_one {
        ready.extend_from_slice(reply);
        return;
    }
    ready.extend_from_slice(format!("${}\r\n", reply.len()).as_bytes());
    ready.extend_from_slice(reply);
    ready.extend_from_slice(b"\r\n");
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT);
}

/// These bytes are no RESP2.
struct Foreign;

/// How far a reply was looked at.
struct Scan {
    /// Bytes of it.
    length: usize,
    /// Values that are still to come.
    missing: usize,
    /// Of the array that it is.
    elements: usize,
    /// Nothing but bulk strings is in it.
    bulks: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self { length: 0, missing: 1, elements: 0, bulks: true }
    }
}

impl Scan {
    /// Whether the reply is whole with these bytes, which begin where it begins.
    fn go_on(&mut self, bytes: &[u8]) -> Result<bool, Foreign> {
        while self.missing > 0 {
            let rest = &bytes[self.length..];
            let Some(Line { kind, text, length: mut end }) = line(rest)? else { return Ok(false) };
            let mut inside = 0;
            match kind {
                b'$' => match length(text)? {
                    Some(bytes) => end = end.saturating_add(bytes).saturating_add(2),
                    None => self.bulks = false,
                },
                b'*' => {
                    inside = length(text)?.unwrap_or(0);
                    if self.length == 0 {
                        self.elements = inside;
                    } else {
                        self.bulks = false;
                    }
                }
                _ => self.bulks = false,
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

    fn is_record(&self) -> bool {
        self.bulks && self.elements >= MANY
    }
}

/// The line that a value begins with.
struct Line<'a> {
    kind: u8,
    text: &'a [u8],
    /// With its end.
    length: usize,
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

/// The elements of a reply of bulk strings, in one piece or not; none when it is another one.
pub(super) fn elements(reply: &Value) -> Option<Vec<&[u8]>> {
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
    let head = first(array, b'*')?;
    let count = length(head.text).ok()??;
    // A wrong number makes no vast room.
    let mut elements = Vec::with_capacity(count.min(array.len()));
    let mut at = head.length;
    for _ in 0..count {
        let head = first(array.get(at..)?, b'$')?;
        let (begins, length) = (at + head.length, length(head.text).ok()??);
        elements.push(array.get(begins..begins.checked_add(length)?)?);
        at = begins + length + 2;
    }
    Some(elements)
}

fn first(bytes: &[u8], kind: u8) -> Option<Line<'_>> {
    line(bytes).ok()?.filter(|line| line.kind == kind)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A stream that brings one part after the other, and then ends.
    struct Parts(VecDeque<Vec<u8>>);

    impl AsyncRead for Parts {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let mut part = self.0.pop_front().unwrap_or_default();
            let rest = part.split_off(part.len().min(buf.remaining()));
            buf.put_slice(&part);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Poll::Ready(Ok(()))
        }
    }

    /// What comes out when these bytes come in parts of such lengths, read a few at a time.
    fn through(bytes: &[u8], lengths: &[usize], room: usize) -> Vec<u8> {
        let (mut parts, mut at) = (VecDeque::new(), 0);
        for length in lengths.iter().cycle() {
            if at == bytes.len() {
                break;
            }
            let end = bytes.len().min(at + length);
            parts.push_back(bytes[at..end].to_vec());
            at = end;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (mut whole, mut out, mut buffer) = (Whole::new(Parts(parts)), Vec::new(), vec![0; room]);
            loop {
                match whole.read(&mut buffer).await.expect("no error") {
                    0 => return out,
                    read => out.extend_from_slice(&buffer[..read]),
                }
            }
        })
    }

    fn encode(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Nil => out.extend(b"$-1\r\n"),
            Value::Int(number) => out.extend(format!(":{number}\r\n").into_bytes()),
            Value::SimpleString(text) => out.extend(format!("+{text}\r\n").into_bytes()),
            Value::BulkString(bytes) => {
                out.extend(format!("${}\r\n", bytes.len()).into_bytes());
                out.extend(bytes);
                out.extend(b"\r\n");
            }
            Value::Array(items) => {
                out.extend(format!("*{}\r\n", items.len()).into_bytes());
                for item in items {
                    encode(item, out);
                }
            }
            other => panic!("no RESP2: {other:?}"),
        }
    }

    fn bytes(values: &[Value]) -> Vec<u8> {
        let mut out = Vec::new();
        for value in values {
            encode(value, &mut out);
        }
        out
    }

    fn bulk_string() -> impl Strategy<Value = Value> {
        vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'$'), Just(b'*'), any::<u8>()], 0..40)
            .prop_map(Value::BulkString)
    }

    fn reply() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Int),
            "[A-Za-z ]{0,9}".prop_map(Value::SimpleString),
            bulk_string(),
        ];
        let nested = leaf.prop_recursive(3, 40, 8, |inner| vec(inner, 0..8).prop_map(Value::Array));
        prop_oneof![nested, vec(bulk_string(), 0..40).prop_map(Value::Array)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_reply_comes_out_as_it_went_in_and_records_in_one_piece(
            replies in vec(reply(), 0..8),
            lengths in vec(1_usize..200, 1..8),
            room in 1_usize..300,
        ) {
            let out = through(&bytes(&replies), &lengths, room);
            let mut rest = out.as_slice();
            for reply in &replies {
                let got = redis::parse_redis_value(rest).expect("a reply");
                let mut length = Vec::new();
                encode(&got, &mut length);
                rest = &rest[length.len()..];
                match (reply, elements(reply)) {
                    (Value::Array(items), Some(inside)) if items.len() >= MANY => {
                        prop_assert!(matches!(got, Value::BulkString(_)));
                        prop_assert_eq!(elements(&got), Some(inside));
                    }
                    _ => prop_assert_eq!(&got, reply),
                }
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn whatever_comes_nothing_is_kept_back_when_the_stream_ends(
            garbage in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'$'), Just(b'*'), Just(b'1'), any::<u8>()], 0..60),
            lengths in vec(1_usize..20, 1..4),
        ) {
            let out = through(&garbage, &lengths, 64);
            prop_assert!(out.len() >= garbage.len());
            let _ = elements(&Value::BulkString(garbage));
        }
    }

    #[test]
    fn what_is_no_reply_passes_as_it_comes() {
        for foreign in
            [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"$99999999999999999999\r\n", b"*x\r\n", b"+a\n", b"%1\r\n"]
        {
            assert_eq!(through(foreign, &[3], 100), foreign);
        }
    }
}
