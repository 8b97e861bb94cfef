//! A fresh stream to a node or a Sentinel, with the socket options that it needs.

mod first;
mod refusal;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

pub(super) use self::first::{First, Hints};
pub(crate) use self::refusal::Refusal;
use super::connect::late;
#[cfg(feature = "tls")]
use super::tls::Handshake;
use super::url::{Address, Place, Topology};
use crate::error::{ConfigError, Unavailable};

/// A byte stream to a store.
///
/// ```
/// fn is_stream<S: stickless::store::Stream>(_: S) {}
///
/// let (ours, _theirs) = tokio::io::duplex(1024);
/// is_stream(ours);
/// ```
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// How to open a stream to the store: each call opens another.
///
/// ```
/// use stickless::store::Dial;
/// use tokio::net::TcpStream;
///
/// // Through a tunnel on this machine.
/// let dial = Dial::new(|| TcpStream::connect("127.0.0.1:6380"));
/// ```
#[derive(Clone)]
pub struct Dial(Way);

#[derive(Clone)]
enum Way {
    Tcp,
    #[cfg(feature = "tls")]
    Tls(Handshake),
    Own(Arc<dyn Fn(Address) -> Dialling + Send + Sync>),
}

impl Dial {
    /// A way of one's own: another kind of TLS, a tunnel, an in-memory pipe.
    ///
    /// ```
    /// use stickless::store::Dial;
    /// use tokio::net::TcpStream;
    ///
    /// // Through a tunnel on this machine.
    /// let dial = Dial::new(|| TcpStream::connect("127.0.0.1:6380"));
    /// ```
    pub fn new<F, Fut, S>(dial: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Stream,
    {
        Self::to(move |_, _| dial())
    }

    /// The same where there is more than one place: it is given the host and the port, of a Sentinel as well as of the
    /// node that the Sentinels name.
    ///
    /// ```
    /// use stickless::store::Dial;
    /// use tokio::net::TcpStream;
    ///
    /// let dial = Dial::to(|host, port| TcpStream::connect((host, port)));
    /// ```
    pub fn to<F, Fut, S>(dial: F) -> Self
    where
        F: Fn(String, u16) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Stream,
    {
        Self(Way::Own(Arc::new(move |address| {
            let dialling = dial(address.host, address.port);
            Box::pin(async move { Ok(Box::new(dialling.await?) as Box<dyn Stream>) })
        })))
    }

    /// As the URL says.
    pub(super) fn of(place: &Place) -> Result<Self, ConfigError> {
        match (&place.topology, place.tls) {
            (Topology::Socket(path), _) => Ok(Self::socket(path.clone())),
            (_, false) => Ok(Self(Way::Tcp)),
            (_, true) => Err(ConfigError::new("store", "rediss", "needs the feature `tls`")),
        }
    }

    /// TCP, and TLS over it.
    #[cfg(feature = "tls")]
    pub(super) fn over_tls(handshake: Handshake) -> Self {
        Self(Way::Tls(handshake))
    }

    fn socket(path: PathBuf) -> Self {
        Self::new(move || UnixStream::connect(path.clone()))
    }

    /// Opens a stream. The limit is that of the dial, and of the handshake where there is one, each.
    pub(super) async fn dial(&self, address: &Address, limit: Duration) -> Result<Box<dyn Stream>, Unavailable> {
        match &self.0 {
            Way::Tcp => Ok(Box::new(First::new(within(limit, tcp(address)).await?, Hints::Plain))),
            #[cfg(feature = "tls")]
            Way::Tls(handshake) => {
                let stream = within(limit, tcp(address)).await?;
                Ok(Box::new(handshake.shake(&address.host, stream, limit).await?))
            }
            Way::Own(dial) => within(limit, dial(address.clone())).await,
        }
    }
}

async fn within<S>(limit: Duration, dialling: impl Future<Output = io::Result<S>>) -> Result<S, Unavailable> {
    let dialled = timeout(limit, dialling).await.map_err(late)?;
    dialled.map_err(|error| Unavailable::new(Refusal::kind(&error), error))
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial(..)")
    }
}

/// A TCP connection. Names are resolved anew each time, and addresses are tried in turn.
async fn tcp(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(Duration::from_secs(5)).with_interval(Duration::from_secs(1)),
    )?;
    // Keepalive does nothing while data are in flight; this ends a connection whose peer went away without a word.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}
