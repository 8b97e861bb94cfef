//! One user, who asks one thing after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::history::{Answer, Change, Event, Op, Outcome};
use crate::harness;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Stays,
    Passes,
    Plain,
}

pub(super) struct Client {
    number: u32,
    role: Role,
    http: harness::Client,
    urls: Vec<String>,
    started: Instant,
    events: Vec<Event>,
    /// Requests so far: each goes to the next instance.
    turn: usize,
    cookie: Option<String>,
    /// How many things a staying user did, or which round of a passing one it is.
    step: u64,
    round: Round,
    /// Cookies of sessions that were ended, the last ones.
    dead: Vec<String>,
}

/// Where a passing user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    In,
    Name,
    Count(u8),
    Look,
    Out,
    Dead(u8),
}

/// How long the end may wait for an answer.
const LAST: Duration = Duration::from_secs(10);
/// How many dead cookies are tried again.
const REMEMBERED: usize = 8;

impl Client {
    pub(super) fn new(number: u32, role: Role, urls: &[String], started: Instant) -> Self {
        Self {
            number,
            role,
            http: harness::Client::new(),
            urls: urls.to_vec(),
            started,
            events: Vec::new(),
            turn: number as usize,
            cookie: None,
            step: 0,
            round: Round::In,
            dead: Vec::new(),
        }
    }

    /// A user who stays is logged in before the load begins.
    pub(super) async fn settle(&mut self) {
        if self.role != Role::Stays {
            return;
        }
        let event = self.ask(Op::LogIn(self.name())).await;
        assert!(event.succeeded(), "the load cannot begin: {event:?}");
    }

    pub(super) fn cookie(&self) -> Option<String> {
        self.cookie.clone()
    }

    pub(super) async fn work(mut self, first: Duration, pace: Duration, stop: Arc<AtomicBool>) -> Vec<Event> {
        let mut ticks = interval_at(Instant::now() + first, pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match self.role {
                Role::Stays => self.stay().await,
                Role::Passes => self.pass().await,
                Role::Plain => {
                    self.ask(Op::Plain).await;
                }
            }
        }
        self.end().await;
        self.events
    }

    async fn stay(&mut self) {
        self.step += 1;
        let op = match self.step % 6 {
            _ if self.step == 1 => Op::Name(self.name()),
            0 => Op::Dump,
            2 => Op::Append(self.step),
            3 | 5 => Op::Me,
            _ => Op::Count,
        };
        self.ask(op).await;
    }

    async fn pass(&mut self) {
        let user = format!("{}.{}", self.name(), self.step);
        let (op, next) = match self.round {
            Round::In => (Op::LogIn(user), Round::Name),
            Round::Name => (Op::Name(user), Round::Count(0)),
            Round::Count(1) => (Op::Count, Round::Look),
            Round::Count(times) => (Op::Count, Round::Count(times + 1)),
            Round::Look => (Op::Me, Round::Out),
            Round::Out => (Op::LogOut, Round::Dead(0)),
            Round::Dead(4) => (Op::Dead, Round::In),
            Round::Dead(times) => (Op::Dead, Round::Dead(times + 1)),
        };
        let (is_out, is_look) = (op == Op::LogOut, !matches!(op, Op::LogIn(_) | Op::LogOut | Op::Dead));
        let before = self.cookie.clone();
        let event = self.ask(op).await;
        if !event.succeeded() {
            // Once more, but for what came too late: a session that is no more.
            if event.status() == Some(409) {
                self.begin_anew();
            }
            return;
        }
        if is_look && lost(&event) {
            return self.begin_anew();
        }
        self.round = next;
        if is_out {
            self.dead.extend(before);
            self.dead.drain(..self.dead.len().saturating_sub(REMEMBERED));
            self.cookie = None;
            self.step += 1;
        }
    }

    fn begin_anew(&mut self) {
        (self.cookie, self.round) = (None, Round::In);
        self.step += 1;
    }

    /// What is there in the end.
    async fn end(&mut self) {
        let ops = match self.role {
            Role::Stays => vec![Op::Me, Op::Dump],
            Role::Passes => vec![Op::Dead; self.dead.len()],
            Role::Plain => vec![Op::Plain],
        };
        let begun = Instant::now();
        for op in ops {
            while !self.ask(op.clone()).await.succeeded() && begun.elapsed() < LAST {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn ask(&mut self, op: Op) -> Event {
        self.turn += 1;
        let instance = self.turn % self.urls.len();
        let sent = match op {
            Op::Plain => None,
            // All of them in turn.
            Op::Dead => self.dead.get(self.turn % self.dead.len().max(1)).cloned(),
            _ => self.cookie.clone(),
        };
        let (post, path) = match &op {
            Op::LogIn(user) => (true, format!("/login?user={user}")),
            Op::Name(name) => (true, format!("/set?k=name&v={name}")),
            Op::Count => (false, "/count".to_owned()),
            Op::Me | Op::Dead => (false, "/me".to_owned()),
            Op::Dump => (false, "/dump".to_owned()),
            Op::Append(value) => (true, format!("/append?k=list&v={value}")),
            Op::LogOut => (true, "/logout".to_owned()),
            Op::Plain => (false, "/static".to_owned()),
        };
        let url = format!("{}{path}", self.urls[instance]);
        let request = if post { self.http.post(url) } else { self.http.get(url) };
        let request = if let Some(cookie) = &sent { request.cookie(format!("sid={cookie}")) } else { request };
        let begin = self.started.elapsed();
        let outcome = match request.try_send().await {
            Ok(answer) => Outcome::Answer(read(&answer)),
            Err(error) => Outcome::Broken(error.to_string()),
        };
        let (client, role, end) = (self.number, self.role, self.started.elapsed());
        let event = Event { client, role, instance, op, sent, begin, end, stalled: Duration::ZERO, outcome };
        self.take_in(&event);
        self.events.push(event.clone());
        event
    }

    /// As a browser would.
    fn take_in(&mut self, event: &Event) {
        let Outcome::Answer(answer) = &event.outcome else { return };
        for change in &answer.cookies {
            self.cookie = match change {
                Change::Set(cookie) => Some(cookie.clone()),
                Change::Removed => None,
            };
        }
    }

    fn name(&self) -> String {
        format!("u{}", self.number)
    }
}

/// Whether the answer shows that the user is not logged in any more.
fn lost(event: &Event) -> bool {
    let Outcome::Answer(answer) = &event.outcome else { return false };
    match event.op {
        Op::Count => answer.body["session"] == false,
        Op::Me => answer.body["user"].is_null(),
        _ => answer.cookies.iter().any(|change| matches!(change, Change::Set(_))),
    }
}

fn read(answer: &harness::Answer) -> Answer {
    let change = |line: String| {
        let value = line.split(';').next().and_then(|pair| pair.strip_prefix("sid="))?.to_owned();
        let removes = line.split(';').any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
        Some(if removes { Change::Removed } else { Change::Set(value) })
    };
    Answer {
        status: answer.status,
        body: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        cookies: answer.set_cookies().into_iter().filter_map(change).collect(),
        retry_after: answer.header("retry-after").is_some(),
    }
}
