//! Certificates and keys as PEM. What an error shows is where it was read, never what.

use std::path::PathBuf;
use std::{fmt, fs};

use tokio_rustls::rustls::pki_types::pem::{Error, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::error::ConfigError;

/// Certificates or a key, in PEM: in a file, or as text from elsewhere.
///
/// ```
/// use stickless::store::Pem;
///
/// let in_a_file = Pem::file("/etc/redis/ca.crt");
/// let from_a_vault = Pem::text("-----BEGIN CERTIFICATE-----\n…");
/// // It may be a key: neither `Debug` nor an error shows it.
/// assert_eq!(format!("{from_a_vault:?}"), "Pem(a text)");
/// ```
#[derive(Clone)]
pub struct Pem(Source);

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Text(Zeroizing<Vec<u8>>),
}

impl Pem {
    /// In this file, which is read when the store is built.
    ///
    /// ```
    /// let ca = stickless::store::Pem::file("/etc/redis/ca.crt");
    /// ```
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// This text itself.
    ///
    /// ```no_run
    /// let ca = stickless::store::Pem::text(std::fs::read("/run/secrets/redis-ca")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn text(pem: impl Into<Vec<u8>>) -> Self {
        Self(Source::Text(Zeroizing::new(pem.into())))
    }

    /// Its certificates, of which there is one at least.
    pub(super) fn certificates(&self, setting: &'static str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let text = self.read(setting)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => Err(self.refused(setting, "holds no certificate in PEM")),
            Ok(certificates) => Ok(certificates),
            Err(_) => Err(self.refused(setting, BROKEN)),
        }
    }

    /// Its first key.
    pub(super) fn key(&self, setting: &'static str) -> Result<PrivateKeyDer<'static>, ConfigError> {
        let text = self.read(setting)?;
        let is_there = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        match PrivateKeyDer::from_pem_slice(&text) {
            _ if is_there("ENCRYPTED") => Err(self.refused(setting, "holds a key with a password: decrypt it first")),
            Ok(key) => Ok(key),
            Err(Error::NoItemsFound) => Err(self.refused(setting, "holds no private key in PEM")),
            Err(_) => Err(self.refused(setting, BROKEN)),
        }
    }

    fn read(&self, setting: &'static str) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        match &self.0 {
            Source::Text(text) => Ok(text.clone()),
            Source::File(path) => fs::read(path)
                .map(Zeroizing::new)
                .map_err(|error| self.refused(setting, &format!("cannot be read: {error}"))),
        }
    }

    pub(super) fn refused(&self, setting: &'static str, reason: &str) -> ConfigError {
        ConfigError::new(setting, self, reason)
    }
}

const BROKEN: &str = "is broken PEM: cut off, or not in base64";

/// Where it is.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => path.display().fmt(f),
            Source::Text(_) => f.write_str("a text"),
        }
    }
}

/// Where it is.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}
