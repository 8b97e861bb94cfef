//! Trust in certificates that were given.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::pem::Pem;
use crate::error::ConfigError;

/// Verifies as the default does. But a server may also present one of these certificates itself, for its names and its
/// time: what `openssl req -x509` makes, which has the mark of an authority, and is how many a Redis server has its TLS.
#[derive(Debug)]
pub(super) struct OwnCa {
    usual: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl OwnCa {
    pub(super) fn of(ca: &Pem, provider: Arc<CryptoProvider>) -> Result<Arc<Self>, ConfigError> {
        let certificates = ca.certificates("ca")?;
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            let what = format_args!("certificate {} of {}", index + 1, certificates.len());
            let refused = |error| ca.refused("ca", &format!("{what} cannot be trusted: {error}"));
            roots.add(certificate.clone()).map_err(refused)?;
        }
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let usual = usual.map_err(|error| ca.refused("ca", &error.to_string()))?;
        Ok(Arc::new(Self { usual, certificates }))
    }
}

impl ServerCertVerifier for OwnCa {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(certificate, chain, name, ocsp, now) {
            // Its time was found to be right before its mark was looked at; its name is looked at last.
            Err(error) if is_authority(&error) && self.certificates.contains(certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Whether all that is wrong with a server's certificate is that an authority could have it. rustls has no word of its own
/// for that; whatever it may say another time, the connection is refused.
fn is_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string() == "CaUsedAsEndEntity")
}
