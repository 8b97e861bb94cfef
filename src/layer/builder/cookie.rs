//! The cookie's name and attributes.

use super::SessionLayerBuilder;
use crate::cookie::{Domains, SameSite, Secure};
use crate::store::Store;
use crate::store::roster::Roster;

/// The cookie.
impl<S: Store + Roster> SessionLayerBuilder<S> {
    /// The cookie's name.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_name("shop");
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.attributes.name = name.into();
        self
    }

    /// The cookie's path.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_path("/shop");
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.attributes.path = path.into();
        self
    }

    /// The cookie's domain: it and its subdomains get the cookie. None: the host that set it, alone. Names of other
    /// scripts are taken in their ASCII form; what browsers refuse, such as a public suffix, is refused.
    ///
    /// It can be changed while users are logged in: their cookies go on working, and the next log-in or log-out removes
    /// those of the old place. On a roll, give all instances the new one before anyone logs in at a host that only the
    /// new one covers.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_domain("example.org".to_owned());
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_domain(mut self, domain: impl Into<Option<String>>) -> Self {
        self.attributes.domains = domain.into().map_or(Domains::HostOnly, Domains::Fixed);
        self
    }

    /// Several domains, for an application with several: the longest that covers the host that was asked for, on the
    /// boundary of a dot, is the cookie's. A host that none covers gets a cookie for itself alone, and a warning tells.
    ///
    /// ```
    /// use stickless::{KeyRing, SessionLayer, store::MemoryStore};
    ///
    /// let builder = || Ok::<_, stickless::ConfigError>(SessionLayer::builder(MemoryStore::new(), KeyRing::random()?));
    /// assert!(builder()?.cookie_domains(["example.org", "bücher.example"]).build().is_ok());
    /// let refused = builder()?.cookie_domains(["example.org", "co.uk"]).build().unwrap_err();
    /// assert!(refused.to_string().starts_with("cookie_domain = example.org,co.uk: \"co.uk\" is a public suffix"));
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_domains(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let domains: Vec<String> = domains.into_iter().map(Into::into).collect();
        self.attributes.domains = if domains.is_empty() { Domains::HostOnly } else { Domains::Listed(domains) };
        self
    }

    /// Whether scripts in the page are kept from the cookie.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_http_only(true);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_http_only(mut self, http_only: bool) -> Self {
        self.attributes.http_only = http_only;
        self
    }

    /// When the cookie is sent over https only.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_secure(stickless::Secure::Always);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_secure(mut self, secure: Secure) -> Self {
        self.attributes.secure = secure;
        self
    }

    /// To which requests from other sites the cookie is attached.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_same_site(stickless::SameSite::Strict);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_same_site(mut self, same_site: SameSite) -> Self {
        self.attributes.same_site = same_site;
        self
    }

    /// Whether browsers keep the cookie apart for each top-level site (CHIPS).
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_secure(stickless::Secure::Always).cookie_partitioned(true);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_partitioned(mut self, partitioned: bool) -> Self {
        self.attributes.partitioned = partitioned;
        self
    }

    /// Whether the cookie outlives the browser. Its Max-Age covers the longest life that the session can have.
    ///
    /// ```
    /// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
    /// let builder = builder.cookie_persistent(false);
    /// # builder.build()?; Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn cookie_persistent(mut self, persistent: bool) -> Self {
        self.attributes.persistent = persistent;
        self
    }
}
