//! Writes as scripts, and their arguments. Pure.

mod reply;

use std::io::Write as _;

use redis::{Cmd, RedisWrite as _};

pub(super) use self::reply::{Reply, parse};
use super::roster::RosterScripts;
use crate::clock::{Timestamp, millis};
use crate::delta::{Change, Delta};
use crate::id::WriteId;
use crate::record::Size;
use crate::store::roster::Membership;
use crate::store::{Act, Apply, Create, Intent, Note, Write};

/// A script and the name that the server knows it by.
pub(super) struct Script {
    pub(super) code: String,
    hash: String,
}

/// Stands before every script.
const PRELUDE: &str = include_str!("prelude.lua");
const RECORD: &str = include_str!("record.lua");
const WRITES: &str = include_str!("writes.lua");
const TOMBSTONE: &str = include_str!("tombstone.lua");

impl Script {
    /// A script after the parts that it needs.
    pub(super) fn after(parts: &[&str], body: &str) -> Self {
        let code = [&[PRELUDE], parts, &[body]].concat().join("\n");
        Self { hash: redis::Script::new(&code).get_hash().to_owned(), code }
    }

    /// `EVALSHA` of it on one key, or `EVAL` when the server does not know it.
    pub(super) fn command(&self, known: bool, key: &str, not_after: Timestamp) -> Cmd {
        // Room for most writes at once.
        let mut cmd = Cmd::with_capacity(24, 384);
        cmd.arg(if known { "EVALSHA" } else { "EVAL" }).arg(if known { &self.hash } else { &self.code });
        cmd.arg("1").arg(key).arg(not_after.as_millis());
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
            create: Script::after(&[RECORD, WRITES], include_str!("create.lua")),
            apply: Script::after(&[RECORD, WRITES], include_str!("apply.lua")),
            slide: Script::after(&[RECORD], include_str!("slide.lua")),
            destroy: Script::after(&[RECORD, TOMBSTONE], include_str!("destroy.lua")),
            bury: Script::after(&[RECORD, TOMBSTONE], include_str!("bury.lua")),
            end: Script::after(&[RECORD, TOMBSTONE], include_str!("end.lua")),
            place: Script::after(&[RECORD], include_str!("place.lua")),
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
    let (idle, own) = create.idle;
    let seen = [("a", text(create.seen.address.as_ref())), ("h", text(create.seen.agent.as_ref()))];
    let seen = seen.into_iter().filter(|(_, text)| !text.is_empty());
    let noted = u8::from(seen.clone().next().is_some());
    let (generation, idle, absolute) = (write.generation, millis(idle), create.absolute.map_or(0, millis));
    cmd.arg(write.id.as_bytes());
    numbers(cmd, &[generation.into(), idle, absolute, noted.into()]);
    let size = Size::of(create.data.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    numbers(cmd, &[size.fields, size.bytes]);
    if own {
        cmd.arg("o").arg("1");
    }
    if let Some(user) = &create.user {
        cmd.arg("u").arg(user);
    }
    if let Some(membership) = create.membership {
        cmd.arg("m").arg(membership.to_string());
    }
    for (field, text) in seen {
        cmd.arg(field).arg(text);
    }
    for (key, value) in &create.data {
        field(cmd, key);
        cmd.arg(value);
    }
}

fn apply_arguments(cmd: &mut Cmd, write: &Write, apply: &Apply, first_sent: Option<Timestamp>) {
    let Apply { delta, add, expect, intent, limits } = apply;
    cmd.arg(write.id.as_bytes());
    let [fields, bytes] = [limits.fields, limits.record].map(|most| u64::try_from(most).unwrap_or(u64::MAX));
    numbers(cmd, &[write.generation.into(), fields, bytes]);
    if let Some(sent) = first_sent {
        cmd.arg("sent").arg(sent.as_millis());
    }
    match intent {
        Intent::Keep => {}
        Intent::Rotate => {
            cmd.arg("rotate");
        }
        Intent::LogIn { user, idle, absolute, reissue, membership } => {
            cmd.arg(if *reissue { "login" } else { "login once" }).arg(user);
            cmd.arg(millis(*idle)).arg(absolute.map_or(0, millis)).arg(text_of(*membership));
        }
    }
    if let Some(life) = delta.life {
        cmd.arg("life").arg(millis(life));
    }
    if let Some(add) = add {
        cmd.arg("add");
        field(cmd, &add.key);
        cmd.arg(add.by);
    }
    if let Some((key, expected)) = expect {
        cmd.arg(if expected.is_some() { "text" } else { "absent" });
        field(cmd, key);
        // Nothing, where nothing is expected.
        cmd.arg(expected);
    }
    delta_arguments(cmd, delta);
}

/// A membership as a record has it; nothing where there is none.
fn text_of(membership: Option<Membership>) -> String {
    membership.map(|membership| membership.to_string()).unwrap_or_default()
}

fn delta_arguments(cmd: &mut Cmd, delta: &Delta) {
    type Is = fn(&Change) -> bool;
    if delta.clear {
        cmd.arg("clear");
    }
    let kinds: [(&str, Is); 3] = [
        ("set", |change| matches!(change, Change::Set(_))),
        ("remove", |change| matches!(change, Change::Remove)),
        ("take", |change| matches!(change, Change::Take(_))),
    ];
    for (word, is_one) in kinds {
        let these = || delta.changes.iter().filter(|(_, change)| is_one(change));
        let count = these().count();
        if count > 0 {
            cmd.arg(word).arg(count);
        }
        for (key, change) in these() {
            field(cmd, key);
            if let Change::Set(text) | Change::Take(text) = change {
                cmd.arg(text);
            }
        }
    }
}

/// The hash field of an application's key.
fn field(cmd: &mut Cmd, key: &str) {
    let mut argument = cmd.writer_for_next_arg();
    // Into memory, so it cannot fail.
    let _ = argument.write_all(b".").and_then(|()| argument.write_all(key.as_bytes()));
}

/// Numbers with a blank between them, as one argument.
fn numbers<N: itoa::Integer + Copy>(cmd: &mut Cmd, numbers: &[N]) {
    let (mut argument, mut digits) = (cmd.writer_for_next_arg(), itoa::Buffer::new());
    for (at, number) in numbers.iter().enumerate() {
        let blank: &[u8] = if at > 0 { b" " } else { b"" };
        // Into memory, so it cannot fail.
        let _ = argument.write_all(blank).and_then(|()| argument.write_all(digits.format(*number).as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::RECORD;
    use crate::record::FORMAT_VERSION;

    #[test]
    fn records_are_written_and_read_in_one_version() {
        assert!(RECORD.contains(&format!("\nlocal VERSION = {FORMAT_VERSION}\n")));
    }
}
