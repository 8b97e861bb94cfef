//! The session cookie's attributes, and the one place that writes and removes it (RFC 6265bis).

mod domain;
mod find;
mod headers;

use std::fmt::Write as _;

use http::HeaderValue;
use time::OffsetDateTime;

pub(crate) use self::domain::Domains;
pub(crate) use self::find::{Candidates, candidates};
pub(crate) use self::headers::dress;
use crate::error::ConfigError;
use crate::proxy::Origin;

/// The longest value of an attribute that browsers read (RFC 6265bis, section 5.6).
const ATTRIBUTE_MOST: usize = 1024;

/// When the cookie carries `Secure`.
///
/// ```
/// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
/// // In production, where TLS is certain.
/// let builder = builder.cookie_secure(stickless::Secure::Always);
/// # builder.build()?; Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secure {
    /// On every response.
    Always,
    /// Where the client came by https, as the connection or a trusted proxy says.
    #[default]
    Auto,
    /// On none: for development without TLS.
    Never,
}

/// To which requests from other sites browsers attach the cookie (RFC 6265bis, section 5.6.7).
///
/// ```
/// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
/// let builder = builder.cookie_same_site(stickless::SameSite::Lax);
/// # builder.build()?; Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Top-level navigations by link only.
    #[default]
    Lax,
    /// None: who comes by a link from elsewhere looks like a first visit. A page that stores something then begins
    /// another session, whose cookie takes the place of the user's.
    Strict,
    /// All; browsers keep it only with `Secure`.
    None,
}

/// The cookie's attributes, checked. Setting and removing use the same ones, or a browser would keep the old cookie.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) domains: Domains,
    pub(crate) http_only: bool,
    pub(crate) secure: Secure,
    pub(crate) same_site: SameSite,
    pub(crate) partitioned: bool,
    pub(crate) persistent: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            name: "sid".to_owned(),
            path: "/".to_owned(),
            domains: Domains::default(),
            http_only: true,
            secure: Secure::default(),
            same_site: SameSite::default(),
            partitioned: false,
            persistent: true,
        }
    }
}

impl Attributes {
    /// Refuses what browsers would drop.
    pub(crate) fn check(mut self) -> Result<Self, ConfigError> {
        let name_refused = |reason| Err(ConfigError::new("cookie_name", &self.name, reason));
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            return name_refused("must be a token of RFC 9110: letters, digits and !#$%&'*+-.^_`|~");
        }
        if self.name.len() > 256 {
            return name_refused("must have at most 256 characters");
        }
        if !self.path.starts_with('/') || self.path.bytes().any(|byte| byte == b';' || !(b' '..=b'~').contains(&byte)) {
            return Err(ConfigError::new(
                "cookie_path",
                &self.path,
                "must begin with / and have no semicolon or control character",
            ));
        }
        if self.path.len() > ATTRIBUTE_MOST {
            return Err(ConfigError::new("cookie_path", &self.path, "browsers ignore a path of over 1024 bytes"));
        }
        let always = self.secure == Secure::Always;
        // Browsers compare these prefixes without regard to case.
        let lower = self.name.to_ascii_lowercase();
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
        if begins(&["__host-", "__secure-", "__http-"]) && !always {
            return name_refused("browsers drop a cookie with this prefix unless it is always secure");
        }
        if begins(&["__http-", "__host-http-"]) && !self.http_only {
            return name_refused("browsers drop a cookie with this prefix unless it is hidden from scripts (HttpOnly)");
        }
        if begins(&["__host-"]) && (self.domains != Domains::HostOnly || self.path != "/") {
            return name_refused("browsers drop a __Host- cookie that has a domain or another path than /");
        }
        if self.same_site == SameSite::None && !always {
            return Err(ConfigError::new(
                "cookie_same_site",
                "none",
                "browsers drop such a cookie unless it is always secure",
            ));
        }
        if self.partitioned && !always {
            return Err(ConfigError::new(
                "cookie_partitioned",
                true,
                "browsers drop such a cookie unless it is always secure",
            ));
        }
        self.domains = std::mem::take(&mut self.domains).check()?;
        Ok(self)
    }

    /// A `Set-Cookie` with this value. `max_age` of none makes it a browser-session cookie.
    pub(crate) fn set(
        &self,
        value: String,
        max_age: Option<std::time::Duration>,
        origin: &Origin,
    ) -> Option<HeaderValue> {
        let mut cookie = self.bare(value, self.domain(origin), origin.https);
        if let Some(max_age) = max_age {
            cookie.set_max_age(time::Duration::seconds(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX)));
        }
        header(&cookie)
    }

    /// A `Set-Cookie` that removes ours.
    pub(crate) fn remove(&self, origin: &Origin) -> Option<HeaderValue> {
        self.removal(self.domain(origin), origin.https)
    }

    /// `Set-Cookie`s that remove what stands beside ours under the same name: where it may stand by the configuration,
    /// or by any, where all that the request brought are ours.
    pub(crate) fn remove_others(&self, origin: &Origin, all: bool) -> Vec<HeaderValue> {
        let others = self.domains.others(origin.host.as_deref(), all);
        others.into_iter().filter_map(|domain| self.removal(domain, origin.https)).collect()
    }

    fn domain(&self, origin: &Origin) -> Option<&str> {
        self.domains.of(origin.host.as_deref())
    }

    fn removal(&self, domain: Option<&str>, https: bool) -> Option<HeaderValue> {
        let mut cookie = self.bare(String::new(), domain, https);
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        header(&cookie)
    }

    fn bare<'a>(&'a self, value: String, domain: Option<&'a str>, https: bool) -> ::cookie::Cookie<'a> {
        let mut cookie = ::cookie::Cookie::new(self.name.as_str(), value);
        cookie.set_path(self.path.as_str());
        if let Some(domain) = domain {
            cookie.set_domain(domain);
        }
        cookie.set_http_only(self.http_only);
        cookie.set_secure(match self.secure {
            Secure::Always => true,
            Secure::Auto => https,
            Secure::Never => false,
        });
        cookie.set_same_site(match self.same_site {
            SameSite::Lax => ::cookie::SameSite::Lax,
            SameSite::Strict => ::cookie::SameSite::Strict,
            SameSite::None => ::cookie::SameSite::None,
        });
        cookie.set_partitioned(self.partitioned);
        cookie
    }
}

fn header(cookie: &::cookie::Cookie<'_>) -> Option<HeaderValue> {
    // Room for most at once.
    let mut text = String::with_capacity(256);
    write!(text, "{cookie}").ok()?;
    // Checked attributes and base64url are visible ASCII, so this is always some.
    HeaderValue::try_from(text).ok()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(header: Option<HeaderValue>) -> String {
        header.expect("a header").to_str().expect("ASCII").to_owned()
    }

    fn origin(https: bool) -> Origin {
        Origin { client: None, https, host: None }
    }

    #[test]
    fn setting_and_removing_carry_the_same_attributes() {
        let attributes = Attributes {
            domains: Domains::Fixed("example.org".into()),
            secure: Secure::Always,
            partitioned: true,
            same_site: SameSite::None,
            ..Attributes::default()
        };
        let attributes = attributes.check().expect("possible");
        let set = text(attributes.set("v".into(), None, &origin(false)));
        let removed = text(attributes.remove(&origin(false)));
        assert_eq!(set, "sid=v; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Domain=example.org");
        assert_eq!(
            removed,
            "sid=; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Domain=example.org; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
        let variants = attributes.remove_others(&origin(false), false);
        assert_eq!(variants.len(), 1);
        assert!(!variants[0].to_str().expect("ASCII").contains("Domain"));
    }

    #[test]
    fn auto_is_secure_over_https_only() {
        let attributes = Attributes::default();
        assert!(text(attributes.set("v".into(), None, &origin(true))).contains("; Secure"));
        assert!(!text(attributes.set("v".into(), None, &origin(false))).contains("; Secure"));
    }

    #[test]
    fn combinations_that_browsers_drop_are_refused() {
        let base = Attributes::default;
        let cases = [
            (Attributes { name: String::new(), ..base() }, "cookie_name"),
            (Attributes { name: "a b".into(), ..base() }, "cookie_name"),
            (Attributes { name: "a=b".into(), ..base() }, "cookie_name"),
            (Attributes { name: "__Host-sid".into(), ..base() }, "cookie_name"),
            (Attributes { name: "__hOsT-sid".into(), secure: Secure::Never, ..base() }, "cookie_name"),
            (
                Attributes { name: "__Host-sid".into(), secure: Secure::Always, path: "/a".into(), ..base() },
                "cookie_name",
            ),
            (
                Attributes {
                    name: "__Host-sid".into(),
                    secure: Secure::Always,
                    domains: Domains::Fixed("example.org".into()),
                    ..base()
                },
                "cookie_name",
            ),
            (Attributes { name: "__Secure-sid".into(), secure: Secure::Never, ..base() }, "cookie_name"),
            (Attributes { name: "__Http-sid".into(), ..base() }, "cookie_name"),
            (
                Attributes { name: "__HTTP-sid".into(), secure: Secure::Always, http_only: false, ..base() },
                "cookie_name",
            ),
            (
                Attributes { name: "__Host-Http-sid".into(), secure: Secure::Always, http_only: false, ..base() },
                "cookie_name",
            ),
            (Attributes { path: format!("/{}", "a".repeat(1024)), ..base() }, "cookie_path"),
            (Attributes { path: "a".into(), ..base() }, "cookie_path"),
            (Attributes { path: "/a;b".into(), ..base() }, "cookie_path"),
            (Attributes { same_site: SameSite::None, ..base() }, "cookie_same_site"),
            (Attributes { partitioned: true, ..base() }, "cookie_partitioned"),
        ];
        for (attributes, setting) in cases {
            let shown = format!("{attributes:?}");
            assert_eq!(attributes.check().expect_err(&shown).setting(), setting, "{shown}");
        }
        for domains in [Domains::Fixed("localhost".into()), Domains::Listed(vec!["a.org".into(), "co.uk".into()])] {
            let attributes = Attributes { domains, ..base() };
            assert_eq!(attributes.check().expect_err("refused").setting(), "cookie_domain");
        }
    }
}
