//! Replays a history against the rules. Pure.

mod excuses;
mod replay;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub(crate) use self::excuses::{Excuses, Window};
use self::replay::Replay;
use super::client::Role;
use super::history::{Answer, Change, Event, History, Op, Outcome};
use super::verdict::{Rule, Verdict, Violation};

/// What a fault excuses. By default nothing happened, and nothing is excused.
#[derive(Debug, Clone)]
pub(crate) struct Rules<'a> {
    /// The longest answer of a request that uses the session, and a little.
    pub(crate) budget: Duration,
    /// The longest answer of one that does not.
    pub(crate) plain: Duration,
    /// Statuses other than 200 and 204; with 502 among them, also of routes that use no session.
    pub(crate) refusals: &'static [u16],
    /// So many requests may stay without an answer: what an instance that is killed had in flight.
    pub(crate) may_break: u64,
    /// So many acknowledged writes may be lost: by a failover.
    pub(crate) may_lose: u64,
    /// So many additions may be made twice: by a proxy that asks another instance when one dies.
    pub(crate) may_repeat: u64,
    /// Any answer may bring the cookie, for the keys change.
    pub(crate) may_sign_anew: bool,
    /// When which of this is excused; without it, all the time.
    pub(crate) excuses: Option<&'a Excuses>,
}

impl Default for Rules<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules<'_> {
    pub(crate) const fn new() -> Self {
        Self {
            // The instance's own budget of a second, and what the answer takes to get here on a busy machine.
            budget: Duration::from_millis(1100),
            plain: Duration::from_millis(250),
            refusals: &[],
            may_break: 0,
            may_lose: 0,
            may_repeat: 0,
            may_sign_anew: false,
            excuses: None,
        }
    }

    fn may_refuse(&self, event: &Event, status: u16) -> bool {
        self.refusals.contains(&status) && self.excuses.is_none_or(|excuses| excuses.refusal_of(event))
    }

    /// A session that was begun in a failover may be there when it is read, and gone when it is written to.
    fn tells_a_loss(&self, event: &Event, status: u16) -> bool {
        let begun = event.role == Role::Passes && !matches!(event.op, Op::LogIn(_));
        status == 409 && begun && self.is_losing(event)
    }

    /// Whether any loss is, at some time.
    fn excuses_losses(&self) -> bool {
        self.excuses.is_some() || self.may_lose > 0
    }

    /// Whether there is a failover; where nobody says when it was, at any time.
    fn is_losing(&self, event: &Event) -> bool {
        self.excuses.map_or(self.may_lose > 0, |excuses| excuses.losing(event).is_some())
    }

    /// Whether the instance that was asked was not there, or hung.
    fn was_away(&self, event: &Event) -> bool {
        self.excuses.is_some_and(|excuses| excuses.is_away(event))
    }

    /// The failover in which what this request wrote may be lost, and what it read may be of before.
    fn losing(&self, event: &Event) -> Option<Window> {
        self.excuses.and_then(|excuses| excuses.losing(event))
    }
}

pub(super) fn check(history: &History, rules: &Rules<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let (mut clients, mut owners) = (BTreeMap::<u32, Vec<&Event>>::new(), HashMap::<&str, u32>::new());
    for event in &history.events {
        count(event, history.settled, rules, &mut verdict);
        judge_answer(event, rules, &mut verdict);
        for cookie in cookies(event) {
            let owner = *owners.entry(cookie).or_insert(event.client);
            if owner != event.client {
                verdict.violate(Rule::Leak, event, format!("the cookie of client {owner}"));
            }
        }
        clients.entry(event.client).or_default().push(event);
    }
    for events in clients.values() {
        Replay::of(rules, &mut verdict).run(events);
    }
    let limits = [
        (Rule::Lost, verdict.lost.sum(), rules.may_lose),
        (Rule::CountedTwice, verdict.repeated, rules.may_repeat),
        (Rule::Broken, verdict.broken, rules.may_break),
    ];
    for (rule, count, limit) in limits {
        if count > limit {
            let what = format!("{count}, of which {limit} are excused, {:?}", verdict.because);
            verdict.violations.push(Violation { rule, client: None, at: Duration::ZERO, what });
        }
    }
    verdict
}

impl Verdict {
    fn violate(&mut self, rule: Rule, event: &Event, what: impl Into<String>) {
        let what = format!("{}: {event:?}", what.into());
        self.violations.push(Violation { rule, client: Some(event.client), at: event.begin, what });
    }
}

fn count(event: &Event, settled: Duration, rules: &Rules<'_>, verdict: &mut Verdict) {
    match &event.outcome {
        Outcome::Answer(answer) => *verdict.statuses.entry(answer.status).or_default() += 1,
        Outcome::Broken(_) if rules.was_away(event) => verdict.away += 1,
        Outcome::Broken(why) => {
            verdict.broken += 1;
            verdict.because.get_or_insert_with(|| format!("of instance {}: {why}", event.instance));
        }
    }
    let acknowledged = event.op.writes() && event.succeeded() && event.begin >= settled;
    verdict.acknowledged += u64::from(acknowledged);
    verdict.at_risk += u64::from(acknowledged && rules.losing(event).is_some());
    if rules.was_away(event) {
        return;
    }
    let slowest = if event.op == Op::Plain { &mut verdict.slowest_plain } else { &mut verdict.slowest };
    *slowest = event.took().max(*slowest);
}

/// What one answer must be, whatever came before.
fn judge_answer(event: &Event, rules: &Rules<'_>, verdict: &mut Verdict) {
    let Outcome::Answer(answer) = &event.outcome else { return };
    let passed_on = answer.status == 502 && rules.refusals.contains(&502);
    let took = if rules.was_away(event) { Duration::ZERO } else { event.took() };
    if event.op == Op::Plain {
        if answer.status != 200 && !passed_on || took > rules.plain {
            verdict.violate(Rule::Plain, event, format!("{} after {:?}", answer.status, event.took()));
        }
    } else if took > rules.budget {
        verdict.violate(Rule::Budget, event, format!("after {:?}", event.took()));
    }
    let wanted = match event.op {
        Op::LogIn(_) | Op::Name(_) | Op::LogOut => 204,
        _ => 200,
    };
    let refused = rules.may_refuse(event, answer.status) || rules.tells_a_loss(event, answer.status);
    if answer.status != wanted && !refused && event.op != Op::Plain {
        verdict.violate(Rule::Status, event, format!("{} in place of {wanted}", answer.status));
    }
    if answer.status == 503 && !answer.retry_after {
        verdict.violate(Rule::Status, event, "a 503 without Retry-After");
    }
    for change in &answer.cookies {
        if !may_say(event, answer, change, rules) {
            verdict.violate(Rule::Cookie, event, format!("{change:?}"));
        }
    }
}

/// Only a log-out's own answer removes a cookie; only one that created something or logged in replaces it. A creation
/// with a cookie whose session is lost is judged as that loss.
fn may_say(event: &Event, answer: &Answer, change: &Change, rules: &Rules<'_>) -> bool {
    let creates = event.op.writes() && event.op != Op::LogOut && event.succeeded();
    match change {
        Change::Removed => event.op == Op::LogOut && event.succeeded(),
        Change::Set(_) if matches!(event.op, Op::LogIn(_)) => event.succeeded(),
        Change::Set(_) if event.sent.is_none() => creates,
        Change::Set(_) if rules.may_sign_anew => event.succeeded(),
        Change::Set(_) if matches!(event.op, Op::Name(_)) && rules.excuses_losses() => event.role == Role::Passes,
        Change::Set(_) => event.op == Op::Count && answer.body["session"] == false,
    }
}

fn cookies(event: &Event) -> impl Iterator<Item = &str> {
    let answer = match &event.outcome {
        Outcome::Answer(answer) => answer.cookies.as_slice(),
        Outcome::Broken(_) => &[],
    };
    answer.iter().filter_map(|change| match change {
        Change::Set(cookie) => Some(cookie.as_str()),
        Change::Removed => None,
    })
}
