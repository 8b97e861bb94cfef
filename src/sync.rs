//! What threads share within a process.
//!
//! These are the standard library's own. In tests each use of them is a place where another thread may come in, so that a
//! scheduler can try one order after another: see `interleavings`.

#[cfg(test)]
mod observed;

#[cfg(not(test))]
pub(crate) use std::sync::Mutex;
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};

#[cfg(test)]
pub(crate) use self::observed::{AtomicBool, AtomicU64, Mutex, Places, spawn, stop, with_places};
