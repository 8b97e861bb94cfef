//! Writes as scripts: their arguments and replies. Pure.

use std::borrow::Cow;

use redis::{Cmd, ErrorKind, RedisError, Value};

use super::roster::RosterScripts;
use crate::clock::{Timestamp, millis};
use crate::delta::Change;
use crate::error::{Unavailable, UnavailableKind};
use crate::id::WriteId;
use crate::record::Size;
use crate::store::roster::Membership;
use crate::store::{Act, Apply, Changed, Create, Done, Drifted, Intent, Note, Outcome, Write};

/// A script and the name that the server knows it by.
pub(super) struct Script {
    pub(super) code: String,
    hash: String,
}

impl Script {
    fn new(body: &str) -> Self {
        Self::after(include_str!("common.lua"), body)
    }

    /// A script after what stands before all of its kind.
    pub(super) fn after(common: &str, body: &str) -> Self {
        let code = [common, body].join("\n");
        Self { hash: redis::Script::new(&code).get_hash().to_owned(), code }
    }

    /// `EVALSHA` of it on one key, or `EVAL` when the server does not know it.
    pub(super) fn command(&self, known: bool, key: &str, not_after: Timestamp) -> Cmd {
        // Room for most writes at once.
        let mut cmd = Cmd::with_capacity(40, 512);
        cmd.arg(if known { "EVALSHA" } else { "EVAL" }).arg(if known { &self.hash } else { &self.code });
        cmd.arg(1).arg(key).arg(not_after.as_millis());
        cmd
    }
}

/// One script for each act.
pub(super) struct Scripts {
    create: Script,
    apply: Script,
    slide: Script,
    destroy: Script,
    bury: Script,
    end: Script,
    place: Script,
    pub(super) rosters: RosterScripts,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            create: Script::new(include_str!("create.lua")),
            apply: Script::new(include_str!("apply.lua")),
            slide: Script::new(include_str!("slide.lua")),
            destroy: Script::new(include_str!("destroy.lua")),
            bury: Script::new(include_str!("bury.lua")),
            end: Script::new(include_str!("end.lua")),
            place: Script::new(include_str!("place.lua")),
            rosters: RosterScripts::new(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Script> {
        let records = [&self.create, &self.apply, &self.slide, &self.destroy, &self.bury, &self.end, &self.place];
        records.into_iter().chain(self.rosters.all())
    }

    pub(super) fn of(&self, act: &Act) -> &Script {
        match act {
            Act::Create(_) => &self.create,
            Act::Apply(_) => &self.apply,
            Act::Slide { .. } => &self.slide,
            Act::Destroy => &self.destroy,
            Act::Bury => &self.bury,
            Act::End { .. } => &self.end,
            Act::Place(_) => &self.place,
        }
    }
}

/// One delivery of a write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    /// It does nothing after this.
    pub(super) not_after: Timestamp,
    /// When it was first sent, of a repeated one.
    pub(super) first_sent: Option<Timestamp>,
}

/// `EVALSHA` of a write, or `EVAL` when the server does not know the script.
pub(super) fn command(script: &Script, known: bool, key: &str, write: &Write, delivery: Delivery) -> Cmd {
    let mut cmd = script.command(known, key, delivery.not_after);
    match &write.act {
        Act::Slide { within, seen } => {
            cmd.arg(write.generation).arg(millis(*within));
            if let Some(note) = seen {
                note_arguments(&mut cmd, write.id, note);
            }
        }
        Act::Destroy | Act::Bury => {
            cmd.arg(write.id.to_string()).arg(write.generation);
        }
        Act::End { user, before, reason } => {
            cmd.arg(write.id.to_string()).arg(user).arg(before.unwrap_or(0)).arg(reason.as_str());
        }
        Act::Place(membership) => {
            cmd.arg(write.generation).arg(membership.to_string());
        }
        Act::Create(create) => create_arguments(&mut cmd, write, create),
        Act::Apply(apply) => apply_arguments(&mut cmd, write, apply, delivery.first_sent),
    }
    cmd
}

fn note_arguments(cmd: &mut Cmd, id: WriteId, note: &Note) {
    cmd.arg(id.to_string()).arg(text(note.sighting.address.as_ref())).arg(text(note.sighting.agent.as_ref()));
    cmd.arg(millis(note.again_after)).arg(note.returns);
}

fn text(optional: Option<&String>) -> &str {
    optional.map_or("", String::as_str)
}

fn create_arguments(cmd: &mut Cmd, write: &Write, create: &Create) {
    let size = Size::of(create.data.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let (idle, own) = create.idle;
    cmd.arg(write.id.to_string()).arg(write.generation).arg(millis(idle)).arg(u8::from(own));
    cmd.arg(create.absolute.map_or(0, millis));
    cmd.arg(u8::from(create.user.is_some())).arg(text(create.user.as_ref())).arg(text_of(create.membership));
    cmd.arg(text(create.seen.address.as_ref())).arg(text(create.seen.agent.as_ref()));
    cmd.arg(size.fields).arg(size.bytes);
    for (key, value) in &create.data {
        cmd.arg(field(key)).arg(value);
    }
}

fn apply_arguments(cmd: &mut Cmd, write: &Write, apply: &Apply, first_sent: Option<Timestamp>) {
    cmd.arg(write.id.to_string()).arg(first_sent.unwrap_or_default().as_millis()).arg(write.generation);
    match &apply.intent {
        Intent::Keep => cmd.arg("").arg("").arg(0).arg(0).arg(""),
        Intent::Rotate => cmd.arg("rotate").arg("").arg(0).arg(0).arg(""),
        Intent::LogIn { user, idle, absolute, reissue, membership } => cmd
            .arg(if *reissue { "login" } else { "login once" })
            .arg(user)
            .arg(millis(*idle))
            .arg(absolute.map_or(0, millis))
            .arg(text_of(*membership)),
    };
    cmd.arg(apply.delta.life.map_or(0, millis)).arg(apply.limits.fields).arg(apply.limits.record);
    cmd.arg(u8::from(apply.delta.clear));
    match &apply.add {
        Some(add) => cmd.arg(field(&add.key)).arg(add.by),
        None => cmd.arg("").arg(""),
    };
    match &apply.expect {
        None => cmd.arg("").arg("").arg(""),
        Some((key, None)) => cmd.arg("absent").arg(field(key)).arg(""),
        Some((key, Some(text))) => cmd.arg("text").arg(field(key)).arg(text),
    };
    change_arguments(cmd, &apply.delta.changes);
}

/// A membership as a record has it; nothing where there is none.
fn text_of(membership: Option<Membership>) -> String {
    membership.map(|membership| membership.to_string()).unwrap_or_default()
}

fn change_arguments(cmd: &mut Cmd, changes: &std::collections::BTreeMap<String, Change>) {
    let sets = || changes.iter().filter_map(|(key, change)| matches_set(change).map(|value| (key, value)));
    cmd.arg(sets().count());
    for (key, value) in sets() {
        cmd.arg(field(key)).arg(value);
    }
    let removals = || changes.iter().filter(|(_, change)| matches!(change, Change::Remove));
    cmd.arg(removals().count());
    for (key, _) in removals() {
        cmd.arg(field(key));
    }
    let takes = || changes.iter().filter_map(|(key, change)| matches_take(change).map(|text| (key, text)));
    cmd.arg(takes().count());
    for (key, text) in takes() {
        cmd.arg(field(key)).arg(text);
    }
}

fn matches_set(change: &Change) -> Option<&str> {
    if let Change::Set(value) = change { Some(value) } else { None }
}

fn matches_take(change: &Change) -> Option<&str> {
    if let Change::Take(text) = change { Some(text) } else { None }
}

/// The hash field of an application's key.
fn field(key: &str) -> String {
    format!(".{key}")
}

/// What a script said.
#[derive(Debug)]
pub(super) enum Reply {
    /// The write was decided.
    Decided(Outcome),
    /// It came after its time and did nothing.
    Late,
    /// It cannot be decided.
    Undecided(Unavailable),
}

/// Reads a script's reply, and the store's time in it.
pub(super) fn parse(value: &Value) -> Result<(Timestamp, Reply), RedisError> {
    let unexpected = || RedisError::from((ErrorKind::UnexpectedReturnType, "unexpected reply of a script"));
    let Value::Array(items) = value else { return Err(unexpected()) };
    let text = |index: usize| match items.get(index) {
        Some(Value::BulkString(bytes)) => Some(String::from_utf8_lossy(bytes)),
        Some(Value::SimpleString(text)) => Some(Cow::from(text)),
        _ => None,
    };
    let number = |index: usize| match items.get(index) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Some(word), Some(now)) = (text(0), number(1).map(Timestamp::from_millis)) else { return Err(unexpected()) };
    let done = || {
        Some(Done {
            at: now,
            generation: number(2).and_then(|number| u32::try_from(number).ok())?,
            end: number(3).filter(|end| *end > 0).map(Timestamp::from_millis),
            value: text(4).and_then(|sum| sum.parse().ok()),
        })
    };
    let reply = match &*word {
        "done" => Reply::Decided(Outcome::Done(done().ok_or_else(unexpected)?)),
        "drifted" => {
            let news = text(4).ok_or_else(unexpected)?;
            let count = |index| text(index).and_then(|count| count.parse().ok()).unwrap_or(u32::MAX);
            let changed = |letter, from, times| {
                let from = text(from).unwrap_or_default();
                news.contains(letter).then(|| Changed { from: from.into_owned(), times: count(times) })
            };
            let drifted = Drifted { address: changed('a', 6, 7), agent: changed('h', 8, 9), returns: count(5) };
            Reply::Decided(Outcome::Drifted(done().ok_or_else(unexpected)?, drifted))
        }
        "missing" | "tombstone" => Reply::Decided(Outcome::Gone),
        "superseded" => Reply::Decided(Outcome::Superseded),
        "conflict" => Reply::Decided(Outcome::Conflict(text(2).map(Cow::into_owned))),
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
