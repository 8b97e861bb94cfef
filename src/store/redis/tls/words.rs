//! What went wrong in TLS, in words that say which side has to be mended. Pure.

use std::io;

use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError as Bad, Error};

use super::super::dial::Refusal;
use crate::error::UnavailableKind::{self, Denied, Untrusted};

/// A server of plain text waits for the end of a line, which may never come.
pub(super) const SILENT: &str =
    "the server does not answer the TLS handshake: it hangs, or its port is for plain text (redis://)";

/// What rustls says, with its kind; anything else as it is.
pub(in super::super) fn explain(error: io::Error) -> io::Error {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return error };
    match words(inner) {
        Some((kind, words)) => Refusal::of(kind, format!("{words} ({inner})")),
        None => error,
    }
}

/// None where trying again may help: bytes that were garbled on the way, a server that is about to end.
fn words(error: &Error) -> Option<(UnavailableKind, &'static str)> {
    Some(match error {
        Error::InvalidCertificate(bad) => (Untrusted, certificate(bad)),
        Error::InvalidMessage(_) => {
            (Untrusted, "the server does not speak TLS on this port, or not only: is it for plain text (redis://)?")
        }
        Error::PeerIncompatible(_) | Error::AlertReceived(Alert::ProtocolVersion | Alert::InsufficientSecurity) => {
            (Untrusted, "the server has no version or cipher of TLS in common with us")
        }
        Error::NoCertificatesPresented => (Untrusted, "the server presents no certificate"),
        Error::AlertReceived(Alert::UnrecognisedName) => {
            (Untrusted, "the server does not know the name that we ask for")
        }
        Error::AlertReceived(alert) => (Denied, refusal(*alert)?),
        _ => return None,
    })
}

fn certificate(bad: &Bad) -> &'static str {
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired",
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "the server's certificate is not valid yet",
        // An authority of the same name as one of ours, and another key.
        Bad::UnknownIssuer | Bad::BadSignature => "the server's certificate is signed by nobody whom we trust",
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "the server's certificate is for another name",
        _ => "the server's certificate cannot be trusted",
    }
}

fn refusal(alert: Alert) -> Option<&'static str> {
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => Some("the server wants a client certificate"),
        Alert::CertificateExpired => Some("the server says that our client certificate has expired"),
        Alert::UnknownCA => Some("the server does not trust who signed our client certificate"),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::DecryptError
        | Alert::AccessDenied => Some("the server refuses our client certificate"),
        // What TLS 1.2 says where a certificate is missing.
        Alert::HandshakeFailure => Some("the server refuses the handshake: it may want another client certificate"),
        _ => None,
    }
}
