//! The end of an instance, so that nobody who is under way loses a request by it.
//!
//! A connection that is closed while a proxy sends a request on it costs that request: a POST may not be sent twice. So
//! at first nobody comes anew, then each answer says that its connection closes, and the idle ones, which a proxy that
//! was turned away at the door does not use any more, are closed a moment later.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long idle connections stay open after SIGTERM.
pub(crate) const MOMENT: Duration = Duration::from_millis(200);

static LEAVING: AtomicBool = AtomicBool::new(false);
static TOLD: Notify = Notify::const_new();

pub(crate) fn begin() {
    LEAVING.store(true, Ordering::Release);
    TOLD.notify_waiters();
}

/// Returns when it has begun.
pub(crate) async fn begun() {
    let mut told = pin!(TOLD.notified());
    // From here on no call is missed.
    told.as_mut().enable();
    if !LEAVING.load(Ordering::Acquire) {
        told.await;
    }
}

/// A listener that is closed as soon as the instance is leaving.
pub(crate) struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
}

impl Door {
    pub(crate) async fn open(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        Ok(Self { address: listener.local_addr()?, listener: Some(listener) })
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                biased;
                () = begun() => {}
                // axum's own, which waits where there are no more file descriptors.
                accepted = Listener::accept(listener) => return accepted,
            }
        }
        self.listener = None;
        pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The last answer on its connection says so.
pub(crate) fn say_goodbye(response: &mut Response) {
    if LEAVING.load(Ordering::Relaxed) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}
