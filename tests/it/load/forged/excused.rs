//! What a failover excuses, and what it does not: the same lies at other times.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Excuses, Window};
use super::{Change, Forger, Op, Outcome, Role, Rule, Rules, Verdict};

fn window(from: u64, to: u64) -> Window {
    Window { from: Duration::from_millis(from), to: Duration::from_millis(to) }
}

/// A failover during some of the events: event n is from 10 n to 10 n + 5 ms.
fn check(forger: &Forger, from: u64, to: u64) -> Verdict {
    let excuses = Excuses { losing: vec![window(from, to)], ..Excuses::default() };
    forger.check(&Rules { excuses: Some(&excuses), ..Rules::default() })
}

fn violated(verdict: &Verdict) -> Vec<Rule> {
    let mut rules: Vec<Rule> = verdict.violations.iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn what_was_acknowledged_in_a_failover_may_be_lost_and_nothing_else() {
    let mut lost = Forger::settled(1);
    lost.count(2).append(7).me("u1", 1).dump("u1", 1, &[]);
    let seen = check(&lost, 30, 48);
    assert_eq!((seen.at_risk, seen.excused, violated(&seen)), (2, 2, vec![]));
    // Before it, and after it.
    assert_eq!(violated(&check(&lost, 36, 48)), [Rule::Lost]);
    assert_eq!(violated(&check(&lost, 30, 38)), [Rule::Lost]);
    // And what was there in spite of it stays there.
    let mut kept = Forger::settled(1);
    kept.count(2).me("u1", 2).me("u1", 1);
    assert_eq!(violated(&check(&kept, 30, 38)), [Rule::Lost]);
}

#[test]
fn in_a_failover_one_may_see_the_old_master_and_the_next_the_new_one() {
    let mut torn = Forger::settled(1);
    torn.count(2).me("u1", 1).count(3).me("u1", 3).append(7).dump("u1", 3, &[]).dump("u1", 3, &["7"]);
    assert_eq!(violated(&check(&torn, 30, 98)), []);
    assert_eq!(violated(&check(&torn, 30, 38)), [Rule::Leak, Rule::Lost, Rule::CountedTwice]);
    // Never what was there before, and never more than was done.
    assert_eq!(violated(&check(Forger::settled(1).me("u1", 0), 30, 38)), [Rule::Lost]);
    assert_eq!(violated(&check(Forger::settled(1).count(3), 30, 38)), [Rule::CountedTwice]);
    assert_eq!(violated(&check(Forger::settled(1).me("u2", 1), 30, 38)), [Rule::Leak]);
}

#[test]
fn only_a_session_that_was_begun_in_a_failover_may_be_gone() {
    let gone = json!({ "session": false, "user": null, "count": 0 });
    let mut passing = Forger::of(1, Role::Passes);
    passing.sets("a").answer(Op::LogIn("u1.0".into()), 204, Value::Null).answer(Op::Me, 200, gone.clone());
    assert_eq!((check(&passing, 0, 8).excused, violated(&check(&passing, 0, 8))), (1, vec![]));
    assert_eq!(violated(&check(&passing, 8, 20)), [Rule::LoggedOut]);
    let mut read = Forger::of(1, Role::Passes);
    read.sets("a").answer(Op::LogIn("u1.0".into()), 204, Value::Null).answer(Op::Count, 409, Value::Null);
    assert_eq!((check(&read, 0, 18).excused, violated(&check(&read, 0, 18))), (1, vec![]));
    assert_eq!(violated(&check(&read, 8, 18)), [Rule::LoggedOut]);
    assert_eq!(violated(&check(&read, 0, 8)), [Rule::Status]);
    // Where it is not told when the failover was.
    let counted = read.check(&Rules { may_lose: 1, ..Rules::default() });
    assert_eq!((counted.lost.begun, violated(&counted)), (1, vec![]));
    assert_eq!(violated(&read.check(&Rules::default())), [Rule::Status]);
    // A write to it begins another one.
    let mut named = Forger::of(1, Role::Passes);
    named.sets("a").answer(Op::LogIn("u1.0".into()), 204, Value::Null);
    named.answer(Op::Name("u1.0".into()), 204, Value::Null).change(Change::Set("b".to_owned()));
    let begun = named.check(&Rules { may_lose: 1, ..Rules::default() });
    assert_eq!((begun.lost.begun, violated(&begun)), (1, vec![]));
    assert_eq!(violated(&named.check(&Rules::default())), [Rule::Cookie, Rule::LoggedOut]);
    let mut staying = Forger::settled(1);
    assert_eq!(violated(&check(Forger::settled(1).answer(Op::Count, 409, Value::Null), 0, 40))[0], Rule::Status);
    assert_eq!(violated(&check(staying.answer(Op::Me, 200, gone), 0, 40)), [Rule::LoggedOut]);
}

#[test]
fn a_log_out_of_a_failover_is_final_at_its_end_unless_who_repeats_it_is_killed() {
    let alive = json!({ "session": true, "user": "u1", "count": 1 });
    let mut undone = Forger::settled(1);
    undone.log_out().answer(Op::Dead, 200, alive);
    assert_eq!(violated(&check(&undone, 30, 48)), []);
    assert_eq!(violated(&check(&undone, 30, 38)), [Rule::LogOutUndone]);
    assert_eq!(violated(&check(&undone, 36, 48)), [Rule::LogOutUndone]);
    let killed = |instance| {
        let away = vec![(instance, window(36, 37))];
        let excuses = Excuses { losing: vec![window(30, 38)], away, ..Excuses::default() };
        violated(&undone.check(&Rules { excuses: Some(&excuses), ..Rules::default() }))
    };
    assert_eq!((killed(0), killed(1)), (vec![], vec![Rule::LogOutUndone]));
}

#[test]
fn refusals_and_missing_answers_are_excused_at_their_times_only() {
    let mut refused = Forger::settled(1);
    refused.refused(Op::Me).push(Op::Me, Outcome::Broken("reset".into())).me("u1", 1);
    let seen = |refusing, away| {
        let excuses = Excuses { refusing: vec![refusing], away: vec![(0, away)], ..Excuses::default() };
        violated(&refused.check(&Rules { refusals: &[503], excuses: Some(&excuses), ..Rules::default() }))
    };
    assert_eq!(seen(window(30, 31), window(40, 41)), []);
    assert_eq!(seen(window(40, 41), window(40, 41)), [Rule::Status]);
    assert_eq!(seen(window(30, 31), window(30, 31)), [Rule::Broken]);
    // An instance that hangs answers late.
    assert_eq!(seen(window(90, 91), window(30, 41)), []);
    let mut late = Forger::settled(1);
    late.count(2).took(3000);
    let excuses = Excuses { away: vec![(0, window(2000, 2500))], ..Excuses::default() };
    assert_eq!(violated(&late.check(&Rules { excuses: Some(&excuses), ..Rules::default() })), []);
    assert_eq!(violated(&check(&late, 0, 90)), [Rule::Budget]);
}
