//! What a session was seen with lately: client addresses and user agents, of each the latest first.
//!
//! A store compares and notes in one step, on the newest record; so of many requests that bring the same news, one is
//! told that it is new. Everything here is pure: the memory store runs it, and the Redis store's script says the same.

use std::time::Duration;

use crate::clock::Timestamp;

/// So many addresses, and so many user agents, are known to a session.
const KNOWN: usize = 4;

/// What a session was seen with.
///
/// ```
/// use stickless::store::{Seen, Sighting, Timestamp};
///
/// let sighting = Sighting { address: Some("203.0.113.9".to_owned()), agent: None };
/// let seen = Seen::first(&sighting, Timestamp::from_millis(1));
/// assert_eq!(seen.addresses.latest(), Some("203.0.113.9"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The clients' addresses, as the layer keeps them: whole, truncated, or none.
    pub addresses: Lately,
    /// The user agents.
    pub agents: Lately,
    /// How often an address came that was not among the known ones.
    pub address_changes: u32,
    /// How often a user agent came that was not among the known ones.
    pub agent_changes: u32,
    /// How often a known one came back after another, as far as that was counted.
    pub returns: u32,
    /// When all this was last noted.
    pub at: Timestamp,
}

/// Up to four texts without line breaks, the latest first.
///
/// ```
/// assert_eq!(stickless::store::Lately::default().latest(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lately(String);

/// What one request comes with. Both have no line breaks; what is absent was not sent, or is not kept, and says nothing.
///
/// ```
/// use stickless::store::Sighting;
///
/// let nothing = Sighting::default();
/// assert!(nothing.address.is_none() && nothing.agent.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sighting {
    /// The client's address.
    pub address: Option<String>,
    /// Its user agent.
    pub agent: Option<String>,
}

/// A sighting to be noted.
///
/// ```
/// use std::time::Duration;
/// use stickless::store::{Note, Sighting};
///
/// let sighting = Sighting { address: None, agent: Some("curl/8.7.1".to_owned()) };
/// let note = Note { sighting, again_after: Duration::from_secs(720), returns: 0 };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Note {
    /// What was seen.
    pub sighting: Sighting,
    /// How long after the last note the return of something known is noted again.
    pub again_after: Duration,
    /// Returns that were counted here since, and not noted.
    pub returns: u32,
}

/// What was new in a sighting.
///
/// ```
/// use stickless::store::{Changed, Drifted};
///
/// let address = Some(Changed { from: "192.0.2.7".to_owned(), times: 1 });
/// let drifted = Drifted { address, ..Drifted::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drifted {
    /// The address.
    pub address: Option<Changed>,
    /// The user agent.
    pub agent: Option<Changed>,
    /// The record's returns.
    pub returns: u32,
}

/// Something new in place of what was seen before it.
///
/// ```
/// let changed = stickless::store::Changed { from: "192.0.2.7".to_owned(), times: 1 };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What was seen last.
    pub from: String,
    /// How often it changed so far.
    pub times: u32,
}

/// How one text of a sighting stands to what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// The latest, or none.
    Same,
    /// The first that is known at all.
    First,
    /// Known, but not the latest.
    Back,
    New,
}

/// The address and the agent of a sighting.
pub(crate) type Texts<'a> = (Option<&'a str>, Option<&'a str>);

/// What a sighting asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Nothing,
    /// Something known came back too soon to be noted.
    Counting,
    Noting,
}

impl Seen {
    /// Of a session that begins with this sighting.
    ///
    /// ```
    /// use stickless::store::{Seen, Sighting, Timestamp};
    ///
    /// assert_eq!(Seen::first(&Sighting::default(), Timestamp::default()), Seen::default());
    /// ```
    pub fn first(sighting: &Sighting, now: Timestamp) -> Self {
        let lately = |text: &Option<String>| Lately(text.clone().unwrap_or_default());
        let (addresses, agents) = (lately(&sighting.address), lately(&sighting.agent));
        let is_nothing = addresses.0.is_empty() && agents.0.is_empty();
        Self { addresses, agents, at: if is_nothing { Timestamp::default() } else { now }, ..Self::default() }
    }

    /// What noting this sighting would come to.
    pub(crate) fn asks(&self, sighting: Texts<'_>, again_after: Duration, now: Timestamp) -> Asks {
        let hows = self.hows(sighting);
        let back = hows.contains(&How::Back);
        if hows.contains(&How::New) || hows.contains(&How::First) || (back && now.since(self.at) >= again_after) {
            Asks::Noting
        } else if back {
            Asks::Counting
        } else {
            Asks::Nothing
        }
    }

    /// Notes a sighting; none when it is not to be noted.
    pub(crate) fn note(&mut self, note: &Note, now: Timestamp) -> Option<Drifted> {
        let Note { sighting, again_after, returns } = note;
        let sighting = (sighting.address.as_deref(), sighting.agent.as_deref());
        if self.asks(sighting, *again_after, now) != Asks::Noting {
            return None;
        }
        let hows = self.hows(sighting);
        let came_back = u32::from(hows.contains(&How::Back));
        self.returns = self.returns.saturating_add(*returns).saturating_add(came_back);
        self.at = now;
        let [address, agent] = hows;
        Some(Drifted {
            address: self.addresses.put(address, sighting.0, &mut self.address_changes),
            agent: self.agents.put(agent, sighting.1, &mut self.agent_changes),
            returns: self.returns,
        })
    }

    fn hows(&self, (address, agent): Texts<'_>) -> [How; 2] {
        [self.addresses.how(address), self.agents.how(agent)]
    }
}

impl Lately {
    /// The last one, unless there is none.
    ///
    /// ```
    /// use stickless::store::{Seen, Sighting, Timestamp};
    ///
    /// let sighting = Sighting { address: None, agent: Some("curl/8.7.1".to_owned()) };
    /// assert_eq!(Seen::first(&sighting, Timestamp::default()).agents.latest(), Some("curl/8.7.1"));
    /// ```
    pub fn latest(&self) -> Option<&str> {
        self.iter().next()
    }

    /// All, the latest first.
    ///
    /// ```
    /// assert_eq!(stickless::store::Lately::default().iter().count(), 0);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split('\n').filter(|text| !text.is_empty())
    }

    /// As a store keeps it: one a line.
    #[cfg(feature = "redis")]
    pub(crate) fn from_lines(lines: String) -> Self {
        Self(lines)
    }

    fn how(&self, text: Option<&str>) -> How {
        let (Some(text), latest) = (text.filter(|text| !text.is_empty()), self.latest()) else { return How::Same };
        match latest {
            None => How::First,
            Some(latest) if latest == text => How::Same,
            Some(_) if self.iter().any(|known| known == text) => How::Back,
            Some(_) => How::New,
        }
    }

    /// Puts a text in front; what was there, if this one is new.
    fn put(&mut self, how: How, text: Option<&str>, changes: &mut u32) -> Option<Changed> {
        let text = text.filter(|_| how != How::Same)?;
        let from = self.latest().unwrap_or_default().to_owned();
        let others = self.iter().filter(|known| *known != text).take(KNOWN - 1);
        self.0 = [text].into_iter().chain(others).collect::<Vec<_>>().join("\n");
        if how != How::New {
            return None;
        }
        *changes = changes.saturating_add(1);
        Some(Changed { from, times: *changes })
    }
}

impl Drifted {
    /// Whether anything was new.
    pub(crate) fn is_news(&self) -> bool {
        self.address.is_some() || self.agent.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(address: &str) -> Note {
        let sighting = Sighting { address: Some(address.to_owned()), agent: None };
        Note { sighting, again_after: HOUR, returns: 0 }
    }

    /// The address that this one is new after.
    fn new_after(seen: &mut Seen, address: &str) -> Option<String> {
        seen.note(&at(address), NOW).and_then(|drifted| drifted.address).map(|change| change.from)
    }

    #[test]
    fn the_first_sight_is_no_change_and_nothing_says_nothing() {
        let mut seen = Seen::default();
        assert_eq!(seen.asks((None, None), HOUR, NOW), Asks::Nothing);
        assert_eq!(new_after(&mut seen, "a"), None);
        assert_eq!((seen.addresses.latest(), seen.address_changes), (Some("a"), 0));
        assert_eq!(seen.note(&Note::default(), NOW), None);
        assert_eq!(seen.addresses.latest(), Some("a"));
    }

    #[test]
    fn each_new_one_is_told_once_and_four_are_known() {
        let mut seen = Seen::first(&at("a").sighting, NOW);
        for (address, from) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
            assert_eq!(new_after(&mut seen, address).as_deref(), Some(from));
            assert_eq!(new_after(&mut seen, address), None);
        }
        assert_eq!(seen.addresses.iter().collect::<Vec<_>>(), ["e", "d", "c", "b"]);
        assert_eq!(new_after(&mut seen, "a").as_deref(), Some("e"), "forgotten, so new again");
        assert_eq!(seen.address_changes, 5);
    }

    #[test]
    fn a_return_is_noted_once_in_an_interval_and_counted_in_between() {
        let mut seen = Seen::first(&at("a").sighting, NOW);
        assert!(new_after(&mut seen, "b").is_some());
        assert_eq!(seen.asks((Some("a"), None), HOUR, NOW.plus(HOUR / 2)), Asks::Counting);
        assert_eq!(seen.note(&at("a"), NOW.plus(HOUR / 2)), None);
        assert_eq!(seen.addresses.latest(), Some("b"));
        let drifted = seen.note(&Note { returns: 7, ..at("a") }, NOW.plus(HOUR)).expect("noted");
        assert_eq!((drifted.is_news(), seen.returns, seen.addresses.latest()), (false, 8, Some("a")));
        assert_eq!(seen.address_changes, 1);
    }
}
