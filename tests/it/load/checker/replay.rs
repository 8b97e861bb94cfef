//! What one client saw, compared with what its session must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::super::client::Role;
use super::super::history::{Answer, Change, Event, Op, Outcome};
use super::super::verdict::{Rule, Verdict};
use super::{Rules, excuses_loss};

pub(super) struct Replay<'a> {
    rules: &'a Rules,
    verdict: &'a mut Verdict,
    session: Option<Session>,
    /// When the log-out of a cookie was answered.
    ended: BTreeMap<String, Duration>,
}

/// What must be in it, and what may be.
#[derive(Default)]
struct Session {
    user: String,
    name: Option<String>,
    count: u64,
    /// Additions whose fate is unknown.
    uncertain: u64,
    list: BTreeSet<u64>,
    /// Values of which it is not known whether they were appended.
    maybe: BTreeSet<u64>,
    /// A log-out was not answered: it may be gone.
    leaving: bool,
}

impl<'a> Replay<'a> {
    pub(super) fn of(rules: &'a Rules, verdict: &'a mut Verdict) -> Self {
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

    /// Nothing that begins after the answer to a log-out finds the session alive.
    fn look_for_the_dead(&mut self, event: &Event) {
        let (Some(sent), Outcome::Answer(answer)) = (&event.sent, &event.outcome) else { return };
        let is_dead = self.ended.get(sent).is_some_and(|ended| event.begin >= *ended);
        if is_dead && (answer.body["session"] == true || answer.body["user"].is_string()) {
            self.verdict.violate(Rule::LogOutUndone, event, "a dead cookie opens a session");
        }
    }

    fn succeeded(&mut self, event: &Event, answer: &Answer) {
        match &event.op {
            Op::Plain | Op::Dead => {}
            Op::LogIn(user) => {
                if answer.cookies.is_empty() {
                    self.verdict.violate(Rule::Cookie, event, "a log-in without a cookie");
                }
                self.session = Some(Session { user: user.clone(), ..Session::default() });
            }
            Op::LogOut => {
                let is_first = self.session.take().is_some_and(|session| !session.leaving);
                if is_first && !answer.cookies.contains(&Change::Removed) {
                    self.verdict.violate(Rule::Cookie, event, "a log-out that leaves the cookie");
                }
                self.ended.extend(event.sent.clone().map(|cookie| (cookie, event.end)));
            }
            Op::Name(name) => self.with(|_, session| session.name = Some(name.clone())),
            Op::Append(value) => self.with(|_, session| {
                session.list.insert(*value);
            }),
            Op::Count if answer.body["session"] == false => self.lose(event),
            Op::Count => self.with(|verdict, session| session.see_count(&answer.body["count"], 1, verdict)),
            Op::Me => self.me(event, &answer.body),
            Op::Dump => self.dump(event, &answer.body["data"]),
        }
    }

    fn failed(&mut self, event: &Event) {
        self.with(|_, session| match &event.op {
            Op::Count => session.uncertain += 1,
            Op::Append(value) => {
                session.maybe.insert(*value);
            }
            Op::LogOut => session.leaving = true,
            _ => {}
        });
    }

    fn me(&mut self, event: &Event, body: &Value) {
        let Some(session) = self.session.as_mut().filter(|session| !session.leaving) else { return };
        match (body["session"] == true, body["user"].as_str()) {
            (false, _) => self.lose(event),
            (true, Some(user)) if user == session.user => session.see_count(&body["count"], 0, self.verdict),
            (true, Some(_)) => self.verdict.violate(Rule::Leak, event, "another's user"),
            // The session is there, the log-in is not.
            (true, None) if excuses_loss(event.role, self.rules) => {
                self.verdict.lost.log_ins += 1;
                self.session = None;
            }
            (true, None) => self.verdict.violate(Rule::LoggedOut, event, "no user"),
        }
    }

    fn dump(&mut self, event: &Event, data: &Value) {
        let Some(session) = self.session.as_mut().filter(|session| !session.leaving) else { return };
        if data.as_object().is_none_or(serde_json::Map::is_empty) {
            return self.lose(event);
        }
        if data["name"].as_str() != session.name.as_deref() && !data["name"].is_null() {
            self.verdict.violate(Rule::Leak, event, "another's name");
        }
        if data["name"].is_null() && session.name.take().is_some() {
            self.verdict.lost.appended += 1;
        }
        session.see_count(&data["n"], 0, self.verdict);
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
        // What was there stays there; what was not is not appended late, but that is another's to see.
        session.list = seen.into_keys().collect();
    }

    /// The session is not there any more.
    fn lose(&mut self, event: &Event) {
        if self.session.as_ref().is_none_or(|session| session.leaving) {
            return;
        }
        if excuses_loss(event.role, self.rules) {
            self.verdict.lost.begun += 1;
        } else {
            self.verdict.violate(Rule::LoggedOut, event, "no session");
        }
        self.session = None;
    }

    fn with(&mut self, change: impl FnOnce(&mut Verdict, &mut Session)) {
        if let Some(session) = &mut self.session {
            change(self.verdict, session);
        }
    }
}

impl Session {
    /// The counter after `more` additions of this request: all acknowledged ones are in it, each once, and of the
    /// others each at most once.
    fn see_count(&mut self, count: &Value, more: u64, verdict: &mut Verdict) {
        let count = count.as_u64().unwrap_or(0);
        let least = self.count + more;
        verdict.lost.additions += least.saturating_sub(count);
        verdict.repeated += count.saturating_sub(least + self.uncertain);
        // What became of the uncertain ones shows as soon as the session answers: none is made late.
        (self.count, self.uncertain) = (count, 0);
    }
}
