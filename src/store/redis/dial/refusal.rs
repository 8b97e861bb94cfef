//! Why a connection cannot be had, where an I/O error alone does not tell the kind.

use std::error::Error;
use std::{fmt, io};

use crate::error::UnavailableKind;

/// Travels inside an I/O error, through whatever passes that on.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: UnavailableKind,
    why: String,
}

impl Refusal {
    pub(in super::super) fn of(kind: UnavailableKind, why: String) -> io::Error {
        // A kind that ends the connection: the crate would wait for what else comes over it.
        io::Error::new(io::ErrorKind::ConnectionAborted, Self { kind, why })
    }

    /// The kind that an I/O error is of.
    pub(crate) fn kind(error: &io::Error) -> UnavailableKind {
        let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        refusal.map_or(UnavailableKind::Disconnected, |refusal| refusal.kind)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Refusal {}
