//! What was done excuses what it must, and no more.

use std::time::Duration;

use super::hits::{Hit, Passed, Record};
use super::plan::{Harm, Node, Role, What, Wire};
use crate::load::{Excuses, Window};

const MASTER: Node = Node { shard: 0, role: Role::Master };
const REPLICA: Node = Node { shard: 0, role: Role::Replica(0) };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn window(from: u64, to: u64) -> Window {
    Window { from: ms(from), to: ms(to) }
}

/// A round of these faults, with promotions, that ended at 20 s.
fn round(hits: &[(What, u64, u64)], switches: &[u64]) -> Excuses {
    let hits = hits.iter().map(|(what, from, to)| Hit { what: *what, from: ms(*from), to: ms(*to) }).collect();
    let passed = Passed { hits, switches: switches.iter().copied().map(ms).collect(), whole: ms(20_000) };
    Record { rounds: vec![passed], ..Record::default() }.excuses()
}

#[test]
fn without_a_promotion_nothing_may_be_lost() {
    for harm in [Harm::Killed, Harm::Frozen, Harm::Parted] {
        let excuses = round(&[(What::Node(MASTER, harm), 10_000, 10_500)], &[]);
        assert_eq!((excuses.losing, excuses.refusing), (vec![], vec![window(10_000, 22_000)]));
    }
}

#[test]
fn a_crash_alone_excuses_what_was_on_its_way_then() {
    for harm in [Harm::Killed, Harm::Frozen] {
        let late = round(&[(What::Node(MASTER, harm), 10_000, 14_000)], &[11_500]);
        assert_eq!(late.losing, [window(9850, 10_150)]);
        // It was back before everybody had left it.
        let early = round(&[(What::Node(MASTER, harm), 10_000, 13_000)], &[11_500]);
        assert_eq!(early.losing, [window(9850, 14_500)]);
    }
    let cut_off = round(&[(What::Node(MASTER, Harm::Parted), 10_000, 14_000)], &[11_500]);
    assert_eq!(cut_off.losing, [window(9850, 14_500)]);
    // Nobody knows why: it began with a silence that nobody made.
    assert_eq!(round(&[(What::Keys, 10_000, 10_500)], &[11_500]).losing, [window(8350, 14_500)]);
}

#[test]
fn a_failover_excuses_from_its_first_cause_until_nobody_uses_the_old_master() {
    let asked = (What::Failover(0), 10_000, 10_050);
    assert_eq!(round(&[asked], &[10_400]).losing, [window(9850, 13_400)]);
    assert_eq!(round(&[asked], &[]).losing, [window(9850, 13_050)]);
    let behind = (What::Node(REPLICA, Harm::Frozen), 5000, 10_000);
    assert_eq!(round(&[behind, asked], &[10_400]).losing, [window(4850, 13_400)]);
    let hung = (What::Instance(1, Harm::Frozen), 10_000, 11_000);
    assert_eq!(round(&[asked, hung], &[10_400]).losing, [window(9850, 14_000)]);
    let leader = (What::Sentinel(0, Harm::Killed), 10_000, 11_000);
    assert_eq!(round(&[asked, leader], &[10_400]).losing, [window(9850, 23_000)]);
}

#[test]
fn what_users_must_not_see_excuses_no_refusal() {
    let unseen = [
        What::Node(REPLICA, Harm::Killed),
        What::Wire(0, Wire::Slow(50)),
        What::Sentinel(1, Harm::Frozen),
        What::Instances,
        What::Clock(0, 3600),
        What::Keys,
    ];
    let all: Vec<_> = unseen.into_iter().map(|what| (what, 10_000, 11_000)).collect();
    let excuses = round(&all, &[]);
    assert_eq!((excuses.losing, excuses.refusing), (vec![], vec![]));
    assert_eq!(round(&[(What::Deaf, 10_000, 11_000)], &[]).refusing, [window(10_000, 22_000)]);
}

#[test]
fn a_machine_that_does_not_come_to_run_us_widens_all_of_it() {
    let record = Record { stalls: vec![(ms(5000), ms(400)), (ms(9000), ms(100))], ..Record::default() };
    assert_eq!((record.late(), record.grace()), (ms(400), ms(2800)));
    assert_eq!(record.excuses().refusing, [window(2600, 7000), window(6900, 11_000)]);
}
