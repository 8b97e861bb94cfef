//! How a request stands to its session, once the store has said what is behind its cookies. Pure.

use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::error::Unavailable;
use crate::id::Id;
use crate::keys::Token;
use crate::record::Record;
use crate::store::{GRACE, Loaded, Reason};

/// A cookie under an old key is signed anew when it is older than this.
const RESIGN_AFTER: Duration = Duration::from_secs(60 * 60);

/// How the request stands to its session.
#[derive(Debug)]
pub(crate) enum Standing {
    /// None yet. A verified cookie may have been there whose session is gone.
    New { dead: Option<Dead> },
    /// There.
    Live(Box<Live>),
    /// The cookie's session was ended or logged in anew within [`GRACE`].
    Stale { dead: Dead },
    /// This request's own log-out was carried out.
    Ended,
}

/// A session that is there.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: Id,
    pub(crate) record: Record,
    pub(crate) read_at: Instant,
}

/// A verified cookie without a session.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub(crate) id: Id,
    pub(crate) generation: u32,
    /// Its record lives on under a higher generation.
    pub(crate) superseded: bool,
    /// Why others ended it.
    pub(crate) reason: Option<Reason>,
}

impl Dead {
    pub(crate) fn new(id: Id, generation: u32, superseded: bool) -> Self {
        Self { id, generation, superseded, reason: None }
    }
}

/// A cookie that the response is to carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    /// When the store last said that this is the current one.
    pub(crate) proof: Instant,
    /// That moment on the store's clock.
    pub(crate) at: Timestamp,
    pub(crate) why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// This request created the record, raised its generation or changed its life.
    Changed,
    /// The cookie was signed by an old key; another request will do as well.
    Resign,
}

/// What the store's answers about a request's cookies come to.
pub(crate) struct Stand {
    pub(crate) standing: Standing,
    /// The cookie, when it is to be signed anew.
    pub(crate) due: Option<Due>,
    /// The record's generation is lower than the cookie's: a failover lost the write that raised it.
    pub(crate) behind: bool,
}

/// How a request stands whose candidates were looked up: the first live one wins; then one that is stale; else there
/// is none, and the newest cookie counts as dead.
///
/// # Errors
///
/// None is live, and one cannot be read.
pub(crate) fn stand(tokens: &[Token], loaded: Vec<Loaded>, now: Timestamp) -> Result<Stand, Unavailable> {
    let (mut none, mut unreadable) = (None, None);
    for (token, loaded) in tokens.iter().zip(loaded) {
        let dead = |superseded| Dead::new(token.id.clone(), token.generation, superseded);
        let (dead, stale) = match loaded {
            Loaded::Missing => (dead(false), false),
            Loaded::Tombstone => (dead(false), true),
            Loaded::Ended { at, reason } => (Dead { reason: Some(reason), ..dead(false) }, now.since(at) < GRACE),
            Loaded::Found(record) if record.generation > token.generation => {
                (dead(true), record.rotated.is_some_and(|at| now.since(at) < GRACE))
            }
            Loaded::Found(record) => return Ok(found(token, *record, now)),
            Loaded::Unreadable(cause) => {
                unreadable = Some(cause);
                continue;
            }
        };
        match &none {
            None => none = Some((dead, stale)),
            Some((_, false)) if stale => none = Some((dead, stale)),
            Some(_) => {}
        }
    }
    if let Some(cause) = unreadable {
        return Err(cause);
    }
    let standing = match none {
        Some((dead, true)) => Standing::Stale { dead },
        none => Standing::New { dead: none.map(|(dead, _)| dead) },
    };
    Ok(Stand { standing, due: None, behind: false })
}

fn found(token: &Token, mut record: Record, now: Timestamp) -> Stand {
    let age = Duration::from_secs(now.as_token_secs().saturating_sub(token.issued).into());
    let resign = token.old_key && age > RESIGN_AFTER;
    let due = resign.then(|| Due { proof: Instant::now(), at: now, why: Why::Resign });
    let behind = record.generation < token.generation;
    record.generation = token.generation;
    let live = Live { id: token.id.clone(), record, read_at: Instant::now() };
    Stand { standing: Standing::Live(Box::new(live)), due, behind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    fn token(id: u8, generation: u32) -> Token {
        Token { id: Id::from_bytes([id; 16]), generation, issued: NOW.as_token_secs(), old_key: false }
    }

    fn record(generation: u32, rotated_ago: Option<u64>) -> Loaded {
        let rotated = rotated_ago.map(|secs| Timestamp::from_millis(NOW.as_millis() - secs * 1000));
        Loaded::Found(Box::new(Record { generation, rotated, ..Record::default() }))
    }

    /// The standing in short: live, stale or new, and which cookie decided.
    fn short(tokens: &[Token], loaded: Vec<Loaded>) -> (&'static str, Option<u8>) {
        let first = |id: &Id| Some(id.as_bytes()[0]);
        match stand(tokens, loaded, NOW).expect("readable").standing {
            Standing::Live(live) => ("live", first(&live.id)),
            Standing::Stale { dead } => ("stale", first(&dead.id)),
            Standing::New { dead } => ("new", dead.and_then(|dead| first(&dead.id))),
            Standing::Ended => ("ended", None),
        }
    }

    #[test]
    fn one_cookie_is_live_stale_or_dead() {
        let cases = [
            (record(1, None), ("live", Some(7))),
            (record(2, Some(59)), ("stale", Some(7))),
            (record(2, Some(60)), ("new", Some(7))),
            (record(2, None), ("new", Some(7))),
            (Loaded::Tombstone, ("stale", Some(7))),
            (Loaded::Missing, ("new", Some(7))),
        ];
        for (loaded, wanted) in cases {
            assert_eq!(short(&[token(7, 1)], vec![loaded.clone()]), wanted, "{loaded:?}");
        }
        assert_eq!(short(&[], vec![]), ("new", None));
    }

    #[test]
    fn the_first_live_cookie_wins_then_a_stale_one_then_the_newest() {
        let tokens = [token(1, 1), token(2, 1), token(3, 1)];
        let dead = || Loaded::Missing;
        assert_eq!(short(&tokens, vec![dead(), record(1, None), record(1, None)]), ("live", Some(2)));
        assert_eq!(short(&tokens, vec![dead(), Loaded::Tombstone, Loaded::Tombstone]), ("stale", Some(2)));
        assert_eq!(short(&tokens, vec![dead(), dead(), dead()]), ("new", Some(1)));
    }

    #[test]
    fn an_unreadable_record_hides_no_live_one_and_is_never_taken_for_none() {
        let unreadable = || Loaded::Unreadable(crate::error::UnavailableKind::Corrupt.into());
        let tokens = [token(1, 1), token(2, 1)];
        assert_eq!(short(&tokens, vec![unreadable(), record(1, None)]), ("live", Some(2)));
        assert!(stand(&tokens, vec![unreadable(), Loaded::Missing], NOW).is_err());
    }

    #[test]
    fn a_record_behind_its_cookie_takes_the_cookies_generation() {
        let Ok(Stand { standing: Standing::Live(live), behind, .. }) =
            stand(&[token(1, 5)], vec![record(3, None)], NOW)
        else {
            panic!("live")
        };
        assert!(behind);
        assert_eq!(live.record.generation, 5);
    }

    #[test]
    fn only_a_cookie_under_an_old_key_that_is_over_an_hour_old_is_due_for_a_new_signature() {
        let due = |old_key, age: u64| {
            let issued = NOW.as_token_secs() - u32::try_from(age).expect("small");
            stand(&[Token { issued, old_key, ..token(1, 1) }], vec![record(1, None)], NOW)
                .is_ok_and(|stand| stand.due.is_some())
        };
        assert_eq!([due(true, 3601), due(true, 3600), due(false, 3601)], [true, false, false]);
    }
}
