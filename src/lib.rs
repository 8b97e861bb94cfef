//! Any instance, same session: a [tower] layer for distributed HTTP sessions behind a load balancer, with no sticky
//! routing, no random log-outs and no lost updates.
//!
//! A signed cookie names the session; its record lives in Redis or Valkey, so that every instance of the application
//! has the same one. Use it with axum, or with any tower or hyper service.
//!
//! # Start
//!
//! ```
//! use axum::{Router, routing::get};
//! use stickless::{Error, KeyRing, Session, SessionLayer, store::MemoryStore};
//!
//! async fn count(session: Session) -> Result<String, Error> {
//!     let visits = session.incr("visits", 1).await?;
//!     Ok(format!("You have been here {visits} times.\n"))
//! }
//!
//! # fn main() -> Result<(), stickless::ConfigError> {
//! let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?;
//! let app: Router = Router::new().route("/", get(count)).layer(layer);
//! # Ok(()) }
//! ```
//!
//! On several instances, put a [`RedisStore`](store::RedisStore) in place of the memory store, and the same
//! [`KeyRing`] everywhere:
//!
//! ```no_run
//! use std::time::Duration;
//! use stickless::{KeyRing, Secure, SessionLayer, store::RedisStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://:password@10.0.0.7:6379/0")?;
//! let layer = SessionLayer::builder(store, KeyRing::parse(&std::env::var("SESSION_KEYS")?)?)
//!     .idle(Duration::from_secs(30 * 60))
//!     .absolute(Duration::from_secs(12 * 60 * 60))
//!     .cookie_name("__Host-sid")
//!     .cookie_secure(Secure::Always)
//!     .build()?;
//! # Ok(()) }
//! ```
//!
//! # Lazy loading, staged writes
//!
//! The layer verifies the cookie and puts a [`LazySession`] into the request. The record is read when a handler asks
//! for its [`Session`], once: one round trip, and none for a handler that does not ask, for a missing cookie or for a
//! forged one. Extractors for axum:
//!
//! | extractor | no session | the store does not answer |
//! |---|---|---|
//! | [`Session`] | a new one, stored when something is set | 503 |
//! | `Option<Session>` | `None` | 503 |
//! | `Result<Session, Unavailable>` | a new one, stored when something is set | `Err`: go on without |
//! | [`LazySession`] | nothing is read before [`load`](LazySession::load) | |
//! | [`Origin`] | no session is looked at | |
//!
//! [`set`](Session::set), [`remove`](Session::remove), [`take`](Session::take) and [`clear`](Session::clear) are staged
//! and applied as one write when the handler has answered. What travels is the change, not the record: requests that
//! change different keys both win, on any instance. [`incr`](Session::incr) and [`update`](Session::update) are exact,
//! and applied at once. [`save`](Session::save) applies at once what is staged: before streaming a body, for example,
//! for when the headers are gone a cookie cannot be sent any more.
//!
//! Nothing is stored, and no cookie sent, until something is set.
//!
//! # Logging in and out
//!
//! ```
//! use axum::http::StatusCode;
//! use stickless::{Error, Session};
//!
//! async fn log_in(session: Session) -> Result<StatusCode, Error> {
//!     // Check the password first: that is the application's.
//!     session.log_in("alice").await?;
//!     Ok(StatusCode::NO_CONTENT)
//! }
//!
//! async fn log_out(session: Session) -> Result<StatusCode, Error> {
//!     session.log_out()?;
//!     Ok(StatusCode::NO_CONTENT)
//! }
//! ```
//!
//! [`log_in`](Session::log_in) raises the session's *generation*: every cookie from before is dead at once, what the
//! visitor had stored is kept, and requests that were under way with the old cookie change nothing and say nothing.
//! [`log_out`](Session::log_out) destroys the record and removes the cookie; nothing in flight brings it back.
//! [`State`] tells new, live and stale.
//!
//! # Users and their devices
//!
//! ```
//! use axum::Json;
//! use stickless::{Error, Session};
//!
//! async fn devices(session: Session) -> Result<Json<Vec<String>>, Error> {
//!     let devices = session.devices().await?;
//!     Ok(Json(devices.iter().map(|device| device.handle.to_string()).collect()))
//! }
//!
//! async fn change_password(session: Session) -> Result<String, Error> {
//!     // Store the new password first: that is the application's.
//!     let ended = session.end_others().await?;
//!     Ok(format!("{ended} other sessions were ended.\n"))
//! }
//! ```
//!
//! Every log-in enters its user's *roster* before its cookie is sent, at the cost of two round trips, so the list is
//! complete: [`end_device`](Session::end_device), [`end_others`](Session::end_others) and
//! [`end_everywhere`](Session::end_everywhere) mean what they say, and count exactly, also while that user's sessions are
//! used, or log in, on other instances. Whoever began to log in before is refused with
//! [`Ended`](ErrorKind::Ended). [`cap`](SessionLayerBuilder::cap) limits how many sessions a user may have.
//! A session that others ended says why: [`State::Ended`]. [`Users`] does the same for administrators and jobs, and has
//! the [endings](Users::endings) of all instances as a stream, by which long connections learn that theirs is over.
//!
//! # Limits
//!
//! A session ends when it was not used for [`idle`](SessionLayerBuilder::idle), and at the
//! [`absolute`](SessionLayerBuilder::absolute) limit in any case, both on the store's clock. Reading slides its life
//! beside the handler, when less than [`refresh_within`](SessionLayerBuilder::refresh_within) is left: no latency, no
//! cookie, no write outside that threshold. So the effective idle limit lies between `refresh_within` and `idle`.
//! [`remember`](Session::remember) gives one session a longer life. Sizes have [`Limits`] too.
//!
//! # Cookies and keys
//!
//! The cookie's attributes are options of [`SessionLayerBuilder`]; combinations that browsers drop are refused. Its
//! Max-Age covers the longest life that the session can have, so it is sent rarely: on creation, log-in, rotation, a
//! change of life, and when it was signed by an old key. A response that sets it is kept out of shared caches; one
//! that looked at the session varies by `Cookie` and, unless the handler sets `Cache-Control`, is stored nowhere: a
//! browser's back button would show it after the log-out. With an `ETag` or `Last-Modified` it is `private, no-cache`.
//!
//! Keys are 32 bytes or more, the same on all instances: `head -c 32 /dev/urandom | base64`. The first signs, all verify;
//! how to rotate them without logging anyone out, and how to log everybody out at once: [`KeyRing`].
//!
//! The cookie is for the host that set it, alone, unless [`cookie_domain`](SessionLayerBuilder::cookie_domain) names a
//! domain that its subdomains share, or [`cookie_domains`](SessionLayerBuilder::cookie_domains) several, of which the
//! request's host chooses. To move to another domain, roll the new setting out: users stay logged in, and what stands in
//! the old place is removed by their next log-in or log-out, on each host where it stands. Behind a proxy that passes
//! another `Host`, the domain follows the host of the header that is trusted.
//!
//! # Errors
//!
//! | answer | when | the cookie |
//! |---|---|---|
//! | 409 | the session was ended or logged in anew while the request was under way: nothing that it staged was stored | left alone |
//! | 413 | with what others stored meanwhile, the session would be larger than its [`Limits`] | left alone |
//! | 503 with `Retry-After` | the store could not say; what was staged was stored whole or not at all, and is not stored later | left alone |
//!
//! The layer gives these in place of the handler's answer, without a body; extractors and operations have them as
//! errors:
//!
//! * [`Unavailable`]: the store could not say, and its [`kind`](Unavailable::kind) says why. A blip logs nobody out. Every
//!   request ends within [`budget`](store::RedisStoreBuilder::budget), 1 s by default, of time in store calls.
//! * [`Error`]: an operation was refused; its [`kind`](Error::kind) says why, its [`status`](Error::status) what a
//!   client may know. Both are responses in axum.
//! * [`ConfigError`]: a setting that cannot work, by name, when the layer or the store is built.
//!
//! A handler that can do without the session while the store is away says so:
//!
//! ```
//! use stickless::{Session, Unavailable};
//!
//! async fn front_page(session: Result<Session, Unavailable>) -> String {
//!     match session {
//!         Ok(session) => format!("Hello, {}.", session.user().as_deref().unwrap_or("stranger")),
//!         Err(_) => "Hello.".to_owned(),
//!     }
//! }
//! ```
//!
//! # Redis, Sentinel, Cluster
//!
//! The URL of [`RedisStore::connect`](store::RedisStore::connect) says where the store is: one node, one that Sentinels
//! watch, or a Cluster. The application starts also while it is away. Attempts, time-outs and the budget are options of
//! [`RedisStoreBuilder`](store::RedisStoreBuilder); a budget longer than the Sentinels' `down-after` rides out a failover.
//!
//! ```no_run
//! use std::time::Duration;
//! use stickless::store::{LinkState, RedisStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
//! let store = RedisStore::builder("redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/mymaster")
//!     .budget(Duration::from_secs(3))
//!     .build()?;
//! // For a readiness probe: whether there is a connection to a master that answers.
//! let is_ready = *store.watch().borrow() == LinkState::Up;
//! # Ok(()) }
//! ```
//!
//! Redis answers a write before its replicas have it, so a failover may lose what came last. [`Durability`](store::Durability) makes log-ins,
//! log-outs and explicit saves wait, or all writes, and says what becomes of one that waits in vain: 503, or an event.
//!
//! ```no_run
//! use std::time::Duration;
//! use stickless::store::{Durability, RedisStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
//! let store = RedisStore::builder("redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/mymaster")
//!     .durability(Durability::replicas(1, Duration::from_millis(200)))
//!     .early_switch(true)
//!     .build()?;
//! # Ok(()) }
//! ```
//!
//! With the feature `tls`, a URL that begins with `rediss` is for TLS only, to every server that it leads to. What the
//! system trusts is trusted, unless the store is given certificates of its own:
//!
#![cfg_attr(feature = "tls", doc = "```no_run")]
#![cfg_attr(not(feature = "tls"), doc = "```ignore")]
//! use stickless::store::{Pem, RedisStore, Tls};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
//! let store = RedisStore::builder("rediss+cluster://10.0.0.1,10.0.0.2,10.0.0.3")
//!     .tls(Tls::default().ca(Pem::file("/etc/redis/ca.crt")))
//!     .build()?;
//! # Ok(()) }
//! ```
//!
//! Which settings of the server log users out is in the repository's `docs/redis.md`; those that can be read are looked
//! at, and told in the log as `advice`. What the crate has to say, it says as `tracing` events with a field `event`:
//! `store_up`, `store_down`, `too_few_replicas`, `drift`, `fleet_disagrees`, and others.
//!
//! # Behind nginx
//!
//! The repository's `nginx` folder has a configuration for three instances without stickiness, and says which mistakes
//! log people out. Nobody's headers are believed until [`trust`](SessionLayerBuilder::trust) names the proxies: see
//! [`Trust`]. Then [`Origin`] has the client's address, scheme and host, and [`Secure::Auto`] follows the scheme by which
//! the client came.
//!
//! # A fleet that agrees
//!
//! Instances with different cookie names, domains, limits, caps or keys log each other's users out. Each posts in the store
//! what must be the same, under the name that [`instance`](SessionLayerBuilder::instance) gives it; a difference is one
//! warning, `fleet_disagrees`, with the setting and the other instance. In the middle of a change of keys, as
//! [`KeyRing`] describes it, nothing differs.
//!
//! # Drift
//!
//! A session's record keeps the client's address and user agent. When a session is seen with another one, that is an
//! event, `drift`, told once over all instances: what changed, from what to what, how far ([`Distance`]), whose session,
//! and how often so far. Nobody is logged out for it. [`on_drift`](SessionLayerBuilder::on_drift) lets the application
//! act; [`keep_addresses`](SessionLayerBuilder::keep_addresses) keeps addresses truncated or not at all, and
//! [`drift(false)`](SessionLayerBuilder::drift) nothing. The last four of each are known: a session that goes back and
//! forth between two addresses is told of once.
//!
//! # Testing your application
//!
//! The feature `testing` has a store in memory whose clock you turn, which fails on demand and writes down what it is
//! asked; and, for stores of your own, the contract that they must keep, as a function to run. See the module `testing`.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `axum` | yes | extractors and responses |
//! | `redis` | yes | [`RedisStore`](store::RedisStore) |
//! | `tls` | no | `rediss://` and its kin, with `Tls` and `Pem` in the module [`store`] |
//! | `testing` | no | a store for tests, and the contract of stores |
//!
//! [tower]: https://docs.rs/tower

mod beside;
mod clock;
mod cookie;
mod delta;
mod drift;
mod error;
mod event;
#[cfg(feature = "axum")]
mod extract;
mod fleet;
mod forgeries;
#[cfg(all(test, feature = "redis"))]
#[path = "../tests/harness/lib.rs"]
mod harness;
mod id;
#[cfg(test)]
mod interleavings;
mod keys;
mod layer;
mod lifetime;
#[cfg(test)]
mod model;
mod proxy;
mod record;
mod service;
mod session;
pub mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
pub mod users;
mod white_space;

/// The README's programs are compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use crate::cookie::{SameSite, Secure};
pub use crate::drift::{Addresses, Distance, Drift, UserAgent, What};
pub use crate::error::{ConfigError, Error, ErrorKind, Unavailable, UnavailableKind};
pub use crate::id::{Handle, ParseHandleError};
pub use crate::keys::KeyRing;
pub use crate::layer::{SessionLayer, SessionLayerBuilder};
pub use crate::proxy::{Encrypted, Forwarding, Host, Origin, OriginLayer, OriginService, Peer, Ranges, Trust};
pub use crate::record::Limits;
pub use crate::service::{ResponseFuture, SessionService};
pub use crate::session::{LazySession, Session, State};
pub use crate::store::Reason;
pub use crate::store::roster::Cap;
pub use crate::users::{Device, Users};
