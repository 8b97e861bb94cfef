//! Addresses of trusted proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::error::ConfigError;

/// Addresses and ranges in CIDR notation.
///
/// ```
/// use stickless::Ranges;
///
/// let ranges: Ranges = "127.0.0.1, 10.0.0.0/8, 2001:db8::/32".parse()?;
/// assert!(ranges.contains("10.1.2.3".parse().unwrap()));
/// assert!(ranges.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!ranges.contains("192.0.2.1".parse().unwrap()));
/// # Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges {
    /// As they were written: host bits may be set.
    nets: Vec<IpNet>,
    unix: bool,
}

impl Ranges {
    /// This machine's own addresses.
    ///
    /// ```
    /// assert!(stickless::Ranges::loopback().contains("127.0.0.53".parse().unwrap()));
    /// ```
    pub fn loopback() -> Self {
        const V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        let nets = [V4.into(), IpAddr::from(Ipv6Addr::LOCALHOST).into()];
        Self { nets: nets.to_vec(), unix: false }
    }

    /// These and others.
    ///
    /// ```
    /// use stickless::Ranges;
    ///
    /// let ranges = Ranges::loopback().and("10.0.0.0/8".parse()?);
    /// assert!(ranges.contains("10.1.2.3".parse().unwrap()));
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.nets.extend(others.nets);
        self.unix |= others.unix;
        self
    }

    /// These, and whoever may connect to the Unix socket on which this process listens: see [`Peer::Unix`].
    ///
    /// [`Peer::Unix`]: crate::Peer::Unix
    ///
    /// ```
    /// use stickless::{Forwarding, Ranges, Trust};
    ///
    /// let trust = Trust::Proxies(Ranges::loopback().and_unix(), Forwarding::XForwardedFor);
    /// ```
    #[must_use]
    pub fn and_unix(mut self) -> Self {
        self.unix = true;
        self
    }

    /// Whether an address is one of them. An IPv4 address that is mapped into IPv6 is that IPv4 address.
    ///
    /// ```
    /// let ranges: stickless::Ranges = "2001:db8::/32".parse()?;
    /// assert!(ranges.contains("2001:db8::1".parse().unwrap()));
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.nets.iter().any(|net| holds(net, address))
    }

    pub(super) fn has_unix(&self) -> bool {
        self.unix
    }

    pub(super) fn are_empty(&self) -> bool {
        self.nets.is_empty() && !self.unix
    }

    /// Those that hold every address of their family.
    pub(super) fn boundless(&self) -> impl Iterator<Item = &IpNet> {
        self.nets.iter().filter(|net| net.prefix_len() == 0)
    }

    /// Those that were written with an address inside them, such as `10.0.0.1/8`, which stands for `10.0.0.0/8`.
    pub(super) fn with_host_bits(&self) -> impl Iterator<Item = &IpNet> {
        self.nets.iter().filter(|net| net.addr() != net.network())
    }
}

/// Separated by commas; an empty text is nobody.
impl FromStr for Ranges {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let nets: Result<Vec<_>, _> = text.split(',').map(|entry| net(entry.trim()).ok_or(entry.trim())).collect();
        let refuse = |entry| {
            let reason = format_args!("{entry:?} is neither an address nor a range such as 10.0.0.0/8").to_string();
            ConfigError::new("trust", text, reason)
        };
        Ok(Self { nets: nets.map_err(refuse)?, unix: false })
    }
}

/// Whether the first bits are the same: this is asked for every hop of every request.
fn holds(net: &IpNet, address: IpAddr) -> bool {
    let same_bits = match (net, address) {
        (IpNet::V4(net), IpAddr::V4(address)) => (net.addr().to_bits() ^ address.to_bits()).leading_zeros(),
        (IpNet::V6(net), IpAddr::V6(address)) => (net.addr().to_bits() ^ address.to_bits()).leading_zeros(),
        _ => return false,
    };
    same_bits >= net.prefix_len().into()
}

/// An address or a range. Ranges of IPv4 addresses that are mapped into IPv6 become IPv4's. The standard library reads
/// the address: it takes no leading zeros, which elsewhere mean octal.
fn net(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse().ok().map(|address: IpAddr| address.to_canonical().into());
    };
    let address: IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok().filter(|_| prefix.bytes().all(|byte| byte.is_ascii_digit()))?;
    match (address, address.to_canonical()) {
        // A shorter prefix was meant for the IPv4 address: as IPv6's it would hold other addresses than those.
        (IpAddr::V6(_), mapped @ IpAddr::V4(_)) => IpNet::new(mapped, prefix.checked_sub(96)?).ok(),
        _ => IpNet::new(address, prefix).ok(),
    }
}
