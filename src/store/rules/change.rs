//! What a change makes of a record, or why it is refused. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Live, done};
use crate::clock::Timestamp;
use crate::delta::Delta;
use crate::id::WriteId;
use crate::record::{Record, Size};
use crate::store::{Add, Apply, Intent, Outcome, Write};

/// How long a write is recognised.
const RECOGNISED: Duration = Duration::from_secs(5);
/// How many are, at most.
const RECOGNISED_MOST: usize = 64;

/// The changed record, the outcome, and its new life where that changes.
pub(super) fn change(
    live: &Live,
    write: &Write,
    apply: &Apply,
    superseded: bool,
    now: Timestamp,
) -> Result<(Live, Outcome, Option<Duration>), Outcome> {
    let mut after = live.clone();
    let record = &mut after.record;
    let same_user = matches!(&apply.intent, Intent::LogIn { user, .. } if live.record.user.as_ref() == Some(user));
    let reissue = same_user && matches!(&apply.intent, Intent::LogIn { reissue: true, .. });
    if superseded && !reissue {
        return Err(Outcome::Superseded);
    }
    if let Some((key, expected)) = &apply.expect {
        let actual = live.record.data.get(key);
        if actual != expected.as_ref() {
            return Err(Outcome::Conflict(actual.cloned()));
        }
    }
    adopt(record, write.generation, now);
    if let Intent::LogIn { membership: Some(membership), .. } = &apply.intent {
        let before = live.record.membership.filter(|_| same_user);
        // A log-in that came in later may have been faster.
        let later = before.filter(|before| before.serial > membership.serial);
        let mut membership = later.unwrap_or(*membership);
        // The cookie that is issued again is one that somebody came with.
        membership.unproved &= !superseded || before.is_none_or(|before| before.unproved);
        record.membership = Some(membership);
    }
    let mut relive = privilege(record, &apply.intent, superseded, same_user, now);
    apply.delta.apply_to(&mut record.data);
    let value = apply.add.as_ref().map(|add| sum(record, add)).transpose()?;
    if let Some(idle) = apply.delta.life {
        (record.life.idle, record.life.own) = (idle, true);
        relive = true;
    }
    let size = |data: &std::collections::BTreeMap<String, String>| {
        Size::of(data.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    };
    if !size(&live.record.data).may_become(size(&record.data), &apply.limits) {
        return Err(Outcome::TooLarge);
    }
    let (outcome, span) = (done(record, now, value), relive.then(|| record.life.span(now)));
    remember(&mut after.writes, (write.id, now, value), now);
    Ok((after, outcome, span))
}

/// Carries out the intent; whether the record's life begins anew.
fn privilege(record: &mut Record, intent: &Intent, superseded: bool, same_user: bool, now: Timestamp) -> bool {
    match intent {
        Intent::Keep => return false,
        // The record is this user's under a newer generation: its current cookie is issued again.
        Intent::LogIn { .. } if superseded => {
            record.rotated = Some(now);
            return false;
        }
        Intent::Rotate => {}
        Intent::LogIn { user, idle, absolute, .. } => {
            if record.user.is_some() && !same_user {
                Delta { clear: true, ..Delta::default() }.apply_to(&mut record.data);
                record.life.own = false;
            }
            record.user = Some(user.clone());
            record.life.idle = if record.life.own { record.life.idle } else { *idle };
            record.life.end = absolute.map(|absolute| now.plus(absolute));
        }
    }
    record.generation = record.generation.saturating_add(1);
    record.rotated = Some(now);
    matches!(intent, Intent::LogIn { .. })
}

/// A higher generation can only come from us: a failover lost the write that raised it.
pub(super) fn adopt(record: &mut Record, generation: u32, now: Timestamp) {
    if generation > record.generation {
        record.generation = generation;
        record.rotated = Some(now);
    }
}

fn sum(record: &mut Record, add: &Add) -> Result<i64, Outcome> {
    let before = match record.data.get(&add.key) {
        None => 0,
        Some(text) => integer(text).ok_or(Outcome::NotANumber)?,
    };
    let value = before.checked_add(add.by).ok_or(Outcome::Overflow)?;
    record.data.insert(add.key.clone(), value.to_string());
    Ok(value)
}

/// An integer in its one canonical form: no sign but minus, no leading zeros, no fraction, no exponent.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|value| value.to_string() == text)
}

fn remember(
    writes: &mut VecDeque<(WriteId, Timestamp, Option<i64>)>,
    write: (WriteId, Timestamp, Option<i64>),
    now: Timestamp,
) {
    writes.push_back(write);
    while writes.len() > RECOGNISED_MOST || writes.front().is_some_and(|(_, at, _)| now.since(*at) > RECOGNISED) {
        writes.pop_front();
    }
}
