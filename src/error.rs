//! What can go wrong: a setting that cannot work, a store that does not answer, an operation that is refused.
//!
//! Hostile input is none of these; it is ignored and counted.

mod config;
mod refused;
mod unavailable;

pub use self::config::ConfigError;
pub use self::refused::{Error, ErrorKind};
pub use self::unavailable::{Unavailable, UnavailableKind};
