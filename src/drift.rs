//! What changed about a client since its session was last seen: told, never judged.
//!
//! At creation the record keeps the client's address and user agent. Reading the session compares them with what was
//! seen last, and what is new is one event, for all instances and however many requests bring it: the store's own
//! comparison decides whose news it is. A user on a train changes address and is not logged out.
//!
//! * The last four addresses, and the last four user agents, are known. A return to a known one is no news; it is noted
//!   once in a refresh interval (`idle` less `refresh_within`) at most, and counted in between.
//! * A client whose address is unknown, or that sends no user agent, says nothing: nothing is told or overwritten.
//! * It happens beside the handler, and no failure of it fails a request. When the store's answer is lost for good, or
//!   the process is killed at that moment, the event is lost; it never comes twice.
//! * What was seen belongs to the session, not to its user: a log-in keeps it.

mod agent;
mod printable;
mod returns;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

pub use self::agent::UserAgent;
pub(crate) use self::printable::printable;
use self::returns::Returns;
use crate::clock::Timestamp;
use crate::event;
use crate::id::Handle;
use crate::record::{Asks, Drifted, Note, Seen, Sighting};

/// A session was seen with something new. Given to [`on_drift`](crate::SessionLayerBuilder::on_drift).
///
/// Its texts are printable ASCII of 256 bytes at most, all else in them escaped; but the user id is as it is.
///
/// ```
/// use stickless::Drift;
///
/// fn line(drift: &Drift) -> String {
///     format!("{}: {} in place of {}", drift.what.as_str(), drift.to, drift.from)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// What changed.
    pub what: What,
    /// What was seen last.
    pub from: String,
    /// What is new.
    pub to: String,
    /// How far it is from the one to the other.
    pub distance: Distance,
    /// Whose session.
    pub session: Handle,
    /// Who was logged in with it when it was read.
    pub user: Option<String>,
    /// How often this changed so far, in this session.
    pub times: u32,
    /// How often a known address or user agent came back so far, in this session.
    pub returns: u32,
}

/// What changed.
///
/// ```
/// assert_eq!(stickless::What::Address.as_str(), "address");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// The client's address.
    Address,
    /// Its `User-Agent`.
    UserAgent,
}

/// How far the new is from the old.
///
/// ```
/// use stickless::{Distance, Drift};
///
/// // An updated browser, or another address of the same network, is nothing to ask about.
/// fn is_far(drift: &Drift) -> bool {
///     !matches!(drift.distance, Distance::SameNetwork | Distance::SameBrowser | Distance::NewerVersion)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distance {
    /// An address in the same network: /24 of IPv4, /64 of IPv6.
    SameNetwork,
    /// An address elsewhere.
    OtherNetwork,
    /// The same browser, with other details than its version.
    SameBrowser,
    /// The same browser in a newer version: it was updated.
    NewerVersion,
    /// The same browser in an older version.
    OlderVersion,
    /// Another browser on the same platform.
    OtherBrowser,
    /// Another platform.
    OtherPlatform,
}

/// What of clients' addresses is kept in a session's record.
///
/// ```
/// # let builder = stickless::SessionLayer::builder(stickless::store::MemoryStore::new(), stickless::KeyRing::random()?);
/// let builder = builder.keep_addresses(stickless::Addresses::Truncated);
/// # builder.build()?; Ok::<(), stickless::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Addresses {
    /// The whole address.
    #[default]
    Whole,
    /// The network, /24 of IPv4 and /48 of IPv6: a change inside it is not seen.
    Truncated,
    /// Nothing: changes of the address are not seen.
    Off,
}

type Hook = Arc<dyn Fn(&Drift) + Send + Sync>;

/// The layer's options about drift, and what it counts.
pub(crate) struct Watch {
    pub(crate) on: bool,
    pub(crate) addresses: Addresses,
    pub(crate) hook: Option<Hook>,
    returns: Returns,
}

impl Default for Watch {
    fn default() -> Self {
        Self { on: true, addresses: Addresses::default(), hook: None, returns: Returns::default() }
    }
}

impl Watch {
    /// What is kept of a client.
    pub(crate) fn sighting(&self, client: Option<IpAddr>, agent: Option<&HeaderValue>) -> Sighting {
        let (address, agent) = self.looks(client, agent);
        Sighting { address, agent: agent.map(Cow::into_owned) }
    }

    fn looks<'a>(
        &self,
        client: Option<IpAddr>,
        agent: Option<&'a HeaderValue>,
    ) -> (Option<String>, Option<Cow<'a, str>>) {
        if !self.on {
            return (None, None);
        }
        let address = client.and_then(|address| self.addresses.kept(address.to_canonical()));
        let agent = agent.map(|agent| printable(agent.as_bytes().trim_ascii())).filter(|agent| !agent.is_empty());
        (address, agent)
    }

    /// What the store is to note of a client, when its session was read: nothing as long as nothing changes.
    pub(crate) fn compare(
        &self,
        session: Handle,
        seen: &Seen,
        (client, agent): (Option<IpAddr>, Option<&HeaderValue>),
        (interval, now): (Duration, Timestamp),
    ) -> Option<Note> {
        // Of an address that is the latest no text is made to find that out.
        let latest = seen.addresses.latest().and_then(|latest| latest.parse::<IpAddr>().ok());
        let other = client.filter(|client| Some(client.to_canonical()) != latest);
        let (address, looks) = self.looks(other, agent);
        match seen.asks((address.as_deref(), looks.as_deref()), interval, now) {
            Asks::Nothing => None,
            Asks::Counting => {
                self.returns.count(session);
                None
            }
            Asks::Noting => {
                let sighting = self.sighting(client, agent);
                Some(Note { sighting, again_after: interval, returns: self.returns.take(session) })
            }
        }
    }

    /// Tells of what was new: the operator, then the application.
    pub(crate) fn tell(&self, session: Handle, user: Option<&str>, sighting: &Sighting, drifted: Drifted) {
        let Drifted { address, agent, returns } = drifted;
        let news = [(What::Address, address, &sighting.address), (What::UserAgent, agent, &sighting.agent)];
        let drifts = news.into_iter().filter_map(|(what, changed, to)| {
            let (changed, to) = (changed?, to.clone()?);
            let distance = match what {
                What::Address => address_distance(&changed.from, &to),
                What::UserAgent => UserAgent::parse(&changed.from).distance(&UserAgent::parse(&to)),
            };
            let (from, times, user) = (changed.from, changed.times, user.map(str::to_owned));
            Some(Drift { what, from, to, distance, session, user, times, returns })
        });
        let drifts: Vec<Drift> = drifts.collect();
        drifts.iter().for_each(event::drift);
        for drift in &drifts {
            // What the application does with it must not stop this task; the panic hook has told of it.
            let _ = self.hook.as_ref().map(|hook| catch_unwind(AssertUnwindSafe(|| hook(drift))));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("on", &self.on).field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl What {
    /// `address` or `user_agent`.
    ///
    /// ```
    /// assert_eq!(stickless::What::UserAgent.as_str(), "user_agent");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::UserAgent => "user_agent",
        }
    }
}

impl Distance {
    /// In lower case, words joined by `_`.
    ///
    /// ```
    /// assert_eq!(stickless::Distance::OtherPlatform.as_str(), "other_platform");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameNetwork => "same_network",
            Self::OtherNetwork => "other_network",
            Self::SameBrowser => "same_browser",
            Self::NewerVersion => "newer_version",
            Self::OlderVersion => "older_version",
            Self::OtherBrowser => "other_browser",
            Self::OtherPlatform => "other_platform",
        }
    }
}

impl Addresses {
    fn kept(self, address: IpAddr) -> Option<String> {
        match (self, address) {
            (Self::Off, _) => None,
            (Self::Whole, address) => Some(address.to_string()),
            (Self::Truncated, IpAddr::V4(address)) => {
                Some(format!("{}/24", Ipv4Addr::from_bits(address.to_bits() & !0 << 8)))
            }
            (Self::Truncated, IpAddr::V6(address)) => {
                Some(format!("{}/48", Ipv6Addr::from_bits(address.to_bits() & !0 << 80)))
            }
        }
    }
}

fn address_distance(from: &str, to: &str) -> Distance {
    let same = match (from.parse(), to.parse()) {
        (Ok(IpAddr::V4(from)), Ok(IpAddr::V4(to))) => from.to_bits() >> 8 == to.to_bits() >> 8,
        (Ok(IpAddr::V6(from)), Ok(IpAddr::V6(to))) => from.to_bits() >> 64 == to.to_bits() >> 64,
        _ => false,
    };
    if same { Distance::SameNetwork } else { Distance::OtherNetwork }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_whole_truncated_or_not_at_all() {
        let [v4, v6] = ["192.0.2.77", "2001:db8:1:2:3:4:5:6"].map(|text| text.parse().expect("an address"));
        assert_eq!(Addresses::Whole.kept(v4).as_deref(), Some("192.0.2.77"));
        assert_eq!(Addresses::Truncated.kept(v4).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(Addresses::Truncated.kept(v6).as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(Addresses::Off.kept(v6), None);
    }

    #[test]
    fn an_address_is_in_the_same_network_or_elsewhere() {
        let cases = [
            ("192.0.2.1", "192.0.2.255", Distance::SameNetwork),
            ("192.0.2.1", "192.0.3.1", Distance::OtherNetwork),
            ("2001:db8::1", "2001:db8::ffff:1", Distance::SameNetwork),
            ("2001:db8::1", "2001:db8:0:1::1", Distance::OtherNetwork),
            ("192.0.2.1", "2001:db8::1", Distance::OtherNetwork),
            ("192.0.2.0/24", "192.0.3.0/24", Distance::OtherNetwork),
        ];
        for (from, to, distance) in cases {
            assert_eq!(address_distance(from, to), distance, "{from} {to}");
        }
    }
}
