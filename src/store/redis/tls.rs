//! TLS to the store: whom to trust, who we are, and under which name a server must prove itself.
//!
//! All that can be checked is checked when the store is built. What goes wrong later is put into words: which side does
//! not trust the other, and why.

mod own_ca;
mod pem;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use self::own_ca::OwnCa;
pub use self::pem::Pem;
pub(super) use self::words::explain;
use super::dial::{First, Hints, Refusal};
use super::url::{Address, Topology};
use crate::error::{ConfigError, Unavailable, UnavailableKind};

/// Settings of TLS to the store, of which none is needed where the servers' certificates are signed by an authority that
/// the system trusts.
///
/// They are for all servers that the URL leads to: the node, the Sentinels and every master that they name, all nodes of
/// a Cluster. Files are read once, when the store is built.
///
/// The cryptography is that of the process, where the application has installed a default provider of rustls, and
/// *ring* otherwise.
///
/// ```no_run
/// use stickless::store::{Pem, RedisStore, Tls};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::ConfigError> {
/// let tls = Tls::default()
///     .ca(Pem::file("/etc/redis/ca.crt"))
///     .client(Pem::file("/etc/redis/shop.crt"), Pem::file("/etc/redis/shop.key"))
///     .server_name("redis.internal");
/// let store = RedisStore::builder("rediss://10.0.0.7").tls(tls).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Tls {
    ca: Option<Pem>,
    client: Option<(Pem, Pem)>,
    server_name: Option<String>,
}

impl Tls {
    /// The certificates to trust in place of the system's: those of authorities, or the servers' own where they signed
    /// themselves.
    ///
    /// ```
    /// use stickless::store::{Pem, Tls};
    ///
    /// let tls = Tls::default().ca(Pem::file("/etc/redis/ca.crt"));
    /// ```
    pub fn ca(mut self, certificates: Pem) -> Self {
        self.ca = Some(certificates);
        self
    }

    /// Our own certificate, with those that lead from it to an authority, and its key: for servers that ask for one
    /// (`tls-auth-clients`). The key is in PKCS#8, PKCS#1 or SEC1, without a password.
    ///
    /// ```
    /// use stickless::store::{Pem, Tls};
    ///
    /// let tls = Tls::default().client(Pem::file("/etc/redis/shop.crt"), Pem::file("/etc/redis/shop.key"));
    /// ```
    pub fn client(mut self, certificate: Pem, key: Pem) -> Self {
        self.client = Some((certificate, key));
        self
    }

    /// The name, or the address, that stands in the certificates of all servers, where that is not the one under which
    /// they are dialled: Sentinels and Clusters name their nodes by address unless they are told otherwise. A name is
    /// also sent in the handshake (SNI).
    ///
    /// ```
    /// use stickless::store::Tls;
    ///
    /// let tls = Tls::default().server_name("redis.internal");
    /// ```
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Refused, because nothing would use it: under the setting that was made, and its value.
    pub(super) fn useless(&self, why: &str) -> ConfigError {
        let why = format_args!("is of no use: {why}");
        match self {
            Self { ca: Some(ca), .. } => ConfigError::new("ca", ca, why),
            Self { client: Some((certificate, _)), .. } => ConfigError::new("client", certificate, why),
            Self { server_name: Some(name), .. } => ConfigError::new("server_name", name, why),
            _ => ConfigError::new("tls", "default", why),
        }
    }

    /// All that can be known before a server is spoken to.
    pub(super) fn check(&self, topology: &Topology) -> Result<Handshake, ConfigError> {
        // An application that needs certified cryptography installs it for the whole process.
        let provider = CryptoProvider::get_default().cloned();
        self.check_with(provider.unwrap_or_else(|| Arc::new(ring::default_provider())), topology)
    }

    fn check_with(&self, provider: Arc<CryptoProvider>, topology: &Topology) -> Result<Handshake, ConfigError> {
        let own = self.server_name.as_deref().map(|name| server_name(name).ok_or(name)).transpose();
        let name =
            own.map_err(|name| ConfigError::new("server_name", name, "is neither a host name nor an address"))?;
        if name.is_none() {
            hosts_have_names(topology)?;
        }
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::new("store", "rediss", PROVIDER.to_owned() + &error.to_string()))?;
        let builder = match &self.ca {
            None => builder.with_root_certificates(systems()?),
            // Not dangerous: it does what the default one does, and knows one more case.
            Some(ca) => builder.dangerous().with_custom_certificate_verifier(OwnCa::of(ca, provider)?),
        };
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificate.certificates("client")?;
                builder.with_client_auth_cert(chain, key.key("client")?).map_err(|error| refused_key(key, &error))?
            }
        };
        let hints = if self.client.is_some() { Hints::Certified } else { Hints::Anonymous };
        Ok(Handshake { connector: TlsConnector::from(Arc::new(config)), name, hints })
    }
}

const PROVIDER: &str = "the crypto provider of rustls that the application has installed cannot be used, install another \
                        one, or none for ring: ";

/// What the system trusts.
fn systems() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let reason = "the system has no certificates to trust: install some (on Debian, ca-certificates), or name a CA";
        return Err(ConfigError::new("store", "rediss", reason));
    }
    Ok(roots)
}

fn refused_key(key: &Pem, error: &Error) -> ConfigError {
    let reason = match error {
        Error::InconsistentKeys(_) => "does not fit the first certificate of our own".to_owned(),
        error => format!("cannot be used: {error}"),
    };
    ConfigError::new("client", key, reason)
}

/// Each host of the URL is one that a certificate can name.
fn hosts_have_names(topology: &Topology) -> Result<(), ConfigError> {
    let addresses = match topology {
        Topology::Socket(_) => &[],
        Topology::Node(address) => std::slice::from_ref(address),
        Topology::Sentinels { addresses, .. } | Topology::Cluster(addresses) => addresses.as_slice(),
    };
    let nameless = |Address { host, .. }: &&Address| server_name(host).is_none();
    match addresses.iter().find(nameless) {
        None => Ok(()),
        Some(_) => Err(ConfigError::new("store", "rediss", "has a host that no certificate can name")),
    }
}

/// As a certificate has it: without the zone of an address.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let bare = match host.split_once('%') {
        Some((address, _zone)) if address.contains(':') => address,
        _ => host,
    };
    ServerName::try_from(bare.to_owned()).ok()
}

/// How a connection becomes one that can be trusted.
#[derive(Clone)]
pub(super) struct Handshake {
    connector: TlsConnector,
    /// Of all servers; else of each its own.
    name: Option<ServerName<'static>>,
    hints: Hints,
}

impl Handshake {
    pub(super) async fn shake(
        &self,
        host: &str,
        stream: TcpStream,
        limit: Duration,
    ) -> Result<First<TlsStream<TcpStream>>, Unavailable> {
        let Some(name) = self.name.clone().or_else(|| server_name(host)) else {
            // Said by a Sentinel, or by a node of a Cluster.
            return Err(Unavailable::new(
                UnavailableKind::Untrusted,
                "the server has a name that no certificate can have",
            ));
        };
        match timeout(limit, self.connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(First::new(stream, self.hints)),
            Ok(Err(error)) => {
                let error = explain(error);
                Err(Unavailable::new(Refusal::kind(&error), error))
            }
            Err(_) => Err(Unavailable::new(UnavailableKind::TimedOut, words::SILENT)),
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
