//! Any instance, same session.
#![doc = "temporary"]

mod clock;
mod cookie;
mod delta;
mod error;
mod event;
#[cfg(feature = "axum")]
mod extract;
mod id;
mod keys;
mod layer;
mod lifetime;
mod proxy;
mod record;
mod service;
mod session;
pub mod store;

pub use crate::cookie::{SameSite, Secure};
pub use crate::error::{ConfigError, Error, ErrorKind, Unavailable, UnavailableKind};
pub use crate::id::{Handle, ParseHandleError};
pub use crate::keys::KeyRing;
pub use crate::layer::{SessionLayer, SessionLayerBuilder};
pub use crate::proxy::{Encrypted, Origin, Peer};
pub use crate::record::Limits;
pub use crate::service::{ResponseFuture, SessionService};
pub use crate::session::{LazySession, Session, State};
