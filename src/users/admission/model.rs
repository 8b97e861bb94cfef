//! Every order of the steps of a few log-ins, an end of all sessions, a log-out and a slide, with crashes at every
//! point: on the rules that the memory store runs and the steps that the log-in takes.

mod actors;
mod world;

use std::time::Duration;

use self::actors::Process;
use self::world::{World, handle};
use super::{Admission, Cap, Need, Refusal, Said};
use crate::error::{Error, Unavailable};
use crate::model::{finds, holds};
use crate::store::Reason;
use crate::store::roster::{Act, Listed, Outcome, PENDING};

/// The world after these log-ins, one after another, in which one may crash from now on.
fn after(numbers: &[u8], cap: Option<Cap>) -> World {
    let mut world = World::new(cap, 1, Vec::new());
    for number in numbers {
        assert!(world.comes_in(*number), "{number} comes in");
    }
    world
}

const CAPS: [Option<Cap>; 5] =
    [None, Some(Cap::Evict(1)), Some(Cap::Evict(2)), Some(Cap::Refuse(1)), Some(Cap::Refuse(2))];

#[test]
fn three_log_ins_with_crashes_leave_no_session_unlisted_and_no_cap_exceeded() {
    for cap in CAPS {
        let mut world = World::new(cap, 2, (1..=3).map(|number| Process::log_in(number, cap)).collect());
        world.come_in = Some(match cap {
            Some(Cap::Evict(most) | Cap::Refuse(most)) => most as usize,
            None => 3,
        });
        assert!(holds(&format!("three log-ins, {cap:?}"), &world).states > 500);
    }
}

#[test]
fn an_end_of_all_beside_log_ins_a_log_out_and_a_slide_ends_all_that_were_before_it() {
    for cap in CAPS {
        let most = if matches!(cap, Some(Cap::Evict(1) | Cap::Refuse(1))) { 1 } else { 2 };
        let mut world = after(&[1, 2][..most], cap);
        let used = Process::Use { handle: handle(1), touched: false };
        let left = Process::LogOut { handle: handle(2), destroyed: false };
        world.processes = vec![Process::log_in(3, cap), Process::everywhere(), used, left];
        assert!(holds(&format!("an end of all, {cap:?}"), &world).states > 500);
    }
}

#[test]
fn log_ins_of_a_session_that_is_in_beside_others_and_an_end_of_all() {
    for cap in CAPS {
        let mut world = after(&[1], cap);
        for beside in [1, 2] {
            world.processes = vec![Process::log_in(1, cap), Process::log_in(beside, cap), Process::everywhere()];
            assert!(holds(&format!("log-ins of one that is in, {cap:?}"), &world).states > 200);
        }
    }
}

#[test]
fn a_log_in_that_answered_before_it_is_confirmed_would_be_found() {
    let caps = [(None, "an end of all ends what was before it"), (Some(Cap::Evict(1)), "no more than the cap")];
    for (cap, sentence) in caps {
        let others = if cap.is_some() { Process::hasty_log_in(2, cap) } else { Process::everywhere() };
        let world = World::new(cap, 0, vec![Process::hasty_log_in(1, cap), others]);
        finds("a hasty log-in", &world, sentence);
    }
}

#[test]
fn a_place_counts_for_less_than_the_minute_that_nobody_may_be_kept_out() {
    assert!(PENDING < Duration::from_secs(60));
}

#[test]
fn a_log_in_whose_place_a_failover_lost_ends_its_record_and_may_be_tried_again() {
    let (mut admission, place) = (Admission::new(handle(1), None), Listed { handle: handle(1), serial: 7 });
    admission.begin();
    let reserved = Outcome::Reserved { serial: 7, rivals: Vec::new(), passed: Vec::new() };
    assert_eq!(admission.next(Said::Roster(reserved)), Need::Bind { serial: 7, ask: Vec::new() });
    let confirm = admission.next(Said::Bound(Some(PENDING), Vec::new()));
    assert!(matches!(confirm, Need::Roster(Act::Confirm { serial: 7, .. })), "{confirm:?}");
    assert_eq!(admission.next(Said::Roster(Outcome::Lost)), Need::End(vec![place], Reason::Ended));
    assert_eq!(admission.next(Said::Ended), Need::Roster(Act::Withdraw(place)));
    assert_eq!(admission.next(Said::Roster(Outcome::Left)), Need::Nothing(Err(Refusal::Lost)));
    assert_eq!(Error::from(Refusal::Lost).status(), Unavailable::from(crate::UnavailableKind::Unknown).status());
}
