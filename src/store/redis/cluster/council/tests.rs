use super::*;

fn node(number: u16) -> Address {
    Address::new("node", number)
}

fn id(number: u16) -> String {
    format!("n{number}")
}

/// Of a node that knows these masters: number, epoch, slots, whether it is suspect.
fn view(of: u16, masters: &[(u16, u64, std::ops::RangeInclusive<u16>, bool)]) -> View {
    let member = |(number, epoch, slots, suspect): &(u16, u64, std::ops::RangeInclusive<u16>, bool)| {
        let slots = if slots.is_empty() { Vec::new() } else { vec![slots.clone()] };
        let member = Member { address: Some(node(*number)), is_master: true, suspect: *suspect, epoch: *epoch, slots };
        (id(*number), member)
    };
    View { of: id(of), members: masters.iter().map(member).collect() }
}

#[allow(clippy::reversed_empty_ranges, reason = "no slots")]
const NONE: std::ops::RangeInclusive<u16> = 1..=0;

/// Three masters with a third each.
fn thirds(of: u16) -> View {
    view(of, &[(1, 1, 0..=99, false), (2, 2, 100..=199, false), (3, 3, 200..=16383, false)])
}

/// The same after node 4 was promoted in the place of node 1.
fn promoted(of: u16) -> View {
    view(of, &[(1, 1, NONE, true), (2, 2, 100..=199, false), (3, 3, 200..=16383, false), (4, 9, 0..=99, false)])
}

fn owners(council: &Council, slots: [u16; 3]) -> [Option<Address>; 3] {
    slots.map(|slot| council.chart().owner(slot).map(|master| master.address.clone()))
}

#[tokio::test(start_paused = true)]
async fn of_two_claims_to_a_slot_the_higher_epoch_wins_whoever_spoke_last() {
    let mut council = Council::default();
    assert_eq!(owners(&council, [0, 150, 300]), [None, None, None]);
    council.say(Instant::now(), thirds(2));
    assert_eq!(owners(&council, [0, 150, 16383]), [1, 2, 3].map(|number| Some(node(number))));
    council.say(Instant::now(), promoted(2));
    assert_eq!(owners(&council, [0, 150, 300]), [4, 2, 3].map(|number| Some(node(number))));
    // The old master, which was frozen and knows nothing of it.
    tokio::time::advance(FRESH).await;
    council.say(Instant::now(), thirds(1));
    assert_eq!(owners(&council, [0, 150, 300]), [4, 2, 3].map(|number| Some(node(number))));
    // A Cluster that was made anew begins with low epochs.
    tokio::time::advance(COUNTS).await;
    council.say(Instant::now(), view(5, &[(5, 1, 0..=16383, false)]));
    assert_eq!(owners(&council, [0, 150, 300]), [5, 5, 5].map(|number| Some(node(number))));
}

#[tokio::test(start_paused = true)]
async fn slots_that_lie_scattered_have_their_owners_each() {
    let mut council = Council::default();
    let mut scattered = thirds(2);
    scattered.members.get_mut(&id(2)).expect("it is there").slots = vec![5..=5, 100..=199, 16383..=16383];
    scattered.members.get_mut(&id(2)).expect("it is there").epoch = 4;
    council.say(Instant::now(), thirds(1));
    council.say(Instant::now(), scattered);
    let all = [0, 4, 5, 6, 99, 100, 199, 200, 16382, 16383];
    let whose = all.map(|slot| council.chart().owner(slot).map(|master| master.id.clone()));
    assert_eq!(whose, [1, 1, 2, 1, 1, 2, 2, 3, 3, 2].map(|number| Some(id(number))));
    let counts: Vec<_> = council.chart().masters.iter().map(|master| master.slots).collect();
    assert_eq!(counts, [99, 102, 16183]);
}

#[tokio::test(start_paused = true)]
async fn a_majority_of_the_masters_confirms_for_half_a_second() {
    let mut council = Council::default();
    let verdict = |council: &Council, number| council.confirms(0, &node(number), Instant::now());
    assert_eq!(verdict(&council, 1), Verdict::Doubtful);
    council.say(Instant::now(), thirds(1));
    // Its own word is one of three; a replica's does not count.
    assert_eq!(verdict(&council, 1), Verdict::Unknown);
    council.say(Instant::now(), View { of: id(7), ..thirds(1) });
    assert_eq!(verdict(&council, 1), Verdict::Unknown);
    council.say(Instant::now(), thirds(3));
    assert_eq!(verdict(&council, 1), Verdict::Confirmed);
    assert_eq!(verdict(&council, 2), Verdict::Doubtful);
    tokio::time::advance(FRESH).await;
    assert_eq!(verdict(&council, 1), Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_fails_or_was_replaced_is_not_confirmed_by_its_own_word() {
    let mut council = Council::default();
    for number in [1, 2, 3] {
        council.say(Instant::now(), thirds(number));
    }
    let verdict = |council: &Council, number| council.confirms(0, &node(number), Instant::now());
    let failing = view(2, &[(1, 1, 0..=99, true), (2, 2, 100..=199, false), (3, 3, 200..=16383, false)]);
    council.say(Instant::now(), failing);
    assert_eq!(verdict(&council, 1), Verdict::Doubtful);
    council.say(Instant::now(), promoted(2));
    assert_eq!(verdict(&council, 1), Verdict::Doubtful);
    // Those that have not heard of it are no objection to the new one, and no voice for it.
    assert_eq!(verdict(&council, 4), Verdict::Unknown);
    council.say(Instant::now(), promoted(3));
    assert_eq!(verdict(&council, 4), Verdict::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn who_is_promoted_is_the_heir_and_who_was_given_slots_is_not() {
    let charts = |views: &[View]| {
        let mut council = Council::default();
        for view in views {
            council.say(Instant::now(), view.clone());
        }
        council.chart().clone()
    };
    let before = charts(&[thirds(2)]);
    assert_eq!(before.heirs(&charts(&[promoted(2)])), [(id(1), id(4))].into());
    assert_eq!(before.heirs(&before), BTreeMap::new());
    // One that was known to be a master before anyone knew of which slots.
    let masters = [(1, 1, 0..=99, false), (2, 2, 100..=199, false), (3, 3, 200..=16383, false), (4, 9, NONE, false)];
    assert_eq!(charts(&[view(2, &masters)]).heirs(&charts(&[promoted(2)])), [(id(1), id(4))].into());
    let given = view(2, &[(1, 1, NONE, false), (2, 8, 0..=199, false), (3, 3, 200..=16383, false)]);
    assert_eq!(before.heirs(&charts(&[given])), BTreeMap::new());
    let added =
        view(2, &[(1, 1, 0..=49, false), (2, 2, 100..=199, false), (3, 3, 200..=16383, false), (5, 7, 50..=99, false)]);
    assert_eq!(before.heirs(&charts(&[added])), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_master_without_slots_is_known_unless_it_fails() {
    let mut council = Council::default();
    council.say(Instant::now(), view(2, &[(1, 1, NONE, true), (2, 2, 0..=16383, false), (3, 0, NONE, false)]));
    let known: Vec<_> = council.chart().masters.iter().map(|master| (master.id.clone(), master.slots)).collect();
    assert_eq!(known, [(id(2), 16384), (id(3), 0)]);
    assert_eq!(council.addresses(), [1, 2, 3].map(node).into());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_calls_were_sent_to_is_named_until_it_has_slots() {
    let (board, mut council) = (super::super::board::Board::new(), Council::default());
    for number in [1, 7] {
        board.name(&node(number));
    }
    assert_eq!(board.named(council.chart()), [node(1), node(7)].into());
    council.say(Instant::now(), thirds(1));
    assert_eq!(board.named(council.chart()), [node(7)].into());
    // Nor is it when it has lost them again.
    assert_eq!(board.named(&Chart::default()), [node(7)].into());
}
