//! What goes through the stream comes out of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use proptest::collection::vec;
use proptest::prelude::*;
use redis::Value;
use tokio::io::AsyncReadExt;

use super::resp::MANY;
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
    vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'$'), Just(b'*'), any::<u8>()], 0..40).prop_map(Value::BulkString)
}

fn reply() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        // Without OK, which is a value of its own.
        any::<i64>().prop_map(Value::Int),
        "[a-z ]{0,9}".prop_map(Value::SimpleString),
        bulk_string(),
    ];
    let nested = leaf.prop_recursive(3, 40, 8, |inner| vec(inner, 0..8).prop_map(Value::Array));
    let flat = vec(prop_oneof![3 => bulk_string(), 1 => any::<i64>().prop_map(Value::Int)], 0..40);
    prop_oneof![nested, flat.prop_map(Value::Array)]
}

/// The elements of a reply that is to pass in one piece.
fn flat(reply: &Value) -> Option<Vec<Vec<u8>>> {
    let Value::Array(items) = reply else { return None };
    let element = |item: &Value| match item {
        Value::BulkString(bytes) => Some(bytes.clone()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    };
    items.iter().map(element).collect::<Option<Vec<_>>>().filter(|elements| elements.len() >= MANY)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reply_comes_out_as_it_went_in_and_what_is_flat_in_one_piece(
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
            if let Some(inside) = flat(reply) {
                prop_assert!(matches!(got, Value::BulkString(_)));
                prop_assert_eq!(elements(&got), Some(inside.iter().map(Vec::as_slice).collect()));
            } else {
                prop_assert_eq!(&got, reply);
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

/// What was written, and how often somebody was woken.
#[derive(Default)]
struct Counted {
    written: Vec<Vec<u8>>,
    woken: Arc<AtomicUsize>,
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Woken(Arc<AtomicUsize>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn commands_wait_once_for_those_of_the_tasks_that_are_ready() {
    let counted = Counted::default();
    let woken = counted.woken.clone();
    let (mut whole, waker) = (Whole::new(counted), Waker::from(Arc::new(Woken(woken.clone()))));
    let mut cx = Context::from_waker(&waker);
    for round in 1..=2 {
        assert!(Pin::new(&mut whole).poll_write(&mut cx, b"a").is_pending());
        // Whoever is told to wait is also told to go on.
        assert_eq!((whole.inner.written.len(), woken.load(Ordering::Relaxed)), (round - 1, round));
        assert!(matches!(Pin::new(&mut whole).poll_write(&mut cx, b"ab"), Poll::Ready(Ok(2))));
        assert_eq!((whole.inner.written.len(), woken.load(Ordering::Relaxed)), (round, round));
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
