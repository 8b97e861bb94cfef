//! What a script says. Pure.

use std::borrow::Cow;

use redis::{ErrorKind, RedisError, Value};

use super::super::whole::elements;
use crate::clock::Timestamp;
use crate::error::{Unavailable, UnavailableKind};
use crate::store::{Changed, Done, Drifted, Outcome};

/// What a script said.
#[derive(Debug)]
pub(in super::super) enum Reply {
    /// The write was decided.
    Decided(Outcome),
    /// It came after its time and did nothing.
    Late,
    /// It cannot be decided.
    Undecided(Unavailable),
}

/// The words of a reply, in one piece or not.
enum Words<'a> {
    Whole(Vec<&'a [u8]>),
    Each(&'a [Value]),
}

impl<'a> Words<'a> {
    fn of(reply: &'a Value) -> Option<Self> {
        match reply {
            Value::Array(items) => Some(Self::Each(items)),
            reply => elements(reply).map(Self::Whole),
        }
    }

    fn text(&self, index: usize) -> Option<Cow<'a, str>> {
        match self {
            Self::Whole(words) => words.get(index).map(|word| String::from_utf8_lossy(word)),
            Self::Each(items) => match items.get(index)? {
                Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes)),
                Value::SimpleString(text) => Some(Cow::from(text)),
                Value::Int(number) => Some(Cow::from(number.to_string())),
                _ => None,
            },
        }
    }

    fn number(&self, index: usize) -> Option<u64> {
        self.text(index)?.parse().ok()
    }

    fn done(&self, now: Timestamp) -> Option<Done> {
        Some(Done {
            at: now,
            generation: self.text(2)?.parse().ok()?,
            end: self.number(3).filter(|end| *end > 0).map(Timestamp::from_millis),
            value: self.text(4).and_then(|sum| sum.parse().ok()),
        })
    }

    fn drifted(&self) -> Option<Drifted> {
        let news = self.text(4)?;
        let count = |index| self.text(index).and_then(|count| count.parse().ok()).unwrap_or(u32::MAX);
        let changed = |letter, from, times| {
            let from = self.text(from).unwrap_or_default();
            news.contains(letter).then(|| Changed { from: from.into_owned(), times: count(times) })
        };
        Some(Drifted { address: changed('a', 6, 7), agent: changed('h', 8, 9), returns: count(5) })
    }
}

/// Reads a script's reply, and the store's time in it.
pub(in super::super) fn parse(reply: &Value) -> Result<(Timestamp, Reply), RedisError> {
    let unexpected = || RedisError::from((ErrorKind::UnexpectedReturnType, "unexpected reply of a script"));
    let words = Words::of(reply).ok_or_else(unexpected)?;
    let (Some(word), Some(now)) = (words.text(0), words.number(1).map(Timestamp::from_millis)) else {
        return Err(unexpected());
    };
    let done = || words.done(now).ok_or_else(unexpected);
    let reply = match &*word {
        "done" => Reply::Decided(Outcome::Done(done()?)),
        "drifted" => Reply::Decided(Outcome::Drifted(done()?, words.drifted().ok_or_else(unexpected)?)),
        "missing" | "tombstone" => Reply::Decided(Outcome::Gone),
        "superseded" => Reply::Decided(Outcome::Superseded),
        "conflict" => Reply::Decided(Outcome::Conflict(words.text(2).map(Cow::into_owned))),
        "not_a_number" => Reply::Decided(Outcome::NotANumber),
        "overflow" => Reply::Decided(Outcome::Overflow),
        "too_large" => Reply::Decided(Outcome::TooLarge),
        "exists" => Reply::Decided(Outcome::Exists),
        "late" => Reply::Late,
        "unknown" => Reply::Undecided(UnavailableKind::Unknown.into()),
        "newer" => Reply::Undecided(UnavailableKind::Newer.into()),
        "corrupt" => Reply::Undecided(UnavailableKind::Corrupt.into()),
        _ => return Err(unexpected()),
    };
    Ok((now, reply))
}
