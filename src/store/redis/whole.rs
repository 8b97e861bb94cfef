//! A record's reply, or a script's, in one piece.
//!
//! The redis crate gives each element of a reply an allocation of its own and takes 0.2 µs for it: for a record, longer
//! than all the rest of a read takes. This stream stands between the connection and the crate. An array of bulk strings and
//! integers, which is what `HGETALL` answers for a record and a script for a write, passes as one bulk string of the same
//! bytes, and [`elements`] finds them in it. All other replies pass as they came, and so does everything from a byte on
//! that is no RESP2.

mod resp;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) use self::resp::elements;
use self::resp::{Foreign, Scan};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// Buffers that have grown beyond this are let go.
const KEPT: usize = 256 * 1024;

/// A stream whose records come in one piece.
pub(super) struct Whole<S> {
    inner: S,
    chunk: Box<[u8]>,
    replies: Replies,
    /// Commands wait for others to go with them.
    gathering: bool,
}

impl<S> Whole<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, chunk: vec![0; CHUNK].into(), replies: Replies::default(), gathering: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Whole<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, chunk, replies, .. } = self.get_mut();
        while !replies.pass(buf) && !replies.ended {
            let mut chunk = ReadBuf::new(chunk);
            ready!(Pin::new(&mut *inner).poll_read(cx, &mut chunk))?;
            replies.take_in(chunk.filled());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Whole<S> {
    /// Whether the commands that are there are to go. The first one waits until all tasks that are ready had their turn:
    /// what they have to ask goes along. A write to a socket takes longer than all that a request does in this crate.
    fn poll_gathered(&mut self, cx: &Context<'_>) -> Poll<&mut S> {
        self.gathering = !self.gathering;
        if self.gathering {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(&mut self.inner)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Whole<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let inner = ready!(self.get_mut().poll_gathered(cx));
        Pin::new(inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = ready!(self.get_mut().poll_gathered(cx));
        Pin::new(inner).poll_write_vectored(cx, slices)
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
        let mut begun = std::mem::take(&mut self.begun);
        // Replies that came whole are not copied before they are looked at.
        let alone = begun.is_empty();
        if !alone {
            begun.extend_from_slice(bytes);
        }
        let (come, mut whole) = (if alone { bytes } else { &begun }, 0);
        while !self.foreign {
            let reply = &come[whole..];
            match self.scan.go_on(reply) {
                Ok(false) => break,
                Ok(true) => {
                    let scan = std::mem::take(&mut self.scan);
                    put(&mut self.ready, &reply[..scan.length], scan.is_flat());
                    whole += scan.length;
                }
                Err(Foreign) => self.foreign = true,
            }
        }
        if self.foreign || self.ended {
            self.ready.extend_from_slice(&come[whole..]);
            whole = come.len();
        }
        if alone {
            begun.extend_from_slice(&bytes[whole..]);
        } else if whole < begun.len() {
            begun.drain(..whole);
        } else {
            empty(&mut begun);
        }
        self.begun = begun;
    }
}

fn put(ready: &mut Vec<u8>, reply: &[u8], as_one: bool) {
    if !as_one {
        ready.extend_from_slice(reply);
        return;
    }
    // Into memory, so it cannot fail.
    let _ = write!(ready, "${}\r\n", reply.len());
    ready.extend_from_slice(reply);
    ready.extend_from_slice(b"\r\n");
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT);
}
