//! Which `Domain` the cookie carries: the hosts that get it (RFC 6265bis, sections 5.1.3 and 5.7).
//!
//! # Changing it
//!
//! A cookie of the old place stays in its browser until it is replaced, removed, or too old, beside that of the new one
//! under the same name. The two do not fight: the newest that opens a live session wins, whatever their order. A log-in
//! and a log-out expire what stands in the other places, when the request brought several cookies, or one from before
//! this process began.

use std::fmt;

use crate::error::ConfigError;

/// The setting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Domains {
    /// The host that set it, alone.
    #[default]
    HostOnly,
    /// This one, whatever host was asked for.
    Fixed(String),
    /// Of these the longest that covers the host that was asked for, else that host alone.
    Listed(Vec<String>),
}

impl Domains {
    /// The names in their ASCII form, without those that browsers refuse.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        let refuse = |value: &str, reason| ConfigError::new("cookie_domain", value, reason);
        Ok(match self {
            Self::HostOnly => Self::HostOnly,
            Self::Fixed(domain) => Self::Fixed(check(&domain).map_err(|reason| refuse(&domain, reason.to_owned()))?),
            Self::Listed(domains) => {
                let all = domains.join(",");
                let checked = domains.iter().map(|domain| {
                    check(domain.trim()).map_err(|reason| refuse(&all, format!("{:?} {reason}", domain.trim())))
                });
                Self::Listed(checked.collect::<Result<_, _>>()?)
            }
        })
    }

    /// The domain of a cookie for this host; none: the host alone.
    pub(crate) fn of(&self, host: Option<&str>) -> Option<&str> {
        match self {
            Self::HostOnly => None,
            Self::Fixed(domain) => Some(domain),
            Self::Listed(_) => self.covering(host).max_by_key(|domain| domain.len()),
        }
    }

    /// Whether browsers drop the cookie, or keep it for this host alone, although domains are configured.
    pub(crate) fn miss(&self, host: Option<&str>) -> bool {
        *self != Self::HostOnly && self.covering(host).next().is_none()
    }

    /// Where else cookies of our name may stand for this host: it alone, and the configured domains that cover it, or
    /// all domains that can.
    pub(crate) fn others<'a>(&'a self, host: Option<&'a str>, all: bool) -> Vec<Option<&'a str>> {
        let chosen = self.of(host);
        let mut others: Vec<Option<&str>> = vec![None];
        others.extend(self.covering(host).map(Some));
        if all {
            others.extend(host.into_iter().flat_map(parents).map(Some));
        }
        others.sort_unstable();
        others.dedup();
        others.retain(|domain| *domain != chosen);
        others
    }

    fn covering(&self, host: Option<&str>) -> impl Iterator<Item = &str> {
        let domains = match self {
            Self::HostOnly => &[],
            Self::Fixed(domain) => std::slice::from_ref(domain),
            Self::Listed(domains) => domains.as_slice(),
        };
        domains.iter().map(String::as_str).filter(move |domain| host.is_some_and(|host| covers(domain, host)))
    }
}

/// As an operator reads it, whatever the order.
impl fmt::Display for Domains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostOnly => f.write_str("host-only"),
            Self::Fixed(domain) => f.write_str(domain),
            Self::Listed(domains) => {
                let mut domains = domains.clone();
                domains.sort_unstable();
                write!(f, "one of {}", domains.join(","))
            }
        }
    }
}

/// Whether a cookie for the domain is sent to the host: it is the domain, or ends in it after a dot.
fn covers(domain: &str, host: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The domains that a host can set a cookie for: itself, and what it lies in, up to the registered name.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    /// Of a host with many labels, those with the fewest.
    const MOST: usize = 5;
    let registered = if is_address(host) || host.ends_with('.') { None } else { psl::domain_str(host) };
    let inside = registered.and_then(|registered| host.strip_suffix(registered)).unwrap_or_default();
    let starts = inside.match_indices('.').map(|(at, _)| at + 1).rev().take(MOST - 1);
    let whole = registered.is_some().then_some(host);
    starts.filter(|start| *start > 0).map(|start| &host[start..]).chain(whole)
}

/// A name that browsers accept in `Domain`, or why not. A leading dot is ignored, as browsers do.
fn check(domain: &str) -> Result<String, &'static str> {
    let bare = domain.strip_prefix('.').unwrap_or(domain);
    if bare.parse::<std::net::IpAddr>().is_ok() || bare.starts_with('[') {
        return Err("must be a name, not an address");
    }
    if bare.contains(':') {
        return Err("must not have a scheme or a port");
    }
    if bare.contains('*') {
        return Err("must not have a wildcard: a domain covers its subdomains");
    }
    let name = idna::domain_to_ascii_strict(bare)
        .map_err(|_| "must be labels of letters, digits and inner hyphens, joined by dots")?;
    if is_address(&name) {
        return Err("must be a name, not an address");
    }
    if !name.contains('.') {
        return Err("must be a domain of two labels or more");
    }
    // Of a rule such as *.kawasaki.jp Chromium takes kawasaki.jp, too, for a suffix.
    if psl::domain_str(&name).is_none() || psl::domain_str(&format!("any-label.{name}")).is_none() {
        return Err("is a public suffix, under which others have names too: browsers drop such a cookie");
    }
    Ok(name)
}

/// Whether browsers take a host for an address: its last label is a number (URL standard, section 3.5).
fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    host.starts_with('[') || hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_in_their_ascii_form_and_what_browsers_refuse_is_refused() {
        let accepted = [
            ("example.org", "example.org"),
            (".Example.ORG", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("shop.example.co.uk", "shop.example.co.uk"),
            ("me.github.io", "me.github.io"),
            ("app.internal", "app.internal"),
            ("a.公司.cn", "a.xn--55qx5d.cn"),
            ("city.kawasaki.jp", "city.kawasaki.jp"),
            ("a.b.kawasaki.jp", "a.b.kawasaki.jp"),
            ("www.ck", "www.ck"),
        ];
        for (given, kept) in accepted {
            assert_eq!(check(given).as_deref(), Ok(kept), "{given}");
        }
        let label = "a".repeat(64);
        let long = format!("{}.org", "a.".repeat(130));
        for (given, reason) in [
            ("", "labels"),
            ("localhost", "two labels"),
            ("org", "two labels"),
            ("co.uk", "public suffix"),
            (".co.uk", "public suffix"),
            ("github.io", "public suffix"),
            ("公司.cn", "public suffix"),
            ("s3.amazonaws.com", "public suffix"),
            ("a.kawasaki.jp", "public suffix"),
            ("kawasaki.jp", "public suffix"),
            ("any-label.ck", "public suffix"),
            ("127.0.0.1", "address"),
            ("::1", "address"),
            ("[::1]", "address"),
            ("1.2.3", "address"),
            ("example.0x7f", "address"),
            ("example.org:8080", "port"),
            ("https://example.org", "port"),
            ("*.example.org", "wildcard"),
            ("..example.org", "labels"),
            ("example.org.", "labels"),
            ("a..org", "labels"),
            ("-a.org", "labels"),
            ("a-.org", "labels"),
            ("exa mple.org", "labels"),
            ("example.org/a", "labels"),
            ("a_b.org", "labels"),
            ("xn--a.org", "labels"),
            (&format!("{label}.org"), "labels"),
            (&long, "labels"),
        ] {
            let said = check(given).expect_err(given);
            assert!(said.contains(reason), "{given}: {said}");
        }
    }

    #[test]
    fn the_longest_domain_that_covers_the_host_on_a_dot_boundary_is_chosen() {
        let listed = ["example.org", "shop.example.org", "example.com"].map(str::to_owned).to_vec();
        let domains = Domains::Listed(listed).check().expect("possible");
        let cases = [
            ("example.org", Some("example.org")),
            ("www.example.org", Some("example.org")),
            ("shop.example.org", Some("shop.example.org")),
            ("a.shop.example.org", Some("shop.example.org")),
            ("workshop.example.org", Some("example.org")),
            ("badexample.org", None),
            ("example.org.evil.net", None),
            ("example.org.", None),
            ("org", None),
            ("localhost", None),
            ("127.0.0.1", None),
            ("[::1]", None),
        ];
        for (host, chosen) in cases {
            assert_eq!((domains.of(Some(host)), domains.miss(Some(host))), (chosen, chosen.is_none()), "{host}");
        }
        assert_eq!((domains.of(None), Domains::HostOnly.miss(None)), (None, false));
        assert_eq!(Domains::Fixed("example.org".into()).of(Some("localhost")), Some("example.org"));
    }

    #[test]
    fn cookies_of_our_name_may_stand_for_the_host_and_what_it_lies_in() {
        let listed = ["example.org", "shop.example.org"].map(str::to_owned).to_vec();
        let listed = Domains::Listed(listed).check().expect("possible");
        let host = Some("a.shop.example.org");
        assert_eq!(listed.others(host, false), [None, Some("example.org")]);
        assert_eq!(listed.others(host, true), [None, Some("a.shop.example.org"), Some("example.org")]);
        let alone = Domains::HostOnly;
        assert_eq!(alone.others(host, false), []);
        let all = [Some("a.shop.example.org"), Some("example.org"), Some("shop.example.org")];
        assert_eq!(alone.others(host, true), all);
        for host in [None, Some("localhost"), Some("127.0.0.1"), Some("[::1]"), Some("co.uk"), Some("example.org.")] {
            assert_eq!(alone.others(host, true), [], "{host:?}");
        }
        let deep = format!("{}example.org", "a.".repeat(100));
        assert_eq!(alone.others(Some(&deep), true).len(), 5);
    }
}
