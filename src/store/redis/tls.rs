//! TLS to the store, trusting what the system trusts.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::dial::{Dial, tcp};
use crate::error::ConfigError;

/// Dials TCP, then TLS under the host's name. The crypto provider is named here, so none needs to be installed.
pub(super) fn dial() -> Result<Dial, ConfigError> {
    let refuse = |reason: String| ConfigError::new("store", "rediss", reason);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(refuse("the system has no certificates to trust (on Debian: ca-certificates)".into()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    Ok(Dial::to(move |host, port| {
        let connector = connector.clone();
        async move {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let stream = tcp(host, port).await?;
            connector.connect(name, stream).await
        }
    }))
}
