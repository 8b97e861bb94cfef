//! The first word of a server: where there is none, what the matter may be.
//!
//! A server that was spoken to in the wrong way ends the connection and says nothing. What the operating system has to
//! say about that is the same as for one that died.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::refusal::Refusal;
use crate::error::UnavailableKind;

/// A stream that explains an end before the first byte; after it, it is the stream inside.
///
/// Nothing is read before something is written, so that whoever asks first is told: what a server says on its own before
/// that is why it will not answer.
pub(in super::super) struct First<S> {
    inner: S,
    hints: Option<Hints>,
    spoken: bool,
    reader: Option<Waker>,
}

/// What may be the matter with a server that ends the connection before it has said anything.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Hints {
    /// It was spoken to in plain text.
    Plain,
    /// It was spoken to over TLS, without a certificate of ours.
    #[cfg(feature = "tls")]
    Anonymous,
    /// Likewise, with one.
    #[cfg(feature = "tls")]
    Certified,
}

impl<S> First<S> {
    pub(in super::super) fn new(inner: S, hints: Hints) -> Self {
        Self { inner, hints: Some(hints), spoken: false, reader: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> First<S> {
    /// Something was written.
    fn spoke(&mut self) {
        self.spoken = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Why nothing can be written: a server that has hung up may have left word of it.
    fn explain(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let Some(hints) = self.hints else { return error };
        let mut word = [0];
        match Pin::new(&mut self.inner).poll_read(cx, &mut ReadBuf::new(&mut word)) {
            Poll::Ready(Err(word)) => hints.explain(word),
            _ => hints.explain(error),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for First<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, hints, spoken, reader } = self.get_mut();
        let Some(now) = *hints else { return Pin::new(inner).poll_read(cx, buf) };
        if !*spoken {
            *reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let before = buf.filled().len();
        Poll::Ready(match ready!(Pin::new(inner).poll_read(cx, buf)) {
            Ok(()) => match buf.filled().get(before) {
                None => Err(now.explain(io::ErrorKind::UnexpectedEof.into())),
                Some(byte) if now.is_foreign(*byte) => Err(Refusal::of(UnavailableKind::Untrusted, TLS.to_owned())),
                Some(_) => {
                    *hints = None;
                    Ok(())
                }
            },
            Err(error) => Err(now.explain(error)),
        })
    }
}

const TLS: &str = "the server speaks TLS on this port: write rediss:// in place of redis://";

impl Hints {
    /// Whether a first byte is that of a TLS record in a connection of plain text: an alert, or a handshake.
    fn is_foreign(self, byte: u8) -> bool {
        matches!(self, Self::Plain) && [0x15, 0x16].contains(&byte)
    }

    fn explain(self, error: io::Error) -> io::Error {
        #[cfg(feature = "tls")]
        let error = super::super::tls::explain(error);
        if error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()).is_some() {
            return error;
        }
        let hint = match self {
            Self::Plain => "its port may be for TLS (rediss://), or it takes no more clients",
            #[cfg(feature = "tls")]
            Self::Anonymous => "it may want a client certificate, or takes no more clients",
            #[cfg(feature = "tls")]
            Self::Certified => "it may refuse our client certificate, or takes no more clients",
        };
        io::Error::new(error.kind(), format!("the server ended the connection before it answered ({error}): {hint}"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for First<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes));
        if !this.spoken {
            this.spoke();
        }
        Poll::Ready(written.map_err(|error| this.explain(cx, error)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, slices));
        if !this.spoken {
            this.spoke();
        }
        Poll::Ready(written.map_err(|error| this.explain(cx, error)))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = ready!(Pin::new(&mut this.inner).poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| this.explain(cx, error)))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
