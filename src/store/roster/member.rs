//! Who is in a roster: as it stands there, as somebody saw it, and as the session's record has it.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::id::Handle;

/// A member as somebody saw it.
///
/// ```
/// let handle = "47DEQpj8HBSa-_TImW-5JA".parse()?;
/// let listed = stickless::store::roster::Listed { handle, serial: 7 };
/// # Ok::<(), stickless::ParseHandleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listed {
    /// Who.
    pub handle: Handle,
    /// Its serial then: a tick.
    pub serial: u64,
}

/// One session in a roster.
///
/// ```
/// use stickless::store::{Timestamp, roster::Member};
///
/// fn may_be_alive(member: &Member, now: Timestamp) -> bool {
///     now <= member.deadline
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its handle.
    pub handle: Handle,
    /// Whether its log-in was confirmed.
    pub confirmed: bool,
    /// The tick at which it first came in: the order in which members are evicted. Logging in again as the same user keeps it.
    pub place: u64,
    /// When it came in last: a tick.
    pub serial: u64,
    /// After this, its record has probably ended; of a reserved place, when it no longer counts.
    pub deadline: Timestamp,
    /// When it was last known to be in use.
    pub seen: Timestamp,
}

impl Member {
    /// The member as it is seen now.
    ///
    /// ```
    /// use stickless::store::roster::{Act, Member};
    ///
    /// fn remove(members: &[Member]) -> Act {
    ///     Act::Leave(members.iter().map(Member::listed).collect())
    /// }
    /// ```
    pub fn listed(&self) -> Listed {
        Listed { handle: self.handle, serial: self.serial }
    }
}

/// What a record says of its user's roster: since when it is in.
///
/// ```
/// use stickless::store::roster::Membership;
///
/// let membership = Membership { serial: 7, unproved: true };
/// assert_eq!(membership.to_string().parse(), Ok(membership));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The serial of its place there: a tick.
    pub serial: u64,
    /// Nobody has come with the log-in's cookie yet. If nobody does, a crash may have lost it.
    pub unproved: bool,
}

impl fmt::Display for Membership {
    /// As a record has it: the serial, and a question mark where it is unproved.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.serial, if self.unproved { "?" } else { "" })
    }
}

impl FromStr for Membership {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (serial, unproved) = text.strip_suffix('?').map_or((text, false), |serial| (serial, true));
        Ok(Self { serial: serial.parse()?, unproved })
    }
}
