//! From a URL to a stream: where the store is, and a fresh connection to it with the socket options that it needs.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::error::ConfigError;

/// A byte stream to a store.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// How to open a stream to the store: each call opens another.
#[derive(Clone)]
pub struct Dial(Arc<dyn Fn() -> Dialling + Send + Sync>);

impl Dial {
    /// A way of one's own: another kind of TLS, a tunnel, an in-memory pipe.
    pub fn new<F, Fut, S>(dial: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Stream,
    {
        Self(Arc::new(move || {
            let dialling = dial();
            Box::pin(async move { Ok(Box::new(dialling.await?) as Box<dyn Stream>) })
        }))
    }

    pub(super) fn dial(&self) -> Dialling {
        (self.0)()
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial(..)")
    }
}

/// What a URL says.
pub(super) struct Target {
    pub(super) dial: Dial,
    /// User, password and database.
    pub(super) settings: RedisConnectionInfo,
}

/// Reads `redis://`, `rediss://` (feature `tls`), `valkey://`, `valkeys://` and `unix://`. No message shows the URL: it
/// may hold a password.
pub(super) fn target(url: &str) -> Result<Target, ConfigError> {
    let shown = if scheme(url).is_empty() { "…" } else { scheme(url) };
    let refuse = |reason: &str| ConfigError::new("store", shown, reason);
    let (plain, tls) = match scheme(url) {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => (url.to_owned(), false),
        "rediss" | "valkeys" => (format!("redis{}", &url[scheme(url).len()..]), true),
        "redis+sentinel" | "redis-sentinel" | "rediss+sentinel" | "rediss-sentinel" | "redis+cluster"
        | "redis-cluster" | "rediss+cluster" | "rediss-cluster" => {
            return Err(refuse("this version knows single nodes only"));
        }
        _ => return Err(refuse("must begin with redis://, rediss:// or unix://")),
    };
    let info = plain.as_str().into_connection_info().map_err(|error| {
        // The text of a parse error is made of fixed parts; the detail could quote the URL.
        refuse(&format!("is not a store's URL: {}", error.category()))
    })?;
    if info.redis_settings().db() < 0 {
        return Err(refuse("the database must not be negative"));
    }
    let dial = match (info.addr().clone(), tls) {
        (ConnectionAddr::Tcp(host, port), false) => Dial::new(move || tcp(host.clone(), port)),
        #[cfg(feature = "tls")]
        (ConnectionAddr::Tcp(host, port), true) => super::tls::dial(host, port)?,
        #[cfg(not(feature = "tls"))]
        (ConnectionAddr::Tcp(..), true) => return Err(refuse("needs the feature `tls`")),
        (ConnectionAddr::Unix(path), false) => Dial::new(move || UnixStream::connect(path.clone())),
        _ => return Err(refuse("cannot be reached that way")),
    };
    Ok(Target { dial, settings: info.redis_settings().clone() })
}

fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// A TCP connection. Names are resolved anew each time, and addresses are tried in turn.
pub(super) async fn tcp(host: String, port: u16) -> io::Result<TcpStream> {
    // An IPv6 address in a URL has brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((host, port)).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_work_is_refused_and_never_quoted() {
        let cases = [
            ("postgres://u:hunter2@h/1", "store = postgres: must begin with redis://, rediss:// or unix://"),
            ("hunter2", "store = …: must begin with redis://, rediss:// or unix://"),
            ("redis+sentinel://:hunter2@h:26379/m", "store = redis+sentinel: this version knows single nodes only"),
        ];
        for (url, message) in cases {
            let Err(error) = target(url) else { panic!("{url} is refused") };
            assert_eq!(error.to_string(), message);
        }
        for url in ["redis://u:hunter2@h/db", "redis://u:hunter2@h/-3", "redis://u:hunter2@h:99999/0", "redis://"] {
            let Err(error) = target(url) else { panic!("{url} is refused") };
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn user_password_and_database_come_from_the_url() {
        let Ok(target) = target("redis://app:p%40ss@127.0.0.1:7000/3") else { panic!("accepted") };
        assert_eq!(target.settings.username(), Some("app"));
        assert_eq!(target.settings.password(), Some("p@ss"));
        assert_eq!(target.settings.db(), 3);
    }
}
