//! The checker catches what it is there to catch: forged histories, each with one lie.

mod excused;

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Role;
use super::history::{Answer, Change, Event, History, Op, Outcome};
use super::verdict::{Lost, Rule};
use super::{Rules, Verdict};

/// A history as it is written: each event begins 10 ms after the one before, and takes 5 ms.
struct Forger {
    events: Vec<Event>,
    client: u32,
    role: Role,
    cookie: Option<String>,
}

impl Forger {
    fn of(client: u32, role: Role) -> Self {
        Self { events: Vec::new(), client, role, cookie: None }
    }

    /// A user with a session that holds a name and counts one.
    fn settled(client: u32) -> Self {
        let mut forger = Self::of(client, Role::Stays);
        let user = format!("u{client}");
        forger.sets(&format!("cookie of {client}")).answer(Op::LogIn(user.clone()), 204, Value::Null);
        forger.answer(Op::Name(user), 204, Value::Null).count(1);
        forger
    }

    fn push(&mut self, op: Op, outcome: Outcome) -> &mut Self {
        let begin = Duration::from_millis(10 * self.events.len() as u64);
        let end = begin + Duration::from_millis(5);
        let sent = self.cookie.clone().filter(|_| op != Op::Plain);
        let (client, role) = (self.client, self.role);
        self.events.push(Event { client, role, instance: 0, op, sent, begin, end, stalled: Duration::ZERO, outcome });
        self
    }

    fn answer(&mut self, op: Op, status: u16, body: Value) -> &mut Self {
        self.push(op, Outcome::Answer(Answer { status, body, cookies: Vec::new(), retry_after: status == 503 }));
        if let Some(cookie) = self.cookie.clone().filter(|cookie| cookie.starts_with("to come: ")) {
            let cookie = cookie.trim_start_matches("to come: ").to_owned();
            self.last().sent = None;
            self.change(Change::Set(cookie.clone()));
            self.cookie = Some(cookie);
        }
        self
    }

    /// The next answer sets this cookie, and its request had none.
    fn sets(&mut self, cookie: &str) -> &mut Self {
        self.cookie = Some(format!("to come: {cookie}"));
        self
    }

    fn change(&mut self, change: Change) -> &mut Self {
        let Outcome::Answer(answer) = &mut self.last().outcome else { panic!("no answer") };
        answer.cookies.push(change);
        self
    }

    fn last(&mut self) -> &mut Event {
        self.events.last_mut().expect("an event")
    }

    fn took(&mut self, millis: u64) -> &mut Self {
        let last = self.last();
        last.end = last.begin + Duration::from_millis(millis);
        self
    }

    fn count(&mut self, count: u64) -> &mut Self {
        self.answer(Op::Count, 200, json!({ "count": count, "session": true }))
    }

    fn me(&mut self, user: &str, count: u64) -> &mut Self {
        self.answer(Op::Me, 200, json!({ "session": true, "user": user, "count": count }))
    }

    fn refused(&mut self, op: Op) -> &mut Self {
        self.answer(op, 503, Value::Null)
    }

    fn log_out(&mut self) -> &mut Self {
        self.answer(Op::LogOut, 204, Value::Null).change(Change::Removed)
    }

    fn dump(&mut self, name: &str, count: u64, list: &[&str]) -> &mut Self {
        self.answer(Op::Dump, 200, json!({ "data": { "name": name, "n": count, "list": list } }))
    }

    fn append(&mut self, value: u64) -> &mut Self {
        self.answer(Op::Append(value), 200, Value::Null)
    }

    fn check(&self, rules: &Rules<'_>) -> Verdict {
        history(self.events.clone()).check(rules)
    }

    /// The rules that are violated when all statuses of an outage are excused.
    fn violated(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = self.check(&outage()).violations.iter().map(|violation| violation.rule).collect();
        rules.dedup();
        rules
    }
}

fn history(events: Vec<Event>) -> History {
    History { events, settled: Duration::ZERO }
}

fn outage() -> Rules<'static> {
    Rules { refusals: &[503], ..Rules::default() }
}

#[test]
fn a_sound_history_is_clean() {
    let mut one = Forger::settled(1);
    one.count(2).refused(Op::Count).count(4).refused(Op::Count).me("u1", 4).refused(Op::Append(8)).append(9);
    one.dump("u1", 4, &["8", "9"]).answer(Op::Plain, 200, Value::Null).me("u1", 4);
    assert_eq!(one.violated(), []);
    let mut two = Forger::of(2, Role::Passes);
    two.sets("b").answer(Op::LogIn("u2.0".into()), 204, Value::Null).refused(Op::LogOut).log_out();
    two.answer(Op::Dead, 200, json!({ "session": false, "user": null }));
    assert_eq!(two.violated(), []);
    let both = history(one.events).and(history(two.events));
    assert_eq!(both.check(&outage()).violations, []);
}

#[test]
fn a_lost_and_a_repeated_addition_are_counted() {
    let violated = |count| Forger::settled(1).count(2).count(count).violated();
    assert_eq!((violated(2), violated(3), violated(4)), (vec![Rule::Lost], vec![], vec![Rule::CountedTwice]));
    // An addition without an answer is made once at most, and shows at once or never.
    let violated = |count| Forger::settled(1).refused(Op::Count).count(count).violated();
    assert_eq!((violated(2), violated(3), violated(4)), (vec![], vec![], vec![Rule::CountedTwice]));
    let late = Forger::settled(1).refused(Op::Count).me("u1", 1).count(3).violated();
    assert_eq!(late, [Rule::CountedTwice]);
    assert_eq!(Forger::settled(1).me("u1", 0).violated(), [Rule::Lost]);
    let verdict = Forger::settled(1).count(2).count(3).count(1).check(&Rules { may_lose: 3, ..outage() });
    assert_eq!((verdict.lost, verdict.violations), (Lost { additions: 3, ..Lost::default() }, vec![]));
}

#[test]
fn lost_repeated_and_foreign_values_of_a_list_are_seen() {
    let violated = |list: &[&str]| Forger::settled(1).append(7).refused(Op::Append(8)).dump("u1", 1, list).violated();
    assert_eq!((violated(&["7"]), violated(&["7", "8"])), (vec![], vec![]));
    assert_eq!(violated(&["8"]), [Rule::Lost]);
    assert_eq!(
        (violated(&["7", "7"]), violated(&["7", "8", "8"])),
        (vec![Rule::CountedTwice], vec![Rule::CountedTwice])
    );
    assert_eq!(violated(&["7", "9"]), [Rule::Leak]);
}

#[test]
fn a_user_who_is_logged_out_or_gone_is_seen() {
    let gone = json!({ "session": false, "user": null, "count": 0 });
    assert_eq!(Forger::settled(1).answer(Op::Me, 200, gone).violated(), [Rule::LoggedOut]);
    let nobody = json!({ "session": true, "user": null, "count": 1 });
    assert_eq!(Forger::settled(1).answer(Op::Me, 200, nobody).violated(), [Rule::LoggedOut]);
    let anew = json!({ "session": false, "count": 1 });
    let violated = Forger::settled(1).answer(Op::Count, 200, anew).change(Change::Set("new".into())).violated();
    assert_eq!(violated, [Rule::LoggedOut]);
    assert_eq!(Forger::settled(1).answer(Op::Dump, 200, json!({ "data": {} })).violated(), [Rule::LoggedOut]);
    assert_eq!(Forger::settled(1).refused(Op::Dump).violated(), [Rule::NeverBack]);
}

#[test]
fn a_failover_excuses_the_loss_of_a_new_session_and_not_of_an_old_one() {
    let failover = Rules { may_lose: 5, ..outage() };
    let gone = json!({ "session": false, "user": null, "count": 0 });
    let mut passing = Forger::of(1, Role::Passes);
    passing.sets("a").answer(Op::LogIn("u1.0".into()), 204, Value::Null).answer(Op::Me, 200, gone.clone());
    let verdict = passing.check(&failover);
    assert_eq!((verdict.lost.begun, verdict.violations), (1, vec![]));
    assert_eq!(passing.violated(), [Rule::LoggedOut]);
    let staying = Forger::settled(1).answer(Op::Me, 200, gone).check(&failover);
    assert_eq!(staying.violations[0].rule, Rule::LoggedOut);
}

#[test]
fn a_log_out_that_does_not_hold_is_seen() {
    let alive = json!({ "session": true, "user": "u1", "count": 1 });
    assert_eq!(Forger::settled(1).log_out().answer(Op::Dead, 200, alive.clone()).violated(), [Rule::LogOutUndone]);
    let counts = json!({ "session": true, "count": 2 });
    assert_eq!(Forger::settled(1).log_out().answer(Op::Count, 200, counts).violated(), [Rule::LogOutUndone]);
    // One that was under way may still see it.
    let mut under_way = Forger::settled(1);
    under_way.log_out().answer(Op::Dead, 200, alive);
    under_way.last().begin = Duration::ZERO;
    assert_eq!(under_way.violated(), []);
    assert_eq!(Forger::settled(1).answer(Op::LogOut, 204, Value::Null).violated(), [Rule::Cookie]);
}

#[test]
fn a_name_that_was_refused_may_be_there_and_stays_there() {
    let refused = || {
        let mut forger = Forger::of(1, Role::Stays);
        forger.sets("a").answer(Op::LogIn("u1".into()), 204, Value::Null).refused(Op::Name("u1".into())).count(1);
        forger
    };
    let nameless = json!({ "data": { "n": 1 } });
    assert_eq!(refused().dump("u1", 1, &[]).dump("u1", 1, &[]).violated(), []);
    assert_eq!(refused().answer(Op::Dump, 200, nameless.clone()).violated(), []);
    assert_eq!(refused().dump("u2", 1, &[]).violated(), [Rule::Leak]);
    let empty = json!({ "data": {} });
    assert_eq!(refused().answer(Op::Dump, 200, empty.clone()).violated(), [Rule::LoggedOut]);
    let mut nothing = Forger::of(1, Role::Stays);
    nothing.sets("a").answer(Op::LogIn("u1".into()), 204, Value::Null).refused(Op::Name("u1".into()));
    assert_eq!(nothing.answer(Op::Dump, 200, empty).violated(), []);
    assert_eq!(refused().dump("u1", 1, &[]).answer(Op::Dump, 200, nameless).violated(), [Rule::Lost]);
}

#[test]
fn anothers_user_name_or_cookie_is_seen() {
    assert_eq!(Forger::settled(1).me("u2", 1).violated(), [Rule::Leak]);
    assert_eq!(Forger::settled(1).dump("u2", 1, &[]).violated(), [Rule::Leak]);
    let (mut one, mut two) = (Forger::settled(1), Forger::settled(2));
    one.events.append(&mut two.events);
    one.change(Change::Set("cookie of 1".into()));
    one.last().op = Op::LogIn("u2".into());
    assert!(one.violated().contains(&Rule::Leak));
}

#[test]
fn a_cookie_that_is_removed_or_replaced_by_another_answer_is_seen() {
    let (set, removed) = (Change::Set("other".into()), Change::Removed);
    for change in [&set, &removed] {
        assert_eq!(Forger::settled(1).me("u1", 1).change(change.clone()).violated(), [Rule::Cookie]);
        assert_eq!(Forger::settled(1).count(2).change(change.clone()).violated(), [Rule::Cookie]);
        let refused = Forger::settled(1).refused(Op::LogOut).change(change.clone()).me("u1", 1).violated();
        assert_eq!(refused, [Rule::Cookie]);
    }
    let mut anew = Forger::settled(1);
    anew.me("u1", 1).change(set);
    assert_eq!(anew.check(&Rules { may_sign_anew: true, ..Rules::default() }).violations, []);
    let mut dropped = Forger::settled(1);
    dropped.me("u1", 1).change(removed);
    assert_eq!(dropped.check(&Rules { may_sign_anew: true, ..Rules::default() }).violations[0].rule, Rule::Cookie);
    let no_cookie = Forger::of(1, Role::Stays).answer(Op::LogIn("u1".into()), 204, Value::Null).violated();
    assert_eq!(no_cookie, [Rule::Cookie]);
}

#[test]
fn slow_wrong_and_missing_answers_are_seen() {
    assert_eq!(Forger::settled(1).count(2).took(1099).violated(), []);
    assert_eq!(Forger::settled(1).count(2).took(1101).violated(), [Rule::Budget]);
    assert_eq!(Forger::settled(1).answer(Op::Plain, 200, Value::Null).took(251).violated(), [Rule::Plain]);
    assert_eq!(Forger::settled(1).answer(Op::Plain, 503, Value::Null).me("u1", 1).violated(), [Rule::Plain]);
    assert_eq!(Forger::settled(1).answer(Op::Me, 500, Value::Null).me("u1", 1).violated(), [Rule::Status]);
    assert_eq!(Forger::settled(1).answer(Op::Count, 204, Value::Null).violated()[0], Rule::Status);
    let refused = Forger::settled(1).refused(Op::Me).me("u1", 1).check(&Rules::default());
    assert_eq!(refused.violations[0].rule, Rule::Status);
    let mut silent = Forger::settled(1);
    silent.refused(Op::Me);
    if let Outcome::Answer(answer) = &mut silent.last().outcome {
        answer.retry_after = false;
    }
    assert_eq!(silent.me("u1", 1).violated(), [Rule::Status]);
    let mut broken = Forger::settled(1);
    broken.push(Op::Count, Outcome::Broken("reset".into())).count(3);
    assert_eq!(broken.violated(), [Rule::Broken]);
    assert_eq!(broken.check(&Rules { may_break: 1, ..Rules::default() }).violations, []);
}

#[test]
fn times_are_told_from_the_history() {
    let mut forger = Forger::settled(1);
    forger.refused(Op::Me).took(700).me("u1", 1).refused(Op::Me).me("u1", 1);
    let history = history(forger.events);
    let ms = Duration::from_millis;
    assert_eq!(history.slowest(ms(0), ms(100)), ms(700));
    assert_eq!(
        (history.failed(ms(0), ms(100)), history.failed(ms(35), ms(100)), history.begun(ms(40), ms(60))),
        (2, 1, 2)
    );
    assert_eq!((history.healthy_after(ms(20)), history.healthy_after(ms(60))), (ms(30), ms(0)));
}
