//! What each write does to what is kept under a handle, as a pure function: the memory store runs it, and the
//! Redis store's scripts say the same in Lua.

mod change;

use std::collections::VecDeque;
use std::time::Duration;

pub(crate) use self::change::integer;
use self::change::{adopt, change};
use super::{Act, Apply, Create, Done, Drifted, GRACE, Intent, Loaded, Note, Outcome, Reason, Seen, Write};
use crate::clock::Timestamp;
use crate::id::WriteId;
use crate::record::{Life, Record};

/// What is kept under a handle.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) what: What,
    /// When it is gone.
    pub(crate) deadline: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Live(Box<Live>),
    /// Of a destroyed record, and by which write.
    Tombstone(WriteId),
    /// Of a record that others ended.
    Ended {
        by: WriteId,
        at: Timestamp,
        reason: Reason,
        /// The record's.
        generation: u32,
    },
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub(crate) record: Record,
    /// The latest writes with their results, oldest first.
    writes: VecDeque<(WriteId, Timestamp, Option<i64>)>,
    /// The write that last noted what was seen, and what was new to it.
    noted: Option<(WriteId, Drifted)>,
}

/// Carries out a write on what is kept (nothing when its deadline has passed): what became of it, and what is to be
/// kept from now on, if that changes.
pub(crate) fn carry_out(kept: Option<&Kept>, write: &Write, now: Timestamp) -> (Outcome, Option<Kept>) {
    let live = match kept {
        None => return on_nothing(write, now),
        Some(Kept { what: what @ What::Ended { .. }, deadline }) => return on_ended(what, *deadline, write, now),
        Some(Kept { what: What::Tombstone(by), .. }) => return on_tombstone(*by, write, now),
        Some(Kept { what: What::Live(live), .. }) => live,
    };
    if let Some((_, _, value)) = live.writes.iter().find(|(id, ..)| *id == write.id) {
        let record = Record { generation: led_to(write, &live.record), ..live.record.clone() };
        return (done(&record, now, *value), None);
    }
    let superseded = write.generation < live.record.generation;
    match &write.act {
        Act::Create(_) => (Outcome::Exists, None),
        Act::Bury if superseded => {
            let mut live = Live::clone(live);
            live.record.rotated = Some(now);
            (done(&live.record, now, None), Some(unchanged_deadline(live, kept, now)))
        }
        Act::Bury => (done(&live.record, now, None), None),
        Act::Destroy | Act::Slide { .. } if superseded => (Outcome::Superseded, None),
        Act::Destroy => (ended(write, now), Some(tombstone(write.id, now))),
        Act::End { user, before, reason } => end(live, kept, write.id, (user, *before, *reason), now),
        Act::Place(membership) => {
            if write.generation != live.record.generation {
                return (Outcome::Superseded, None);
            }
            let mut live = Live::clone(live);
            live.record.membership = Some(*membership);
            (done(&live.record, now, None), Some(unchanged_deadline(live, kept, now)))
        }
        Act::Slide { within, seen } => {
            let (mut live, deadline) = slide(live, kept, write.generation, *within, now);
            let outcome = note(&mut live, write.id, seen.as_ref(), now);
            (outcome, Some(Kept { what: What::Live(Box::new(live)), deadline }))
        }
        Act::Apply(apply) => match change(live, write, apply, superseded, now) {
            Ok((live, outcome, span)) => {
                let deadline = span.map_or_else(|| kept.map_or(now, |kept| kept.deadline), |span| now.plus(span));
                (outcome, Some(Kept { what: What::Live(Box::new(live)), deadline }))
            }
            Err(outcome) => (outcome, None),
        },
    }
}

/// What a read says of what is kept (nothing when its deadline has passed).
pub(crate) fn loaded(kept: Option<&Kept>, now: Timestamp) -> Loaded {
    match kept {
        None => Loaded::Missing,
        Some(Kept { what: What::Tombstone(_), .. }) => Loaded::Tombstone,
        Some(Kept { what: What::Ended { at, reason, .. }, .. }) => Loaded::Ended { at: *at, reason: *reason },
        Some(Kept { what: What::Live(live), deadline }) => {
            let record = Record { expires_in: deadline.since(now), ..live.record.clone() };
            Loaded::Found(Box::new(record))
        }
    }
}

/// The generation that a write which was done led to; what others did since is not its doing.
fn led_to(write: &Write, record: &Record) -> u32 {
    match &write.act {
        Act::Apply(Apply { intent: Intent::LogIn { user, .. }, .. }) if record.user.as_ref() == Some(user) => {
            record.generation
        }
        Act::Apply(Apply { intent: Intent::Rotate | Intent::LogIn { .. }, .. }) => write.generation.saturating_add(1),
        _ => write.generation,
    }
}

fn on_nothing(write: &Write, now: Timestamp) -> (Outcome, Option<Kept>) {
    match &write.act {
        Act::Create(create) => {
            let live = born(create, write, now);
            let (outcome, deadline) = (done(&live.record, now, None), now.plus(live.record.life.span(now)));
            (outcome, Some(Kept { what: What::Live(Box::new(live)), deadline }))
        }
        Act::Bury => (done(&Record::default(), now, None), Some(tombstone(write.id, now))),
        Act::Apply(_) | Act::Slide { .. } | Act::Destroy | Act::End { .. } | Act::Place(_) => (Outcome::Gone, None),
    }
}

fn on_tombstone(by: WriteId, write: &Write, now: Timestamp) -> (Outcome, Option<Kept>) {
    match write.act {
        Act::Create(_) => (Outcome::Exists, None),
        Act::Destroy if by == write.id => (ended(write, now), None),
        Act::End { .. } if by == write.id => (done(&Record::default(), now, None), None),
        Act::Bury => (done(&Record::default(), now, None), Some(tombstone(write.id, now))),
        Act::Apply(_) | Act::Slide { .. } | Act::Destroy | Act::End { .. } | Act::Place(_) => (Outcome::Gone, None),
    }
}

/// A session that ended by itself, because it found the end of all before that got to it, is claimed by that once: it
/// is to be counted.
fn on_ended(what: &What, deadline: Timestamp, write: &Write, now: Timestamp) -> (Outcome, Option<Kept>) {
    let What::Ended { by, at, reason, generation } = *what else { return (Outcome::Gone, None) };
    let first = || done(&Record { generation, ..Record::default() }, now, None);
    match write.act {
        Act::End { .. } if by == write.id => (first(), None),
        Act::End { reason: Reason::Everywhere, .. } if by == WriteId::default() && reason == Reason::Everywhere => {
            let claimed = What::Ended { by: write.id, at, reason, generation };
            (first(), Some(Kept { what: claimed, deadline }))
        }
        _ => on_tombstone(by, write, now),
    }
}

/// Ends a user's session, unless it came in since.
fn end(
    live: &Live,
    kept: Option<&Kept>,
    by: WriteId,
    (user, before, reason): (&String, Option<u64>, Reason),
    now: Timestamp,
) -> (Outcome, Option<Kept>) {
    let record = &live.record;
    if record.user.as_ref() != Some(user) {
        return (Outcome::Gone, None);
    }
    if before.is_some_and(|before| record.serial() >= before) {
        return (Outcome::Superseded, None);
    }
    let deadline = kept.map_or(now, |kept| kept.deadline).max(now.plus(GRACE));
    let ended = Kept { what: What::Ended { by, at: now, reason, generation: record.generation }, deadline };
    (done(&Record { generation: record.generation, ..Record::default() }, now, None), Some(ended))
}

fn born(create: &Create, write: &Write, now: Timestamp) -> Live {
    let (idle, own) = create.idle;
    let record = Record {
        generation: write.generation,
        born: now,
        rotated: None,
        life: Life { idle, own, end: create.absolute.map(|absolute| now.plus(absolute)) },
        user: create.user.clone(),
        seen: Seen::first(&create.seen, now),
        membership: create.membership,
        data: create.data.clone(),
        expires_in: Duration::ZERO,
    };
    Live { record, writes: [(write.id, now, None)].into(), noted: None }
}

fn slide(live: &Live, kept: Option<&Kept>, generation: u32, within: Duration, now: Timestamp) -> (Live, Timestamp) {
    let mut live = live.clone();
    adopt(&mut live.record, generation, now);
    let left = kept.map_or(Duration::ZERO, |kept| kept.deadline.since(now));
    let span = live.record.life.span(now);
    let from_now = if left < within && span > left { span } else { left };
    (live, now.plus(from_now))
}

/// Notes what the session was seen with. The same write once more has the same answer.
fn note(live: &mut Live, id: WriteId, seen: Option<&Note>, now: Timestamp) -> Outcome {
    let repeated = live.noted.as_ref().is_some_and(|(by, _)| *by == id);
    if let Some(drifted) = seen.filter(|_| !repeated).and_then(|seen| live.record.seen.note(seen, now)) {
        live.noted = Some((id, drifted));
    }
    let done = state(&live.record, now, None);
    match &live.noted {
        Some((by, drifted)) if seen.is_some() && *by == id && drifted.is_news() => {
            Outcome::Drifted(done, drifted.clone())
        }
        _ => Outcome::Done(done),
    }
}

fn unchanged_deadline(live: Live, kept: Option<&Kept>, now: Timestamp) -> Kept {
    Kept { what: What::Live(Box::new(live)), deadline: kept.map_or(now, |kept| kept.deadline) }
}

fn tombstone(by: WriteId, now: Timestamp) -> Kept {
    Kept { what: What::Tombstone(by), deadline: now.plus(GRACE) }
}

/// Of a destroyed record nothing is left but the generation that it was destroyed under.
fn ended(write: &Write, now: Timestamp) -> Outcome {
    done(&Record { generation: write.generation, ..Record::default() }, now, None)
}

fn done(record: &Record, at: Timestamp, value: Option<i64>) -> Outcome {
    Outcome::Done(state(record, at, value))
}

fn state(record: &Record, at: Timestamp, value: Option<i64>) -> Done {
    Done { at, generation: record.generation, end: record.life.end, value }
}
