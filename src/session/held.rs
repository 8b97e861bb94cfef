//! What one request holds of its session: how it stands, what it read, what it staged. No I/O.

use std::time::{Duration, Instant};

use super::standing::{Dead, Due, Live, Standing, Why};
use crate::clock::Timestamp;
use crate::delta::{Change, Delta};
use crate::error::{Error, ErrorKind};
use crate::id::{Handle, Id};
use crate::record::{Limits, Record, Size};
use crate::store::Done;

/// A cookie is sent on the strength of a store's answer that is younger than this. An older one may have been
/// overtaken, and would put an old cookie in place of a newer one.
const PROOF: Duration = Duration::from_secs(1);

/// How far the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The handler is at work.
    Open,
    /// It has answered; what is staged is being applied.
    Sealing,
    /// It has failed; nothing of what it staged is kept but a log-out.
    Failed,
    /// The headers are gone.
    Sent,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
#[derive(Debug)]
pub(crate) struct Held {
    standing: Standing,
    staged: Delta,
    /// An operation has taken what was staged, and not come back yet.
    on_its_way: bool,
    log_out: bool,
    phase: Phase,
    pub(crate) due: Option<Due>,
    /// The response is to remove the cookie.
    pub(crate) removal: bool,
    /// The dead cookie in whose place this request created a session at once, and not by a log-in.
    pub(crate) replaced: Option<Dead>,
    /// This request logged in or out: other cookies of our name are to be expired with it.
    pub(crate) expire_variants: bool,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            standing: Standing::New { dead: None },
            staged: Delta::default(),
            on_its_way: false,
            log_out: false,
            phase: Phase::Open,
            due: None,
            removal: false,
            replaced: None,
            expire_variants: false,
        }
    }
}

impl Held {
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    pub(crate) fn live(&self) -> Option<&Live> {
        match &self.standing {
            Standing::Live(live) if !self.log_out => Some(live),
            _ => None,
        }
    }

    /// The user who is logged in, also while a log-out is staged.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.standing {
            Standing::Live(live) => live.record.user.as_deref(),
            _ => None,
        }
    }

    /// The session and its user.
    pub(crate) fn live_user(&self) -> Option<(Handle, String)> {
        self.live().and_then(|live| Some((live.id.handle(), live.record.user.clone()?)))
    }

    /// The verified cookie that has no session, if one was presented.
    pub(crate) fn dead(&self) -> Option<&Dead> {
        match &self.standing {
            Standing::New { dead } => dead.as_ref(),
            Standing::Stale { dead } => Some(dead),
            Standing::Live(_) | Standing::Ended => None,
        }
    }

    pub(crate) fn read(&self, key: &str) -> Option<&str> {
        match self.live() {
            Some(live) => self.staged.read(&live.record.data, key),
            None => self.staged.read(&EMPTY, key),
        }
    }

    pub(crate) fn view(&self) -> impl Iterator<Item = (&str, &str)> {
        self.staged.view(self.live().map_or(&EMPTY, |live| &live.record.data))
    }

    pub(crate) fn is_staged(&self, key: &str) -> bool {
        self.staged.clear || self.staged.changes.contains_key(key)
    }

    /// Whether this key's removal is staged for the case that nobody changes it.
    pub(crate) fn is_taken(&self, key: &str) -> bool {
        matches!(self.staged.changes.get(key), Some(Change::Take(_)))
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.phase == Phase::Sent
    }

    pub(crate) fn is_log_out(&self) -> bool {
        self.log_out
    }

    /// Whether an operation may ask for another cookie now.
    pub(crate) fn may_send_cookie(&self) -> Result<(), Error> {
        if self.phase == Phase::Open { Ok(()) } else { Err(ErrorKind::Sealed.into()) }
    }

    /// Whether the handler has not answered yet.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether a session may be created now: its cookie must still reach the client.
    pub(crate) fn may_create(&self) -> Result<(), ErrorKind> {
        if self.phase == Phase::Sent { Err(ErrorKind::Sealed) } else { Ok(()) }
    }

    /// Whether a change may be staged now.
    pub(crate) fn may_stage(&self) -> Result<(), Error> {
        self.may_send_cookie()?;
        if self.log_out || matches!(self.standing, Standing::Ended) {
            return Err(ErrorKind::Ended.into());
        }
        Ok(())
    }

    pub(crate) fn stage(&mut self) -> &mut Delta {
        &mut self.staged
    }

    pub(crate) fn set(&mut self, key: &str, text: String, limits: &Limits) -> Result<(), Error> {
        self.may_stage()?;
        self.check(key, &text, limits)?;
        self.staged.change(key, Change::Set(text));
        Ok(())
    }

    /// Whether `key = text` fits into the limits, as far as this request can tell.
    pub(crate) fn check(&self, key: &str, text: &str, limits: &Limits) -> Result<(), Error> {
        if key.is_empty() || key.len() > limits.key {
            return Err(ErrorKind::Key.into());
        }
        if text.len() > limits.value {
            return Err(ErrorKind::TooLarge.into());
        }
        let before = Size::of(self.view());
        let replaced = self.read(key).map(|old| key.len() + old.len());
        let after = Size {
            fields: before.fields + usize::from(replaced.is_none()),
            bytes: before.bytes + key.len() + text.len() - replaced.unwrap_or(0),
        };
        if before.may_become(after, limits) { Ok(()) } else { Err(ErrorKind::TooLarge.into()) }
    }

    pub(crate) fn log_out(&mut self) -> Result<(), Error> {
        self.may_send_cookie()?;
        self.log_out = !matches!(self.standing, Standing::Ended);
        self.staged = Delta::default();
        Ok(())
    }

    /// The log-out was carried out.
    pub(crate) fn ended(&mut self, removal: bool) {
        self.standing = Standing::Ended;
        (self.log_out, self.removal, self.due) = (false, removal, None);
        if removal {
            // It ended because this request asked for it, and so did what was staged on it.
            self.staged = Delta::default();
        }
        self.expire_variants = removal;
    }

    /// Nothing can be staged from now on. What was staged by a handler that failed is dropped, but for a log-out.
    pub(crate) fn begin_seal(&mut self, failed: bool) {
        self.phase = if failed { Phase::Failed } else { Phase::Sealing };
        if failed {
            self.staged = Delta::default();
            self.drop_resigning();
        }
    }

    /// The cookie is not signed anew by this request.
    pub(crate) fn drop_resigning(&mut self) {
        self.due = self.due.filter(|due| due.why != Why::Resign);
    }

    /// Neither is a cookie sent that another request can bring, nor one that might replace a log-in's.
    pub(crate) fn drop_doubtful(&mut self) {
        self.drop_resigning();
        if self.replaced.is_some() {
            self.due = None;
        }
    }

    /// Whether the store is to be asked again before the cookie is sent: its last word is old, a new signature can
    /// wait for certainty, or a log-in may have been faster than the creation.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.due.is_some_and(|due| due.why == Why::Resign || due.proof.elapsed() > PROOF || self.replaced.is_some())
    }

    /// The headers go.
    pub(crate) fn sent(&mut self) {
        self.phase = Phase::Sent;
    }

    /// Whether something was staged of which nobody knows yet what becomes of it.
    pub(crate) fn is_undecided(&self) -> bool {
        self.on_its_way || self.log_out || self.is_changed()
    }

    /// Whether what is staged asks for a session: removals from none do not.
    pub(crate) fn is_changed(&self) -> bool {
        match self.standing {
            Standing::New { .. } => self.staged.sets(),
            Standing::Live(_) | Standing::Stale { .. } | Standing::Ended => !self.staged.is_empty(),
        }
    }

    pub(crate) fn take_staged(&mut self) -> Delta {
        self.on_its_way = !self.staged.is_empty();
        std::mem::take(&mut self.staged)
    }

    /// What was taken is stored.
    pub(crate) fn stored(&mut self) {
        self.on_its_way = false;
    }

    /// Puts back what could not be applied, before what was staged since.
    pub(crate) fn restore(&mut self, mut staged: Delta) {
        self.on_its_way = false;
        if self.log_out || matches!(self.phase, Phase::Failed | Phase::Sent) {
            return;
        }
        staged.extend(std::mem::take(&mut self.staged));
        self.staged = staged;
    }

    /// A write on the live record was done.
    pub(crate) fn done(&mut self, done: Done, change: impl FnOnce(&mut Record), why: Option<Why>) {
        let Standing::Live(live) = &mut self.standing else { return };
        live.record.generation = done.generation;
        live.record.life.end = done.end;
        change(&mut live.record);
        if let Some(why) = why {
            (live.record.expires_in, live.read_at) = (live.record.life.span(done.at), Instant::now());
            self.due = Some(Due { proof: Instant::now(), at: done.at, why });
        } else if let Some(due) = &mut self.due {
            (due.proof, due.at) = (Instant::now(), done.at);
        }
    }

    /// A log-in has written its record, and did not come in: its cookie is not sent, and nothing more is stored.
    pub(crate) fn unconfirmed(&mut self) {
        self.due = None;
        if let Standing::Live(live) = &self.standing {
            let dead = Dead::new(live.id.clone(), live.record.generation, true);
            self.standing = Standing::Stale { dead };
        }
    }

    /// A record was created for this request.
    pub(crate) fn created(&mut self, id: Id, record: Record, at: Timestamp) {
        let read_at = Instant::now();
        self.standing = Standing::Live(Box::new(Live { id, record, read_at }));
        (self.log_out, self.removal) = (false, false);
        self.due = Some(Due { proof: read_at, at, why: Why::Changed });
    }

    /// The candidates were looked up.
    pub(crate) fn looked_up(&mut self, standing: Standing, due: Option<Due>) {
        (self.standing, self.due) = (standing, due);
    }
}

static EMPTY: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
