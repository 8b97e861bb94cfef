//! What one client saw, compared with what its session must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::super::client::Role;
use super::super::history::{Answer, Change, Event, Op, Outcome};
use super::super::verdict::{Rule, Verdict};
use super::{Rules, Window};

pub(super) struct Replay<'a> {
    rules: &'a Rules<'a>,
    verdict: &'a mut Verdict,
    session: Option<Session>,
    /// Log-outs that were answered, by cookie.
    ended: BTreeMap<String, Ended>,
}

struct Ended {
    at: Duration,
    instance: usize,
    /// The failover that may lose it, until it is repeated.
    losing: Option<Window>,
}

/// What must be in it, and what may be: what was not answered, or was answered in a failover.
#[derive(Default)]
struct Session {
    user: String,
    name: Option<String>,
    /// One of which it is not known whether it was set.
    maybe_name: Option<String>,
    count: u64,
    /// Additions whose fate is unknown.
    uncertain: u64,
    list: BTreeSet<u64>,
    /// Values of which it is not known whether they were appended.
    maybe: BTreeSet<u64>,
    /// Of the uncertain: those that were acknowledged.
    at_risk: u64,
    at_risk_values: BTreeSet<u64>,
    /// A log-out was not answered: it may be gone.
    leaving: bool,
    /// It began in a failover: it may be gone.
    shaky: bool,
}

impl<'a> Replay<'a> {
    pub(super) fn of(rules: &'a Rules<'a>, verdict: &'a mut Verdict) -> Self {
        Self { rules, verdict, session: None, ended: BTreeMap::new() }
    }

    pub(super) fn run(mut self, events: &[&Event]) {
        for event in events {
            self.look_for_the_dead(event);
            match &event.outcome {
                Outcome::Answer(answer) if event.succeeded() => self.succeeded(event, answer),
                _ => self.failed(event),
            }
        }
        let last = events.iter().rev().find(|event| event.role == Role::Stays);
        if let Some(last) = last.filter(|last| !last.succeeded()) {
            self.verdict.violate(Rule::NeverBack, last, "the last word");
        }
    }

    /// Nothing that begins after the answer to a log-out finds the session alive. One that a failover may have lost is
    /// repeated by the instance that answered it, unless that is killed.
    fn look_for_the_dead(&mut self, event: &Event) {
        let (Some(sent), Outcome::Answer(answer)) = (&event.sent, &event.outcome) else { return };
        let Some(ended) = self.ended.get(sent).filter(|ended| event.begin >= ended.at) else { return };
        let is_excused = ended.losing.is_some_and(|window| {
            let excuses = self.rules.excuses.into_iter();
            let was_away = excuses.into_iter().any(|all| all.was_away(ended.instance, ended.at, window.to));
            event.begin <= window.to || was_away
        });
        if !is_excused && (answer.body["session"] == true || answer.body["user"].is_string()) {
            self.verdict.violate(Rule::LogOutUndone, event, "a dead cookie opens a session");
        }
    }

    fn succeeded(&mut self, event: &Event, answer: &Answer) {
        let losing = self.rules.losing(event);
        match &event.op {
            Op::Plain | Op::Dead => {}
            Op::LogIn(user) => {
                if answer.cookies.is_empty() {
                    self.verdict.violate(Rule::Cookie, event, "a log-in without a cookie");
                }
                self.session = Some(Session { user: user.clone(), shaky: losing.is_some(), ..Session::default() });
            }
            Op::LogOut => self.log_out(event, answer, losing),
            // The session was lost, and this began another one.
            Op::Name(_) if event.sent.is_some() && !answer.cookies.is_empty() => self.lose(event),
            Op::Name(name) => self.with(|_, session| session.name = Some(name.clone())),
            Op::Append(value) => self.with(|_, session| session.append(*value, losing.is_some())),
            Op::Count if answer.body["session"] == false => self.lose(event),
            Op::Count if losing.is_some() => self.with(|verdict, session| {
                (session.uncertain, session.at_risk) = (session.uncertain + 1, session.at_risk + 1);
                session.glimpse_count(&answer.body["count"], 1, verdict);
            }),
            Op::Count => self.with(|verdict, session| session.see_count(&answer.body["count"], 1, verdict)),
            Op::Me => self.me(event, &answer.body),
            Op::Dump => self.dump(event, &answer.body["data"]),
        }
    }

    fn failed(&mut self, event: &Event) {
        if event.status() == Some(409) && self.rules.is_losing(event) {
            return self.lose(event);
        }
        self.with(|_, session| match &event.op {
            Op::Name(name) => session.maybe_name = Some(name.clone()),
            Op::Count => session.uncertain += 1,
            Op::Append(value) => {
                session.maybe.insert(*value);
            }
            Op::LogOut => session.leaving = true,
            _ => {}
        });
    }

    fn log_out(&mut self, event: &Event, answer: &Answer, losing: Option<Window>) {
        let is_first = self.session.take().is_some_and(|session| !session.leaving && !session.shaky);
        if is_first && !answer.cookies.contains(&Change::Removed) {
            self.verdict.violate(Rule::Cookie, event, "a log-out that leaves the cookie");
        }
        let ended = Ended { at: event.end, instance: event.instance, losing };
        self.ended.extend(event.sent.clone().map(|cookie| (cookie, ended)));
    }

    fn me(&mut self, event: &Event, body: &Value) {
        let losing = self.rules.losing(event).is_some();
        let Some(session) = self.session.as_mut().filter(|session| !session.leaving) else { return };
        match (body["session"] == true, body["user"].as_str()) {
            (false, _) => self.lose(event),
            (true, Some(user)) if user == session.user && losing => {
                session.glimpse_count(&body["count"], 0, self.verdict);
            }
            (true, Some(user)) if user == session.user => session.see_count(&body["count"], 0, self.verdict),
            (true, Some(_)) => self.verdict.violate(Rule::Leak, event, "another's user"),
            // The session is there, the log-in is not.
            (true, None) if may_be_lost(event, session, self.rules) => {
                if self.rules.excuses.is_none() {
                    self.verdict.lost.log_ins += 1;
                }
                self.session = None;
            }
            (true, None) => self.verdict.violate(Rule::LoggedOut, event, "no user"),
        }
    }

    fn dump(&mut self, event: &Event, data: &Value) {
        let losing = self.rules.losing(event).is_some();
        let Some(session) = self.session.as_mut().filter(|session| !session.leaving) else { return };
        if data.as_object().is_none_or(serde_json::Map::is_empty) && session.holds_something() {
            return self.lose(event);
        }
        if data["name"].is_string() && data["name"].as_str() == session.maybe_name.as_deref() {
            session.name = session.maybe_name.take();
        }
        if data["name"].as_str() != session.name.as_deref() && !data["name"].is_null() {
            self.verdict.violate(Rule::Leak, event, "another's name");
        }
        if data["name"].is_null() && session.name.take().is_some() {
            self.verdict.lost.appended += 1;
        }
        let list = data["list"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut seen = BTreeMap::<u64, u64>::new();
        for value in list.iter().filter_map(|value| value.as_str()?.parse().ok()) {
            *seen.entry(value).or_default() += 1;
        }
        if let Some(foreign) = seen.keys().find(|value| !session.list.contains(value) && !session.maybe.contains(value))
        {
            self.verdict.violate(Rule::Leak, event, format!("a value that it never appended: {foreign}"));
        }
        self.verdict.repeated += seen.values().map(|times| times - 1).sum::<u64>();
        let missing = session.list.iter().filter(|value| !seen.contains_key(value)).count();
        self.verdict.lost.appended += missing as u64;
        if losing {
            return session.glimpse_count(&data["n"], 0, self.verdict);
        }
        session.see_count(&data["n"], 0, self.verdict);
        let gone = session.at_risk_values.iter().filter(|value| !seen.contains_key(value)).count();
        self.verdict.excused += gone as u64;
        session.at_risk_values.clear();
        // What was there stays there; what was not is not appended late, but that is another's to see.
        session.list = seen.into_keys().collect();
    }

    /// The session is not there any more.
    fn lose(&mut self, event: &Event) {
        let Some(session) = self.session.take().filter(|session| !session.leaving) else { return };
        if !may_be_lost(event, &session, self.rules) {
            self.verdict.violate(Rule::LoggedOut, event, "no session");
        } else if self.rules.excuses.is_some() {
            self.verdict.excused += 1;
        } else {
            self.verdict.lost.begun += 1;
        }
    }

    fn with(&mut self, change: impl FnOnce(&mut Verdict, &mut Session)) {
        if let Some(session) = &mut self.session {
            change(self.verdict, session);
        }
    }
}

/// A user who stays must never be lost; the session of one who has just come may be, where losses are excused.
fn may_be_lost(event: &Event, session: &Session, rules: &Rules<'_>) -> bool {
    let is_excused = if rules.excuses.is_some() { session.shaky } else { rules.may_lose > 0 };
    event.role == Role::Passes && is_excused
}

impl Session {
    fn holds_something(&self) -> bool {
        self.name.is_some() || self.count > 0 || !self.list.is_empty()
    }

    fn append(&mut self, value: u64, at_risk: bool) {
        if at_risk {
            self.maybe.insert(value);
            self.at_risk_values.insert(value);
        } else {
            self.list.insert(value);
        }
    }

    /// The counter after `more` additions of this request: all acknowledged ones are in it, each once, and of the
    /// others each at most once.
    fn see_count(&mut self, count: &Value, more: u64, verdict: &mut Verdict) {
        let count = count.as_u64().unwrap_or(0);
        let least = self.count + more;
        verdict.lost.additions += least.saturating_sub(count);
        verdict.repeated += count.saturating_sub(least + self.uncertain);
        verdict.excused += (least + self.at_risk).saturating_sub(count.max(least));
        // What became of the uncertain ones shows as soon as the session answers: none is made late.
        (self.count, self.uncertain, self.at_risk) = (count, 0, 0);
    }

    /// The same in a failover, when some see the old master and some the new one: nothing is settled by it. This
    /// request's own additions are among the uncertain.
    fn glimpse_count(&mut self, count: &Value, own: u64, verdict: &mut Verdict) {
        let count = count.as_u64().unwrap_or(0);
        verdict.lost.additions += (self.count + own).saturating_sub(count);
        verdict.repeated += count.saturating_sub(self.count + self.uncertain);
    }
}
