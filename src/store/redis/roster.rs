//! Rosters on Redis: a hash for each, one script for each act.

use std::pin::pin;

use redis::{Cmd, ErrorKind, RedisError, Value};

use super::attempts::{Attempt, Attempts, Failure};
use super::durability::{Settled, Weight};
use super::nodes::Target;
use super::script::Script;
use super::{Shared, sound};
use crate::clock::{Timestamp, millis};
use crate::error::{Unavailable, UnavailableKind};
use crate::id::Handle;
use crate::store::Budget;
use crate::store::retry::{self, Remedy};
use crate::store::roster::{Act, Cap, Listed, Member, Name, Outcome};

/// One script for each act.
pub(super) struct RosterScripts {
    reserve: Script,
    confirm: Script,
    touch: Script,
    leave: Script,
    everywhere: Script,
    list: Script,
}

impl RosterScripts {
    pub(super) fn new() -> Self {
        let script = |body| Script::after(&[include_str!("roster/common.lua")], body);
        Self {
            reserve: script(include_str!("roster/reserve.lua")),
            confirm: script(include_str!("roster/confirm.lua")),
            touch: script(include_str!("roster/touch.lua")),
            leave: script(include_str!("roster/leave.lua")),
            everywhere: script(include_str!("roster/everywhere.lua")),
            list: script(include_str!("roster/list.lua")),
        }
    }

    pub(super) fn all(&self) -> [&Script; 6] {
        [&self.reserve, &self.confirm, &self.touch, &self.leave, &self.everywhere, &self.list]
    }

    fn of(&self, act: &Act) -> &Script {
        match act {
            Act::Reserve { .. } => &self.reserve,
            Act::Confirm { .. } => &self.confirm,
            Act::Touch { .. } => &self.touch,
            Act::Leave(_) | Act::Withdraw(_) => &self.leave,
            Act::Everywhere { .. } => &self.everywhere,
            Act::List => &self.list,
        }
    }
}

impl Shared {
    pub(super) async fn enrol(&self, name: Name, act: &Act, budget: &Budget) -> Result<Outcome, Unavailable> {
        let key = format!("{}u:{name}", self.prefix);
        let mut attempts = Attempts::begin(&self.nodes, Target::Key(&key), self.policy, budget);
        loop {
            let attempt = attempts.next().await?;
            let not_after = attempt.shard.clock.now().plus(attempt.limit);
            // None of them is done twice in effect, so a repeated one need not be recognised. After a late one, again.
            let work = attempt.within(pin!(self.enrol_once(&attempt, &key, act, not_after))).await;
            if let Some(Some(outcome)) = attempts.came_to(&attempt, work)? {
                let weight = Weight::of_roster(act);
                if self.settle(&attempt, &key, weight, attempts.deadline()).await? == Settled::Stands {
                    return Ok(outcome);
                }
                attempts.may_be_lost();
            }
        }
    }

    /// One attempt; none when it came after its time and did nothing.
    async fn enrol_once(
        &self,
        attempt: &Attempt,
        key: &str,
        act: &Act,
        not_after: Timestamp,
    ) -> Result<Option<Outcome>, Failure> {
        let script = self.scripts.rosters.of(act);
        let send = async |known| {
            let mut cmd = script.command(known, key, not_after);
            arguments(&mut cmd, act);
            attempt.call(cmd).await
        };
        let reply = match send(true).await.and_then(sound) {
            Err(error) if retry::remedy(&error).0 == Remedy::LoadScript => sound(send(false).await?)?,
            reply => reply?,
        };
        let (now, outcome) = parse(&reply)?;
        attempt.shard.clock.compare(now);
        if outcome.is_none() {
            attempt.shard.clock.anchor(now);
        }
        outcome.transpose().map_err(Failure::from)
    }
}

fn arguments(cmd: &mut Cmd, act: &Act) {
    match act {
        Act::Reserve { handle, cap, gone } => {
            cmd.arg(handle.to_string());
            cap_arguments(cmd, *cap);
            listed_arguments(cmd, gone);
        }
        Act::Confirm { handle, serial, life, cap, gone } => {
            cmd.arg(handle.to_string()).arg(*serial).arg(millis(*life));
            cap_arguments(cmd, *cap);
            listed_arguments(cmd, gone);
        }
        Act::Withdraw(listed) => {
            cmd.arg("reserved");
            listed_arguments(cmd, &[*listed]);
        }
        Act::Leave(gone) => {
            cmd.arg("gone");
            listed_arguments(cmd, gone);
        }
        Act::Touch { handle, serial, life } => {
            cmd.arg(handle.to_string()).arg(*serial).arg(millis(*life));
        }
        Act::Everywhere { keep, id } => {
            cmd.arg(id.to_string());
            match keep {
                None => cmd.arg("").arg(0).arg(0),
                Some((Listed { handle, serial }, life)) => cmd.arg(handle.to_string()).arg(*serial).arg(millis(*life)),
            };
        }
        Act::List => {}
    }
}

fn cap_arguments(cmd: &mut Cmd, cap: Option<Cap>) {
    match cap {
        None => cmd.arg("").arg(0),
        Some(Cap::Evict(most)) => cmd.arg("evict").arg(most),
        Some(Cap::Refuse(most)) => cmd.arg("refuse").arg(most),
    };
}

fn listed_arguments(cmd: &mut Cmd, listed: &[Listed]) {
    cmd.arg(listed.len());
    for Listed { handle, serial } in listed {
        cmd.arg(handle.to_string()).arg(*serial);
    }
}

/// What a script said: the store's time, and the outcome; none when it came late.
type Said = (Timestamp, Option<Result<Outcome, Unavailable>>);

fn parse(value: &Value) -> Result<Said, RedisError> {
    let unexpected = || RedisError::from((ErrorKind::UnexpectedReturnType, "unexpected reply of a roster's script"));
    let Value::Array(items) = value else { return Err(unexpected()) };
    let number = |index: usize| match items.get(index) {
        Some(Value::Int(number)) => u64::try_from(*number).map_err(|_| unexpected()),
        _ => Err(unexpected()),
    };
    let list = |index: usize| items.get(index).and_then(members).ok_or_else(unexpected);
    let Some(word) = items.first().and_then(text) else { return Err(unexpected()) };
    let outcome = match word {
        "late" => None,
        "reserved" => Some(Ok(Outcome::Reserved { serial: number(2)?, rivals: list(3)?, passed: list(4)? })),
        "full" => Some(Ok(Outcome::Full(list(2)?))),
        "confirmed" => Some(Ok(Outcome::Confirmed)),
        "over" => Some(Ok(Outcome::Over(list(2)?))),
        "overtaken" => Some(Ok(Outcome::Overtaken)),
        "missing" => Some(Ok(Outcome::Missing)),
        "lost" => Some(Ok(Outcome::Lost)),
        "outdated" => Some(Ok(Outcome::Outdated { epoch: number(2)? })),
        "touched" => Some(Ok(Outcome::Touched)),
        "left" => Some(Ok(Outcome::Left)),
        "members" => Some(Ok(Outcome::Members { epoch: number(2)?, members: list(3)? })),
        "newer" => Some(Err(UnavailableKind::Newer.into())),
        "corrupt" => Some(Err(UnavailableKind::Corrupt.into())),
        _ => return Err(unexpected()),
    };
    Ok((Timestamp::from_millis(number(1)?), outcome))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Handle and text in turn.
fn members(value: &Value) -> Option<Vec<Member>> {
    let Value::Array(items) = value else { return None };
    items.chunks_exact(2).map(|pair| member(text(&pair[0])?.parse().ok()?, text(&pair[1])?)).collect()
}

fn member(handle: Handle, text: &str) -> Option<Member> {
    let mut words = text.split(' ');
    let confirmed = words.next()? == "c";
    let mut number = || words.next()?.parse::<u64>().ok();
    let (place, serial) = (number()?, number()?);
    let (deadline, seen) = (Timestamp::from_millis(number()?), Timestamp::from_millis(number()?));
    Some(Member { handle, confirmed, place, serial, deadline, seen })
}
