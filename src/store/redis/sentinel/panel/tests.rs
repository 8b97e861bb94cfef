//! What is concluded from the words of up to three Sentinels.

use super::*;

fn node(port: u16) -> Address {
    Address::new("node", port)
}

fn sentinel(number: u16) -> Address {
    Address::new("sentinel", number)
}

fn id(number: u16) -> String {
    format!("id{number}")
}

/// Of one of three.
fn word(number: u16, master: u16, epoch: u64) -> Word {
    let others = (1..=3).filter(|other| *other != number).map(|other| (id(other), sentinel(other))).collect();
    Word { at: Instant::now(), master: Some(node(master)), epoch, failing: false, blind: false, others }
}

fn panel(configured: &[u16]) -> Panel {
    Panel::new(&configured.iter().map(|number| sentinel(*number)).collect::<Vec<_>>())
}

fn say(panel: &mut Panel, number: u16, question: u64, word: Word) {
    panel.say(&sentinel(number), Some(id(number)), question, word);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_knows_the_newest_configuration_is_believed_at_once() {
    let mut panel = panel(&[1, 2, 3]);
    assert_eq!(panel.master(1, true), None);
    say(&mut panel, 2, 1, word(2, 7, 5));
    assert_eq!(panel.master(1, false), Some(&node(7)));
    // A later question wants later answers.
    assert_eq!(panel.master(2, true), None);
}

#[tokio::test(start_paused = true)]
async fn an_older_configuration_waits_for_what_the_others_say() {
    let mut panel = panel(&[1, 2, 3]);
    say(&mut panel, 1, 1, word(1, 8, 6));
    say(&mut panel, 2, 2, word(2, 7, 5));
    assert_eq!(panel.master(2, false), None);
    say(&mut panel, 1, 2, word(1, 8, 6));
    assert_eq!(panel.master(2, false), Some(&node(8)));
    // It is believed when nobody else answers: a reset begins the numbers anew.
    say(&mut panel, 2, 3, word(2, 9, 0));
    panel.lose(&sentinel(1), 3, None);
    assert_eq!(panel.master(3, false), None);
    panel.lose(&sentinel(3), 3, None);
    assert_eq!(panel.master(3, false), Some(&node(9)));
}

#[tokio::test(start_paused = true)]
async fn others_are_learned_once_and_forgotten_when_nobody_knows_them() {
    let mut panel = panel(&[1]);
    say(&mut panel, 1, 1, word(1, 7, 1));
    assert_eq!(panel.addresses(), [1, 2, 3].map(sentinel).into());
    // Known under another address than that in the URL, it is no further Sentinel.
    let mut seen = word(2, 7, 1);
    seen.others.insert(id(1), Address::new("10.0.0.1", 1));
    say(&mut panel, 2, 1, seen);
    assert_eq!(panel.addresses(), [1, 2, 3].map(sentinel).into());
    let alone = Word { others: BTreeMap::new(), ..word(1, 7, 1) };
    panel.lose(&sentinel(2), 2, None);
    say(&mut panel, 1, 2, alone);
    assert_eq!(panel.addresses(), [sentinel(1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_majority_confirms_for_a_second() {
    let mut panel = panel(&[1, 2, 3]);
    let verdict = |panel: &Panel| panel.confirms(&node(7), Instant::now());
    assert_eq!(verdict(&panel), Verdict::Unknown);
    say(&mut panel, 1, 1, word(1, 7, 1));
    assert_eq!(verdict(&panel), Verdict::Unknown);
    say(&mut panel, 2, 1, word(2, 7, 1));
    assert_eq!(verdict(&panel), Verdict::Confirmed);
    assert_eq!(panel.confirms(&node(8), Instant::now()), Verdict::Doubtful);
    tokio::time::advance(FRESH).await;
    assert_eq!(verdict(&panel), Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_reach_the_master_neither_confirms_it_nor_speaks_against_it() {
    let mut panel = panel(&[1, 2, 3]);
    let blind = |number| Word { blind: true, ..word(number, 7, 1) };
    say(&mut panel, 1, 1, word(1, 7, 1));
    say(&mut panel, 2, 1, blind(2));
    assert_eq!(panel.confirms(&node(7), Instant::now()), Verdict::Unknown);
    say(&mut panel, 3, 1, word(3, 7, 1));
    assert_eq!(panel.confirms(&node(7), Instant::now()), Verdict::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_one_has_announced_to_be_replaced_is_not_confirmed_by_those_who_lag_behind() {
    let mut panel = panel(&[1, 2, 3]);
    panel.switched(node(8), Instant::now());
    let verdicts = |panel: &Panel| [7, 8].map(|port| panel.confirms(&node(port), Instant::now()));
    for (master, wanted) in [(7, [Verdict::Doubtful; 2]), (8, [Verdict::Doubtful, Verdict::Confirmed])] {
        for number in [2, 3] {
            say(&mut panel, number, 1, word(number, master, 1));
        }
        assert_eq!(verdicts(&panel), wanted);
    }
    tokio::time::advance(ANNOUNCED).await;
    for number in [2, 3] {
        say(&mut panel, number, 1, word(number, 7, 2));
    }
    assert_eq!(verdicts(&panel)[0], Verdict::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn one_sentinel_under_two_addresses_is_one() {
    let mut panel = panel(&[1, 2]);
    for number in [1, 2] {
        panel.say(&sentinel(number), Some(id(1)), 1, word(1, 7, 1));
    }
    assert_eq!(panel.confirms(&node(7), Instant::now()), Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_failover_under_way_makes_all_doubtful() {
    let mut panel = panel(&[1, 2, 3]);
    let verdict = |panel: &Panel| panel.confirms(&node(7), Instant::now());
    for number in [1, 2, 3] {
        say(&mut panel, number, 1, word(number, 7, 1));
    }
    panel.announced(Instant::now());
    assert_eq!(verdict(&panel), Verdict::Doubtful);
    panel.settled();
    assert_eq!(verdict(&panel), Verdict::Confirmed);
    say(&mut panel, 3, 1, Word { failing: true, ..word(3, 7, 1) });
    assert_eq!(verdict(&panel), Verdict::Doubtful);
    say(&mut panel, 3, 1, word(3, 8, 2));
    assert_eq!(verdict(&panel), Verdict::Doubtful);
}
